//! Reads WebSocket messages from a client's bytes, without IO (RFC 6455).
//!
//! A [`Reader`] gets the bytes of a connection, in pieces of any size, and returns whole messages and control
//! frames. It keeps no memory between two messages. It compares a frame's announced length with the limit, and
//! reserves nothing for it. It checks text as it comes, and stops at the first byte that is not UTF-8.
//!
//! With [`deflate`], a message may be compressed. The reader inflates it once all of it is there.
//!
//! The other direction needs no state: a [`Frame`](crate::Frame) is a whole WebSocket frame already, and
//! [`ping`], [`pong`] and [`close`] write the control frames that a server sends.
//!
//! ```text
//!  0 1 2 3 4 5 6 7 8 9 …   15   (section 5.2)
//! ├─┼─────┼───────┼─┼────────┼──────────────────┼──────┼─────────
//! │F│ RSV │opcode │M│ length │ its 16 or 64 bit │ mask │ payload
//! └─┴─────┴───────┴─┴────────┴──────────────────┴──────┴─────────
//! ```

mod control;
pub mod deflate;
mod error;
mod head;
pub(crate) mod header;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;

use control::close_code;
use deflate::{Inflating, RSV1};
use head::{CLOSE, Head, MASK, PING, PONG, TEXT};

pub(crate) use control::close_payload;
pub use control::{MAX_REASON, close, may_be_sent, ping, pong};
pub use error::FrameViolation;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameEvent {
    /// A text message, whole.
    Text(ByteString),
    /// A binary message, whole.
    Binary(Bytes),
    /// A ping with its payload, which a [`pong`] repeats.
    Ping(Bytes),
    /// A pong with its payload.
    Pong(Bytes),
    /// A close frame. What comes after it is ignored.
    Close {
        /// The status code, if the client gives one.
        code: Option<u16>,
        /// The code's two bytes and a reason in words, or nothing.
        payload: Bytes,
    },
}

/// The limits of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The longest message in bytes, all of its fragments together, and inflated if it was compressed.
    pub message: usize,
    /// The most fragments of one message. Empty ones need no memory, but take time.
    pub fragments: usize,
}

/// The position of a [`Reader`] in a client's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Between two messages.
    #[default]
    Between,
    /// In a control frame, or in a frame whose kind is not known yet.
    InFrame,
    /// In a message.
    InMessage,
}

/// Reads a client's messages.
#[derive(Debug)]
pub struct Reader {
    limits: FrameLimits,
    /// What was fed and not read yet.
    input: BytesMut,
    /// Something was split off the input. Its memory may be shared with messages, or be larger than necessary.
    taken: bool,
    /// The message that comes in parts. Most come whole.
    partial: Option<Box<Partial>>,
}

