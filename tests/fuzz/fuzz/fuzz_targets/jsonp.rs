//! See `socketio_fuzz::jsonp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::jsonp(input));
