//! One encoded packet, shared by every session that is to send it.
//!
//! A broadcast to ten thousand sessions encodes once and clones ten thousand references. The bytes begin with a
//! WebSocket frame header (RFC 6455, section 5.2; a server does not mask), so the common case, a WebSocket,
//! writes them as they are. The rarer forms are made when a session first needs them, and kept.
//!
//! ```text
//!   ┌─ HEADROOM ──┬──────────────────────────┐
//!   │ …  header   │ packet                   │
//!   └────┬────────┴──────────────────────────┘
//!        start    HEADROOM
//! ```

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use bytes::Bytes;

use crate::memory::{self, Held};
use crate::packet::{BASE64, Message, Packet, PacketType, Revision};

/// Room for the longest header of an unmasked WebSocket frame: two bytes and a 64-bit length.
const HEADROOM: usize = 10;

/// Unused bytes that a frame may keep.
const SPARE: usize = 128;

/// The bit of a header that says that the frame is the last of its message, and the opcodes of messages.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// What a place in a queue takes, which may have twice the room that it needs.
const REFERENCE: usize = 2 * size_of::<Frame>();

/// One packet, encoded once. Cloning it is cheap and shares the bytes.
///
/// ```
/// use engineio::{Frame, Revision};
///
/// let frame = Frame::text("hi");
/// assert_eq!(frame.packet(), b"4hi");
/// // A whole WebSocket frame: its header, then the packet.
/// assert_eq!(frame.websocket(Revision::V4), b"\x81\x034hi");
/// ```
pub struct Frame(Arc<Encoded>);

#[derive(Clone)]
struct Encoded {
    bytes: Vec<u8>,
    start: usize,
    binary: bool,
    compress: bool,
    /// Of a binary packet: its base64 as revision 4 polling writes it, `b…`.
    base64: OnceLock<Form>,
    /// Of a binary packet: its WebSocket frame in revision 3, where a `0x04` is before the bytes.
    v3_websocket: OnceLock<Form>,
    /// Of a text packet: its length in UTF-16 units, which prefixes it in a revision 3 payload.
    utf16_len: OnceLock<usize>,
    held: Held,
}

/// A rarer form of a packet. It counts for what the process holds, as the packet itself does.
#[derive(Clone)]
struct Form {
    bytes: Box<[u8]>,
    _held: Held,
}

impl From<Vec<u8>> for Form {
    fn from(bytes: Vec<u8>) -> Form {
        Form { _held: Held::new(bytes.len()), bytes: bytes.into() }
    }
}

impl Clone for Frame {
    fn clone(&self) -> Frame {
        memory::add(REFERENCE);
        Frame(Arc::clone(&self.0))
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        memory::sub(REFERENCE);
    }
}

