//! Sending into a cluster without being a server of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socketio::{Event, Flags, Message, MessageBody, Room, Selection, SendError, ToArgs};

use crate::adapter::RedisAdapter;
use crate::counts::Counts;
use crate::format::Format;
use crate::link::Task;
use crate::publisher::{PublishError, Publisher};

/// Sends into a cluster from a program that is no server of it: what npm's `@socket.io/redis-emitter` is. Cloning
/// it is cheap.
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
/// It must be made where tokio's tasks can be spawned. What is sent while Redis is away waits, as an adapter's.
#[derive(Clone)]
#[must_use = "nothing happens before `emit` or another of its methods"]
pub struct Emitter {
    publisher: Arc<Publisher>,
    format: Arc<dyn Format>,
    counts: Arc<Counts>,
    namespace: Arc<str>,
    selection: Selection,
    flags: Flags,
}

/// A message on its way to Redis. Awaited, it tells whether Redis took it; it goes all the same if this is dropped.
pub struct Sent(Task<Result<u64, PublishError>>);

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
            flags: Flags::default(),
        }
    }

    /// The clients of a namespace, instead of `/`. A missing leading slash is added.
    pub fn of(&self, namespace: &str) -> Emitter {
        let slash = if namespace.starts_with('/') { "" } else { "/" };
        let namespace = format!("{slash}{namespace}").into();
        Emitter { namespace, selection: Selection::default(), flags: Flags::default(), ..self.clone() }
    }

    /// Only sockets in that room, or in any of several.
    pub fn to(&self, room: impl Into<Room>) -> Emitter {
        let mut to = self.clone();
        to.selection.rooms.push(room.into());
        to
    }

    /// The same as [`to`](Emitter::to).
    pub fn within(&self, room: impl Into<Room>) -> Emitter {
        self.to(room)
    }

    /// No sockets in that room.
    pub fn except(&self, room: impl Into<Room>) -> Emitter {
        let mut except = self.clone();
        except.selection.except.push(room.into());
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
        Ok(self.send(MessageBody::Broadcast { event, selection, flags, request: None }))
    }

    /// Has all of them join a room.
    pub fn sockets_join(&self, room: impl Into<Room>) -> Sent {
        self.send(MessageBody::SocketsJoin { selection: self.selection.clone(), rooms: vec![room.into()] })
    }

    /// Has all of them leave a room.
    pub fn sockets_leave(&self, room: impl Into<Room>) -> Sent {
        self.send(MessageBody::SocketsLeave { selection: self.selection.clone(), rooms: vec![room.into()] })
    }

    /// Puts all of them out of the namespace; with `close`, their sessions end.
    pub fn disconnect_sockets(&self, close: bool) -> Sent {
        self.send(MessageBody::DisconnectSockets { selection: self.selection.clone(), close })
    }

    /// Sends an event to the servers themselves, to their
    /// [`on_server_side`](socketio::Namespace::on_server_side).
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn server_side_emit(&self, event: &str, args: impl ToArgs) -> Result<Sent, SendError> {
        Ok(self.send(MessageBody::ServerSideEmit { event: Event::outgoing(event, args)?, request: None }))
    }

    fn send(&self, body: MessageBody) -> Sent {
        let message = Message::new(Some("emitter".into()), None, Arc::clone(&self.namespace), body);
        Sent(match self.format.encode(&message) {
            Ok(command) => Box::pin(self.publisher.send(command)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        })
    }
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
