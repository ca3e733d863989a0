//! A payload that is being sent.
//!
//! A short body is encoded at once. A longer one stays a list of packets until the connection asks for its next
//! piece: long packets are then handed out without a copy, and only short ones are copied together. So a client that
//! doesn't read its answer needs no memory besides the packets, which the sessions share.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::form::Form;
use crate::Frame;
use crate::memory::Held;

/// Bodies up to this many bytes are encoded at once, and longer ones in pieces of that many.
const PIECE: usize = 16 * 1024;

/// Packets of at least this length are handed out without a copy.
const LONG: usize = 8 * 1024;

/// One payload, as the body of a response: [`PayloadFormat::encode`](super::PayloadFormat::encode) makes it.
///
/// ```
/// use std::collections::VecDeque;
/// use engineio::{Frame, PayloadFormat, Revision};
///
/// let format = PayloadFormat { revision: Revision::V4, base64: false };
/// let mut queue = VecDeque::from([Frame::text("a"), Frame::text("b")]);
/// let (payload, _) = format.encode(&mut queue, 1_000_000);
/// assert_eq!(payload.len(), 5);
/// assert_eq!(payload.to_bytes(), "4a\x1e4b");
/// ```
#[derive(Clone)]
pub struct Payload {
    /// What is encoded and not taken yet.
    ready: Bytes,
    /// What comes after it.
    rest: Option<Box<Rest>>,
    binary: bool,
    compress: bool,
}

/// Packets that have not been encoded.
#[derive(Clone)]
struct Rest {
    frames: VecDeque<Frame>,
    form: Form,
    /// A long packet whose prefix has been taken.
    long: Option<Bytes>,
    /// Something has been taken.
    begun: bool,
    /// The length of the whole body in bytes.
    len: usize,
}

/// Which packets a payload has, and in which form. It equals the identity of another payload of the same frames, as
/// long as one of the two is kept.
///
/// ```
/// use std::collections::VecDeque;
/// use engineio::{Frame, PayloadFormat, Revision};
///
/// // Two clients that get the same frame have equal payloads: one compression serves both.
/// let format = PayloadFormat { revision: Revision::V4, base64: false };
/// let frame = Frame::text("to all");
/// let (one, _) = format.encode(&mut VecDeque::from([frame.clone()]), 1_000);
/// let (other, _) = format.encode(&mut VecDeque::from([frame]), 1_000);
/// assert!(one.identity() == other.identity());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    form: Form,
    frames: Box<[usize]>,
}

impl Payload {
    pub(super) fn new(frames: Vec<Frame>, form: Form) -> Payload {
        let compress = frames.iter().any(Frame::may_compress);
        let entry = |frame| form.prefix_len(frame) + form.packet_len(frame);
        // The first packet has no separator before it.
        let separator = usize::from(matches!(form, Form::Separated) && !frames.is_empty());
        let len = frames.iter().map(entry).sum::<usize>() - separator;
        let mut rest = Rest { frames: frames.into(), form, long: None, begun: false, len };
        let binary = matches!(form, Form::Binary);
        if len <= PIECE {
            let ready = rest.encode(rest.frames.len(), len).into();
            return Payload { ready, rest: None, binary, compress };
        }
        Payload { ready: Bytes::new(), rest: Some(Box::new(rest)), binary, compress }
    }

    /// The bytes that have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ready.len() + self.rest.as_ref().map_or(0, |rest| rest.len)
    }

    /// How many of them are encoded already, in memory of this payload's own.
    #[must_use]
    pub fn encoded(&self) -> usize {
        self.ready.len()
    }

    /// Whether all of it was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.rest.is_none()
    }

    /// Whether the body is the binary form of revision 3, to be sent as `application/octet-stream`. Everything
    /// else is text, to be sent as `text/plain; charset=UTF-8`.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.binary
    }

    /// Whether the body may be compressed: at least one of its packets [may](Frame::may_compress).
    #[must_use]
    pub fn may_compress(&self) -> bool {
        self.compress
    }

    /// Takes the next bytes of the body, `most` of them or fewer; none at its end.
    pub fn take(&mut self, most: usize) -> Bytes {
        if self.ready.is_empty()
            && let Some(rest) = &mut self.rest
        {
            self.ready = rest.next();
            if rest.len == 0 {
                self.rest = None;
            }
        }
        if self.ready.len() <= most {
            return std::mem::take(&mut self.ready);
        }
        self.ready.split_to(most)
    }

    /// What has not been taken, in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if self.rest.is_none() {
            return self.ready.clone();
        }
        let mut whole = Vec::with_capacity(self.len());
        let mut left = self.clone();
        while !left.is_empty() {
            whole.extend_from_slice(&left.take(usize::MAX));
        }
        whole.into()
    }

    /// Its identity, if it is long enough to be encoded while it is sent, and nothing was taken yet.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let rest = self.rest.as_ref().filter(|rest| !rest.begun)?;
        Some(Identity { form: rest.form, frames: rest.frames.iter().map(Frame::address).collect() })
    }
}

/// A body that is already encoded.
impl From<Bytes> for Payload {
    fn from(body: Bytes) -> Payload {
        Payload { ready: body, rest: None, binary: false, compress: false }
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::from(Bytes::new())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Payload");
        debug.field("len", &self.len()).field("binary", &self.binary).field("compress", &self.compress);
        debug.finish_non_exhaustive()
    }
}