impl Frame {
    /// A text message whose payload `write` appends to the buffer. `capacity` is a guess of its length in
    /// bytes. What `write` appends must be UTF-8. Room that is left over stays with the frame unless it is much:
    /// most frames are gone in a moment.
    ///
    /// # Errors
    /// Whatever `write` returns.
    pub fn text_with<E>(
        capacity: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Frame, E> {
        let mut bytes = Vec::with_capacity(HEADROOM + 1 + capacity);
        bytes.extend_from_slice(&[0; HEADROOM]);
        bytes.push(PacketType::Message.digit());
        write(&mut bytes)?;
        debug_assert!(std::str::from_utf8(&bytes[HEADROOM..]).is_ok(), "a text frame must be UTF-8");
        Ok(Frame::seal(bytes, FIN | TEXT))
    }

    /// A text message.
    #[must_use]
    pub fn text(payload: &str) -> Frame {
        Frame::text_packet(PacketType::Message, payload)
    }

    /// A binary message.
    #[must_use]
    pub fn binary(payload: &[u8]) -> Frame {
        let mut bytes = Vec::with_capacity(HEADROOM + payload.len());
        bytes.extend_from_slice(&[0; HEADROOM]);
        bytes.extend_from_slice(payload);
        Frame::seal(bytes, FIN | BINARY)
    }

    fn text_packet(kind: PacketType, payload: &str) -> Frame {
        let mut bytes = Vec::with_capacity(HEADROOM + 1 + payload.len());
        bytes.extend_from_slice(&[0; HEADROOM]);
        bytes.push(kind.digit());
        bytes.extend_from_slice(payload.as_bytes());
        Frame::seal(bytes, FIN | TEXT)
    }

    /// A message of a plain WebSocket: there is no packet around it, so [`packet`](Frame::packet) is the message.
    pub(crate) fn plain(message: &Message) -> Frame {
        match message {
            Message::Text(text) => Frame::fragment(FIN | TEXT, text.as_bytes()),
            Message::Binary(bytes) => Frame::fragment(FIN | BINARY, bytes),
        }
    }

    /// The same in fragments of at most so many bytes, which is one at least: section 5.4.
    pub(crate) fn fragments(&self, bytes: usize) -> Vec<Frame> {
        let (opcode, payload) = (if self.is_binary() { BINARY } else { TEXT }, self.packet());
        let count = payload.len().div_ceil(bytes).max(1);
        let parts = payload.chunks(bytes).chain(std::iter::repeat(&[][..])).take(count).enumerate();
        parts
            .map(|(n, part)| {
                let opcode = if n == 0 { opcode } else { CONTINUATION };
                let fin = if n + 1 == count { FIN } else { 0 };
                Frame::fragment(fin | opcode, part)
            })
            .collect()
    }

    fn fragment(first: u8, payload: &[u8]) -> Frame {
        let mut bytes = Vec::with_capacity(HEADROOM + payload.len());
        bytes.extend_from_slice(&[0; HEADROOM]);
        bytes.extend_from_slice(payload);
        Frame::seal(bytes, first)
    }

    /// Writes the WebSocket header, which begins with `first`, right-aligned into the headroom.
    fn seal(mut bytes: Vec<u8>, first: u8) -> Frame {
        let header = websocket_header(first, bytes.len() - HEADROOM);
        let start = HEADROOM - header.len();
        if bytes.capacity() > bytes.len() + bytes.len() / 4 + SPARE {
            bytes.shrink_to_fit();
        }
        bytes[start..HEADROOM].copy_from_slice(&header);
        memory::add(REFERENCE);
        Frame(Arc::new(Encoded {
            held: Held::new(size_of::<Encoded>() + bytes.capacity()),
            bytes,
            start,
            binary: first & 0x0f == BINARY,
            compress: true,
            base64: OnceLock::new(),
            v3_websocket: OnceLock::new(),
            utf16_len: OnceLock::new(),
        }))
    }

    /// The same packet, which asks not to be compressed. A frame that is shared already is copied.
    #[must_use]
    pub fn uncompressed(mut self) -> Frame {
        Arc::make_mut(&mut self.0).compress = false;
        self
    }

    /// Whether a transport may compress the packet: yes, unless [`uncompressed`](Frame::uncompressed).
    #[must_use]
    pub fn may_compress(&self) -> bool {
        self.0.compress
    }

    /// Whether this is a binary message.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.0.binary
    }

    /// The packet: a text packet with its digit, or the bare bytes of a binary message.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.0.bytes[HEADROOM..]
    }

    /// The whole WebSocket frame, header included, ready to be written.
    #[must_use]
    pub fn websocket(&self, revision: Revision) -> &[u8] {
        match revision {
            Revision::V3 if self.0.binary => {
                let form = self.0.v3_websocket.get_or_init(|| {
                    let packet = self.packet();
                    let header = websocket_header(FIN | BINARY, packet.len() + 1);
                    let mut bytes = Vec::with_capacity(header.len() + 1 + packet.len());
                    bytes.extend_from_slice(&header);
                    bytes.push(4);
                    bytes.extend_from_slice(packet);
                    bytes.into()
                });
                &form.bytes
            }
            _ => &self.0.bytes[self.0.start..],
        }
    }

    /// A binary message as text, `b` and base64, as revision 4 writes it in a payload.
    pub(crate) fn base64(&self) -> &[u8] {
        let form = self.0.base64.get_or_init(|| {
            let mut text = String::with_capacity(1 + self.packet().len().div_ceil(3) * 4);
            text.push('b');
            BASE64.encode_string(self.packet(), &mut text);
            text.into_bytes().into()
        });
        &form.bytes
    }

    /// The packet, which shares the memory of the frame.
    pub(crate) fn shared_packet(&self) -> Bytes {
        Bytes::from_owner(Shared { frame: self.clone(), form: Frame::packet })
    }

    /// [`base64`](Frame::base64), which shares the memory of the frame.
    pub(crate) fn shared_base64(&self) -> Bytes {
        Bytes::from_owner(Shared { frame: self.clone(), form: Frame::base64 })
    }

    /// The length of a text packet in UTF-16 code units.
    pub(crate) fn utf16_len(&self) -> usize {
        *self.0.utf16_len.get_or_init(|| {
            let packet = self.packet();
            if packet.is_ascii() {
                packet.len()
            } else {
                String::from_utf8_lossy(packet).encode_utf16().count()
            }
        })
    }

    /// Whether this is text of ASCII alone.
    pub(crate) fn is_ascii(&self) -> bool {
        // It takes as many units as bytes then, which is known once it was looked at.
        !self.is_binary() && self.utf16_len() == self.packet().len()
    }

    /// A number that no other packet has while this one is kept.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// What this frame adds to what the process holds.
    pub(crate) fn held(&self) -> usize {
        self.0.held.bytes() + REFERENCE
    }

    /// What this frame counts against a session's byte budget: the packet's raw length and a fixed 64 bytes
    /// for keeping it, so that a flood of empty packets is bounded as well.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.packet().len() + FRAME_OVERHEAD
    }
}

