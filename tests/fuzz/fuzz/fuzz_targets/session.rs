//! See `socketio_fuzz::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::session(input));