impl Rest {
    /// The next piece: a long packet, or short ones and the prefix of a long one.
    fn next(&mut self) -> Bytes {
        let piece = self.long.take().unwrap_or_else(|| self.copied());
        self.len -= piece.len();
        piece
    }

    fn copied(&mut self) -> Bytes {
        let (mut count, mut len) = (0, 0);
        for frame in &self.frames {
            let entry = self.form.prefix_len(frame) + self.form.packet_len(frame);
            if self.form.packet_len(frame) >= LONG || (count > 0 && len + entry > PIECE) {
                break;
            }
            len += entry;
            count += 1;
        }
        let mut piece = self.encode(count, len + LONGEST_PREFIX);
        if self.frames.front().is_some_and(|frame| self.form.packet_len(frame) >= LONG)
            && let Some(frame) = self.frames.pop_front()
        {
            self.prefix(&frame, &mut piece);
            self.long = Some(self.form.shared_packet(&frame));
        }
        match self.long.take_if(|_| piece.is_empty()) {
            Some(long) => long,
            None => Bytes::from_owner(Copied { _held: Held::new(piece.capacity()), bytes: piece }),
        }
    }

    /// Encodes the next `count` packets.
    fn encode(&mut self, count: usize, capacity: usize) -> Vec<u8> {
        let mut piece = Vec::with_capacity(capacity);
        for _ in 0..count {
            if let Some(frame) = self.frames.pop_front() {
                self.prefix(&frame, &mut piece);
                piece.extend_from_slice(self.form.packet(&frame));
            }
        }
        piece
    }

    fn prefix(&mut self, frame: &Frame, piece: &mut Vec<u8>) {
        let first = !std::mem::replace(&mut self.begun, true);
        self.form.prefix(frame, first, piece);
    }
}

/// The longest prefix of a packet: a mark, the digits of a length, another mark.
const LONGEST_PREFIX: usize = 24;

/// A piece of a body. Its memory is counted until it is sent.
struct Copied {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Copied {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [Form; 3] = [Form::Separated, Form::Counted, Form::Binary];

    /// Texts and binaries of these lengths, each with more than one character that takes several bytes.
    fn frames(lengths: &[usize]) -> Vec<Frame> {
        let text = |len: &usize| Frame::text(&"é😀a".repeat(len.div_ceil(7)));
        let binary = |len: &usize| Frame::binary(&vec![7; *len]);
        lengths.iter().flat_map(|len| [text(len), binary(len)]).collect()
    }

    #[test]
    fn a_body_is_the_same_in_pieces_and_as_long_as_it_was_said_to_be() {
        let lists: [&[usize]; 6] =
            [&[1], &[5_000; 8], &[LONG - 1, LONG, LONG + 1], &[1, 100_000, 1], &[100_000], &[100; 1_000]];
        for form in FORMS {
            for lengths in lists {
                let frames = frames(lengths);
                let mut expected = Vec::new();
                for (at, frame) in frames.iter().enumerate() {
                    form.prefix(frame, at == 0, &mut expected);
                    expected.extend_from_slice(form.packet(frame));
                }
                let mut payload = Payload::new(frames, form);
                assert_eq!(payload.len(), expected.len(), "{form:?} {lengths:?}");
                assert_eq!(payload.to_bytes(), expected);
                let mut whole = Vec::new();
                while !payload.is_empty() {
                    let piece = payload.take(10_000);
                    assert!(!piece.is_empty() && piece.len() <= 10_000);
                    whole.extend_from_slice(&piece);
                    assert_eq!(payload.len(), expected.len() - whole.len());
                }
                assert_eq!(whole, expected, "{form:?} {lengths:?}");
                assert!(payload.take(1).is_empty());
            }
        }
    }

    #[test]
    fn long_packets_are_handed_out_where_they_lie_and_short_ones_in_pieces() {
        let frames = frames(&[100_000, 100, 100]);
        for form in FORMS {
            let mut payload = Payload::new(frames.clone(), form);
            let mut copied = 0;
            while !payload.is_empty() {
                let piece = payload.take(usize::MAX);
                let shares = |frame: &Frame| form.packet(frame).as_ptr_range().contains(&piece.as_ptr());
                if !frames.iter().any(shares) {
                    assert!(piece.len() <= PIECE);
                    copied += piece.len();
                }
            }
            assert!(copied < 1_000, "{form:?}: {copied} bytes were copied");
        }
    }

    #[test]
    fn payloads_of_the_same_frames_are_known_to_be_equal_until_they_are_begun() {
        let frames = frames(&[20_000]);
        let [one, mut other] = [0; 2].map(|_| Payload::new(frames.clone(), Form::Separated));
        assert!(one.identity().is_some());
        assert_eq!(one.identity(), other.identity());
        assert_ne!(one.identity(), Payload::new(frames.clone(), Form::Binary).identity());
        assert_ne!(one.identity(), Payload::new(frames[1..].to_vec(), Form::Separated).identity());
        other.take(1);
        assert_eq!(other.identity(), None);
        assert_eq!(
            Payload::new(self::frames(&[10]), Form::Separated).identity(),
            None,
            "it is encoded already"
        );
    }
}
