//! Handlers: how a user's closure is stored, in which order handlers start, and what an event passes through on
//! its way to one. Applications register handlers with the methods of [`Namespace`](crate::Namespace) and
//! [`Socket`]. How a handler's result becomes an acknowledgement is in [`ack`](crate::ack).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::ack::sender::AckSender;
use crate::args::event::Event;
use crate::args::{Args, ArgsError, FromArgs, ToArgs};
use crate::error::DisconnectReason;
use crate::error::connect_error::ConnectError;
use crate::handler::listener::{EventDirection, ListenerPosition, Listeners};
use crate::handler::task::Task;
use crate::handler::unhandled::Unhandled;
use crate::namespace::room_event::RoomListener;
use crate::packet::array::RESERVED_EVENTS;
use crate::socket::Socket;
use std::fmt;

pub(crate) mod dispatch;
pub(crate) mod listener;
pub(crate) mod queue;
mod running;
pub(crate) mod task;
pub(crate) mod unhandled;

/// Handles an event. The task is what is left to do, if anything.
pub(crate) type EventHandler =
    Arc<dyn Fn(Socket, Args, AckSender) -> Result<Option<Task>, WrongArgs> + Send + Sync>;
/// Handles an event that no other handler takes.
pub(crate) type UnhandledHandler = Arc<dyn Fn(Socket, Event, AckSender, Unhandled) -> Task + Send + Sync>;
/// Handles every event that has no handler of its own.
pub(crate) type OtherHandler = Arc<dyn Fn(Socket, Event, AckSender) -> Task + Send + Sync>;
/// Handles what happened to a socket.
pub(crate) type SocketHandler = Arc<dyn Fn(Socket) -> Task + Send + Sync>;
pub(crate) type DisconnectHandler = Arc<dyn Fn(Socket, DisconnectReason) -> Task + Send + Sync>;
pub(crate) type Middleware = Arc<dyn Fn(Socket) -> Task<Result<(), ConnectError>> + Send + Sync>;
/// Decides whether a client may recover its socket.
pub(crate) type RecoveryGuard = Arc<dyn Fn(Socket) -> Task<bool> + Send + Sync>;
pub(crate) type EventMiddleware = Arc<dyn Fn(Socket, Event) -> Task<Result<(), EventError>> + Send + Sync>;
pub(crate) type ErrorHandler = Arc<dyn Fn(Socket, Event, EventError) -> Task + Send + Sync>;

/// Sees the events of a socket.
pub(crate) type Listener = Arc<dyn Fn(&Socket, &Event) + Send + Sync>;

/// Handles an event that another node sent to this one, and returns the answer.
pub(crate) type ServerEventHandler =
    Arc<dyn Fn(Args) -> Result<Task<Result<Args, serde_json::Error>>, ArgsError> + Send + Sync>;

/// An event's arguments don't fit its handler. The handler for unhandled events may acknowledge it.
pub(crate) struct WrongArgs {
    pub(crate) error: ArgsError,
    pub(crate) ack: AckSender,
}

/// Why an event middleware refused an event: any error. Text becomes one by `into()`.
pub type EventError = Box<dyn std::error::Error + Send + Sync>;

/// The handlers of a namespace, of a parent's children, or of one socket. A socket's own come before its namespace's,
/// and these before the parent's.
#[derive(Default)]
pub(crate) struct Handlers {
    table: RwLock<Table>,
    /// Listeners or middlewares for incoming events have been registered, listeners for outgoing ones (here or with a
    /// socket of the namespace), or for rooms. Without them, the table is not looked at.
    watches_incoming: AtomicBool,
    watches_outgoing: AtomicBool,
    watches_rooms: AtomicBool,
    /// There is a handler for events that no other takes.
    takes_unhandled: AtomicBool,
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) allow_recovery: Option<RecoveryGuard>,
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) connect: Option<SocketHandler>,
    pub(crate) upgrade: Option<SocketHandler>,
    pub(crate) listeners: Listeners<Listener>,
    pub(crate) event_middlewares: Vec<EventMiddleware>,
    /// The names are the application's, so the hash needs no protection against clients.
    pub(crate) events: FxHashMap<Box<str>, Registered>,
    pub(crate) error: Option<ErrorHandler>,
    /// For events that have no handler of their own.
    pub(crate) other: Option<OtherHandler>,
    pub(crate) unhandled: Option<UnhandledHandler>,
    pub(crate) server_events: HashMap<Box<str>, ServerEventHandler>,
    pub(crate) room_listeners: Vec<RoomListener>,
    pub(crate) disconnecting: Option<DisconnectHandler>,
    pub(crate) disconnect: Option<DisconnectHandler>,
}

