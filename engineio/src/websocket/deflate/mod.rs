//! Compressed messages, without IO: the extension permessage-deflate (RFC 7692).
//!
//! ```text
//!   Sec-WebSocket-Extensions ─▶ Agreement ─▶ the answer
//!                                ├─▶ Deflating   a frame that goes out: its compressed form, or as it is
//!                                └─▶ Inflating   a compressed message that comes in: the message
//! ```
//!
//! By default, each message is compressed by itself. So each thread needs one compressor and one inflater, whatever
//! the number of connections, and a broadcast is compressed once for all who get it. With
//! [`context_takeover`](PerMessageDeflate::context_takeover) a message may refer to those before it; then each
//! connection needs its own compressor, and the end of what it has received.

mod agreement;
mod compressor;
mod deflating;
mod inflater;
mod offers;
mod settings;
#[cfg(test)]
mod tests;

pub use agreement::Agreement;
pub use compressor::{COMPRESSOR_MEMORY, CompressedFrame};
pub use deflating::Deflating;
pub use inflater::{Inflating, WINDOW_MEMORY};
pub use settings::{CompressionLevel, Context, PerMessageDeflate, Window};

pub(crate) use compressor::compressed_frame;

/// The bit of a frame's first byte that says that its message is compressed: "Per-Message Compressed" (RFC 7692,
/// section 6). It is RSV1 of RFC 6455.
pub(crate) const RSV1: u8 = 0x40;

/// The longest message that is compressed. A longer one would keep a thread from its other clients for too long.
pub(crate) const LONGEST: usize = 1_048_576;

/// The longest form that zlib gives to a message of `len` bytes, with any of its settings: what can't be made shorter gets
/// longer. It is what `deflateBound` says for the worst of them.
pub(crate) const fn longest_form(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(len / 64).saturating_add(16)
}

/// What a message that was flushed ends with, and what is left away: an empty block without compression (RFC 7692,
/// section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
