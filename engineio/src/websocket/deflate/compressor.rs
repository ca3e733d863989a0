//! The compressor, of a thread or of one connection.

use std::cell::RefCell;
use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

use super::settings::{CompressionLevel, Window};
use super::{RSV1, TAIL};
use crate::memory::Held;
use crate::websocket::header::{header, payload};

/// About the bytes that a compressor takes.
pub const COMPRESSOR_MEMORY: usize = 300 * 1024;

/// The longest output that a thread keeps the memory of.
const KEPT: usize = 256 * 1024;

/// Compresses messages, one after the other.
pub(super) struct Compressor {
    compress: Compress,
    level: CompressionLevel,
}

/// A compressed frame, header and all. It counts for what the process holds.
#[derive(Clone, Debug)]
pub struct CompressedFrame {
    bytes: Box<[u8]>,
    _held: Held,
}

impl CompressedFrame {
    fn new(bytes: Vec<u8>) -> CompressedFrame {
        CompressedFrame { _held: Held::new(bytes.len()), bytes: bytes.into() }
    }

    /// The frame.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

thread_local! {
    /// One compressor for each window, once it is needed.
    static COMPRESSORS: RefCell<[Option<Compressor>; 2]> = const { RefCell::new([None, None]) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The compressed form of a whole frame, whose message refers to no other; `None` if it would not be shorter.
pub(crate) fn compressed_frame(
    frame: &[u8],
    level: CompressionLevel,
    window: Window,
) -> Option<CompressedFrame> {
    COMPRESSORS.with_borrow_mut(|compressors| {
        let compressor = &mut compressors[window as usize];
        let compressor = match compressor {
            Some(compressor) if compressor.level == level => {
                compressor.compress.reset();
                compressor
            }
            _ => compressor.insert(Compressor::new(level, window)),
        };
        compressor.frame(frame, |compressed| compressed < frame.len())
    })
}

impl Compressor {
    pub(super) fn new(level: CompressionLevel, window: Window) -> Compressor {
        let zlib_level = Compression::new(u32::from(level.get()));
        Compressor { compress: Compress::new_with_window_bits(zlib_level, false, window.bits()), level }
    }

    /// The compressed form of a whole frame, if its length is as wanted.
    pub(super) fn frame(&mut self, frame: &[u8], wanted: impl Fn(usize) -> bool) -> Option<CompressedFrame> {
        OUTPUT.with_borrow_mut(|output| {
            output.clear();
            let done = self.message(payload(frame), output);
            let header = header(frame[0] | RSV1, output.len());
            let form = (done && wanted(header.len() + output.len())).then(|| {
                let mut bytes = Vec::with_capacity(header.len() + output.len());
                bytes.extend_from_slice(&header);
                bytes.extend_from_slice(output);
                CompressedFrame::new(bytes)
            });
            if output.capacity() > KEPT {
                *output = Vec::new();
            }
            form
        })
    }

    /// Compresses a message as RFC 7692 says in section 7.2.1. Says whether that went well.
    fn message(&mut self, mut message: &[u8], output: &mut Vec<u8>) -> bool {
        // If there is less room, zlib-rs 0.6.8 panics with an assertion of its own.
        output.reserve(message.len() + message.len() / 8 + 64);
        loop {
            let before = self.compress.total_in();
            if self.compress.compress_vec(message, output, FlushCompress::Sync).is_err() {
                return false;
            }
            message = &message[(self.compress.total_in() - before) as usize..];
            // "if deflate() returns with avail_out == 0", there may be more to be flushed.
            if message.is_empty() && output.len() < output.capacity() {
                break;
            }
            output.reserve(message.len() + message.len() / 8 + 64);
        }
        // "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
        let done = output.ends_with(&TAIL);
        output.truncate(output.len().saturating_sub(TAIL.len()));
        done
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("level", &self.level).finish_non_exhaustive()
    }
}