/// An event's handler.
pub(crate) struct Registered {
    handler: EventHandler,
    once: bool,
}

impl Handlers {
    /// Reads the handlers. A handler is cloned before it runs, so that it can register handlers.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        look(&self.table.read())
    }

    /// Changes the handlers. The caller should drop what is replaced, without the lock: it may own anything.
    pub(crate) fn register<R>(&self, register: impl FnOnce(&mut Table) -> R) -> R {
        register(&mut self.table.write())
    }

    /// # Panics
    /// If no client can send the event.
    pub(crate) fn register_event(&self, event: &str, handler: EventHandler, once: bool) {
        assert!(!RESERVED_EVENTS.contains(&event), "no client can send the reserved event {event:?}");
        let registered = Registered { handler, once };
        drop(self.register(|table| table.events.insert(event.into(), registered)));
    }

    /// The handler of an event. If it is for a single event, it is removed.
    pub(crate) fn event(&self, name: &str) -> Option<EventHandler> {
        let lasting = |registered: &Registered| (!registered.once).then(|| Arc::clone(&registered.handler));
        match self.look(|table| table.events.get(name).map(lasting))? {
            Some(handler) => Some(handler),
            None => self.register(|table| table.events.remove(name)).map(|registered| registered.handler),
        }
    }

    pub(crate) fn add_listener(
        self: &Arc<Self>,
        direction: EventDirection,
        place: ListenerPosition,
        listener: Listener,
    ) -> ListenerHandle {
        let id = self.register(|table| table.listeners.add(direction, place, listener));
        self.watch(direction);
        ListenerHandle::new(self, id)
    }

    pub(crate) fn add_event_middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Socket, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), EventError>> + Send + 'static,
    {
        let middleware: EventMiddleware = Arc::new(move |socket, event| Box::pin(middleware(socket, event)));
        self.register(|table| table.event_middlewares.push(middleware));
        self.watch(EventDirection::Incoming);
    }

    pub(crate) fn set_unhandled(&self, handler: UnhandledHandler) {
        drop(self.register(|table| table.unhandled.replace(handler)));
        self.takes_unhandled.store(true, Ordering::Release);
    }

    pub(crate) fn takes_unhandled(&self) -> bool {
        self.takes_unhandled.load(Ordering::Acquire)
    }

    pub(crate) fn add_room_listener(&self, listener: RoomListener) {
        self.register(|table| table.room_listeners.push(listener));
        self.watches_rooms.store(true, Ordering::Release);
    }

    pub(crate) fn watches_rooms(&self) -> bool {
        self.watches_rooms.load(Ordering::Acquire)
    }

    pub(crate) fn watch(&self, direction: EventDirection) {
        self.watching(direction).store(true, Ordering::Release);
    }

    pub(crate) fn watches(&self, direction: EventDirection) -> bool {
        self.watching(direction).load(Ordering::Acquire)
    }

    fn watching(&self, direction: EventDirection) -> &AtomicBool {
        match direction {
            EventDirection::Incoming => &self.watches_incoming,
            EventDirection::Outgoing => &self.watches_outgoing,
        }
    }
}

