//! The boundary between Engine.IO and the applications on it.
//!
//! A [`Session`](crate::Session) owns one [`StateMachine`](crate::StateMachine) and one [`Layer`]. It passes the
//! layer what arrives, and the layer answers through the session's [`Mailbox`]. Socket.IO is a layer, and so is a
//! plain echo.

use std::sync::Arc;
use std::time::Instant;

use crate::observe::Observers;
use crate::{CloseReason, Frame, HandshakeRequest, Mailbox, Message, Revision, Sid, Transport};

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

    /// Whether [`Layer::upgraded`] gets the request of the WebSocket: its headers may differ from those of the
    /// [handshake](Opened::handshake), a renewed cookie for example. No by default: then the request is not kept.
    const WANTS_UPGRADE_REQUEST: bool = false;

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

    /// Called after [`Mailbox::ring`], and once [`deadline`](Layer::deadline) has passed.
    fn poll(&mut self, now: Instant);

    /// When [`poll`](Layer::poll) must be called at the latest. The session asks for it after it has called the
    /// methods above or [`upgraded`](Layer::upgraded). If it changes for another reason, call [`Mailbox::ring`].
    fn deadline(&self) -> Option<Instant>;

    /// The session has upgraded from polling to `transport`. It stays there. `request` is the one that the transport
    /// came with, if the application [wants it](Application::WANTS_UPGRADE_REQUEST).
    fn upgraded(&mut self, transport: Transport, request: Option<HandshakeRequest>) {
        let _ = (transport, request);
    }

    /// The session ended.
    fn closed(&mut self, reason: CloseReason);

    /// A frame is being sent. The session calls this only while there are [observers](crate::observe), so that the
    /// layer can show them what the frame means. It may call this after [`closed`](Layer::closed) too.
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
    /// The observers, to which the layer shows what it does.
    pub observers: Observers,
}
