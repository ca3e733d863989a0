//! How messages are told apart on a connection that carries them one after the other.

use crate::websocket::deflate::Inflating;
use crate::websocket::{self, FrameEvent, FrameLimits, FrameViolation, Place};
use crate::{Revision, Transport, webtransport};

/// How the messages of a connection are framed. It says which transport that is.
///
/// ```
/// use engineio::{Frame, Framing, Revision, Transport};
///
/// let frame = Frame::text("hi");
/// assert_eq!(frame.framed(Framing::WebSocket(Revision::V4)), b"\x81\x034hi");
/// assert_eq!(frame.framed(Framing::WebTransport), b"\x034hi");
/// assert_eq!(Framing::WebTransport.transport(), Transport::WebTransport);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As frames of a WebSocket. In revision 3, binary packets have a type of their own.
    WebSocket(Revision),
    /// As on a stream of WebTransport: see [`webtransport`]. It is revision 4's alone.
    WebTransport,
}

impl Framing {
    /// The transport that has this framing.
    #[must_use]
    pub fn transport(self) -> Transport {
        match self {
            Framing::WebSocket(_) => Transport::WebSocket,
            Framing::WebTransport => Transport::WebTransport,
        }
    }

    /// The revision whose packets it carries.
    #[must_use]
    pub fn revision(self) -> Revision {
        match self {
            Framing::WebSocket(revision) => revision,
            Framing::WebTransport => Revision::V4,
        }
    }

    /// A reader for a new connection.
    #[must_use]
    pub fn reader(self, limits: FrameLimits) -> MessageReader {
        match self {
            Framing::WebSocket(_) => MessageReader::WebSocket(websocket::Reader::new(limits)),
            Framing::WebTransport => {
                MessageReader::WebTransport(webtransport::StreamReader::new(limits.message))
            }
        }
    }

    /// Appends the close frame. WebTransport has none: its stream just ends.
    pub fn close(self, code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
        match self {
            Framing::WebSocket(_) => websocket::close(code, reason, out),
            Framing::WebTransport => {}
        }
    }
}

/// Reads a client's messages, however they are framed.
///
/// ```
/// use engineio::Framing;
/// use engineio::websocket::{FrameEvent, FrameLimits};
///
/// let mut reader = Framing::WebTransport.reader(FrameLimits { message: 1_000_000, fragments: 16 });
/// reader.feed(b"\x034hi");
/// assert_eq!(reader.next_inflated(None), Ok(Some(FrameEvent::Text("4hi".into()))));
/// ```
#[derive(Debug)]
pub enum MessageReader {
    /// From frames of a WebSocket.
    WebSocket(websocket::Reader),
    /// From a stream of WebTransport.
    WebTransport(webtransport::StreamReader),
}

/// Calls a method of the reader, whichever it is.
macro_rules! forward {
    ($reader:expr, $inner:ident => $call:expr) => {
        match $reader {
            MessageReader::WebSocket($inner) => $call,
            MessageReader::WebTransport($inner) => $call,
        }
    };
}

impl MessageReader {
    /// Takes in what the connection brought. Ask for [`next_inflated`](MessageReader::next_inflated) until there is
    /// nothing, before more is read.
    pub fn feed(&mut self, bytes: &[u8]) {
        forward!(self, reader => reader.feed(bytes));
    }

    /// The next message or control frame; `None` if the rest of it has not arrived. Compressed messages of a WebSocket need
    /// what both sides agreed on to inflate them.
    ///
    /// # Errors
    /// The rule that the client broke. The connection is of no use from there on.
    pub fn next_inflated(
        &mut self,
        inflating: Option<&mut Inflating>,
    ) -> Result<Option<FrameEvent>, FrameViolation> {
        match self {
            MessageReader::WebSocket(reader) => reader.next_inflated(inflating),
            MessageReader::WebTransport(reader) => reader.next(),
        }
    }

    /// How many bytes have come of a message that has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        forward!(self, reader => reader.pending())
    }

    /// How many bytes of memory these take.
    #[must_use]
    pub fn capacity(&self) -> usize {
        forward!(self, reader => reader.capacity())
    }

    /// Where it is, once [`next_inflated`](MessageReader::next_inflated) has nothing to give.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            MessageReader::WebSocket(reader) => reader.place(),
            MessageReader::WebTransport(reader) if reader.pending() == 0 => Place::Between,
            MessageReader::WebTransport(_) => Place::InMessage,
        }
    }
}
