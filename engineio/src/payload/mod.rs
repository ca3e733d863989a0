//! Many packets in one HTTP body: the payloads of long polling.
//!
//! | | revision 4 | revision 3 |
//! |---|---|---|
//! | text | packets joined by `\x1e` | `<length>:<packet>`, the length in UTF-16 code units |
//! | binary | `b` and base64 | the same with `b4`; or the binary form below |
//!
//! The binary form of revision 3, for clients that did not ask for `b64`, is `00` (text) or `01` (binary), the length
//! in bytes as decimal digits of one byte each (0 to 9, not ASCII), `ff`, and the packet. Such a client gets it for
//! everything but ASCII, because clients 1.x in browsers read a body as bytes, so the lengths of the text form would
//! be wrong for them.

mod form;
mod outgoing;

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use bytestring::ByteString;

use crate::{Frame, Message, Packet, PacketType, Revision, Violation};

use form::{Form, SEPARATOR};
pub use outgoing::{Identity, Payload};

/// How a session's polls encode their payloads: its revision and, in revision 3, whether the client asked
/// for base64.
///
/// ```
/// use std::collections::VecDeque;
/// use engineio::{Frame, PayloadFormat, Revision};
///
/// let format = PayloadFormat { revision: Revision::V4, base64: false };
/// let mut queue = VecDeque::from([Frame::text("a"), Frame::text("b")]);
/// let (payload, _) = format.encode(&mut queue, 1_000_000);
/// assert_eq!(payload.to_bytes(), "4a\x1e4b");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadFormat {
    /// The session's revision.
    pub revision: Revision,
    /// Whether the handshake's query has `b64`, with any value but an empty one.
    pub base64: bool,
}

impl PayloadFormat {
    /// Whether payloads are always text.
    #[must_use]
    pub fn is_text(self) -> bool {
        self.revision == Revision::V4 || self.base64
    }

    /// Takes packets from the front of `frames` for one body. It stops before the packet that would make the body
    /// longer than `limit` bytes. A packet that is longer by itself is sent alone. The second value is the
    /// [cost](Frame::cost) of the packets taken. A long body is encoded while it is sent.
    pub fn encode(self, frames: &mut VecDeque<Frame>, limit: usize) -> (Payload, usize) {
        let form = match self.revision {
            Revision::V4 => Form::Separated,
            Revision::V3 if !self.base64 && !frames.iter().all(Frame::is_ascii) => Form::Binary,
            Revision::V3 => Form::Counted,
        };
        let (batch, cost) = take_batch(frames, limit, |frame| form.room(frame));
        (Payload::new(batch, form), cost)
    }

    /// Whether the client may send a body of that form: `binary` says whether it comes as
    /// `application/octet-stream`.
    ///
    /// # Errors
    /// [`Violation::BinaryPayload`]: revision 4 has only text payloads.
    pub fn check_form(self, binary: bool) -> Result<(), Violation> {
        match self.revision {
            Revision::V4 if binary => Err(Violation::BinaryPayload),
            Revision::V4 | Revision::V3 => Ok(()),
        }
    }

    /// A reader of the packets of a POST's body, which decodes each when it is asked for. `binary` says whether
    /// the body came as `application/octet-stream`, `limit` how many packets it may hold.
    #[must_use]
    pub fn reader(self, body: Bytes, binary: bool, limit: usize) -> PayloadReader {
        let form = match self.revision {
            Revision::V4 => Form::Separated,
            Revision::V3 if binary => Form::Binary,
            Revision::V3 => Form::Counted,
        };
        PayloadReader { form, rest: Some(body).filter(|body| !body.is_empty()), left: limit, empty: true }
    }
}

/// The packets of one payload. A violation is the last item, so what the client sent before it is still delivered.
///
/// ```
/// use engineio::{Packet, PayloadFormat, Revision};
///
/// let format = PayloadFormat { revision: Revision::V4, base64: false };
/// let packets: Vec<_> = format.reader("2\x1e4hi".into(), false, 100).collect();
/// assert_eq!(packets[0], Ok(Packet::Ping("".into())));
/// assert_eq!(packets[1], Ok(Packet::Message("hi".into())));
/// ```
#[derive(Debug)]
pub struct PayloadReader {
    form: Form,
    /// What has not been read; `None` after the last packet.
    rest: Option<Bytes>,
    /// How many more packets are allowed.
    left: usize,
    /// Nothing has been read yet.
    empty: bool,
}

impl Iterator for PayloadReader {
    type Item = Result<Packet, Violation>;

