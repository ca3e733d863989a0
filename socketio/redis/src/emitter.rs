//! Sending into a cluster without being a server of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socketio::{Event, Flags, MessageBody, NodeMessage, Room, Selection, SendError, ToArgs, ToRooms};

use crate::adapter::RedisAdapter;
use crate::counts::Counts;
use crate::format::Format;
use crate::link::{Task, Told};
use crate::publisher::{PublishError, Publisher};

/// Sends into a cluster from a program that is not one of its servers, like npm's `@socket.io/redis-emitter`.
/// Cloning it is cheap.
///
/// ```no_run
/// use socketio_redis::{Emitter, RedisAdapter};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let emitter = Emitter::new(RedisAdapter::open("redis://127.0.0.1:6379")?);
/// emitter.of("/chat").to("room 1").emit("news", "hello")?;
/// // Whether Redis took it can be awaited.
/// emitter.emit("last", ())?.await?;
/// # Ok(())
/// # }
/// ```
///
/// Create it inside a tokio runtime, because it spawns tasks. If Redis can't be reached, what is sent waits, as
/// with the adapter.
#[derive(Clone)]
#[must_use = "nothing happens before `emit` or another of its methods"]
pub struct Emitter {
    publisher: Arc<Publisher>,
    format: Arc<dyn Format>,
    counts: Arc<Counts>,
    namespace: Arc<str>,
    selection: Selection,
    /// Rooms were asked for, though there may be none: see [`ToRooms`].
    in_rooms: bool,
    flags: Flags,
}

/// A message on its way to Redis. Awaited, it tells whether Redis took it; it goes all the same if this is dropped.
///
/// ```
/// use socketio_redis::Emitter;
///
/// async fn news(emitter: &Emitter) -> Result<(), Box<dyn std::error::Error>> {
///     let sent = emitter.to("room 1").emit("news", "hello")?; // is on its way
///     sent.await?; // Redis has it
///     Ok(())
/// }
/// ```
pub struct Sent(Task<Result<Told, PublishError>>);

/// # Whom
impl Emitter {
    /// An emitter with the settings of an adapter: its Redis, its mode and its prefix.
    pub fn new(settings: RedisAdapter) -> Emitter {
        let (format, publisher, counts) = settings.into_sender();
        Emitter {
            publisher: Arc::new(publisher),
            format,
            counts,
            namespace: "/".into(),
            selection: Selection::default(),
            in_rooms: false,
            flags: Flags::default(),
        }
    }

    /// The clients of a namespace, instead of `/`. A missing leading slash is added.
    pub fn of(&self, namespace: &str) -> Emitter {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        let namespace = format!("{slash}{namespace}").into();
        let (selection, flags) = (Selection::default(), Flags::default());
        Emitter { namespace, selection, in_rooms: false, flags, ..self.clone() }
    }

    /// Only sockets in that room, or in any of several. An empty list selects
    /// [nobody](ToRooms#an-empty-list).
    pub fn to(&self, rooms: impl ToRooms) -> Emitter {
        let mut to = self.clone();
        rooms.add_to(&mut to.selection.rooms);
        to.in_rooms = true;
        to
    }

    /// The same as [`to`](Emitter::to).
    pub fn within(&self, rooms: impl ToRooms) -> Emitter {
        self.to(rooms)
    }

    /// No sockets in that room, or in any of several.
    pub fn except(&self, rooms: impl ToRooms) -> Emitter {
        let mut except = self.clone();
        rooms.add_to(&mut except.selection.except);
        except
    }

    /// Lets the event be lost to those to whom it can't be written at once.
    pub fn volatile(mut self) -> Emitter {
        self.flags.volatile = true;
        self
    }

    /// Whether the event asks to be compressed on its way to clients.
    pub fn compress(mut self, compress: bool) -> Emitter {
        self.flags.compress = Some(compress);
        self
    }

    /// What has passed, and what was lost.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

/// # What
impl Emitter {
    /// Sends an event to all of them.
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`]; nothing is sent then.
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<Sent, SendError> {
        let event = Event::outgoing(event, args)?;
        let (selection, flags) = (self.selection.clone(), self.flags);
        Ok(self.send_selected(MessageBody::Broadcast { event, selection, flags, request: None }))
    }

    /// Has all of them join a room, or several.
    pub fn sockets_join(&self, rooms: impl ToRooms) -> Sent {
        let (selection, rooms) = (self.selection.clone(), list(rooms));
        self.send_selected(MessageBody::SocketsJoin { selection, rooms })
    }

    /// Has all of them leave a room, or several.
    pub fn sockets_leave(&self, rooms: impl ToRooms) -> Sent {
        let (selection, rooms) = (self.selection.clone(), list(rooms));
        self.send_selected(MessageBody::SocketsLeave { selection, rooms })
    }

    /// Puts all of them out of the namespace; with `close`, their sessions end.
    pub fn disconnect_sockets(&self, close: bool) -> Sent {
        self.send_selected(MessageBody::DisconnectSockets { selection: self.selection.clone(), close })
    }

    /// Sends an event to the servers themselves, to their
    /// [`on_server_side`](socketio::Namespace::on_server_side).
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn server_side_emit(&self, event: &str, args: impl ToArgs) -> Result<Sent, SendError> {
        Ok(self.send(MessageBody::ServerSideEmit { event: Event::outgoing(event, args)?, request: None }))
    }

    /// Sends what the selected sockets are to do, if any can be meant.
    fn send_selected(&self, body: MessageBody) -> Sent {
        if self.in_rooms && self.selection.rooms.is_empty() {
            return Sent(Box::pin(std::future::ready(Ok(Told::Nothing))));
        }
        self.send(body)
    }

    fn send(&self, body: MessageBody) -> Sent {
        let message = NodeMessage::new(Some("emitter".into()), None, Arc::clone(&self.namespace), body);
        Sent(match self.format.encode(&message) {
            Ok(command) => Box::pin(self.publisher.send(command)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        })
    }
}

fn list(rooms: impl ToRooms) -> Vec<Room> {
    let mut list = Vec::new();
    rooms.add_to(&mut list);
    list
}

impl Future for Sent {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        self.0.as_mut().poll(cx).map(|sent| sent.map(drop))
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
