//! What an application attaches to one socket: values, and its own handlers. Most sockets have nothing
//! attached, and then need no memory for it.

use std::any::{Any, TypeId};
use std::sync::Arc;

use engineio::observe::What;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Attached, Socket};
use crate::ack::sender::AckSender;
use crate::args::event::Event;
use crate::args::{FromArgs, ToArgs};
use crate::error::DisconnectReason;
use crate::handler::listener::{EventDirection, ListenerPosition};
use crate::handler::unhandled::Unhandled;
use crate::handler::{
    EventError, Handlers, Listener, ListenerHandle, acking_event_handler, async_event_handler,
    disconnect_handler, error_handler, socket_handler, sync_event_handler, unhandled_handler,
};
use crate::socket::values::Values;

/// # What it keeps
impl Socket {
    /// Keeps a value with the socket, one of each type. Returns the previous one. Only this process has it; for
    /// values that other servers may see, use [`set_data`](Socket::set_data).
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let mut values = self.attached_or_new().kept.values.lock();
        match values.iter_mut().find(|(kind, _)| *kind == TypeId::of::<T>()) {
            Some((_, kept)) => std::mem::replace(kept, value).downcast().ok(),
            None => {
                values.push((TypeId::of::<T>(), value));
                None
            }
        }
    }

    /// The socket's value of that type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let values = self.attached()?.kept.values.lock();
        let (_, value) = values.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    /// Keeps JSON with the socket, under a key: `socket.data.key = value` in JavaScript.
    /// [`fetch_sockets`](crate::Broadcast::fetch_sockets) shows it, also to other nodes.
    ///
    /// # Errors
    /// If the value can't be written as JSON. Then nothing has changed.
    pub fn set_data(&self, key: impl Into<String>, value: impl Serialize) -> Result<(), serde_json::Error> {
        let (key, value) = (key.into(), serde_json::to_value(value)?);
        let watched = (self.is_connected() && self.link().is_watched()).then(|| key.clone());
        self.attached_or_new().kept.data.lock().insert(key, value);
        if let Some(key) = &watched {
            self.link().see(|| What::DataSet { nsp: self.namespace_name(), socket: self.id(), key });
        }
        Ok(())
    }

    /// Everything from [`set_data`](Socket::set_data), as `T`: a struct whose fields are keys, or a
    /// `serde_json::Value`. `socket.data` in JavaScript.
    ///
    /// # Errors
    /// If it can't be read as `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(Value::Object(self.data_object()))
    }

    pub(crate) fn data_object(&self) -> Map<String, Value> {
        self.attached().map_or_else(Map::new, |attached| attached.kept.data())
    }
}

/// # Handlers of its own
///
/// A socket can have its own handlers, which need memory for this socket. For the same event, the socket's
/// handler replaces the namespace's, because an event has one handler, whose answer is the acknowledgement. The
/// server passes the socket to its handlers, so they need not own it, and drops them at the socket's end.
impl Socket {
    /// Handles an event of this socket: `socket.on(..)` in JavaScript. See
    /// [`Namespace::on`](crate::Namespace::on).
    ///
    /// # Panics
    /// If the protocol reserves the name, such as `disconnect`: no client can send it.
    pub fn on<A, F, Fut>(&self, event: &str, handler: F)
    where
        A: FromArgs,
        F: Fn(Socket, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.register(|own| own.register_event(event, async_event_handler(handler), false));
    }

    /// Handles the next event of that name, and then no other: `socket.once(..)` in JavaScript. The namespace
    /// handles those that follow.
    ///
    /// # Panics
    /// See [`on`](Socket::on).
    pub fn once<A, F, Fut>(&self, event: &str, handler: F)
    where
        A: FromArgs,
        F: Fn(Socket, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.register(|own| own.register_event(event, async_event_handler(handler), true));
    }

    /// Handles an event of this socket with a plain function, which must not block.
    ///
    /// # Panics
    /// See [`on`](Socket::on).
    pub fn on_sync<A, F, R>(&self, event: &str, handler: F)
    where
        A: FromArgs,
        F: Fn(Socket, A) -> R + Send + Sync + 'static,
        R: ToArgs,
    {
        self.register(|own| own.register_event(event, sync_event_handler(handler), false));
    }

