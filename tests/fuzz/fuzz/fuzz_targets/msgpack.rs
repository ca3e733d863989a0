//! See `socketio_fuzz::msgpack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::msgpack(input));
