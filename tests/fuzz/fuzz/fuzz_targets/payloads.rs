//! See `socketio_fuzz::payloads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::payloads(input));
