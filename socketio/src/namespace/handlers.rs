//! Registering a namespace's handlers.

use std::sync::Arc;

use super::Namespace;
use crate::ack::sender::AckSender;
use crate::args::event::Event;
use crate::args::{Args, FromArgs, ToArgs};
use crate::error::DisconnectReason;
use crate::error::connect_error::ConnectError;
use crate::handler::listener::{EventDirection, ListenerPosition};
use crate::handler::unhandled::Unhandled;
use crate::handler::{
    EventError, ListenerHandle, Middleware, RecoveryGuard, ServerEventHandler, acking_event_handler,
    async_event_handler, disconnect_handler, error_handler, other_handler, socket_handler,
    sync_event_handler, unhandled_handler,
};
use crate::namespace::room_event::RoomEvent;
use crate::socket::Socket;

/// # Sockets that come
impl Namespace {
    /// Adds a middleware, which decides whether a client may join: `io.use(..)` in JavaScript. Middlewares
    /// run in the order in which you add them. The client gets the first error as `connect_error`.
    ///
    /// The socket is not connected yet. Read who the client is from [`Socket::handshake`], and keep what you
    /// find out with [`Socket::insert`]. Rooms that the socket joins, and events that you emit to it, wait
    /// until all middlewares have accepted the client. The client gets the events right after it has
    /// connected. If a middleware refuses, or the client leaves first, nothing is joined or sent. Don't wait
    /// for an acknowledgement in a middleware: it can't come before that.
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

    /// Decides whether a client may recover its former socket
    /// ([`IoConfig::recovery`](crate::IoConfig::recovery)). This runs before the middlewares, even if they are
    /// skipped. The socket has the old id, rooms, data and values, and the new request's handshake. If you
    /// refuse, the client joins as a new one, with a new id, and the old socket waits on.
    ///
    /// Use it if a client can come back with another login. Otherwise it gets the rooms of the old one:
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

    /// Runs when a client has joined: `io.on("connection", ..)` in JavaScript. The client's events wait until
    /// it has finished. Its result is ignored.
    pub fn on_connect<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = socket_handler(handler);
        drop(self.0.handlers.register(|table| table.connect.replace(handler)));
        self.clone()
    }

    /// Runs when a socket's session upgrades from polling to WebSocket: `socket.conn.on("upgrade", ..)` in
    /// JavaScript, for all sockets. It doesn't run for a client that starts with WebSocket;
    /// [`Socket::transport`] tells the transport. Its result is ignored.
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
    /// Handles an event. [`FromArgs`] lists the types of arguments. For an event without arguments, write
    /// `()`: `|socket: Socket, ()| async { .. }`. If the client asked for an acknowledgement, the future's
    /// result is the acknowledgement (see [`ToArgs`]). To share state between handlers, use a
    /// [state](crate::Io::set_state).
    ///
    /// If the arguments don't fit, the handler doesn't run. The server logs and counts that, and
    /// [`on_unhandled`](Namespace::on_unhandled) can answer. A second handler for the same event replaces the
    /// first.
    ///
    /// # Panics
    /// If the protocol reserves the name, such as `disconnect`: no client can send it.
    pub fn on<A, F, Fut>(&self, event: &str, handler: F) -> Namespace
    where
        A: FromArgs,
        F: Fn(Socket, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.0.handlers.register_event(event, async_event_handler(handler), false);
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

    /// Handles an event, and lets the handler acknowledge it later, or elsewhere. The future's result is
    /// ignored.
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

    /// Handles every event that has no other handler, and lets the handler acknowledge it later, or elsewhere.
    /// The future's result is ignored. This is for programs that pass on events that they don't know.
    ///
    /// Such events don't count as unhandled; those whose arguments don't fit their handler still do.
    pub fn on_other<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, Event, AckSender) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = other_handler(handler);
        drop(self.0.handlers.register(|table| table.other.replace(handler)));
        self.clone()
    }

    /// Handles the events that no other handler takes: events without a handler, and events whose arguments
    /// don't fit. If the client asked for an acknowledgement, the result is the acknowledgement. Without
    /// this, such a client gets none.
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
    /// It runs after the event middlewares have accepted the event. If one refuses it,
    /// [`on_error`](Namespace::on_error) runs instead.
    pub fn on_unhandled<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, Event, Unhandled) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.0.handlers.set_unhandled(unhandled_handler(handler));
        self.clone()
    }

    /// Adds a middleware that decides about each event before its handler, for all sockets. In JavaScript,
    /// `socket.use(..)` does this for one socket; here, [`Socket::middleware`] does. Middlewares run in the
    /// order in which you add them, the namespace's before the socket's. They can't change the event. The
    /// first error goes to [`on_error`](Namespace::on_error); the handler then doesn't run, and the client
    /// gets no acknowledgement.
    ///
    /// While a middleware waits, later events of the socket may overtake this one.
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

    /// Runs when an event middleware refuses an event: `socket.on("error", ..)` in JavaScript. Without it,
    /// the refusal is logged.
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
/// A listener is a plain function that sees each event and can't change it. The namespace's listeners run
/// before the socket's. They must not block. They can call anything in this crate, since no lock is held.
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
        self.0.handlers.add_listener(EventDirection::Incoming, ListenerPosition::Last, Arc::new(listener))
    }

    /// The same as [`on_any`](Namespace::on_any), but runs before the existing listeners.
    pub fn prepend_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerHandle {
        self.0.handlers.add_listener(EventDirection::Incoming, ListenerPosition::First, Arc::new(listener))
    }

    /// Sees every event to a client of this namespace when it has been queued: `socket.onAnyOutgoing(..)` in
    /// JavaScript, for all sockets. It sees a broadcast once for each receiver. Acknowledgements are not
    /// events.
    pub fn on_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &Event) + Send + Sync + 'static,
    ) -> ListenerHandle {
        self.0.handlers.add_listener(EventDirection::Outgoing, ListenerPosition::Last, Arc::new(listener))
    }

    /// The same as [`on_any_outgoing`](Namespace::on_any_outgoing), but runs before the existing listeners.
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &Event) + Send + Sync + 'static,
    ) -> ListenerHandle {
        self.0.handlers.add_listener(EventDirection::Outgoing, ListenerPosition::First, Arc::new(listener))
    }
}

/// # Rooms, and other servers
impl Namespace {
    /// Calls a function when a room is created or deleted, and when a socket joins or leaves one: the events
    /// of `io.of(..).adapter` in JavaScript. It must not block. No lock is held.
    pub fn on_room_event(&self, listener: impl Fn(&RoomEvent) + Send + Sync + 'static) -> Namespace {
        self.0.handlers.add_room_listener(Arc::new(listener));
        self.clone()
    }

    /// Handles an event that another server of the cluster sent with
    /// [`server_side_emit`](Namespace::server_side_emit): `io.on(..)` in JavaScript. If that server waits for
    /// an answer, the future's result is the answer.
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
    /// [`Socket::rooms`] still has the socket's rooms.
    pub fn on_disconnecting<F, Fut>(&self, handler: F) -> Namespace
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = disconnect_handler(handler);
        drop(self.0.handlers.register(|table| table.disconnecting.replace(handler)));
        self.clone()
    }

    /// Runs when a socket has ended: once for each socket for which `on_connect` ran, and after the handlers
    /// of all its events have started.
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
