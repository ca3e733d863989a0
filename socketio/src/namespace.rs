//! A namespace: the handlers of its events, and its sockets.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::adapter::{Flags, MessageBody};
use crate::answers::{Answers, BroadcastAck};
use crate::args::{FromArgs, ToArgs};
use crate::broadcast::Broadcast;
use crate::cluster::{Cluster, ClusterError, ServerSideError};
use crate::config::Config;
use crate::error::SendError;
use crate::fetched::FetchedSocket;
use crate::handler::{Handlers, Middleware, Table};
use crate::io::WeakIo;
use crate::listener::Direction;
use crate::packet::Frames;
use crate::parser::Tail;
use crate::recovery::{Kept, NamespaceRecovery, Recoveries, Trail};
use crate::rooms::{Room, Rooms};
use crate::{Event, Socket, event};

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
    kind: Kind,
    home: Arc<Home>,
    handlers: Arc<Handlers>,
    rooms: Rooms,
    recovery: Option<NamespaceRecovery>,
    /// Sockets that are here or may be let in.
    present: AtomicUsize,
    /// The id that the next acknowledged event gets. One counter for all sockets, so that one event to many
    /// of them has one id.
    next_ack_id: AtomicU64,
}

/// What kind of namespace it is.
pub(crate) enum Kind {
    Plain,
    /// No client is in it: it stands for its children.
    Parent,
    /// A parent's child, with the parent's handlers.
    Child(Arc<Handlers>),
}

/// What the namespaces of an [`Io`](crate::Io) share.
pub(crate) struct Home {
    pub(crate) config: Config,
    pub(crate) io: WeakIo,
    pub(crate) recoveries: Option<Arc<Recoveries>>,
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// # The namespace
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
        if let Some(io) = self.0.home.io.upgrade() {
            io.remove(self);
        }
        for socket in self.members().close() {
            socket.put_out();
        }
        self.give_up_lost();
        // Closed itself by now, a parent has no further ones: see `Io::enter_child`.
        for child in self.children() {
            child.close();
        }
    }

    /// The rooms that sockets of this node have joined, and how many sockets are in each, in no particular
    /// order: `adapter.rooms` in JavaScript. Rooms that are named by the id of a socket are among them only if
    /// another socket has joined them.
    #[must_use]
    pub fn rooms(&self) -> Vec<(Room, usize)> {
        self.members().sizes()
    }
}

/// # Everyone here
impl Namespace {
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

    /// Everyone on this node. See [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.everyone().local()
    }

    /// Everyone, with the given say about compression. See [`Broadcast::compress`].
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.everyone().compress(compress)
    }

    /// Everyone, with that much time to answer. See [`Broadcast::timeout`].
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.everyone().timeout(timeout)
    }

    /// Sends an event that everyone here is to acknowledge. See [`Broadcast::emit_with_ack`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Result<BroadcastAck<T>, SendError> {
        self.everyone().emit_with_ack(event, args)
    }

    /// All sockets of all nodes. See [`Broadcast::fetch_sockets`].
    ///
    /// # Errors
    /// If a node does not answer in time, or can't be asked.
    pub async fn fetch_sockets(&self) -> Result<Vec<FetchedSocket>, ClusterError> {
        self.everyone().fetch_sockets().await
    }

    /// Has everyone join a room. See [`Broadcast::sockets_join`].
    pub fn sockets_join(&self, room: impl Into<Room>) {
        self.everyone().sockets_join(room);
    }

    /// Has everyone leave a room. See [`Broadcast::sockets_leave`].
    pub fn sockets_leave(&self, room: impl Into<Room>) {
        self.everyone().sockets_leave(room);
    }

    /// Puts everyone out. See [`Broadcast::disconnect_sockets`].
    pub fn disconnect_sockets(&self, close: bool) {
        self.everyone().disconnect_sockets(close);
    }

    /// The socket with that id, if it is connected here.
    #[must_use]
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.members().get(id)
    }

    /// All sockets of this node, in no particular order.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.everyone().sockets()
    }

    /// How many sockets of this node are connected here.
    #[must_use]
    pub fn socket_count(&self) -> usize {
        self.members().len()
    }

    /// The ids of the sockets of this node, in no particular order: the keys of `adapter.sids` in JavaScript.
    #[must_use]
    pub fn socket_ids(&self) -> Vec<Room> {
        self.members().ids()
    }

    pub(crate) fn everyone(&self) -> Broadcast {
        Broadcast::new(self.clone())
    }
}