    fn next(&mut self) -> Option<Result<Packet, Violation>> {
        let empty = std::mem::take(&mut self.empty);
        let Some(rest) = self.rest.take() else { return empty.then_some(Err(Violation::EmptyPayload)) };
        let Some(left) = self.left.checked_sub(1) else { return Some(Err(Violation::TooManyPackets)) };
        self.left = left;
        let read = match self.form {
            Form::Separated => read_separated(rest),
            Form::Counted => read_counted(rest),
            Form::Binary => read_binary(rest),
        };
        Some(read.map(|(packet, rest)| {
            self.rest = rest;
            packet
        }))
    }
}

/// A packet, and what follows it.
type Read = Result<(Packet, Option<Bytes>), Violation>;

/// Takes frames while `size` of them all stays within `limit`, at least one. The second value is their cost.
fn take_batch(
    frames: &mut VecDeque<Frame>,
    limit: usize,
    size: impl Fn(&Frame) -> usize,
) -> (Vec<Frame>, usize) {
    let (mut count, mut total, mut cost) = (0, 0, 0);
    for frame in frames.iter() {
        let next = size(frame);
        if count > 0 && total + next > limit {
            break;
        }
        total += next;
        cost += frame.cost();
        count += 1;
    }
    (frames.drain(..count).collect(), cost)
}

fn utf8(bytes: Bytes) -> Result<ByteString, Violation> {
    ByteString::try_from(bytes).map_err(|_| Violation::Utf8)
}

/// A packet from the bytes of its text form.
fn packet(mut bytes: Bytes, revision: Revision) -> Result<Packet, Violation> {
    if bytes.first() == Some(&PacketType::Message.digit()) {
        bytes.advance(1);
        return Ok(Packet::Message(Message::Text(utf8(bytes)?)));
    }
    Packet::decode_text(&utf8(bytes)?, revision)
}

fn not_empty(rest: Bytes) -> Option<Bytes> {
    Some(rest).filter(|rest| !rest.is_empty())
}

fn read_separated(mut body: Bytes) -> Read {
    let Some(end) = memchr::memchr(SEPARATOR, &body) else {
        return Ok((packet(body, Revision::V4)?, None));
    };
    let first = body.split_to(end);
    body.advance(1);
    Ok((packet(first, Revision::V4)?, Some(body)))
}

fn read_counted(mut body: Bytes) -> Read {
    let colon = memchr::memchr(b':', &body[..body.len().min(12)]).ok_or(Violation::PayloadLength)?;
    let units = decimal(&body[..colon], b'0')?;
    body.advance(colon + 1);
    let end = utf16_prefix(&body, units)?;
    let first = body.split_to(end);
    Ok((packet(first, Revision::V3)?, not_empty(body)))
}

/// The bytes that the first `units` UTF-16 code units of a text take up. It is an error if there are fewer, or
/// if they end inside a character.
fn utf16_prefix(bytes: &[u8], units: usize) -> Result<usize, Violation> {
    if bytes.get(..units).is_some_and(<[u8]>::is_ascii) {
        return Ok(units);
    }
    // A code unit takes three bytes at the most. What comes after them is not read.
    let most = &bytes[..bytes.len().min(units.saturating_mul(3))];
    let Some(text) = most.utf8_chunks().next() else { return Err(Violation::PayloadTruncated) };
    let mut left = units;
    for (at, character) in text.valid().char_indices() {
        if left == 0 {
            return Ok(at);
        }
        left = left.checked_sub(character.len_utf16()).ok_or(Violation::PayloadTruncated)?;
    }
    match (left, text.invalid()) {
        (0, _) => Ok(text.valid().len()),
        (_, []) => Err(Violation::PayloadTruncated),
        _ => Err(Violation::Utf8),
    }
}

fn read_binary(mut body: Bytes) -> Read {
    // A length of more than ten digits is over any limit; not finding the mark there is an error too.
    let mark = memchr::memchr(0xff, &body[..body.len().min(12)]).ok_or(Violation::PayloadLength)?;
    let len = decimal(body.get(1..mark).unwrap_or_default(), 0)?;
    let entry = mark + 1..mark.saturating_add(1).saturating_add(len);
    if entry.end > body.len() {
        return Err(Violation::PayloadTruncated);
    }
    let kind = body[0];
    let first = body.split_to(entry.end).split_off(entry.start);
    let packet = match kind {
        0 => packet(first, Revision::V3)?,
        1 => Packet::decode_binary(&first, Revision::V3)?,
        other => return Err(Violation::UnknownPacketType(other)),
    };
    Ok((packet, not_empty(body)))
}

