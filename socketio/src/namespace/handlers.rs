//! Registering a namespace's handlers.

use std::sync::Arc;

use super::Namespace;
use crate::ack::AckSender;
use crate::args::{Args, FromArgs, ToArgs};
use crate::error::DisconnectReason;
use crate::handler::{
    EventError, Middleware, RecoveryGuard, ServerEventHandler, acking_event_handler, disconnect_handler,
    error_handler, event_handler, socket_handler, sync_event_handler, unhandled_handler,
};
use crate::listener::{Direction, ListenerHandle, Place};
use crate::middleware::ConnectError;
use crate::room_events::RoomEvent;
use crate::unhandled::Unhandled;
use crate::{Event, Socket};

/// # Sockets that come
impl Namespace {
    /// Has a future decide whether a client may join: `io.use(..)` in JavaScript. Middlewares run in the order
    /// in which they were added; the first error is the client's `connect_error`.
    ///
    /// The socket is not connected yet. [`Socket::handshake`] tells who it is, and [`Socket::insert`] keeps what
    /// was found out. Rooms that it joins and events that are emitted to it wait until all middlewares have
    /// agreed: then it is in those rooms, and the client gets the events right after it has connected. If one
    /// refuses, or the client goes meanwhile, they are forgotten. An acknowledgement can't come before that, so
    /// don't await one here.
    ///
    /// ```
    /// # use socketio::{ConnectError, Io, Socket};
    /// # #[derive(serde::Deserialize)]
    /// # struct User { id: u64, name: String }
    /// # async fn user_of(token: String) -> Option<User> { None }
    /// # let io = Io::new();
    /// io.middleware(|socket: Socket| async move {
    ///     let token = socket.handshake().auth::<String>().unwrap_or_default();
    ///     let Some(user) = user_of(token).await else { return Err("who are you?".into()) };
    ///     let _ = socket.join(format!("user:{}", user.id));
    ///     let _ = socket.emit("welcome", &user.name);
    ///     Ok(())
    /// });
    /// ```
    pub fn middleware<F, Fut>(&self, middleware: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let middleware: Middleware = Arc::new(move |socket| Box::pin(middleware(socket)));
        self.0.handlers.register(|table| table.middlewares.push(middleware));
        self.clone()
    }

    /// Has a future decide whether a client gets the socket that it comes back for
    /// ([`Config::recovery`](crate::Config::recovery)). It runs before the middlewares, also if they are skipped.
    /// The socket has the old one's id, rooms, data and values, and the handshake of the request that came now.
    /// If it is not this client's, the client joins as a new one, with a new id, and the old socket waits on.
    ///
    /// A client may come back with another login than it left with, and would be in the old one's rooms:
    ///
    /// ```
    /// # use socketio::{Io, Socket};
    /// # struct User { id: u64 }
    /// # async fn user_of(token: &str) -> Option<User> { None }
    /// # let io = Io::new();
    /// io.allow_recovery(|socket: Socket| async move {
    ///     let token = socket.handshake().auth::<String>().unwrap_or_default();
    ///     let (was, is) = (socket.get::<User>(), user_of(&token).await);
    ///     was.map(|user| user.id) == is.map(|user| user.id)
    /// });
    /// ```
    pub fn allow_recovery<F, Fut>(&self, guard: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let guard: RecoveryGuard = Arc::new(move |socket| Box::pin(guard(socket)));
        drop(self.0.handlers.register(|table| table.allow_recovery.replace(guard)));
        self.clone()
    }

    /// Runs when a client has joined: `io.on("connection", ..)` in JavaScript. Its events wait until this is
    /// through. What it returns is dropped.
    pub fn on_connect<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = socket_handler(handler);
        drop(self.0.handlers.register(|table| table.connect.replace(handler)));
        self.clone()
    }

    /// Runs when the session of a socket here goes over from polling to WebSocket:
    /// `socket.conn.on("upgrade", ..)` in JavaScript, for all sockets at once. A client that begins with
    /// WebSocket does not, and [`Socket::transport`] tells where one is. What it returns is dropped.
    pub fn on_upgrade<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = socket_handler(handler);
        drop(self.0.handlers.register(|table| table.upgrade.replace(handler)));
        self.clone()
    }
}

/// # Events
impl Namespace {
    /// Handles an event. See [`FromArgs`] for what the arguments can be. What the future returns answers the
    /// client if it asked for an acknowledgement (see [`ToArgs`]). Write `()` for an event without arguments:
    /// `|socket: Socket, ()| async { .. }`. What handlers share is a [state](crate::Io::set_state).
    ///
    /// If the arguments don't fit, the handler does not run; that is logged and counted, and
    /// [`on_unhandled`](Namespace::on_unhandled) can answer. A second handler for the same event replaces the
    /// first.
    ///
    /// # Panics
    /// If the name is one that the protocol reserves, such as `disconnect`: no client can send it.
    pub fn on<A, F, Fut>(&self, event: &str, handler: F) -> Namespace
    where
        A: FromArgs,
        F: Fn(Socket, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.0.handlers.register_event(event, event_handler(handler), false);
        self.clone()
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
        self.0.handlers.register_event(event, sync_event_handler(handler), false);
        self.clone()
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
        self.0.handlers.register_event(event, acking_event_handler(handler), false);
        self.clone()
    }