/// # Other servers
impl Namespace {
    /// Sends an event to the other servers of the cluster, to their
    /// [`on_server_side`](Namespace::on_server_side): `serverSideEmit` in JavaScript. Without an adapter there
    /// are none.
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn server_side_emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        let event = Event::outgoing(event, args)?;
        if let Some(cluster) = self.cluster() {
            let body = MessageBody::ServerSideEmit { event, request: None };
            drop(cluster.publish(self.shared_name(), None, body));
        }
        Ok(())
    }

    /// Sends an event to the other servers of the cluster, and waits for their answers, each read as `T`, for
    /// [`Config::cluster_timeout`] at most: `serverSideEmitWithAck` in JavaScript. A server that has no
    /// handler for it does not answer. Without an adapter there are no answers.
    ///
    /// # Errors
    /// [`ServerSideError::Send`] if the event can't be sent, [`ServerSideError::Cluster`] if other servers
    /// can't be asked.
    pub async fn server_side_emit_with_ack<T: FromArgs>(
        &self,
        event: &str,
        args: impl ToArgs,
    ) -> Result<Answers<T>, ServerSideError> {
        let event = Event::outgoing(event, args)?;
        let Some(cluster) = self.cluster() else {
            return Ok(Answers { answers: Vec::new(), silent_nodes: 0 });
        };
        Ok(cluster.ask_servers(self.shared_name(), event, self.config().cluster_timeout).await?)
    }
}

impl Namespace {
    pub(crate) fn new(name: Arc<str>, kind: Kind, home: Arc<Home>) -> Namespace {
        Namespace(Arc::new(State {
            name,
            kind,
            recovery: home.recoveries.as_ref().map(NamespaceRecovery::new),
            home,
            handlers: Arc::default(),
            rooms: Rooms::default(),
            present: AtomicUsize::new(0),
            next_ack_id: AtomicU64::new(0),
        }))
    }

    /// The kind of this namespace's children.
    pub(crate) fn child(&self) -> Kind {
        Kind::Child(Arc::clone(&self.0.handlers))
    }

    pub(crate) fn is_parent(&self) -> bool {
        matches!(self.0.kind, Kind::Parent)
    }

    fn inherited(&self) -> Option<&Arc<Handlers>> {
        match &self.0.kind {
            Kind::Child(inherited) => Some(inherited),
            Kind::Plain | Kind::Parent => None,
        }
    }

