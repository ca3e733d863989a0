//! A namespace: the handlers of its events, its sockets and their rooms. It also has the operations on many sockets
//! ([`broadcast`]), and how clients create namespaces ([`parents`]). Everything about one socket is in
//! [`socket`](crate::socket).

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use engineio::{LimitHits, Mailbox};

use crate::cluster::Cluster;
use crate::handler::listener::EventDirection;
use crate::handler::unhandled::UnhandledEvents;
use crate::handler::{Handlers, Middleware, Table};
use crate::io::config::IoConfig;
use crate::io::shared::Shared;
use crate::namespace::room::Room;
use crate::namespace::rooms::Rooms;
use crate::recovery::history::History;
use crate::recovery::{NamespaceRecovery, Recoveries};
use crate::socket::Socket;

pub(crate) mod broadcast;
mod everyone;
pub(crate) mod flags;
mod handlers;
pub(crate) mod outgoing;
pub(crate) mod parents;
pub(crate) mod pending_events;
pub(crate) mod room;
pub(crate) mod room_event;
mod room_events;
pub(crate) mod rooms;
pub(crate) mod to_rooms;

/// A namespace: a separate channel over a client's session, with its own handlers and rooms. Cloning it is
/// cheap.
///
/// You register handlers here once, not on each socket. Another handler for the same event replaces the
/// first, even while clients are connected.
///
/// A client's handlers start in the order in which its events arrived, and then run concurrently. They
/// continue when the client leaves. A handler that panics only ends that client's socket. Handlers must not
/// block their thread; use `tokio::task::spawn_blocking`.
///
/// ```
/// use socketio::{ConnectError, Io, Namespace, Socket};
///
/// fn admin(io: &Io) -> Namespace {
///     io.of("/admin")
///         .middleware(|socket: Socket| async move {
///             let token = socket.handshake().auth::<String>().unwrap_or_default();
///             if token == "secret" { Ok(()) } else { Err(ConnectError::new("not authorized")) }
///         })
///         .on("stats", |socket: Socket, ()| async move { socket.namespace().socket_count() })
/// }
/// ```
#[derive(Clone)]
pub struct Namespace(Arc<State>);

struct State {
    name: Arc<str>,
    kind: Kind,
    core: Arc<IoCore>,
    handlers: Arc<Handlers>,
    rooms: Rooms<Socket>,
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
    /// It has no clients of its own, only children.
    Parent,
    /// A parent's child, with the parent's handlers.
    Child {
        parent: Arc<Handlers>,
        /// Whether a client has created it, not the server's own code.
        dynamic: bool,
    },
}

/// What the namespaces of an [`Io`](crate::Io) share.
pub(crate) struct IoCore {
    pub(crate) config: IoConfig,
    pub(crate) hits: Arc<LimitHits>,
    pub(crate) namespaces: Weak<dyn Namespaces>,
    pub(crate) recoveries: Option<Arc<Recoveries>>,
    pub(crate) unhandled: UnhandledEvents,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) shared: Shared,
}

/// The namespaces of an [`Io`](crate::Io), for the namespaces themselves and for other nodes.
pub(crate) trait Namespaces: Send + Sync {
    fn find(&self, name: &str) -> Option<Namespace>;
    fn cluster(&self) -> Option<&Arc<Cluster>>;
    /// The children of a parent.
    fn children_of(&self, parent: &Namespace) -> Vec<Namespace>;
    /// Removes a child that may be empty.
    fn let_go(&self, namespace: &Namespace);
    /// Removes a namespace.
    fn remove(&self, namespace: &Namespace);
}

/// # The namespace
impl Namespace {
    /// The namespace's name, with its leading slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Removes the namespace. Its clients get a DISCONNECT packet, and their sockets end with `server
    /// namespace disconnect`. Clients that want to join later get `Invalid namespace`. Closing a parent also
    /// closes its children.
    ///
    /// It returns at once, and you can call it in a handler of this namespace. `io.of` then creates a new
    /// namespace of that name, except for `/`, which can't be created again.
    pub fn close(&self) {
        if let Some(namespaces) = self.0.core.namespaces.upgrade() {
            namespaces.remove(self);
        }
        for socket in self.members().close() {
            socket.put_out();
        }
        self.give_up_lost();
        // A closed parent gets no further children: see `Io::enter_child`.
        for child in self.children() {
            child.close();
        }
    }

    /// Removes the namespace unless a client of this node is in it, or about to join. `io.of` then creates a new one of
    /// that name, so don't keep this one. `/` stays.
    pub fn close_if_empty(&self) {
        if self.name() == "/" {
            return;
        }
        if let Some(namespaces) = self.0.core.namespaces.upgrade() {
            namespaces.let_go(self);
        }
    }

    /// The rooms of this node's sockets, and how many sockets are in each, in no particular order:
    /// `adapter.rooms` in JavaScript. It includes a room that is named by a socket's id only if another
    /// socket has joined it.
    #[must_use]
    pub fn rooms(&self) -> Vec<(Room, usize)> {
        self.members().sizes()
    }

    /// Whether a socket of this node is in a room. Each socket is in a room that is named by its id.
    #[must_use]
    pub fn has_room(&self, room: &str) -> bool {
        self.members().has_room(room)
    }
}

impl Namespace {
    pub(crate) fn new(name: Arc<str>, kind: Kind, core: Arc<IoCore>) -> Namespace {
        Namespace(Arc::new_cyclic(|namespace| State {
            name,
            kind,
            recovery: core.recoveries.as_ref().map(|shared| {
                let weak = WeakNamespace(Weak::clone(namespace));
                let give_up = move |history: &History| weak.upgrade().is_some_and(|it| it.give_up(history));
                NamespaceRecovery::new(shared, Arc::new(give_up))
            }),
            core,
            handlers: Arc::default(),
            rooms: Rooms::default(),
            present: AtomicUsize::new(0),
            next_ack_id: AtomicU64::new(0),
        }))
    }

