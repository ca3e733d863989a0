//! See `socketio_fuzz::heads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::heads(input));