impl Reader {
    /// A reader for a new connection.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Reader {
        Reader { limits, input: BytesMut::new(), taken: false, partial: None }
    }

    /// Appends bytes that were received. Call [`next`](Reader::next) until it returns `None` before you feed more,
    /// since the bytes are kept until then.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.input.is_empty() {
            self.input = BytesMut::from(bytes);
        } else {
            self.input.extend_from_slice(bytes);
        }
    }

    /// How many bytes of an unfinished message have arrived.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.input.len() + self.partial.as_ref().map_or(0, |partial| partial.payload.len())
    }

    /// The position, once [`next`](Reader::next) has returned `None`.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.partial {
            Some(_) => Place::InMessage,
            None if self.input.is_empty() => Place::Between,
            None => Place::InFrame,
        }
    }

    /// How many bytes of memory these take.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.input.capacity() + self.partial.as_ref().map_or(0, |partial| partial.payload.capacity())
    }

    /// The next message or control frame; `None` if the rest of it has not arrived.
    ///
    /// # Errors
    /// The rule that the client broke. The connection is of no use from there on: section 7.1.7, "_Fail the
    /// WebSocket Connection_", with [`FrameViolation::code`].
    #[allow(clippy::should_implement_trait, reason = "its end is no end: more may be fed")]
    pub fn next(&mut self) -> Result<Option<FrameEvent>, FrameViolation> {
        self.next_inflated(None)
    }

    /// The same for a client that may compress its messages, with what inflates these: always the same for a connection,
    /// or always none.
    ///
    /// # Errors
    /// As for [`next`](Reader::next).
    pub fn next_inflated(
        &mut self,
        mut inflating: Option<&mut Inflating>,
    ) -> Result<Option<FrameEvent>, FrameViolation> {
        let reserved = if inflating.is_some() { RSV1 } else { 0 };
        loop {
            if let Some(partial) = &mut self.partial {
                self.taken = true;
                partial.take(&mut self.input)?;
                if partial.missing > 0 {
                    break;
                }
            }
            if let Some(partial) = self.partial.take_if(|partial| partial.fin) {
                let Partial { text, compressed, payload, .. } = *partial;
                return self.message(text, payload.freeze(), compressed, inflating).map(Some);
            }
            let Some(head) = Head::read(&self.input, reserved)? else { break };
            self.admit(&head)?;
            if let Some(event) = self.whole(&head, inflating.as_deref_mut())? {
                return Ok(Some(event));
            }
            if head.is_control() || !self.begin(&head) {
                break;
            }
        }
        self.rest();
        Ok(None)
    }

    /// A whole message.
    fn message(
        &self,
        text: bool,
        payload: Bytes,
        compressed: bool,
        inflating: Option<&mut Inflating>,
    ) -> Result<FrameEvent, FrameViolation> {
        let payload = match inflating {
            Some(inflating) if compressed => inflating.message(&payload, self.limits.message)?,
            Some(inflating) => {
                inflating.note_uncompressed();
                payload
            }
            None => payload,
        };
        if !text {
            return Ok(FrameEvent::Binary(payload));
        }
        ByteString::try_from(payload).map(FrameEvent::Text).map_err(|_| FrameViolation::Utf8)
    }

    /// Checks the head of a frame against what came before.
    fn admit(&self, head: &Head) -> Result<(), FrameViolation> {
        if head.is_control() {
            return Ok(());
        }
        let (compressed, before, fragments) = match (&self.partial, head.opcode) {
            (None, 0) => return Err(FrameViolation::LoneContinuation),
            (Some(_), 1..) => return Err(FrameViolation::Interleaved),
            (Some(partial), 0) => (partial.compressed, partial.payload.len(), partial.fragments),
            (None, _) => (head.compressed, 0, 0),
        };
        let longest = match compressed {
            true => deflate::longest_form(self.limits.message),
            false => self.limits.message,
        };
        if head.payload > longest - before {
            return Err(FrameViolation::TooLong);
        }
        if fragments >= self.limits.fragments {
            return Err(FrameViolation::TooManyFragments);
        }
        Ok(())
    }

    /// The event of a whole frame.
    fn whole(
        &mut self,
        head: &Head,
        inflating: Option<&mut Inflating>,
    ) -> Result<Option<FrameEvent>, FrameViolation> {
        let alone = head.is_control() || head.fin && self.partial.is_none();
        // It can't overflow: the payload is within the limit, or is a control frame's.
        let end = head.len + head.payload;
        if !alone || self.input.len() < end {
            return Ok(None);
        }
        let mut frame = if self.input.len() == end {
            // The last frame takes the memory with it.
            self.taken = false;
            std::mem::take(&mut self.input)
        } else {
            self.taken = true;
            self.input.split_to(end)
        };
        frame.advance(head.len - MASK);
        if let Some((mask, payload)) = frame.split_first_chunk_mut::<MASK>() {
            unmask(payload, *mask);
        }
        frame.advance(MASK);
        Ok(Some(match head.opcode {
            PING => FrameEvent::Ping(frame.freeze()),
            PONG => FrameEvent::Pong(frame.freeze()),
            CLOSE => FrameEvent::Close { code: close_code(&frame)?, payload: frame.freeze() },
            opcode => self.message(opcode == TEXT, frame.freeze(), head.compressed, inflating)?,
        }))
    }

    /// Begins a frame of a message that comes in parts, once the mask has arrived. Returns whether it has.
    fn begin(&mut self, head: &Head) -> bool {
        let Some(mask) = self.input.get(head.len - MASK..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial::new(head)));
        partial.fragments += 1;
        partial.fin = head.fin;
        partial.missing = head.payload;
        partial.mask = *mask;
        self.input.advance(head.len);
        true
    }

    /// Copies the beginning of a frame, so that it doesn't share memory with messages that came before it.
    fn rest(&mut self) {
        if std::mem::take(&mut self.taken) {
            self.input = BytesMut::from(&self.input[..]);
        }
    }
}

/// A message that comes in parts: in fragments, or in a frame that is longer than what is read at once.
#[derive(Debug)]
struct Partial {
    text: bool,
    compressed: bool,
    /// The number of its frames so far.
    fragments: usize,
    /// The frame that has begun is the last.
    fin: bool,
    /// How many bytes of that frame are missing.
    missing: usize,
    /// That frame's mask, turned to where its next byte is.
    mask: [u8; MASK],
    payload: BytesMut,
    /// How many bytes of the payload are checked to be UTF-8.
    valid: usize,
}

impl Partial {
    fn new(first: &Head) -> Partial {
        Partial {
            text: first.opcode == TEXT,
            compressed: first.compressed,
            fragments: 0,
            fin: false,
            missing: 0,
            mask: [0; MASK],
            payload: BytesMut::new(),
            valid: 0,
        }
    }

    /// Takes the available bytes of the frame that has begun.
    fn take(&mut self, input: &mut BytesMut) -> Result<(), FrameViolation> {
        let len = self.missing.min(input.len());
        let before = self.payload.len();
        self.payload.extend_from_slice(&input[..len]);
        input.advance(len);
        unmask(&mut self.payload[before..], self.mask);
        self.mask.rotate_left(len % MASK);
        self.missing -= len;
        if self.text && !self.compressed {
            self.validate()?;
        }
        Ok(())
    }

    /// Checks the text that has arrived since the last call. The last character may be incomplete.
    fn validate(&mut self) -> Result<(), FrameViolation> {
        match std::str::from_utf8(&self.payload[self.valid..]) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(FrameViolation::Utf8),
        }
        Ok(())
    }
}

/// "octet i of the transformed data is the XOR of octet i of the original data with octet at index i modulo 4 of
/// the masking key" (section 5.3).
fn unmask(payload: &mut [u8], mask: [u8; MASK]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    let (half, rest) = rest.as_chunks_mut::<MASK>();
    for word in half {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// The length of the payload of a frame that goes out, if it is compressed.
#[must_use]
pub fn compressed_len(frame: &[u8]) -> Option<usize> {
    let compressed = frame.first().is_some_and(|first| first & RSV1 != 0);
    compressed.then(|| header::payload(frame).len())
}
