//! A client's side of permessage-deflate (RFC 7692).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// What a flushed message ends with, and what isn't sent: section 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Compresses and inflates the messages of one connection, which may refer to those before them. A new one for each message
/// refers to none.
#[derive(Debug)]
pub struct Deflate {
    compress: Compress,
    decompress: Decompress,
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate {
            compress: Compress::new(Compression::new(6), false),
            decompress: Decompress::new_with_window_bits(false, 15),
        }
    }
}

impl Deflate {
    /// A client that inflates what refers to 512 bytes back at most.
    #[must_use]
    pub fn small() -> Deflate {
        Deflate { decompress: Decompress::new_with_window_bits(false, 9), ..Deflate::default() }
    }

    /// The payload of a compressed message.
    pub fn compress(&mut self, message: impl AsRef<[u8]>) -> Vec<u8> {
        let message = message.as_ref();
        let mut payload = Vec::with_capacity(message.len() * 2 + 100);
        self.compress.compress_vec(message, &mut payload, FlushCompress::Sync).expect("it compresses");
        assert!(payload.ends_with(&TAIL));
        payload.truncate(payload.len() - TAIL.len());
        payload
    }

    /// The message in a compressed payload.
    pub fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        // In small pieces, so that the inflater knows no more than its window.
        for piece in [payload, &TAIL].concat().chunks(16) {
            let mut rest = piece;
            while !rest.is_empty() {
                message.reserve(32 * 1024);
                let before = self.decompress.total_in();
                self.decompress
                    .decompress_vec(rest, &mut message, FlushDecompress::Sync)
                    .expect("it inflates");
                rest = &rest[(self.decompress.total_in() - before) as usize..];
            }
        }
        message
    }
}
