//! See `socketio_fuzz::plain`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::plain(input));
