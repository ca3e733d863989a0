//! See `socketio_fuzz::routes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::routes(input));