/// A decimal number of digits from `zero` on: ASCII, or the bare values of the binary form.
fn decimal(digits: &[u8], zero: u8) -> Result<usize, Violation> {
    if digits.is_empty() || digits.len() > 10 {
        return Err(Violation::PayloadLength);
    }
    digits.iter().try_fold(0, |value: usize, digit| match digit.wrapping_sub(zero) {
        digit @ 0..=9 => Ok(value * 10 + usize::from(digit)),
        _ => Err(Violation::PayloadLength),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    const V4: PayloadFormat = PayloadFormat { revision: Revision::V4, base64: false };
    const V3: PayloadFormat = PayloadFormat { revision: Revision::V3, base64: false };
    const V3_BASE64: PayloadFormat = PayloadFormat { revision: Revision::V3, base64: true };

    fn encode(format: PayloadFormat, frames: &[Frame], limit: usize) -> (Payload, usize) {
        let mut queue: VecDeque<Frame> = frames.iter().cloned().collect();
        let (payload, cost) = format.encode(&mut queue, limit);
        let left: usize = queue.iter().map(Frame::cost).sum();
        assert_eq!(cost + left, frames.iter().map(Frame::cost).sum::<usize>());
        (payload, queue.len())
    }

    fn all(format: PayloadFormat, frames: &[Frame]) -> Payload {
        encode(format, frames, usize::MAX).0
    }

    /// A payload's body, and whether it is binary.
    fn read(payload: &Payload) -> (Bytes, bool) {
        (payload.to_bytes(), payload.is_binary())
    }

    fn text_body(body: &'static [u8]) -> (Bytes, bool) {
        (Bytes::from_static(body), false)
    }

    fn text(text: &str) -> Packet {
        Packet::Message(Message::Text(text.into()))
    }

    fn binary(bytes: &'static [u8]) -> Packet {
        Packet::Message(Message::Binary(Bytes::from_static(bytes)))
    }

    fn decode(format: PayloadFormat, body: &'static [u8], octets: bool) -> (Vec<Packet>, Option<Violation>) {
        collect(format.reader(Bytes::from_static(body), octets, 4_096))
    }

    fn collect(reader: PayloadReader) -> (Vec<Packet>, Option<Violation>) {
        let mut packets = Vec::new();
        let mut violation = None;
        for item in reader {
            assert_eq!(violation, None, "a violation comes last");
            match item {
                Ok(packet) => packets.push(packet),
                Err(error) => violation = Some(error),
            }
        }
        (packets, violation)
    }

    // proves: protocol/payload-4
    #[test]
    fn revision_4_joins_packets_with_a_record_separator() {
        let frames = [Frame::text("hé"), Frame::from(&Packet::Noop), Frame::binary(&[1, 2, 3])];
        let body = "4hé\u{1e}6\u{1e}bAQID".as_bytes();
        assert_eq!(read(&all(V4, &frames)), text_body(body));
        assert_eq!(decode(V4, body, false), (vec![text("hé"), Packet::Noop, binary(&[1, 2, 3])], None));
    }

    // proves: protocol/payload-3
    #[test]
    fn revision_3_counts_text_in_utf16_units() {
        let frames = [Frame::text("hé"), Frame::text("😀")];
        let body = "3:4hé3:4😀".as_bytes();
        assert_eq!(read(&all(V3_BASE64, &frames)), text_body(body));
        assert_eq!(decode(V3, body, false), (vec![text("hé"), text("😀")], None));
    }

    // proves: protocol/payload-3
    #[test]
    fn revision_3_counts_base64_without_its_prefix_colon() {
        let frames = [Frame::binary(&[1, 2, 3])];
        assert_eq!(read(&all(V3_BASE64, &frames)), text_body(b"6:b4AQID"));
        assert_eq!(decode(V3_BASE64, b"6:b4AQID", false), (vec![binary(&[1, 2, 3])], None));
    }

    // proves: protocol/payload-3-binary
    #[test]
    fn revision_3_has_a_binary_form_that_counts_text_in_bytes() {
        let frames = [Frame::text("é"), Frame::binary(&[1, 2])];
        let body = b"\x00\x03\xff4\xc3\xa9\x01\x03\xff\x04\x01\x02";
        assert_eq!(read(&all(V3, &frames)), (Bytes::from_static(body), true));
        assert_eq!(decode(V3, body, true), (vec![text("é"), binary(&[1, 2])], None));
    }

    // proves: protocol/revision-3-unicode
    #[test]
    fn revision_3_sends_text_beyond_ascii_in_its_binary_form_unless_b64_was_asked_for() {
        let frames = [Frame::text("a"), Frame::text("h\u{e9}")];
        let body = b"\x00\x02\xff4a\x00\x04\xff4h\xc3\xa9";
        assert_eq!(read(&all(V3, &frames)), (Bytes::from_static(body), true));
        assert_eq!(decode(V3, body, true), (vec![text("a"), text("h\u{e9}")], None));
        assert_eq!(read(&all(V3, &frames[..1])), text_body(b"2:4a"));
        assert_eq!(read(&all(V3_BASE64, &frames)), text_body("2:4a3:4h\u{e9}".as_bytes()));
        assert_eq!(read(&all(V4, &frames)), text_body("4a\x1e4h\u{e9}".as_bytes()));
    }

    // proves: protocol/cut-answers
    #[test]
    fn a_body_is_cut_at_the_limit_and_one_larger_packet_goes_alone() {
        let frames =
            [Frame::text("aaaa"), Frame::text("bbbb"), Frame::text(&"c".repeat(100)), Frame::text("d")];
        let (payload, left) = encode(V4, &frames, 12);
        assert_eq!((read(&payload), left), (text_body(b"4aaaa\x1e4bbbb"), 2));
        assert_eq!(encode(V4, &frames, 11).1, 3);
        assert_eq!(encode(V4, &frames[2..], 11).1, 1);
        for format in [V4, V3, V3_BASE64] {
            let (payload, _) = encode(format, &[Frame::binary(&[0; 100]), Frame::binary(&[0; 100])], 170);
            assert!(payload.len() <= 170);
        }
    }

    #[test]
    fn a_body_may_be_compressed_if_one_of_its_packets_may() {
        let (plain, shared) = (Frame::text("a"), Frame::text("b"));
        let quiet = shared.clone().uncompressed();
        assert_eq!(quiet.packet(), shared.packet());
        for format in [V4, V3, V3_BASE64] {
            assert!(!all(format, &[quiet.clone(), quiet.clone()]).may_compress());
            assert!(all(format, &[quiet.clone(), plain.clone()]).may_compress());
            assert!(all(format, std::slice::from_ref(&shared)).may_compress(), "a copy asked for it");
        }
    }

    // proves: protocol/broken-packets
    #[test]
    fn what_stood_before_a_broken_packet_is_delivered() {
        assert_eq!(
            decode(V4, b"4a\x1ex", false),
            (vec![text("a")], Some(Violation::UnknownPacketType(b'x')))
        );
        assert_eq!(decode(V4, b"4a\x1e", false), (vec![text("a")], Some(Violation::EmptyPacket)));
        assert_eq!(decode(V4, b"", false), (vec![], Some(Violation::EmptyPayload)));
        assert_eq!(decode(V4, b"4\xff\xfe", false), (vec![], Some(Violation::Utf8)));
    }

    #[test]
    fn a_revision_3_body_that_is_cut_short_is_an_error() {
        assert_eq!(decode(V3, b"5:4a", false).1, Some(Violation::PayloadTruncated));
        assert_eq!(decode(V3, b"x:4a", false).1, Some(Violation::PayloadLength));
        assert_eq!(decode(V3, b"24a", false).1, Some(Violation::PayloadLength));
        assert_eq!(decode(V3, b"+2:4a", false).1, Some(Violation::PayloadLength));
        assert_eq!(decode(V3, b"4:4\xff\xfe!", false).1, Some(Violation::Utf8));
        assert_eq!(
            decode(V3, "2:4a\u{e9}".as_bytes(), false),
            (vec![text("a")], Some(Violation::PayloadLength))
        );
        assert_eq!(decode(V3, b"2:4a2:4\xff", false), (vec![text("a")], Some(Violation::Utf8)));
        assert_eq!(decode(V3, b"0:", false).1, Some(Violation::EmptyPacket));
        assert_eq!(decode(V3, "2:4😀".as_bytes(), false).1, Some(Violation::PayloadTruncated));
        assert_eq!(decode(V3, b"\x01\x05\xff\x04\x01\x02", true).1, Some(Violation::PayloadTruncated));
        assert_eq!(decode(V3, b"\xff", true).1, Some(Violation::PayloadLength));
        assert_eq!(decode(V3, b"\x01\x09\x09", true).1, Some(Violation::PayloadLength));
        assert_eq!(decode(V3, b"\x02\x01\xff4", true).1, Some(Violation::UnknownPacketType(2)));
    }

    // proves: protocol/max-packets
    #[test]
    fn packets_are_counted() {
        let (packets, violation) = collect(V4.reader(Bytes::from_static(b"2\x1e2\x1e2"), false, 2));
        assert_eq!((packets.len(), violation), (2, Some(Violation::TooManyPackets)));
    }
}