    /// Handles an event of this socket, and lets the handler acknowledge it later, or elsewhere.
    ///
    /// # Panics
    /// See [`on`](Socket::on).
    pub fn on_with_ack<A, F, Fut>(&self, event: &str, handler: F)
    where
        A: FromArgs,
        F: Fn(Socket, A, AckSender) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        self.register(|own| own.register_event(event, acking_event_handler(handler), false));
    }

    /// Handles the events of this socket that no other handler takes, instead of the namespace's handler. See
    /// [`Namespace::on_unhandled`](crate::Namespace::on_unhandled).
    pub fn on_unhandled<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket, Event, Unhandled) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ToArgs> + Send + 'static,
    {
        self.register(|own| own.set_unhandled(unhandled_handler(handler)));
    }

    /// Removes this socket's handler of an event. Returns whether there was one. `socket.off(..)` in JavaScript.
    pub fn off(&self, event: &str) -> bool {
        let removed = self.handlers().and_then(|own| own.register(|table| table.events.remove(event)));
        removed.is_some()
    }

    /// Adds a middleware that decides about each event of this socket: `socket.use(..)` in JavaScript. See
    /// [`Namespace::event_middleware`](crate::Namespace::event_middleware).
    pub fn middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Socket, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), EventError>> + Send + 'static,
    {
        self.register(|own| own.add_event_middleware(middleware));
    }

    /// Runs when an event middleware refuses an event of this socket, instead of the namespace's handler:
    /// `socket.on("error", ..)` in JavaScript.
    pub fn on_error<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket, Event, EventError) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = error_handler(handler);
        self.register(|own| drop(own.register(|table| table.error.replace(handler))));
    }

    /// Runs when this socket's session has upgraded from polling to WebSocket, before the namespace's handler:
    /// `socket.conn.on("upgrade", ..)` in JavaScript. See
    /// [`Namespace::on_upgrade`](crate::Namespace::on_upgrade).
    pub fn on_upgrade<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = socket_handler(handler);
        self.register(|own| drop(own.register(|table| table.upgrade.replace(handler))));
    }

    /// Runs when this socket ends, before the namespace's handler: `socket.on("disconnecting", ..)` in
    /// JavaScript.
    pub fn on_disconnecting<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = disconnect_handler(handler);
        self.register(|own| drop(own.register(|table| table.disconnecting.replace(handler))));
    }

    /// Runs when this socket has ended, before the namespace's handler: `socket.on("disconnect", ..)` in
    /// JavaScript.
    pub fn on_disconnect<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let handler = disconnect_handler(handler);
        self.register(|own| drop(own.register(|table| table.disconnect.replace(handler))));
    }

    /// Sees every event that this client sends: `socket.onAny(..)` in JavaScript. See
    /// [`Namespace::on_any`](crate::Namespace::on_any).
    pub fn on_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerHandle {
        self.add_listener(EventDirection::Incoming, ListenerPosition::Last, Arc::new(listener))
    }

    /// The same as [`on_any`](Socket::on_any), but runs before the existing listeners.
    pub fn prepend_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerHandle {
        self.add_listener(EventDirection::Incoming, ListenerPosition::First, Arc::new(listener))
    }

    /// Sees every event that is sent to this client: `socket.onAnyOutgoing(..)` in JavaScript. See
    /// [`Namespace::on_any_outgoing`](crate::Namespace::on_any_outgoing).
    pub fn on_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &Event) + Send + Sync + 'static,
    ) -> ListenerHandle {
        self.add_listener(EventDirection::Outgoing, ListenerPosition::Last, Arc::new(listener))
    }

    /// The same as [`on_any_outgoing`](Socket::on_any_outgoing), but runs before the existing listeners.
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &Event) + Send + Sync + 'static,
    ) -> ListenerHandle {
        self.add_listener(EventDirection::Outgoing, ListenerPosition::First, Arc::new(listener))
    }

    fn add_listener(
        &self,
        direction: EventDirection,
        place: ListenerPosition,
        listener: Listener,
    ) -> ListenerHandle {
        // A broadcast only checks the namespace, not each socket.
        self.namespace().watch(direction);
        self.register(|own| own.add_listener(direction, place, listener))
    }
}

impl Socket {
    pub(super) fn attached(&self) -> Option<&Attached> {
        self.0.attached.get().map(|attached| &**attached)
    }

    pub(super) fn attached_or_new(&self) -> &Attached {
        self.0.attached.get_or_init(Box::default)
    }

    /// What is kept with the socket, if anything is.
    pub(crate) fn values(&self) -> Option<Arc<Values>> {
        Some(Arc::clone(&self.attached()?.kept))
    }

    /// The socket's own handlers.
    pub(crate) fn handlers(&self) -> Option<&Arc<Handlers>> {
        self.attached()?.handlers.get()
    }

    fn register<R>(&self, register: impl FnOnce(&Arc<Handlers>) -> R) -> R {
        let registered = register(self.attached_or_new().handlers.get_or_init(Arc::default));
        // Handlers that are added after the end would never be dropped.
        if self.0.lifecycle.is_over() {
            self.drop_handlers();
        }
        registered
    }

    /// The socket has ended. Its handlers may own it, so it would never be freed.
    pub(crate) fn drop_handlers(&self) {
        drop(self.handlers().map(|own| own.register(std::mem::take)));
    }
}
