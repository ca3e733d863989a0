//! A client in a namespace: how it begins and ends, what it sends, its rooms, and what applications keep with
//! it.
//!
//! Each method of a [`Socket`] is in the file of what it works with:
//!
//! | file | methods |
//! |---|---|
//! | here | who it is, its rooms |
//! | `sending` | what it sends: `emit`, `to`, `volatile`, `ready` |
//! | `life`, `entering` | how it ends and begins; what it does before it is let in |
//! | `attached` | data, extensions, and handlers of its own |
//! | `note` | what the application tells observers about itself |
//! | `handler/running`, `handler/dispatch` | the order of its handlers, and which one handles an event |
//! | `ack/sender` | the answer to an event |
//! | `namespace/room_events` | what rooms' listeners are told |
//! | `io/state`, `cluster/fetched` | how it is shown to the application and to other nodes |

use std::fmt;
use std::sync::{Arc, OnceLock};

use engineio::{Limit, LimitHits, Mailbox, Revision, Transport};
use parking_lot::MappedMutexGuard;
use tokio::sync::Notify;

use crate::ack::pending::PendingAcks;
use crate::client::link::Link;
use crate::error::JoinError;
use crate::handler::Handlers;
use crate::handler::queue::HandlerQueue;
use crate::io::config::IoConfig;
use crate::namespace::Namespace;
use crate::namespace::room::Room;
use crate::namespace::to_rooms::{ToRooms, room_list};
use crate::recovery::history::History;
use crate::socket::handshake::Handshake;

mod attached;
mod entering;
pub(crate) mod handshake;
pub(crate) mod life;
mod note;
pub(crate) mod sending;
mod stage;
pub(crate) mod values;

use stage::{Lifecycle, Phase};
use values::Values;

/// A client in a namespace. Cloning it is cheap. You can keep a clone, send it to other tasks, and use it
/// after the client has left.
///
/// ```
/// use socketio::{Io, SendError, Socket};
///
/// fn handlers(io: &Io) {
///     io.on("enter", |socket: Socket, room: String| async move {
///         let _ = socket.join(&room); // an error only after the client has left, or with too many rooms
///         socket.emit("entered", &room)?; // to this client
///         socket.to(&room).emit("entered", socket.id())?; // to the others in the room
///         Ok::<_, SendError>(())
///     });
/// }
/// ```
#[derive(Clone)]
pub struct Socket(Arc<State>);

/// The fields that a broadcast reads come first, next to each other: the sockets of its receivers are not in the
/// cache.
#[repr(C)]
struct State {
    /// Its history, if it can be recovered.
    history: Option<Arc<History>>,
    /// The link's.
    mailbox: Arc<Mailbox>,
    lifecycle: Lifecycle,
    recovered: bool,
    /// Tells the sockets of one client apart, including ended ones.
    serial: u32,
    link: Arc<Link>,
    id: Room,
    namespace: Namespace,
    /// JSON; `None` stands for `{}`.
    auth: Option<Box<str>>,
    pending_acks: PendingAcks,
    end: Notify,
    attached: OnceLock<Box<Attached>>,
}

/// What an application attaches to a socket: nearly always nothing, which needs no memory.
#[derive(Default)]
struct Attached {
    handlers: OnceLock<Arc<Handlers>>,
    kept: Arc<Values>,
}

/// # Who it is
impl Socket {
    /// The socket's id, unique in its namespace: 20 random characters. For clients of socket.io 1 and 2 it is
    /// derived from the session's id, as they expect.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The namespace that the client joined.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// The request that opened the session, and the client's auth for this namespace.
    #[must_use]
    pub fn handshake(&self) -> Handshake<'_> {
        Handshake { request: &self.0.link.handshake, auth: self.0.auth.as_deref().unwrap_or("{}") }
    }

    /// The session's current transport: `socket.conn.transport` in JavaScript. It changes at most once, from
    /// polling to WebSocket: see [`on_upgrade`](Socket::on_upgrade).
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.link.transport()
    }

    /// The client's revision of Engine.IO: `socket.conn.protocol` in JavaScript. Clients of socket.io 1 and 2
    /// use revision 3.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.link.revision
    }

    /// Whether the client has recovered this socket after it lost its connection. It then has the same id,
    /// rooms and data as before, and the client has been sent what it missed. See [`IoConfig::recovery`].
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// Whether the socket is connected: from right before `on_connect` until it ends. It is not connected in
    /// a middleware.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.lifecycle.is(Phase::Connected)
    }
}

/// # Rooms
impl Socket {
    /// Joins a room, or all rooms of a list. In a middleware, this takes effect when the client has been
    /// accepted.
    ///
    /// # Errors
    /// See [`JoinError`]. The socket then joins none of them.
    pub fn join(&self, rooms: impl ToRooms) -> Result<(), JoinError> {
        let rooms = room_list(rooms);
        let joined = self
            .join_early(&rooms)
            .unwrap_or_else(|| self.0.namespace.members().join(self, &rooms, self.config().max_rooms));
        if let Err(JoinError::TooManyRooms) = joined {
            self.hits().count(Limit::Rooms);
        }
        joined
    }

    /// Leaves a room, or all of a list.
    pub fn leave(&self, rooms: impl ToRooms) {
        let rooms = room_list(rooms);
        if self.leave_early(&rooms).is_none() {
            self.0.namespace.members().leave(self, &rooms);
        }
    }

    /// The rooms that the socket has joined, without the room that is named by its own id. After its end,
    /// these are the rooms that it was in; in a middleware, those that it will be in.
    #[must_use]
    pub fn rooms(&self) -> Vec<Room> {
        match self.0.lifecycle.rooms() {
            Some(rooms) => rooms,
            None if self.is_pending() => self.kept_rooms(),
            None => self.0.namespace.members().of(self),
        }
    }
}

/// # For the client and the namespace
impl Socket {
    /// The room that it alone is in.
    pub(crate) fn room(&self) -> Room {
        Arc::clone(&self.0.id)
    }

    pub(crate) fn auth(&self) -> Option<Box<str>> {
        self.0.auth.clone()
    }

    pub(crate) fn serial(&self) -> u32 {
        self.0.serial
    }

    pub(crate) fn namespace_name(&self) -> &str {
        self.0.namespace.name()
    }

    pub(crate) fn config(&self) -> &IoConfig {
        self.0.namespace.config()
    }

    pub(crate) fn hits(&self) -> &LimitHits {
        self.0.namespace.hits()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0.link
    }

    #[cfg(test)]
    pub(crate) fn downgrade_link(&self) -> std::sync::Weak<Link> {
        Arc::downgrade(&self.0.link)
    }

    /// Its handler queue, if it has been accepted. No other lock of the socket may be taken meanwhile.
    #[inline]
    pub(crate) fn queue(&self) -> Option<MappedMutexGuard<'_, HandlerQueue>> {
        self.0.lifecycle.queue()
    }

    pub(crate) fn pending_acks(&self) -> &PendingAcks {
        &self.0.pending_acks
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.0.namespace.next_ack_id()
    }

    /// Tells sockets apart, even those with the same id.
    pub(crate) fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.namespace_name()).finish()
    }
}
