//! See `socketio_fuzz::deflate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::deflate(input));
