//! What observers see: requests, frames, packets, sessions, and what was wrong with them.
//!
//! Metrics, the journal and the inspector implement [`Observer`], and know nothing else. Observers can't change
//! anything: they borrow what they see. Without observers, no observations are made.
//!
//! This crate has no HTTP or Socket.IO. [`What`] has variants for them anyway, because observers need everything in
//! one order, and all other crates depend on this one.

mod views;
mod watch;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{CloseReason, HandshakeRequest, Limit, Refusal, Revision, Sid, Transport};

pub use views::{
    Carrier, Direction, Note, PacketView, RequestView, ResponseView, SocketPacket, WebSocketFrame,
};
pub use watch::Watch;

/// Sees everything that happens on a server.
///
/// The tasks that serve clients call it, in order for each session. It should be quick, and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, observation: &Observation<'_>) {
        let _ = observation;
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The session; `None` before there is one, such as for a refusal.
    pub sid: Option<&'a Sid>,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum What<'a> {
    /// A request's head arrived.
    Request(RequestView<'a>),
    /// The body of a POST was read. It is not decoded yet, except for the form of JSONP.
    RequestBody {
        /// The [request](RequestView::exchange)'s number.
        exchange: u64,
        /// The body.
        body: &'a [u8],
    },
    /// A request was refused; the response follows.
    Refused {
        /// The request's number.
        exchange: u64,
        /// What was wrong with it.
        refusal: Refusal,
        /// The application's reason, if the application refused it.
        reason: Option<&'a str>,
    },
    /// A request was answered.
    Response(ResponseView<'a>),
    /// The client left before the answer, or the server gave up.
    Aborted {
        /// The request's number.
        exchange: u64,
    },

    /// A session began. The open packet follows.
    Opened {
        /// The number of the request that opened it.
        exchange: u64,
        /// The transport that it begins with.
        transport: Transport,
        /// The protocol's revision.
        revision: Revision,
        /// Whether its polls only carry text.
        base64: bool,
        /// The request that opened it.
        handshake: &'a HandshakeRequest,
    },
    /// A WebSocket was opened for a session that polls, and is probing.
    ProbeOpened,
    /// That WebSocket was dropped. Polling goes on, or the session has ended.
    ProbeDropped,
    /// The probed WebSocket is now the session's transport. If the session has closed, it only sends its queue and
    /// the close frame on it.
    Upgraded {
        /// Which transport that is.
        transport: Transport,
    },
    /// The session is over for the layer above. What is queued may still be sent.
    Closed {
        /// Why.
        reason: CloseReason,
        /// The transport in use.
        transport: Transport,
    },
    /// The server has freed the session. This is its last observation.
    Ended {
        /// The transport that was in use.
        transport: Transport,
    },

    /// A plain WebSocket was opened, which carries neither Engine.IO nor Socket.IO.
    PlainOpened {
        /// The number of the request that opened it.
        exchange: u64,
        /// That request.
        handshake: &'a HandshakeRequest,
    },
    /// The server has freed a plain WebSocket. This is its last observation.
    PlainEnded {
        /// The code of the close frame that came first, from either side; 1005 if it had none, and 1006 if
        /// there was none.
        code: u16,
        /// The reason in it.
        reason: &'a str,
    },

    /// A frame of a WebSocket, or a message on a stream of WebTransport.
    Frame(WebSocketFrame<'a>),
    /// An Engine.IO packet.
    Packet {
        /// Who sent it.
        direction: Direction,
        /// What carries it.
        carrier: Carrier,
        /// The packet.
        packet: PacketView<'a>,
    },
    /// A Socket.IO packet, or the text part of one whose attachments follow. It belongs to the last Engine.IO
    /// packet of that direction.
    SocketPacket {
        /// Who sent it.
        direction: Direction,
        /// The packet.
        packet: SocketPacket<'a>,
    },
    /// An attachment of the last Socket.IO packet in that direction, in an Engine.IO packet of its own.
    Attachment {
        /// Who sent it.
        direction: Direction,
        /// The attachment.
        bytes: &'a [u8],
    },

    /// A socket joined a namespace.
    Joined {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
    },
    /// A socket joined a room. Its own room, named by its id, is not shown.
    RoomJoined {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The room.
        room: &'a str,
    },
    /// A socket left a room. When a socket leaves its namespace, it leaves all rooms, which is not shown.
    RoomLeft {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The room.
        room: &'a str,
    },
    /// A value was stored with a socket, where other servers may see it.
    DataSet {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The value's key.
        key: &'a str,
    },
    /// A socket left its namespace.
    Left {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// The reason, in socket.io's words.
        reason: &'static str,
    },
    /// The application says what it did for a socket.
    Note {
        /// The namespace.
        nsp: &'a str,
        /// The socket's id.
        socket: &'a str,
        /// What it did.
        note: Note<'a>,
    },
    /// The application has finished with an event: its handler, if any, has ended.
    Handled {
        /// The namespace.
        nsp: &'a str,
        /// The event's name, or `on_connect` and the like.
        name: &'a str,
        /// How long the handler ran.
        took: Duration,
    },

    /// A client broke a rule.
    Violation {
        /// The rule's name, such as `UNKNOWN_PACKET_TYPE`.
        rule: &'static str,
        /// Where to read the rule: a section of the protocol, or of `docs/protocol.md`.
        section: &'static str,
        /// What was wrong.
        error: &'a dyn Error,
    },
    /// A limit was met: something was refused, dropped, delayed or ended.
    Limit(Limit),
}

/// All observers, if there are any. Clones share them. It is one word large.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<Vec<Arc<dyn Observer>>>>);

impl Observers {
    /// Whether there are no observers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds an observer.
    pub fn add(&mut self, observer: Arc<dyn Observer>) {
        Arc::make_mut(self.0.get_or_insert_default()).push(observer);
    }

    /// Shows something to all observers. `what` is only called if there are some.
    pub fn see<'a>(&self, sid: Option<&'a Sid>, what: impl FnOnce() -> What<'a>) {
        if let Some(observers) = &self.0 {
            let observation = Observation { sid, what: what() };
            observers.iter().for_each(|observer| observer.observe(&observation));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.as_ref().map_or(0, |observers| observers.len()))
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Limits(Mutex<Vec<Limit>>);

    impl Observer for Limits {
        fn observe(&self, observation: &Observation<'_>) {
            if let What::Limit(limit) = observation.what {
                self.0.lock().push(limit);
            }
        }
    }

    #[test]
    fn nothing_is_put_together_for_nobody() {
        Observers::default().see(None, || panic!("nobody watches"));
        assert!(Observers::default().is_empty());
        assert_eq!(size_of::<Observers>(), size_of::<usize>());
    }

    #[test]
    fn all_observers_see_the_same() {
        let (first, second) = (Arc::new(Limits::default()), Arc::new(Limits::default()));
        let mut observers = Observers::default();
        observers.add(first.clone());
        observers.clone().add(Arc::new(Limits::default()));
        observers.add(second.clone());
        observers.see(None, || What::Limit(Limit::Payload));
        assert_eq!(
            (&first.0.lock()[..], &second.0.lock()[..]),
            (&[Limit::Payload][..], &[Limit::Payload][..])
        );
        assert_eq!(format!("{observers:?}"), "Observers(2)");
    }
}
