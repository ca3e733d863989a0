//! See `socketio_fuzz::websocket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::websocket(input));