    pub(crate) fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.0.home.cluster.as_ref()
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The parent's handlers, if it has a parent, and the namespace's own.
    pub(crate) fn layers(&self) -> impl DoubleEndedIterator<Item = &Arc<Handlers>> {
        self.inherited().into_iter().chain([&self.0.handlers])
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

    /// Whether somebody listens for what happens to rooms.
    pub(crate) fn watches_rooms(&self) -> bool {
        self.layers().any(|handlers| handlers.watches_rooms())
    }

    /// Whether somebody may want to see the events of sockets here.
    pub(crate) fn is_watched(&self, direction: Direction) -> bool {
        self.layers().any(|handlers| handlers.watches(direction))
    }

    pub(crate) fn is_child_of(&self, parent: &Namespace) -> bool {
        self.inherited().is_some_and(|handlers| Arc::ptr_eq(handlers, &parent.0.handlers))
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
            && self.inherited().is_some()
            && self.config().cleanup_empty_child_namespaces
            && let Some(io) = self.0.home.io.upgrade()
        {
            io.let_go(self);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.present.load(Ordering::Relaxed) == 0
    }

    /// The namespaces that clients have brought into being here.
    pub(crate) fn children(&self) -> Vec<Namespace> {
        match self.0.home.io.upgrade() {
            Some(io) => io.children_of(self),
            None => Vec::new(),
        }
    }

    pub(crate) fn members(&self) -> &Rooms {
        &self.0.rooms
    }

    pub(crate) fn recovery(&self) -> Option<&NamespaceRecovery> {
        self.0.recovery.as_ref()
    }

    /// Nobody comes back to a trail.
    pub(crate) fn end_trail(&self, trail: &Trail) {
        if self.recovery().is_some_and(|recovery| recovery.end(trail)) {
            self.leave();
        }
    }

    /// Nobody comes back to a trail whose socket is away, unless somebody has come back already. Says whether
    /// it was away.
    pub(crate) fn give_up(&self, trail: &Trail) -> bool {
        let given_up = self.recovery().is_some_and(|recovery| recovery.give_up(trail));
        if given_up {
            self.leave();
        }
        given_up
    }

    /// Nobody who has lost the connection comes back here.
    pub(crate) fn give_up_lost(&self) {
        let lost = self.recovery().map_or(0, NamespaceRecovery::close);
        (0..lost).for_each(|_| self.leave());
    }

    pub(crate) fn downgrade(&self) -> WeakNamespace {
        WeakNamespace(Arc::downgrade(&self.0))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.home.config
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.0.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes an event, of whose flags only `compress` matters here. If it is `watched`, whoever looks at it
    /// later need not read the frames.
    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
        recall: Recall,
        watched: bool,
    ) -> Result<Outgoing, SendError> {
        let recovery = self.recovery().filter(|_| id.is_none() && recall != Recall::Never);
        let tail = match recovery {
            None => Tail::None,
            Some(_) if recall == Recall::Volatile => Tail::NoString,
            Some(recovery) => Tail::Offset(recovery.shared().next_offset()),
        };
        let parser = &self.config().parser;
        let mut outgoing = if watched {
            let event = Event::outgoing(event, args)?;
            let frames = parser.event(self.name(), id, event.name(), event.args(), tail)?;
            Outgoing { frames, event: Some(event), kept: None }
        } else {
            event::check_name(event)?;
            let frames = parser.event(self.name(), id, event, args, tail)?;
            Outgoing { frames, event: None, kept: None }
        };
        if flags.compress == Some(false) {
            outgoing.frames = outgoing.frames.uncompressed();
        }
        if let (Some(recovery), Tail::Offset(offset)) = (recovery, tail) {
            outgoing.kept = Some(recovery.shared().keep(offset, &outgoing.frames));
        }
        Ok(outgoing)
    }
}

/// What becomes of an event, without an acknowledgement, that a client misses because it has lost its
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// It gets it when it comes back.
    Kept,
    /// It doesn't, but the event must not be taken for one that is kept.
    Volatile,
    /// It is of those that can't come back.
    Never,
}

impl Recall {
    /// Of an event that is sent to those who can come back.
    pub(crate) fn of(flags: Flags) -> Recall {
        if flags.volatile { Recall::Volatile } else { Recall::Kept }
    }
}

/// An event on its way out.
pub(crate) struct Outgoing {
    pub(crate) frames: Frames,
    /// The event as it was, if anybody wants to see it.
    pub(crate) event: Option<Event>,
    /// The event as those get it who miss it.
    pub(crate) kept: Option<Arc<Kept>>,
}

/// A namespace as those know it that do not keep it.
#[derive(Clone)]
pub(crate) struct WeakNamespace(Weak<State>);

impl WeakNamespace {
    pub(crate) fn upgrade(&self) -> Option<Namespace> {
        self.0.upgrade().map(Namespace)
    }
}

impl PartialEq for WeakNamespace {
    fn eq(&self, other: &WeakNamespace) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
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
