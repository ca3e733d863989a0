//! A namespace: the handlers of its events, and its sockets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::args::{Args, ToArgs};
use crate::broadcast::Broadcast;
use crate::config::Config;
use crate::error::SendError;
use crate::handler::{Handlers, Middleware, Table};
use crate::io::WeakIo;
use crate::listener::Direction;
use crate::packet::{Frames, RESERVED_EVENTS};
use crate::rooms::{Room, Rooms};
use crate::{Event, Socket};

mod handlers;

/// A namespace: a channel of its own over the session that a client has, with its own handlers and rooms.
/// Cloning it is cheap.
///
/// Handlers are registered here once, not with each socket. Registering another handler for the same thing
/// replaces the first, also while clients are connected.
///
/// A client's handlers start in the order in which its events arrived, and then run side by side. They
/// don't stop when the client leaves. A handler that panics ends that client's socket and nothing else.
/// Handlers must not block their thread; `tokio::task::spawn_blocking` is for that.
#[derive(Clone)]
pub struct Namespace(Arc<State>);

struct State {
    name: Arc<str>,
    config: Arc<Config>,
    io: WeakIo,
    handlers: Arc<Handlers>,
    /// The parent's handlers, in a namespace that a client brought into being.
    inherited: Option<Arc<Handlers>>,
    rooms: Rooms,
    /// Sockets that are here or may be let in.
    present: AtomicUsize,
    /// The id that the next acknowledged event gets. One counter for all sockets, so that one event to many
    /// of them has one id.
    next_ack_id: AtomicU64,
}

/// # Sockets
impl Namespace {
    /// The namespace's name, with its leading slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Takes the namespace out of service. Its clients are told by a DISCONNECT packet, with the reason
    /// `server namespace disconnect`; who wants to join later is told `Invalid namespace`. A parent takes
    /// its children with it.
    ///
    /// It doesn't wait for anything, and may be called in a handler of this namespace. `io.of` makes a new
    /// namespace of that name, except that `/` is not made again.
    pub fn close(&self) {
        for child in self.children() {
            child.close();
        }
        if let Some(io) = self.0.io.upgrade() {
            io.remove(self);
        }
        for socket in self.0.rooms.close() {
            socket.put_out();
        }
    }

    /// Sends an event to everyone here. See [`Broadcast::emit`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.everyone().emit(event, args)
    }

    /// Everyone in a room.
    pub fn to(&self, room: impl Into<Room>) -> Broadcast {
        self.everyone().to(room)
    }

    /// Everyone in a room: the same as [`to`](Namespace::to).
    pub fn within(&self, room: impl Into<Room>) -> Broadcast {
        self.to(room)
    }

    /// Everyone who is not in a room.
    pub fn except(&self, room: impl Into<Room>) -> Broadcast {
        self.everyone().except(room)
    }

    /// Everyone, with events that may be lost.
    pub fn volatile(&self) -> Broadcast {
        self.everyone().volatile()
    }

    /// The socket with that id, if it is connected here.
    #[must_use]
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.0.rooms.get(id)
    }

    /// All sockets, in no particular order.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.everyone().sockets()
    }

    /// How many sockets are connected here.
    #[must_use]
    pub fn socket_count(&self) -> usize {
        self.0.rooms.len()
    }

    pub(crate) fn everyone(&self) -> Broadcast {
        Broadcast::new(self.clone())
    }
}

impl Namespace {
    pub(crate) fn new(
        name: Arc<str>,
        config: Arc<Config>,
        io: WeakIo,
        parent: Option<&Namespace>,
    ) -> Namespace {
        Namespace(Arc::new(State {
            name,
            config,
            io,
            handlers: Arc::default(),
            inherited: parent.map(|parent| Arc::clone(&parent.0.handlers)),
            rooms: Rooms::default(),
            present: AtomicUsize::new(0),
            next_ack_id: AtomicU64::new(0),
        }))
    }

    /// The parent's handlers, if it has a parent, and the namespace's own.
    pub(crate) fn layers(&self) -> impl DoubleEndedIterator<Item = &Arc<Handlers>> {
        self.0.inherited.iter().chain([&self.0.handlers])
    }

    /// Finds a handler: one of the namespace's own, or else of its parent's.
    pub(crate) fn find_handler<R>(&self, find: impl Fn(&Table) -> Option<R>) -> Option<R> {
        self.layers().rev().find_map(|handlers| handlers.look(&find))
    }

    /// The parent's middlewares, and then the namespace's own.
    pub(crate) fn middlewares(&self) -> Vec<Middleware> {
        let mut middlewares = Vec::new();
        for handlers in self.layers() {
            handlers.look(|table| middlewares.extend_from_slice(&table.middlewares));
        }
        middlewares
    }

    /// A socket here has a listener of its own.
    pub(crate) fn watch(&self, direction: Direction) {
        self.0.handlers.watch(direction);
    }

    /// Whether somebody may want to see the events of sockets here.
    pub(crate) fn is_watched(&self, direction: Direction) -> bool {
        self.layers().any(|handlers| handlers.watches(direction))
    }

    pub(crate) fn is_child_of(&self, parent: &Namespace) -> bool {
        self.0.inherited.as_ref().is_some_and(|handlers| Arc::ptr_eq(handlers, &parent.0.handlers))
    }

    /// Counts a socket that is here or may be let in. Called under the lock on the list of namespaces, so
    /// that a namespace which is let go for its emptiness is empty.
    pub(crate) fn enter(&self) {
        self.0.present.fetch_add(1, Ordering::Relaxed);
    }

    /// A socket that had entered has ended.
    pub(crate) fn leave(&self) {
        let left = self.0.present.fetch_sub(1, Ordering::Relaxed) - 1;
        if left == 0
            && self.0.inherited.is_some()
            && self.0.config.cleanup_empty_child_namespaces
            && let Some(io) = self.0.io.upgrade()
        {
            io.let_go(self);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.present.load(Ordering::Relaxed) == 0
    }

    /// The namespaces that clients have brought into being here.
    fn children(&self) -> Vec<Namespace> {
        match self.0.io.upgrade() {
            Some(io) => io.children_of(self),
            None => Vec::new(),
        }
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.0.rooms
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.0.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes an event. If it is `kept`, whoever looks at it later need not read the frames.
    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        kept: bool,
    ) -> Result<Outgoing, SendError> {
        if RESERVED_EVENTS.contains(&event) {
            return Err(SendError::ReservedEvent);
        }
        if !kept {
            return Ok(Outgoing {
                frames: self.config().parser.event(self.name(), id, event, args)?,
                event: None,
            });
        }
        let args = Args::new(args)?;
        let frames = self.config().parser.event(self.name(), id, event, &args)?;
        Ok(Outgoing { frames, event: Some(Event::new(event.to_owned(), args)) })
    }
}

/// An event on its way out.
pub(crate) struct Outgoing {
    pub(crate) frames: Frames,
    /// The event as it was, if anybody wants to see it.
    pub(crate) event: Option<Event>,
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Namespace) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Namespace").field(&self.name()).finish()
    }
}
