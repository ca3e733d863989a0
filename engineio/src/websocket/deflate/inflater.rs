//! The inflater of a thread, and what a connection remembers for it.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use super::settings::Context;
use crate::memory::Held;
use crate::websocket::FrameViolation;

/// The bytes that a connection keeps so that a message can refer to those before it: how far it can refer back.
pub const WINDOW_MEMORY: usize = 32 * 1024;

/// The last block of a stream, empty and without compression.
const LAST: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// How much longer the output gets at first. A thread keeps so much memory for it.
const OUTPUT: usize = 64 * 1024;

/// How often a message may end a stream and begin another: what follows a block with BFINAL.
const STREAMS: usize = 64;

/// Inflates what one connection receives.
#[derive(Debug)]
pub struct Inflating {
    context: Context,
    /// The end of what the connection has received, if messages refer to that.
    window: Option<Box<ReceivedWindow>>,
    /// The compressed length of the last message, if it was compressed.
    last: Option<usize>,
}

/// The end of what a connection has received.
#[derive(Debug)]
struct ReceivedWindow {
    bytes: Vec<u8>,
    _held: Held,
}

struct Inflater(Decompress);

thread_local! {
    static INFLATER: RefCell<Option<Inflater>> = const { RefCell::new(None) };
    static OUTPUT_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Inflating {
    pub(super) fn new(context: Context) -> Inflating {
        Inflating { context, window: None, last: None }
    }

    /// Inflates a message. No more than `limit` bytes of it are kept at any time.
    ///
    /// # Errors
    /// [`FrameViolation::TooLong`] if there is more than `limit`, and [`FrameViolation::Deflate`] if it is not what a
    /// compressor writes.
    pub(crate) fn message(&mut self, compressed: &[u8], limit: usize) -> Result<Bytes, FrameViolation> {
        self.last = Some(compressed.len());
        if compressed.is_empty() {
            // An empty message is one byte of an empty block. `ws` takes none for it, too.
            return Ok(Bytes::new());
        }
        OUTPUT_BUFFER
            .with_borrow_mut(|output| {
                output.clear();
                output.reserve_exact(OUTPUT);
                let window = self.window.as_ref().map_or(&[][..], |window| &window.bytes);
                INFLATER.with_borrow_mut(|inflater| {
                    let inflater = inflater.get_or_insert_with(Inflater::new);
                    inflater.message(compressed, window, limit, output)
                })?;
                if self.context == Context::Connection {
                    self.window.get_or_insert_with(ReceivedWindow::new).push(output);
                }
                Ok(if output.capacity() > OUTPUT {
                    let mut message = std::mem::take(output);
                    message.shrink_to_fit();
                    message.into()
                } else {
                    Bytes::copy_from_slice(output)
                })
            })
            .inspect_err(|_| OUTPUT_BUFFER.with_borrow_mut(|output| *output = Vec::new()))
    }

    /// Notes that a message was not compressed.
    pub(crate) fn note_uncompressed(&mut self) {
        self.last = None;
    }

    /// The compressed length of the last message, if it was compressed.
    #[must_use]
    pub fn last(&self) -> Option<usize> {
        self.last
    }

    /// The bytes of memory that it keeps.
    #[must_use]
    pub fn memory(&self) -> usize {
        if self.window.is_some() { WINDOW_MEMORY } else { 0 }
    }
}

impl ReceivedWindow {
    fn new() -> Box<ReceivedWindow> {
        let bytes = Vec::with_capacity(WINDOW_MEMORY);
        Box::new(ReceivedWindow { bytes, _held: Held::new(WINDOW_MEMORY) })
    }

    fn push(&mut self, message: &[u8]) {
        let new = last_of(message);
        self.bytes.drain(..(self.bytes.len() + new.len()).saturating_sub(WINDOW_MEMORY));
        self.bytes.extend_from_slice(new);
    }
}

impl Inflater {
    fn new() -> Inflater {
        Inflater(Decompress::new(false))
    }

    /// A message that may refer to what is in `window`. "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end"
    /// (RFC 7692, section 7.2.2). A last block after that finds out whether the message is whole.
    fn message(
        &mut self,
        message: &[u8],
        window: &[u8],
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<(), FrameViolation> {
        self.begin(window, &[])?;
        if self.run(message, window, limit, output)? == Status::StreamEnd {
            return Ok(());
        }
        self.run(&TAIL, window, limit, output)?;
        match self.run(&LAST, window, limit, output)? {
            Status::StreamEnd => Ok(()),
            _ => Err(FrameViolation::Deflate),
        }
    }

    /// Inflates some bytes of a message, after what is in `window` and in `output`. Says whether the last of them ended a
    /// stream.
    fn run(
        &mut self,
        mut input: &[u8],
        window: &[u8],
        limit: usize,
        output: &mut Vec<u8>,
    ) -> Result<Status, FrameViolation> {
        let mut streams = 0;
        loop {
            let (before_in, before_out) = (self.0.total_in(), self.0.total_out());
            let status = self
                .0
                .decompress_vec(input, output, FlushDecompress::Sync)
                .map_err(|_| FrameViolation::Deflate)?;
            let taken = (self.0.total_in() - before_in) as usize;
            let moved = taken > 0 || self.0.total_out() > before_out;
            input = &input[taken..];
            if output.len() > limit {
                return Err(FrameViolation::TooLong);
            }
            if status == Status::StreamEnd {
                // "The next DEFLATE block follows the padded data if any" (RFC 7692, section 7.2.1). It may refer to
                // what came before: BFINAL ends no window.
                self.begin(window, output)?;
                streams += 1;
                if input.is_empty() {
                    return Ok(status);
                }
                if streams > STREAMS {
                    return Err(FrameViolation::Deflate);
                }
            } else if output.len() == output.capacity() {
                // One byte more than the limit is enough to know.
                output.reserve_exact(output.len().min(limit.saturating_add(1) - output.len()).max(1));
            } else if input.is_empty() {
                return Ok(status);
            } else if !moved {
                return Err(FrameViolation::Deflate);
            }
        }
    }

    /// Begins a stream that may refer to both of these.
    fn begin(&mut self, window: &[u8], output: &[u8]) -> Result<(), FrameViolation> {
        self.0.reset(false);
        for known in [window, output] {
            if !known.is_empty() {
                self.0.set_dictionary(last_of(known)).map_err(|_| FrameViolation::Deflate)?;
            }
        }
        Ok(())
    }
}

/// As much of the end as a message can refer to.
fn last_of(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(WINDOW_MEMORY)..]
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}
