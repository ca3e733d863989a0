//! WebSocket messages out of a client's bytes, without IO (RFC 6455).
//!
//! A [`Reader`] gets the bytes of a connection, in pieces of any size, and returns whole messages and control
//! frames. It keeps no memory between two messages. It compares a frame's announced length with the limit, and
//! reserves nothing for it. It checks text as it comes, and stops at the first byte that is not UTF-8.
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

mod error;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;

pub use error::FrameViolation;

/// The length of the masking key.
const MASK: usize = 4;

/// The longest payload of a control frame: section 5.5.
const CONTROL: usize = 125;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

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
    /// The client says goodbye. Nothing counts that comes after it.
    Close {
        /// The status code, if the client gives one.
        code: Option<u16>,
        /// The code's two bytes and a reason in words, or nothing.
        payload: Bytes,
    },
}

/// Bounds of what one message may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The longest message in bytes, all of its fragments together.
    pub message: usize,
    /// The most fragments of one message. Empty ones need no memory, but take time.
    pub fragments: usize,
}

/// Where in a client's bytes a [`Reader`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Between two frames that are no part of one message.
    #[default]
    Between,
    /// In a frame, of which it is not known yet what it is, or that is a control frame.
    InFrame,
    /// In a message.
    InMessage,
}

/// Reads a client's messages.
#[derive(Debug)]
pub struct Reader {
    limits: FrameLimits,
    /// What was fed and has not been taken.
    input: BytesMut,
    /// Something was taken off the input. Its memory may be shared with messages, or be larger than it needs.
    taken: bool,
    /// The message that comes in parts; most come whole.
    partial: Option<Box<Partial>>,
}

impl Reader {
    /// A reader for a new connection.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Reader {
        Reader { limits, input: BytesMut::new(), taken: false, partial: None }
    }

    /// Takes in what the connection brought. Ask for [`next`](Reader::next) until there is nothing, before more
    /// is read: what is fed is kept until then.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.input.is_empty() {
            self.input = BytesMut::from(bytes);
        } else {
            self.input.extend_from_slice(bytes);
        }
    }

    /// How many bytes have come of a message that has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.input.len() + self.partial.as_ref().map_or(0, |partial| partial.payload.len())
    }

    /// Where it is, once [`next`](Reader::next) has nothing to give.
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
        loop {
            if let Some(partial) = &mut self.partial {
                self.taken = true;
                partial.take(&mut self.input)?;
                if partial.missing > 0 {
                    break;
                }
            }
            if let Some(partial) = self.partial.take_if(|partial| partial.fin) {
                return message(partial.text, partial.payload).map(Some);
            }
            let Some(head) = Head::read(&self.input)? else { break };
            self.admit(&head)?;
            if let Some(event) = self.whole(&head)? {
                return Ok(Some(event));
            }
            if head.is_control() || !self.begin(&head) {
                break;
            }
        }
        self.rest();
        Ok(None)
    }

    /// Whether a frame may come here, by its head alone.
    fn admit(&self, head: &Head) -> Result<(), FrameViolation> {
        if head.is_control() {
            return Ok(());
        }
        let (before, fragments) = match (&self.partial, head.opcode) {
            (None, 0) => return Err(FrameViolation::LoneContinuation),
            (Some(_), 1..) => return Err(FrameViolation::Interleaved),
            (Some(partial), 0) => (partial.payload.len(), partial.fragments),
            (None, _) => (0, 0),
        };
        if head.payload > self.limits.message - before {
            return Err(FrameViolation::TooLong);
        }
        if fragments >= self.limits.fragments {
            return Err(FrameViolation::TooManyFragments);
        }
        Ok(())
    }

    /// What a frame says by itself, once all of it is there.
    fn whole(&mut self, head: &Head) -> Result<Option<FrameEvent>, FrameViolation> {
        let alone = head.is_control() || head.fin && self.partial.is_none();
        // It can't overflow: the payload was admitted, or is a control frame's.
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
            opcode => message(opcode == TEXT, frame)?,
        }))
    }

    /// Begins a frame of a message that comes in parts, once the mask is there. Says whether it is.
    fn begin(&mut self, head: &Head) -> bool {
        let Some(mask) = self.input.get(head.len - MASK..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial::new(head.opcode == TEXT)));
        partial.fragments += 1;
        partial.fin = head.fin;
        partial.missing = head.payload;
        partial.mask = *mask;
        self.input.advance(head.len);
        true
    }

    /// Keeps the beginning of a frame in memory of its own: messages that came before it would otherwise hold
    /// on to it, and it to theirs.
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
    /// Its frames up to now.
    fragments: usize,
    /// The frame that has begun is the last.
    fin: bool,
    /// What is still to come of that frame, in bytes.
    missing: usize,
    /// That frame's mask, turned to where its next byte is.
    mask: [u8; MASK],
    payload: BytesMut,
    /// So many bytes of the payload are known to be UTF-8.
    valid: usize,
}

