//! See `socketio_fuzz::attachments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| socketio_fuzz::attachments(input));
