//! The boundary between Engine.IO and the applications on it.
//!
//! A [`Session`](crate::Session) owns one [`StateMachine`](crate::StateMachine) and one [`Layer`]. It passes the layer
//! what arrives, and the layer answers through the session's [`Mailbox`]. Socket.IO is a layer, and so is a plain
//! echo. A session is the same under both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use memchr::memchr;

use crate::observe::Observers;
use crate::{Attached, CloseReason, Frame, Mailbox, Message, Query, Revision, Sid, Transport};

/// Makes the layer of each new session.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use engineio::{Application, CloseReason, Frame, Layer, Mailbox, Message, Opened};
///
/// /// Sends every text back.
/// struct Echo;
/// struct Session(Arc<Mailbox>);
///
/// impl Application for Echo {
///     type Layer = Session;
///
///     fn open(&self, opened: Opened, _now: Instant) -> Session {
///         Session(opened.mailbox)
///     }
/// }
///
/// impl Layer for Session {
///     fn message(&mut self, message: Message, _now: Instant) {
///         if let Message::Text(text) = message {
///             let _ = self.0.push(&[Frame::text(&text)]);
///         }
///     }
///
///     fn poll(&mut self, _now: Instant) {}
///
///     fn deadline(&self) -> Option<Instant> {
///         None
///     }
///
///     fn closed(&mut self, reason: CloseReason) {
///         println!("{reason}");
///     }
/// }
/// ```
pub trait Application: Send + Sync + 'static {
    /// The application's side of one session.
    type Layer: Layer + Send + 'static;

    /// A session opened. Only the open packet has been sent to the client.
    fn open(&self, opened: Opened, now: Instant) -> Self::Layer;
}

/// The application's side of one session. The session calls it, and never makes two calls at once.
///
/// ```
/// use std::time::Instant;
/// use engineio::{CloseReason, Layer, Message};
///
/// /// Counts what a client sends.
/// #[derive(Default)]
/// struct Count(usize);
///
/// impl Layer for Count {
///     fn message(&mut self, message: Message, _now: Instant) {
///         self.0 += message.len();
///     }
///
///     fn poll(&mut self, _now: Instant) {}
///
///     fn deadline(&self) -> Option<Instant> {
///         None
///     }
///
///     fn closed(&mut self, reason: CloseReason) {
///         println!("{} bytes, then {reason}", self.0);
///     }
/// }
///
/// let mut layer = Count::default();
/// layer.message(Message::from("hi"), Instant::now());
/// assert_eq!(layer.0, 2);
/// ```
pub trait Layer {
    /// A message arrived.
    fn message(&mut self, message: Message, now: Instant);

    /// Called after [`Mailbox::wake`], and once [`deadline`](Layer::deadline) has passed.
    fn poll(&mut self, now: Instant);

    /// When [`poll`](Layer::poll) is due at the latest. The session asks for it after it has called the
    /// methods above or [`upgraded`](Layer::upgraded). If it changes for another reason, call
    /// [`Mailbox::wake`].
    fn deadline(&self) -> Option<Instant>;

    /// The session has upgraded from polling to WebSocket. It stays there.
    fn upgraded(&mut self) {}

    /// The session ended.
    fn closed(&mut self, reason: CloseReason);

    /// A frame goes out now. The session calls this only while an observer [watches](crate::observe), so that
    /// the layer can show it what the frame means; also after [`closed`](Layer::closed).
    fn sent(&mut self, frame: &Frame) {
        let _ = frame;
    }
}

/// A session that has just opened, as its layer sees it.
///
/// ```
/// use engineio::Opened;
///
/// fn greet(opened: &Opened) {
///     let from = opened.handshake.address;
///     println!("{} came from {from:?} by {}", opened.sid.as_str(), opened.transport.as_str());
/// }
/// ```
#[derive(Debug)]
pub struct Opened {
    /// The session's id. It is a secret, since anyone who has it can act as the client.
    pub sid: Sid,
    /// The protocol's revision.
    pub revision: Revision,
    /// The transport that the session begins on.
    pub transport: Transport,
    /// Where to leave messages for the client.
    pub mailbox: Arc<Mailbox>,
    /// The request that opened the session.
    pub handshake: HandshakeRequest,
    /// Who watches, and is to be shown what the layer makes of it.
    pub observers: Observers,
}

/// The HTTP request that opened a session. It is kept for the session's lifetime, so it owns compact copies
/// and pins nothing of the HTTP server's.
///
/// ```
/// use engineio::HandshakeRequest;
///
/// fn language(handshake: &HandshakeRequest) -> Option<&str> {
///     handshake.headers.get("accept-language")
/// }
///
/// fn room(handshake: &HandshakeRequest) -> Option<String> {
///     handshake.query().get("room").map(|room| room.into_owned())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct HandshakeRequest {
    /// When the request arrived.
    pub time: SystemTime,
    /// The peer's address; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// Path and query of the request, as sent.
    pub url: Box<str>,
    /// The request's header fields.
    pub headers: Headers,
    /// What the HTTP side found out about the request.
    pub attached: Attached,
}

impl HandshakeRequest {
    /// The query parameters, percent-decoded, in the order sent.
    #[must_use]
    pub fn query(&self) -> Query<'_> {
        Query::new(self.url.split_once('?').map_or("", |(_, query)| query))
    }
}

/// Bytes in which the fields of most requests have room.
const USUAL_HEAD: usize = 512;

/// Header fields in one allocation. Names are in lower case; bytes that are not UTF-8 are replaced.
///
/// ```
/// use engineio::Headers;
///
/// let headers = Headers::new([("Host", &b"example.com"[..])].into_iter());
/// assert_eq!(headers.get("host"), Some("example.com"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Headers(Box<str>);

impl Headers {
    /// Copies the given fields.
    pub fn new<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Headers {
        let mut lines = String::with_capacity(USUAL_HEAD);
        for (name, value) in fields {
            let begin = lines.len();
            lines.push_str(name);
            lines[begin..].make_ascii_lowercase();
            lines.push(':');
            // A field value holds no line break (RFC 9110, section 5.5), so one can end the line.
            match std::str::from_utf8(value) {
                Ok(value) if memchr(b'\n', value.as_bytes()).is_none() => lines.push_str(value),
                _ => lines.extend(String::from_utf8_lossy(value).chars().filter(|c| *c != '\n')),
            }
            lines.push('\n');
        }
        Headers(lines.into_boxed_str())
    }

    /// The first field of that name, without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields as names and values, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once(':'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_without_regard_to_case() {
        let headers =
            Headers::new([("Host", &b"a:1"[..]), ("X-Odd", b"\xff"), ("x", b"a\nb: c")].into_iter());
        assert_eq!(headers.get("HOST"), Some("a:1"));
        assert_eq!(headers.get("x-odd"), Some("\u{fffd}"));
        assert_eq!(headers.get("x-none"), None);
        assert_eq!(headers.iter().last(), Some(("x", "ab: c")));
        assert_eq!(headers.iter().count(), 3);
    }
}