    /// Handles the events that no other handler takes: those of a name without a handler, and those whose
    /// arguments don't fit their handler. What it returns answers the client, if it asked for an
    /// acknowledgement; without it such a client waits in vain.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use socketio::{Event, Io, Socket, Unhandled};
    /// # let io = Io::new();
    /// io.on("add", |_: Socket, (a, b): (i64, i64)| async move { a + b })
    ///     .on_unhandled(|_: Socket, event: Event, why: Unhandled| async move {
    ///         // {"error":"add: argument 1: invalid type: string \"x\", expected i64"}
    ///         json!({ "error": format!("{}: {why}", event.name()) })
    ///     });
    /// ```
    ///
    /// It runs once the event middlewares have let the event pass. A middleware's refusal goes to
    /// [`on_error`](Namespace::on_error).
    pub fn on_unhandled<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, Event, Unhandled) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.0.handlers.set_unhandled(unhandled_handler(handler));
        self.clone()
    }

    /// Has a future decide about each event of each socket, before its handler: what `socket.use(..)` is in
    /// JavaScript for one socket, and [`Socket::middleware`] here. Middlewares run in the order in which they
    /// were added, the namespace's before the socket's. They can't change the event. The first error keeps it
    /// from its handler and goes to [`on_error`](Namespace::on_error); the event is not acknowledged then.
    ///
    /// While a middleware waits for something, later events of the socket may overtake this one.
    ///
    /// ```
    /// # use socketio::{Event, Io, Socket};
    /// # struct Admin;
    /// # let io = Io::new();
    /// io.event_middleware(|socket: Socket, event: Event| async move {
    ///     if event.name().starts_with("admin:") && socket.get::<Admin>().is_none() {
    ///         return Err("admins only".into());
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn event_middleware<F, Fut>(&self, middleware: F) -> Namespace
    where
        F: Fn(Socket, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), EventError>> + Send + 'static,
    {
        self.0.handlers.add_event_middleware(middleware);
        self.clone()
    }

    /// Runs when an event middleware refused an event: `socket.on("error", ..)` in JavaScript. Without it the
    /// refusal is logged.
    pub fn on_error<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, Event, EventError) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = error_handler(handler);
        drop(self.0.handlers.register(|table| table.error.replace(handler)));
        self.clone()
    }
}

/// # Catch-all listeners
///
/// A listener is a plain function that sees every event, and changes nothing. The namespace's listeners are
/// called before the socket's. They must not block; no lock is held while they run.
impl Namespace {
    /// Sees every event that a client of this namespace sends, before middlewares and handlers:
    /// `socket.onAny(..)` in JavaScript, for all sockets at once.
    ///
    /// ```
    /// # use socketio::{Event, Io, Socket};
    /// # let io = Io::new();
    /// let listener = io.on_any(|socket: &Socket, event: &Event| {
    ///     println!("{} sent {} {:?}", socket.id(), event.name(), event.args());
    /// });
    /// listener.remove();
    /// ```
    pub fn on_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerHandle {
        self.0.handlers.add_listener(Direction::Incoming, Place::Last, Arc::new(listener))
    }

    /// The same as [`on_any`](Namespace::on_any), before the listeners that are there.
    pub fn prepend_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerHandle {
        self.0.handlers.add_listener(Direction::Incoming, Place::First, Arc::new(listener))
    }

    /// Sees every event that is sent to a client of this namespace, once it is queued for that client:
    /// `socket.onAnyOutgoing(..)` in JavaScript, for all sockets at once. A broadcast is seen once for each
    /// receiver. Acknowledgements are not events.
    pub fn on_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &Event) + Send + Sync + 'static,
    ) -> ListenerHandle {
        self.0.handlers.add_listener(Direction::Outgoing, Place::Last, Arc::new(listener))
    }

    /// The same as [`on_any_outgoing`](Namespace::on_any_outgoing), before the listeners that are there.
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &Event) + Send + Sync + 'static,
    ) -> ListenerHandle {
        self.0.handlers.add_listener(Direction::Outgoing, Place::First, Arc::new(listener))
    }
}

/// # Rooms, and other servers
impl Namespace {
    /// Calls a function when a room comes into being or ceases to be, and when a socket joins or leaves one:
    /// the events of `io.of(..).adapter` in JavaScript. It must not block; no lock is held while it runs.
    pub fn on_room_event(&self, listener: impl Fn(&RoomEvent) + Send + Sync + 'static) -> Namespace {
        self.0.handlers.add_room_listener(Arc::new(listener));
        self.clone()
    }

    /// Handles an event that another server of the cluster sent by
    /// [`server_side_emit`](Namespace::server_side_emit): `io.on(..)` in JavaScript. What the future returns
    /// is the answer, if one is wanted.
    pub fn on_server_side<A, F, Fut>(&self, event: &str, handler: F) -> Namespace
    where
        A: FromArgs,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        let handler: ServerEventHandler = Arc::new(move |args| {
            let future = handler(A::from_args(args)?);
            Ok(Box::pin(async move { Args::new(future.await) }))
        });
        drop(self.0.handlers.register(|table| table.server_events.insert(event.into(), handler)));
        self.clone()
    }
}

/// # The end of a socket
impl Namespace {
    /// Runs when a socket ends, right before [`on_disconnect`](Namespace::on_disconnect). In both,
    /// [`Socket::rooms`] still tells the rooms that it was in.
    pub fn on_disconnecting<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = disconnect_handler(handler);
        drop(self.0.handlers.register(|table| table.disconnecting.replace(handler)));
        self.clone()
    }

    /// Runs when a socket has ended, once for each for which `on_connect` ran, and after the handlers of all
    /// its events have started.
    pub fn on_disconnect<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = disconnect_handler(handler);
        drop(self.0.handlers.register(|table| table.disconnect.replace(handler)));
        self.clone()
    }
}
