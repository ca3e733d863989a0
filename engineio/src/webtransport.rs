//! Messages on a stream of WebTransport, without IO.
//!
//! The official client opens one stream in both directions. Each message on it is a packet, after a header that says
//! how long it is, and whether it is binary:
//!
//! ```text
//!  0 1 2 3 4 5 6 7 8 …
//! ├─┼────────┼──────────────────┼─────────
//! │B│ length │ its 16 or 64 bit │ packet
//! └─┴────────┴──────────────────┴─────────
//! ```
//!
//! A length of up to 125 is in the first byte; 126 and 127 there mean that it follows, in 2 or 8 bytes. So the header is
//! that of a WebSocket frame which isn't masked, without its first byte, and a [`Frame`](crate::Frame) has both.
//!
//! The client's first message is `0` if it wants a new session. With `0{"sid":"…"}`, the stream is for a session that
//! polls.

use bytes::{Buf as _, BytesMut};
use bytestring::ByteString;

use crate::Packet;
use crate::websocket::{FrameEvent, FrameViolation};

/// The bit of a header that says that the packet is binary.
const BINARY: u8 = 0x80;

/// Reads a client's messages. It keeps no memory between two, and reserves none for a length that is announced.
///
/// ```
/// use engineio::webtransport::StreamReader;
/// use engineio::websocket::FrameEvent;
///
/// let mut reader = StreamReader::new(1_000_000);
/// reader.feed(b"\x034h");
/// assert_eq!(reader.next(), Ok(None));
/// reader.feed(b"i\x81\xff");
/// assert_eq!(reader.next(), Ok(Some(FrameEvent::Text("4hi".into()))));
/// assert_eq!(reader.next(), Ok(Some(FrameEvent::Binary(vec![255].into()))));
/// ```
#[derive(Debug)]
pub struct StreamReader {
    /// The longest message, in bytes.
    limit: usize,
    /// What was fed and has not been taken.
    input: BytesMut,
    /// Something was taken off the input, whose memory messages may share.
    taken: bool,
}

impl StreamReader {
    /// A reader for a new stream, whose messages may have so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> StreamReader {
        StreamReader { limit, input: BytesMut::new(), taken: false }
    }

    /// Takes in what the stream brought.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// How many bytes have come of a message that has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.input.len()
    }

    /// How many bytes of memory these take.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.input.capacity()
    }

    /// The next message; `None` if the rest of it has not arrived.
    ///
    /// # Errors
    /// The rule that the client broke. A message over the limit is refused by its header. The stream is of no use from
    /// there on.
    #[allow(clippy::should_implement_trait, reason = "its end is no end: more may be fed")]
    pub fn next(&mut self) -> Result<Option<FrameEvent>, FrameViolation> {
        let Some(Head { binary, len, payload }) = Head::read(&self.input) else {
            self.rest();
            return Ok(None);
        };
        let payload = usize::try_from(payload).ok().filter(|payload| *payload <= self.limit);
        let payload = payload.ok_or(FrameViolation::TooLong)?;
        // It can't overflow: the payload is no longer than allowed.
        if self.input.len() - len < payload {
            self.rest();
            return Ok(None);
        }
        self.input.advance(len);
        self.taken = true;
        let packet = self.input.split_to(payload).freeze();
        if binary {
            return Ok(Some(FrameEvent::Binary(packet)));
        }
        ByteString::try_from(packet)
            .map(|text| Some(FrameEvent::Text(text)))
            .map_err(|_| FrameViolation::Utf8)
    }

    /// Keeps only the memory that it needs.
    fn rest(&mut self) {
        if std::mem::take(&mut self.taken) {
            self.input = BytesMut::from(&self.input[..]);
        }
    }
}

/// What is before a packet.
struct Head {
    binary: bool,
    /// The head's own length in bytes.
    len: usize,
    /// The packet's length in bytes.
    payload: u64,
}

impl Head {
    /// Reads it; `None` if not all of it is there.
    fn read(bytes: &[u8]) -> Option<Head> {
        let (first, rest) = bytes.split_first()?;
        let (payload, rest) = match first & !BINARY {
            126 => rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            short => (u64::from(short), rest),
        };
        Some(Head { binary: first & BINARY != 0, len: bytes.len() - rest.len(), payload })
    }
}

/// What a client's first message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamOpening {
    /// A new session.
    Session,
    /// A session that polls, which this JSON names: `{"sid":"…"}`.
    Upgrade(ByteString),
}