impl Partial {
    fn new(text: bool) -> Partial {
        Partial {
            text,
            fragments: 0,
            fin: false,
            missing: 0,
            mask: [0; MASK],
            payload: BytesMut::new(),
            valid: 0,
        }
    }

    /// Takes what there is of the frame that has begun.
    fn take(&mut self, input: &mut BytesMut) -> Result<(), FrameViolation> {
        let len = self.missing.min(input.len());
        let before = self.payload.len();
        self.payload.extend_from_slice(&input[..len]);
        input.advance(len);
        unmask(&mut self.payload[before..], self.mask);
        self.mask.rotate_left(len % MASK);
        self.missing -= len;
        if self.text {
            self.validate()?;
        }
        Ok(())
    }

    /// Looks at the text that has come since the last time. A character may still lack its end.
    fn validate(&mut self) -> Result<(), FrameViolation> {
        match std::str::from_utf8(&self.payload[self.valid..]) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(FrameViolation::Utf8),
        }
        Ok(())
    }
}

/// A whole message.
fn message(text: bool, payload: BytesMut) -> Result<FrameEvent, FrameViolation> {
    let payload = payload.freeze();
    if !text {
        return Ok(FrameEvent::Binary(payload));
    }
    ByteString::try_from(payload).map(FrameEvent::Text).map_err(|_| FrameViolation::Utf8)
}

/// What is before a frame's payload.
struct Head {
    fin: bool,
    opcode: u8,
    /// The head's own length in bytes, with the mask at its end.
    len: usize,
    /// The payload's length in bytes.
    payload: usize,
}

impl Head {
    /// Reads a frame's head up to its mask; `None` if not all of that is there. What is wrong with its first two
    /// bytes is told without waiting for more.
    fn read(bytes: &[u8]) -> Result<Option<Head>, FrameViolation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values." None is.
        if first & 0x70 != 0 {
            return Err(FrameViolation::ReservedBit);
        }
        if !matches!(opcode, 0..=BINARY | CLOSE..=PONG) {
            return Err(FrameViolation::Opcode(opcode));
        }
        // "All frames sent from client to server have this bit set to 1."
        if second & 0x80 == 0 {
            return Err(FrameViolation::Unmasked);
        }
        let short = usize::from(second & 0x7f);
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
        if opcode >= CLOSE && !fin {
            return Err(FrameViolation::FragmentedControl);
        }
        if opcode >= CLOSE && short > CONTROL {
            return Err(FrameViolation::LongControl);
        }
        let (payload, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            _ => (short as u64, rest),
        };
        // "the most significant bit MUST be 0"
        if payload >> 63 != 0 {
            return Err(FrameViolation::Length);
        }
        let payload = usize::try_from(payload).map_err(|_| FrameViolation::TooLong)?;
        Ok(Some(Head { fin, opcode, len: bytes.len() - rest.len() + MASK, payload }))
    }

    fn is_control(&self) -> bool {
        self.opcode >= CLOSE
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
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// The status code in a close frame (section 5.5.1), whose reason must be UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameViolation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(FrameViolation::CloseLength) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(FrameViolation::CloseCode(code));
    }
    std::str::from_utf8(reason).map_err(|_| FrameViolation::Utf8)?;
    Ok(Some(code))
}

/// Appends a pong that answers a ping of that payload: at most 125 bytes, as [`FrameEvent::Ping`] has them.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    control(PONG, &payload[..payload.len().min(CONTROL)], out);
}

/// Appends a ping without a payload.
pub fn ping(out: &mut Vec<u8>) {
    control(PING, &[], out);
}

/// The longest reason in a close frame, in bytes: a control frame has 125, and the code takes two.
pub const MAX_REASON: usize = CONTROL - 2;

/// Appends a close frame, with a status code (section 7.4.1) and a reason in words, or with neither. `reason` is at
/// most [`MAX_REASON`] bytes long, and goes with a code alone.
pub fn close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    control(CLOSE, &close_payload(code, reason), out);
}

/// The payload of a [`close`] frame.
pub(crate) fn close_payload(code: Option<u16>, reason: &str) -> Vec<u8> {
    match code {
        Some(code) => [&code.to_be_bytes(), &reason.as_bytes()[..reason.len().min(MAX_REASON)]].concat(),
        None => Vec::new(),
    }
}

/// Whether that status code may be in a close frame (section 7.4): those up to 1015 are the protocol's, some of which
/// never go over the wire; from 3000 on they are the applications'.
#[must_use]
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn control(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    // The length fits: it is at most 125.
    out.extend_from_slice(&[0x80 | opcode, payload.len() as u8]);
    out.extend_from_slice(payload);
}
