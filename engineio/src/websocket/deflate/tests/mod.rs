//! Compressed messages, there and back. Offers and answers of a handshake are tested in `offers`.

mod deflating;
mod inflating;

use std::sync::Arc;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::*;
use crate::memory::Budget;
use crate::websocket::header::payload;
use crate::websocket::{FrameEvent, FrameLimits, FrameViolation, Reader};
use crate::{Frame, Revision};

const OFFER: [&str; 1] = ["permessage-deflate"];
const ALONE: PerMessageDeflate =
    PerMessageDeflate { threshold: 0, level: CompressionLevel::FASTEST, context_takeover: false };
const AFTER_OTHERS: PerMessageDeflate = PerMessageDeflate { context_takeover: true, ..ALONE };

fn agreement(ours: PerMessageDeflate) -> Agreement {
    Agreement::find(&ours, OFFER, None).expect("an agreement")
}

fn small(ours: PerMessageDeflate) -> Agreement {
    Agreement::find(&ours, ["permessage-deflate; server_max_window_bits=9"], None).expect("an agreement")
}

/// JSON of about so many bytes, with which a compressor can do something.
fn json(bytes: usize) -> String {
    let mut text = String::from("[");
    for number in 0.. {
        text += &format!(r#"{{"id":{},"name":"name {number}","wanted":true}},"#, number * 7919 % 1000);
        if text.len() >= bytes {
            break;
        }
    }
    text + "0]"
}

/// Bytes without a pattern.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn budget() -> Budget {
    Budget::new(usize::MAX, Arc::default())
}

/// A message that another compressor made.
struct Peer(Compress);

impl Peer {
    fn new() -> Peer {
        Peer(Compress::new(Compression::new(6), false))
    }

    fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let mut compressed = Vec::with_capacity(message.len() * 2 + 100);
        self.0.compress_vec(message, &mut compressed, FlushCompress::Sync).unwrap();
        assert!(compressed.ends_with(&TAIL));
        compressed.truncate(compressed.len() - 4);
        compressed
    }
}

fn alone() -> Inflating {
    agreement(ALONE).inflating()
}

const LIMIT: usize = 1_000_000;