impl StreamOpening {
    /// What the message asks for; `None` if it is no open packet.
    #[must_use]
    pub fn of(first: &Packet) -> Option<StreamOpening> {
        match first {
            Packet::Open(data) if data.is_empty() => Some(StreamOpening::Session),
            Packet::Open(data) => Some(StreamOpening::Upgrade(data.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;
    use crate::{Frame, Framing, Message};

    const LIMIT: usize = 100_000;

    fn all(reader: &mut StreamReader) -> Result<Vec<FrameEvent>, FrameViolation> {
        let mut events = Vec::new();
        while let Some(event) = reader.next()? {
            events.push(event);
        }
        Ok(events)
    }

    fn framed(packet: &Packet) -> Vec<u8> {
        Frame::from(packet).framed(Framing::WebTransport).to_vec()
    }

    // proves: features/web-transport, protocol/webtransport-frames
    #[test]
    fn each_length_form_is_used_at_its_boundary() {
        for (len, head) in [
            (1, &[1][..]),
            (125, &[125]),
            (126, &[126, 0, 126]),
            (65_535, &[126, 0xff, 0xff]),
            (65_536, &[127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            // A text packet's type is one of its bytes.
            let text = framed(&Packet::Message("x".repeat(len - 1).into()));
            assert_eq!((&text[..head.len()], text.len()), (head, head.len() + len));
            let binary = framed(&Packet::Message(vec![7; len].into()));
            let head = [&[head[0] | BINARY], &head[1..]].concat();
            assert_eq!((&binary[..head.len()], binary.len()), (&head[..], head.len() + len));
        }
    }

    /// The official client takes a length of 0 for an error.
    #[test]
    fn bytes_that_are_none_go_out_as_base64() {
        assert_eq!(framed(&Packet::Message(Message::Binary(bytes::Bytes::new()))), b"\x01b");
    }

    #[test]
    fn what_is_framed_is_read_again_in_pieces_of_any_size() {
        let mut rng = rand::rng();
        for _ in 0..200 {
            let mut bytes = Vec::new();
            let mut sent = Vec::new();
            for _ in 0..rng.random_range(1..8) {
                let len = [1, 125, 126, 127, 1_000, 65_534, 65_536][rng.random_range(0..7)];
                if rng.random() {
                    bytes.extend(framed(&Packet::Message(vec![3; len].into())));
                    sent.push(FrameEvent::Binary(vec![3; len].into()));
                } else {
                    bytes.extend(framed(&Packet::Message("é".repeat(len / 2).into())));
                    sent.push(FrameEvent::Text(format!("4{}", "é".repeat(len / 2)).into()));
                }
            }
            let mut reader = StreamReader::new(LIMIT);
            let mut read = Vec::new();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rng.random_range(1..=rest.len()));
                reader.feed(piece);
                read.extend(all(&mut reader).unwrap());
                rest = more;
            }
            assert!(read == sent, "{} of {}", read.len(), sent.len());
            assert_eq!((reader.pending(), reader.capacity()), (0, 0), "it keeps nothing");
        }
    }

    // proves: security/web-transport
    #[test]
    fn a_message_over_the_limit_is_refused_by_its_header_and_nothing_is_reserved() {
        let head = |len: u64| [&[127][..], &len.to_be_bytes()].concat();
        for len in [LIMIT as u64 + 1, 1 << 53, u64::MAX] {
            let mut reader = StreamReader::new(LIMIT);
            reader.feed(&head(len));
            assert_eq!(reader.next(), Err(FrameViolation::TooLong));
        }
        let mut reader = StreamReader::new(LIMIT);
        reader.feed(&head(LIMIT as u64));
        assert_eq!(reader.next(), Ok(None));
        assert!(reader.capacity() < 100);
    }

    // proves: security/web-transport
    #[test]
    fn any_bytes_are_a_message_an_error_or_the_beginning_of_one() {
        let mut rng = rand::rng();
        for _ in 0..20_000 {
            let mut bytes = [0; 40];
            rng.fill(&mut bytes[..]);
            let mut reader = StreamReader::new(30);
            reader.feed(&bytes);
            while let Ok(Some(_)) = reader.next() {}
            assert!(reader.pending() <= bytes.len());
        }
    }

    #[test]
    fn a_header_that_is_cut_off_waits_and_nothing_is_the_shortest_message() {
        for head in [&[][..], &[126], &[126, 1], &[127, 0, 0, 0, 0, 0, 0, 0], &[255]] {
            let mut reader = StreamReader::new(LIMIT);
            reader.feed(head);
            assert_eq!(reader.next(), Ok(None), "{head:?}");
        }
        let mut reader = StreamReader::new(LIMIT);
        reader.feed(&[0, 0x80]);
        let nothing = [FrameEvent::Text("".into()), FrameEvent::Binary(bytes::Bytes::new())];
        assert_eq!(all(&mut reader).unwrap(), nothing);
    }

    #[test]
    fn text_is_utf_8() {
        let mut reader = StreamReader::new(LIMIT);
        reader.feed(&[2, b'4', 0xff]);
        assert_eq!(reader.next(), Err(FrameViolation::Utf8));
    }

    // proves: features/web-transport, protocol/webtransport-open
    #[test]
    fn the_first_packet_opens() {
        assert_eq!(StreamOpening::of(&Packet::Open("".into())), Some(StreamOpening::Session));
        let sid = ByteString::from_static(r#"{"sid":"a"}"#);
        assert_eq!(StreamOpening::of(&Packet::Open(sid.clone())), Some(StreamOpening::Upgrade(sid)));
        assert_eq!(StreamOpening::of(&Packet::Ping("probe".into())), None);
    }
}