/// A catch-all listener that was registered, to remove it. If this is dropped, the listener stays.
///
/// ```
/// use socketio::Io;
///
/// fn watch_for_a_while(io: &Io) {
///     let listener = io.on_any(|_, event| println!("{}", event.name()));
///     listener.remove();
/// }
/// ```
pub struct ListenerHandle {
    handlers: Weak<Handlers>,
    id: u64,
}

impl ListenerHandle {
    pub(crate) fn new(handlers: &Arc<Handlers>, id: u64) -> ListenerHandle {
        ListenerHandle { handlers: Arc::downgrade(handlers), id }
    }

    /// Removes the listener: `offAny` and `offAnyOutgoing` in JavaScript.
    pub fn remove(self) {
        if let Some(handlers) = self.handlers.upgrade() {
            let removed = handlers.register(|table| table.listeners.remove(self.id));
            // What it owns is dropped here, without the lock.
            drop(removed);
        }
    }
}

impl fmt::Debug for ListenerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerHandle").finish_non_exhaustive()
    }
}

/// An application's asynchronous closure as a handler, which reads its arguments and sends its result as the
/// acknowledgement.
pub(crate) fn async_event_handler<A, F, Fut>(handler: F) -> EventHandler
where
    A: FromArgs,
    F: Fn(Socket, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: ToArgs> + Send + 'static,
{
    Arc::new(move |socket, args, ack| {
        let (args, ack) = read(args, ack)?;
        let future = handler(socket, args);
        Ok(Some(Box::pin(async move { ack.send_returned(future.await) })))
    })
}

pub(crate) fn sync_event_handler<A, F, R>(handler: F) -> EventHandler
where
    A: FromArgs,
    F: Fn(Socket, A) -> R + Send + Sync + 'static,
    R: ToArgs,
{
    Arc::new(move |socket, args, ack| {
        let (args, ack) = read(args, ack)?;
        ack.send_returned(handler(socket, args));
        Ok(None)
    })
}

pub(crate) fn acking_event_handler<A, F, Fut>(handler: F) -> EventHandler
where
    A: FromArgs,
    F: Fn(Socket, A, AckSender) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    Arc::new(move |socket, args, ack| {
        let (args, ack) = read(args, ack)?;
        let future = handler(socket, args, ack);
        Ok(Some(Box::pin(async move { drop(future.await) })))
    })
}

fn read<A: FromArgs>(args: Args, ack: AckSender) -> Result<(A, AckSender), WrongArgs> {
    match A::from_args(args) {
        Ok(args) => Ok((args, ack)),
        Err(error) => Err(WrongArgs { error, ack }),
    }
}

pub(crate) fn unhandled_handler<F, Fut>(handler: F) -> UnhandledHandler
where
    F: Fn(Socket, Event, Unhandled) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: ToArgs> + Send + 'static,
{
    Arc::new(move |socket, event, ack, why| {
        let future = handler(socket, event, why);
        Box::pin(async move { ack.send_returned(future.await) })
    })
}

pub(crate) fn other_handler<F, Fut>(handler: F) -> OtherHandler
where
    F: Fn(Socket, Event, AckSender) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    Arc::new(move |socket, event, ack| {
        let future = handler(socket, event, ack);
        Box::pin(async move { drop(future.await) })
    })
}

pub(crate) fn socket_handler<F, Fut>(handler: F) -> SocketHandler
where
    F: Fn(Socket) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    Arc::new(move |socket| {
        let future = handler(socket);
        Box::pin(async move { drop(future.await) })
    })
}

pub(crate) fn disconnect_handler<F, Fut>(handler: F) -> DisconnectHandler
where
    F: Fn(Socket, DisconnectReason) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    Arc::new(move |socket, reason| {
        let future = handler(socket, reason);
        Box::pin(async move { drop(future.await) })
    })
}

pub(crate) fn error_handler<F, Fut>(handler: F) -> ErrorHandler
where
    F: Fn(Socket, Event, EventError) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    Arc::new(move |socket, event, error| {
        let future = handler(socket, event, error);
        Box::pin(async move { drop(future.await) })
    })
}