    /// The kind of this namespace's children.
    pub(crate) fn child(&self, dynamic: bool) -> Kind {
        Kind::Child { parent: Arc::clone(&self.0.handlers), dynamic }
    }

    /// Whether a client has brought it into being.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.0.kind, Kind::Child { dynamic: true, .. })
    }

    pub(crate) fn is_parent(&self) -> bool {
        matches!(self.0.kind, Kind::Parent)
    }

    fn inherited(&self) -> Option<&Arc<Handlers>> {
        match &self.0.kind {
            Kind::Child { parent, .. } => Some(parent),
            Kind::Plain | Kind::Parent => None,
        }
    }

    pub(crate) fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.0.core.cluster.as_ref()
    }

    /// The cluster, if clients recover on any node of it.
    pub(crate) fn shared_recovery(&self) -> Option<&Arc<Cluster>> {
        self.cluster().filter(|cluster| cluster.sessions().is_some())
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The parent's handlers, if it has a parent, and the namespace's own.
    pub(crate) fn handler_tables(&self) -> impl DoubleEndedIterator<Item = &Arc<Handlers>> {
        self.inherited().into_iter().chain([&self.0.handlers])
    }

    /// Finds a handler: one of the namespace's own, or else of its parent's.
    pub(crate) fn find_handler<R>(&self, find: impl Fn(&Table) -> Option<R>) -> Option<R> {
        self.handler_tables().rev().find_map(|handlers| handlers.look(&find))
    }

    /// The parent's middlewares, and then the namespace's own.
    pub(crate) fn middlewares(&self) -> Vec<Middleware> {
        let mut middlewares = Vec::new();
        for handlers in self.handler_tables() {
            handlers.look(|table| middlewares.extend_from_slice(&table.middlewares));
        }
        middlewares
    }

    /// A socket here has a listener of its own.
    pub(crate) fn watch(&self, direction: EventDirection) {
        self.0.handlers.watch(direction);
    }

    /// Whether there are listeners for changes of rooms.
    pub(crate) fn watches_rooms(&self) -> bool {
        self.handler_tables().any(|handlers| handlers.watches_rooms())
    }

    /// Whether there may be listeners for the events of sockets here.
    pub(crate) fn is_watched(&self, direction: EventDirection) -> bool {
        self.handler_tables().any(|handlers| handlers.watches(direction))
    }

    pub(crate) fn is_child_of(&self, parent: &Namespace) -> bool {
        self.inherited().is_some_and(|handlers| Arc::ptr_eq(handlers, &parent.0.handlers))
    }

    /// Counts a socket that is here or may join. Called under the lock on the list of namespaces, so that a namespace
    /// that is removed because it is empty really is.
    pub(crate) fn enter(&self) {
        self.0.present.fetch_add(1, Ordering::Relaxed);
    }

    /// A socket that had entered has ended.
    pub(crate) fn leave(&self) {
        let left = self.0.present.fetch_sub(1, Ordering::Relaxed) - 1;
        if left == 0
            && self.inherited().is_some()
            && self.config().cleanup_empty_child_namespaces
            && let Some(namespaces) = self.0.core.namespaces.upgrade()
        {
            namespaces.let_go(self);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.present.load(Ordering::Relaxed) == 0
    }

    /// The namespaces that clients have created here.
    pub(crate) fn children(&self) -> Vec<Namespace> {
        match self.0.core.namespaces.upgrade() {
            Some(namespaces) => namespaces.children_of(self),
            None => Vec::new(),
        }
    }

    pub(crate) fn members(&self) -> &Rooms<Socket> {
        &self.0.rooms
    }

    pub(crate) fn recovery(&self) -> Option<&NamespaceRecovery> {
        self.0.recovery.as_ref()
    }

    /// Nobody comes back to a history.
    pub(crate) fn end_history(&self, history: &History) {
        if self.recovery().is_some_and(|recovery| recovery.end(history)) {
            self.forget_session(history);
            self.leave();
        }
    }

    /// The application disconnects a socket that has ended or is ending, so it can't be recovered.
    pub(crate) fn put_out(&self, history: &History, mailbox: &Arc<Mailbox>) {
        if self.recovery().is_some_and(|recovery| recovery.put_out(history, mailbox)) {
            self.forget_session(history);
            self.leave();
        }
    }

    /// Ends a history whose socket is away, unless a client is already recovering it. Returns whether the socket was
    /// away.
    pub(crate) fn give_up(&self, history: &History) -> bool {
        let given_up = self.recovery().is_some_and(|recovery| recovery.give_up(history));
        if given_up {
            self.leave();
        }
        given_up
    }

    /// No lost socket can be recovered here any more.
    pub(crate) fn give_up_lost(&self) {
        let lost = self.recovery().map_or(0, NamespaceRecovery::close);
        (0..lost).for_each(|_| self.leave());
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.core.shared
    }

    pub(crate) fn config(&self) -> &IoConfig {
        &self.0.core.config
    }

    pub(crate) fn hits(&self) -> &Arc<LimitHits> {
        &self.0.core.hits
    }

    pub(crate) fn unhandled_events(&self) -> &UnhandledEvents {
        &self.0.core.unhandled
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.0.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// A reference to a namespace that does not keep it alive.
struct WeakNamespace(Weak<State>);

impl WeakNamespace {
    fn upgrade(&self) -> Option<Namespace> {
        self.0.upgrade().map(Namespace)
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
