//! A namespace: the handlers of its events, and its sockets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::Socket;
use crate::ack::AckSender;
use crate::args::{Args, ArgsError, FromArgs, ToArgs};
use crate::broadcast::Broadcast;
use crate::config::Config;
use crate::error::{DisconnectReason, SendError};
use crate::handler::{Handlers, Middleware, Table, Task};
use crate::io::WeakIo;
use crate::middleware::ConnectError;
use crate::packet::{self, Frames, RESERVED_EVENTS};
use crate::rooms::{Room, Rooms};

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

/// # Handlers
impl Namespace {
    /// Has a future decide whether a client may join. Middlewares run in the order in which they were added;
    /// the first error is the client's `connect_error`. The socket is not connected yet: nothing can be sent
    /// to it, but [`Socket::handshake`] tells who it is, and [`Socket::insert`] keeps what was found out.
    pub fn middleware<F, Fut>(&self, middleware: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let middleware: Middleware = Arc::new(move |socket| Box::pin(middleware(socket)));
        self.register(|handlers| handlers.middlewares.push(middleware))
    }

    /// Runs when a client has joined. Its events wait until this is through. What it returns is dropped.
    pub fn on_connect<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        self.register(|handlers| {
            handlers.connect = Some(Arc::new(move |socket| {
                let future = handler(socket);
                Box::pin(async move { drop(future.await) })
            }));
        })
    }

    /// Handles an event. See [`FromArgs`] for what the arguments can be. What the future returns answers the
    /// client if it asked for an acknowledgement (see [`ToArgs`]).
    ///
    /// If the arguments don't fit, the handler does not run; that is logged.
    ///
    /// # Panics
    /// If the name is one that the protocol reserves, such as `disconnect`: no client can send it.
    pub fn on<A, F, Fut>(&self, event: &str, handler: F) -> Namespace
    where
        A: FromArgs,
        F: Fn(Socket, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.register_event(event, move |socket, args, ack| {
            let future = handler(socket, A::from_args(args)?);
            Ok(Some(Box::pin(async move { ack.send_returned(future.await) })))
        })
    }

    /// Handles an event with a plain function, which must not block.
    ///
    /// # Panics
    /// See [`on`](Namespace::on).
    pub fn on_sync<A, F, R>(&self, event: &str, handler: F) -> Namespace
    where
        A: FromArgs,
        F: Fn(Socket, A) -> R + Send + Sync + 'static,
        R: ToArgs,
    {
        self.register_event(event, move |socket, args, ack| {
            ack.send_returned(handler(socket, A::from_args(args)?));
            Ok(None)
        })
    }

    /// Handles an event, and leaves it to the handler when and how to acknowledge it. What the future returns
    /// is dropped.
    ///
    /// # Panics
    /// See [`on`](Namespace::on).
    pub fn on_with_ack<A, F, Fut>(&self, event: &str, handler: F) -> Namespace
    where
        A: FromArgs,
        F: Fn(Socket, A, AckSender) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        self.register_event(event, move |socket, args, ack| {
            let future = handler(socket, A::from_args(args)?, ack);
            Ok(Some(Box::pin(async move { drop(future.await) })))
        })
    }

    /// Runs when a socket ends, right before [`on_disconnect`](Namespace::on_disconnect). In both,
    /// [`Socket::rooms`] still tells the rooms that it was in.
    pub fn on_disconnecting<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        self.register(|handlers| {
            handlers.disconnecting = Some(Arc::new(move |socket, reason| {
                let future = handler(socket, reason);
                Box::pin(async move { drop(future.await) })
            }));
        })
    }

    /// Runs when a socket has ended, once for each for which `on_connect` ran, and after the handlers of all
    /// its events have started.
    pub fn on_disconnect<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        self.register(|handlers| {
            handlers.disconnect = Some(Arc::new(move |socket, reason| {
                let future = handler(socket, reason);
                Box::pin(async move { drop(future.await) })
            }));
        })
    }

    fn register_event<F>(&self, event: &str, handler: F) -> Namespace
    where
        F: Fn(Socket, Args, AckSender) -> Result<Option<Task>, ArgsError> + Send + Sync + 'static,
    {
        assert!(!RESERVED_EVENTS.contains(&event), "no client can send the reserved event {event:?}");
        self.register(|handlers| {
            handlers.events.insert(event.into(), Arc::new(handler));
        })
    }

    fn register(&self, register: impl FnOnce(&mut Table)) -> Namespace {
        self.0.handlers.register(register);
        self.clone()
    }
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

    /// Finds a handler: one of the namespace's own, or else of its parent's.
    pub(crate) fn find_handler<R>(&self, find: impl Fn(&Table) -> Option<R>) -> Option<R> {
        self.0.handlers.look(&find).or_else(|| self.0.inherited.as_ref()?.look(&find))
    }

    /// The parent's middlewares, and then the namespace's own.
    pub(crate) fn middlewares(&self) -> Vec<Middleware> {
        let mut middlewares = Vec::new();
        for handlers in self.0.inherited.iter().chain([&self.0.handlers]) {
            handlers.look(|table| middlewares.extend_from_slice(&table.middlewares));
        }
        middlewares
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

    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
    ) -> Result<Frames, SendError> {
        if RESERVED_EVENTS.contains(&event) {
            return Err(SendError::ReservedEvent);
        }
        Ok(packet::encode_event(self.name(), id, event, args)?)
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
