//! One encoded packet, shared by every session that sends it.
//!
//! A broadcast to ten thousand sessions encodes once and clones ten thousand references. The bytes begin with a
//! WebSocket frame header (RFC 6455, section 5.2; a server does not mask), so the common case, a WebSocket, writes
//! them as they are. The other forms are made when a session first needs them, and kept.
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

use crate::framing::Framing;
use crate::memory::{self, Held};
use crate::packet::{BASE64, Message, Packet, PacketType, Revision};
use crate::websocket::deflate::{self, CompressionLevel, Window, compressed_frame};
use crate::websocket::header::{MAX_HEADER, header};

/// Room for the header of a WebSocket frame.
const HEADROOM: usize = MAX_HEADER;

/// Unused bytes that a frame may keep.
const SPARE: usize = 128;

/// The bit of a header that says that the frame is the last of its message, and the opcodes of messages.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// The memory of an entry in a queue, whose capacity may be twice its length.
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
    /// Most frames need none of these.
    forms: OnceLock<Box<Forms>>,
    /// Of a text packet: its length in UTF-16 units, which prefixes it in a revision 3 payload.
    utf16_len: OnceLock<usize>,
    held: Held,
}

/// The rarer forms of a packet.
#[derive(Clone, Default)]
struct Forms {
    /// Of a binary packet: its base64 as revision 4 polling writes it, `b…`.
    base64: OnceLock<Form>,
    /// A binary packet's WebSocket frame in revision 3, with `0x04` before the bytes.
    v3_websocket: OnceLock<Form>,
    /// Its compressed WebSocket frames, by window; `None` if that would be no shorter.
    deflated: [OnceLock<Option<deflate::CompressedFrame>>; 2],
    /// The same of a binary packet in revision 3.
    v3_deflated: [OnceLock<Option<deflate::CompressedFrame>>; 2],
    /// Of a binary packet: the same on a stream of WebTransport.
    webtransport: OnceLock<Form>,
}

/// Another form of a packet. Its memory is counted, like that of the packet itself.
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
    /// A text message whose payload `write` appends to the buffer. `capacity` is a guess of its length in bytes. What
    /// `write` appends must be UTF-8. Unused capacity stays with the frame unless it is large: most frames live for a
    /// moment only.
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

    /// The same in fragments of at most that many bytes, which is one at least: section 5.4. They are not compressed:
    /// a message is compressed whole, and cut then.
    pub(crate) fn fragments(&self, bytes: usize) -> Vec<Frame> {
        let (opcode, payload) = (if self.is_binary() { BINARY } else { TEXT }, self.packet());
        let count = payload.len().div_ceil(bytes).max(1);
        let parts = payload.chunks(bytes).chain(std::iter::repeat(&[][..])).take(count).enumerate();
        parts
            .map(|(n, part)| {
                let opcode = if n == 0 { opcode } else { CONTINUATION };
                let fin = if n + 1 == count { FIN } else { 0 };
                Frame::fragment(fin | opcode, part).uncompressed()
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
        let header = header(first, bytes.len() - HEADROOM);
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
            forms: OnceLock::new(),
            utf16_len: OnceLock::new(),
        }))
    }

    /// The same packet, marked not to be compressed. If the frame is already shared, it is copied.
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
                let form = self.forms().v3_websocket.get_or_init(|| {
                    let packet = self.packet();
                    let header = header(FIN | BINARY, packet.len() + 1);
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

    /// The packet with the header that it has on such a connection, ready to be written.
    #[must_use]
    #[inline]
    pub fn framed(&self, framing: Framing) -> &[u8] {
        match framing {
            Framing::WebSocket(revision) => self.websocket(revision),
            Framing::WebTransport if !self.0.binary => &self.0.bytes[self.0.start + 1..],
            Framing::WebTransport => &self.forms().webtransport.get_or_init(|| self.webtransport()).bytes,
        }
    }

    /// A binary packet for a stream of WebTransport. The official client takes a length of 0 for an error, so an empty
    /// message is sent as text, in base64, as in a payload.
    fn webtransport(&self) -> Form {
        if self.packet().is_empty() {
            return [&[1], self.base64()].concat().into();
        }
        let mut bytes = self.0.bytes[self.0.start + 1..].to_vec();
        bytes[0] |= 0x80;
        bytes.into()
    }

    /// The whole WebSocket frame, compressed if that makes it shorter and it has at least `threshold` bytes. The result
    /// is made once and shared.
    ///
    /// Threads that need it meanwhile wait, which is at most 5 ms at level 1 (1 MiB). Each would need as long to make its
    /// own. To make it when the message is queued would cost as much for messages that no client takes compressed.
    pub(crate) fn deflated(
        &self,
        revision: Revision,
        threshold: usize,
        level: CompressionLevel,
        window: Window,
    ) -> &[u8] {
        let plain = self.websocket(revision);
        if !self.is_worth_compressing(threshold) {
            return plain;
        }
        let forms = match revision {
            Revision::V3 if self.is_binary() => &self.forms().v3_deflated,
            _ => &self.forms().deflated,
        };
        let form = forms[window as usize].get_or_init(|| compressed_frame(plain, level, window));
        form.as_ref().map_or(plain, deflate::CompressedFrame::bytes)
    }

    /// Whether a connection that agreed to compression compresses it.
    pub(crate) fn is_worth_compressing(&self, threshold: usize) -> bool {
        self.may_compress() && (threshold..=deflate::LONGEST).contains(&self.packet().len())
    }

    fn forms(&self) -> &Forms {
        self.0.forms.get_or_init(Box::default)
    }

    /// A binary message as text, `b` and base64, as revision 4 writes it in a payload.
    pub(crate) fn base64(&self) -> &[u8] {
        let form = self.forms().base64.get_or_init(|| {
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
        // Then it has as many units as bytes, which is known once the text was scanned.
        !self.is_binary() && self.utf16_len() == self.packet().len()
    }

    /// A number that no other packet has while this one is kept.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// What this frame adds to the memory that the process holds.
    pub(crate) fn held(&self) -> usize {
        self.0.held.bytes() + REFERENCE
    }

    /// What this frame counts against a session's byte budget: the packet's raw length, and 64 bytes for keeping it,
    /// so that the budget bounds a flood of empty packets too.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.packet().len() + FRAME_OVERHEAD
    }
}

/// A form of a frame. It keeps the frame alive.
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

#[cfg(test)]
mod tests;
