//! WebSocket messages out of a client's bytes, without IO (RFC 6455).
//!
//! A [`Reader`] is fed what a connection brings, in pieces of any size, and gives back whole messages and
//! control frames. It owns no memory between two messages: what it is fed becomes the memory of the messages
//! in it, and it keeps no more than the part of a frame that has no end yet. A frame's announced length is
//! compared with the limit and never reserved.
//!
//! The other direction needs no state: a [`Frame`](crate::Frame) is a whole WebSocket frame already, and
//! [`pong`] and [`close`] write the two control frames that a server sends.
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

pub use error::Breach;

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
pub enum Event {
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
pub struct Limits {
    /// The longest message in bytes, all of its fragments together.
    pub message: usize,
    /// The most fragments of one message. Empty ones cost bytes of nobody's but the time of all.
    pub fragments: usize,
}

/// Reads a client's messages.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// What was fed and is in no message yet.
    input: BytesMut,
    /// The input's memory is shared with messages that were taken from it.
    shared: bool,
    /// The message whose fragments arrive; most messages have only one.
    partial: Option<Box<Partial>>,
}

#[derive(Debug)]
struct Partial {
    text: bool,
    fragments: usize,
    payload: BytesMut,
}

impl Reader {
    /// A reader for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Reader {
        Reader { limits, input: BytesMut::new(), shared: false, partial: None }
    }

    /// Takes in what the connection brought. Ask for [`next`](Reader::next) until there is nothing, before more
    /// is read: what is fed is kept until then.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next message or control frame; `None` if the rest of it has not arrived.
    ///
    /// # Errors
    /// The rule that the client broke. The connection is of no use from there on: section 7.1.7, "_Fail the
    /// WebSocket Connection_", with [`Breach::code`].
    #[allow(clippy::should_implement_trait, reason = "its end is no end: more may be fed")]
    pub fn next(&mut self) -> Result<Option<Event>, Breach> {
        while let Some(head) = Head::read(&self.input)? {
            self.admit(&head)?;
            let Some(payload) = self.take(&head) else { break };
            if let Some(event) = self.frame(&head, payload)? {
                return Ok(Some(event));
            }
        }
        self.rest();
        Ok(None)
    }

    /// Whether a frame may stand where it does, by its head alone.
    fn admit(&self, head: &Head) -> Result<(), Breach> {
        if head.is_control() {
            return Ok(());
        }
        let (before, fragments) = match (&self.partial, head.opcode) {
            (None, 0) => return Err(Breach::LoneContinuation),
            (Some(_), 1..) => return Err(Breach::Interleaved),
            (Some(partial), 0) => (partial.payload.len(), partial.fragments),
            (None, _) => (0, 0),
        };
        if head.payload > self.limits.message - before {
            return Err(Breach::TooLong);
        }
        if fragments >= self.limits.fragments {
            return Err(Breach::TooManyFragments);
        }
        Ok(())
    }

    /// Takes a frame's payload off the input, unmasked, once all of it is there.
    fn take(&mut self, head: &Head) -> Option<BytesMut> {
        // It can't overflow: the payload was admitted, or is a control frame's.
        let end = head.len + head.payload;
        let mut frame = match self.input.len() {
            len if len < end => return None,
            // The last frame takes the memory with it.
            len if len == end => {
                self.shared = false;
                std::mem::take(&mut self.input)
            }
            _ => {
                self.shared = true;
                self.input.split_to(end)
            }
        };
        frame.advance(head.len - MASK);
        if let Some((mask, payload)) = frame.split_first_chunk_mut::<MASK>() {
            unmask(payload, *mask);
        }
        frame.advance(MASK);
        Some(frame)
    }

    /// Does what a whole frame says.
    fn frame(&mut self, head: &Head, payload: BytesMut) -> Result<Option<Event>, Breach> {
        match head.opcode {
            PING => return Ok(Some(Event::Ping(payload.freeze()))),
            PONG => return Ok(Some(Event::Pong(payload.freeze()))),
            CLOSE => {
                let code = close_code(&payload)?;
                return Ok(Some(Event::Close { code, payload: payload.freeze() }));
            }
            _ => {}
        }
        let (text, payload) = match self.partial.take() {
            None if head.fin => (head.opcode == TEXT, payload),
            None => {
                let payload = BytesMut::from(&payload[..]);
                self.partial = Some(Box::new(Partial { text: head.opcode == TEXT, fragments: 1, payload }));
                return Ok(None);
            }
            Some(mut partial) => {
                partial.payload.extend_from_slice(&payload);
                partial.fragments += 1;
                if !head.fin {
                    self.partial = Some(partial);
                    return Ok(None);
                }
                (partial.text, partial.payload)
            }
        };
        let payload = payload.freeze();
        Ok(Some(if text {
            Event::Text(ByteString::try_from(payload).map_err(|_| Breach::Utf8)?)
        } else {
            Event::Binary(payload)
        }))
    }

    /// Keeps the beginning of a frame in memory of its own: messages that came before it would otherwise hold
    /// on to it, and it to theirs.
    fn rest(&mut self) {
        if std::mem::take(&mut self.shared) {
            self.input = BytesMut::from(&self.input[..]);
        }
    }
}

/// What stands before a frame's payload.
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
    fn read(bytes: &[u8]) -> Result<Option<Head>, Breach> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values." None is.
        if first & 0x70 != 0 {
            return Err(Breach::ReservedBit);
        }
        if !matches!(opcode, 0..=BINARY | CLOSE..=PONG) {
            return Err(Breach::Opcode(opcode));
        }
        // "All frames sent from client to server have this bit set to 1."
        if second & 0x80 == 0 {
            return Err(Breach::Unmasked);
        }
        let short = usize::from(second & 0x7f);
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
        if opcode >= CLOSE && !fin {
            return Err(Breach::FragmentedControl);
        }
        if opcode >= CLOSE && short > CONTROL {
            return Err(Breach::LongControl);
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
            return Err(Breach::Length);
        }
        let payload = usize::try_from(payload).map_err(|_| Breach::TooLong)?;
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
fn close_code(payload: &[u8]) -> Result<Option<u16>, Breach> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Breach::CloseLength) };
    };
    let code = u16::from_be_bytes(*code);
    // Section 7.4: those up to 1015 are the protocol's, some of which never go over the wire; from 3000 on they
    // are the applications'.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Breach::CloseCode(code));
    }
    std::str::from_utf8(reason).map_err(|_| Breach::Utf8)?;
    Ok(Some(code))
}

/// Appends a pong that answers a ping of that payload: at most 125 bytes, as [`Event::Ping`] has them.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    control(PONG, &payload[..payload.len().min(CONTROL)], out);
}

/// Appends a close frame, with a status code (section 7.4.1) or without.
pub fn close(code: Option<u16>, out: &mut Vec<u8>) {
    match code {
        Some(code) => control(CLOSE, &code.to_be_bytes(), out),
        None => control(CLOSE, &[], out),
    }
}

fn control(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    // The length fits: it is at most 125.
    out.extend_from_slice(&[0x80 | opcode, payload.len() as u8]);
    out.extend_from_slice(payload);
}