/// A form of a frame that keeps the frame.
struct Shared {
    frame: Frame,
    form: fn(&Frame) -> &[u8],
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (self.form)(&self.frame)
    }
}

/// What a queued frame costs beyond its bytes. See [`Frame::cost`].
pub const FRAME_OVERHEAD: usize = 64;

impl From<&Packet> for Frame {
    fn from(packet: &Packet) -> Frame {
        let payload = match packet {
            Packet::Open(payload) | Packet::Ping(payload) | Packet::Pong(payload) => payload,
            Packet::Message(Message::Text(payload)) => payload,
            Packet::Message(Message::Binary(payload)) => return Frame::binary(payload),
            Packet::Close | Packet::Upgrade | Packet::Noop => "",
        };
        Frame::text_packet(packet.kind(), payload)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = self.packet();
        match std::str::from_utf8(packet) {
            Ok(text) if !self.0.binary => write!(f, "Frame({text:?})"),
            _ => write!(f, "Frame({packet:?})"),
        }
    }
}

/// The header of an unmasked frame, with its first byte: RFC 6455, section 5.2.
fn websocket_header(first: u8, len: usize) -> Header {
    let mut header = [0; HEADROOM];
    header[0] = first;
    let used = if let Ok(len @ 0..126) = u8::try_from(len) {
        header[1] = len;
        2
    } else if let Ok(len) = u16::try_from(len) {
        header[1] = 126;
        header[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        header[1] = 127;
        header[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        10
    };
    Header { bytes: header, used }
}

struct Header {
    bytes: [u8; HEADROOM],
    used: usize,
}

impl std::ops::Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_websocket_header_stands_right_before_the_packet() {
        assert_eq!(Frame::text("hi").websocket(Revision::V4), b"\x81\x034hi");
        assert_eq!(Frame::text("hi").websocket(Revision::V3), b"\x81\x034hi");
        assert_eq!(Frame::text("hi").packet(), b"4hi");
        assert_eq!(Frame::from(&Packet::Noop).websocket(Revision::V4), b"\x81\x016");
    }

    #[test]
    fn each_length_form_of_the_header_is_used_at_its_boundary() {
        for (len, header) in [
            (125, &[0x82, 125][..]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::binary(&vec![7; len]);
            let written = frame.websocket(Revision::V4);
            assert_eq!(&written[..header.len()], header, "for {len} bytes");
            assert_eq!(written.len(), header.len() + len);
        }
    }

    #[test]
    fn a_plain_message_has_no_packet_around_it() {
        assert_eq!(Frame::plain(&"hé".into()).websocket(Revision::V4), b"\x81\x03h\xc3\xa9");
        assert_eq!(Frame::plain(&vec![0, 255].into()).websocket(Revision::V4), [0x82, 2, 0, 255]);
        assert_eq!(Frame::plain(&"".into()).websocket(Revision::V4), [0x81, 0]);
    }

    #[test]
    fn fragments_begin_with_the_opcode_and_end_with_fin() {
        let bytes = |message: Message, fragment| {
            let frames = Frame::plain(&message).fragments(fragment);
            frames.iter().map(|frame| frame.websocket(Revision::V4).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(bytes("abcde".into(), 2), [&b"\x01\x02ab"[..], b"\x00\x02cd", b"\x80\x01e"]);
        assert_eq!(bytes(vec![1, 2, 3, 4].into(), 2), [[2, 2, 1, 2], [0x80, 2, 3, 4]]);
        assert_eq!(bytes("abc".into(), 3), [b"\x81\x03abc"]);
        assert_eq!(bytes("".into(), 3), [[0x81, 0]]);
    }

    // proves: protocol/frames-3
    #[test]
    fn a_binary_packet_has_its_type_byte_in_revision_3() {
        let frame = Frame::binary(&[1, 2, 3]);
        assert_eq!(frame.websocket(Revision::V4), &[0x82, 3, 1, 2, 3]);
        assert_eq!(frame.websocket(Revision::V3), &[0x82, 4, 4, 1, 2, 3]);
    }

    #[test]
    fn utf16_units_count_an_astral_character_twice() {
        assert_eq!(Frame::text("é").utf16_len(), 2);
        assert_eq!(Frame::text("😀").utf16_len(), 3);
    }
}
