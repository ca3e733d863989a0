//! Sending to one client.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use engineio::{Limit, QueueError};

use super::Socket;
use super::stage::Phase;
use crate::ack::Ack;
use crate::args::ToArgs;
use crate::args::event::Event;
use crate::cluster::message::MessageBody;
use crate::cluster::ordered::OrderPosition;
use crate::error::SendError;
use crate::handler::listener::EventDirection;
use crate::namespace::broadcast::Broadcast;
use crate::namespace::flags::Flags;
use crate::namespace::outgoing::{Outgoing, Recall};
use crate::namespace::room::Selection;
use crate::namespace::to_rooms::ToRooms;
use crate::packet::frames::Frames;
use crate::recovery::history::Destination;

/// # Sending
impl Socket {
    /// Sends an event to this client. [`ToArgs`] lists the types of arguments. While the client is away and
    /// can recover ([`IoConfig::recovery`](crate::IoConfig::recovery)), the event waits for it. In a middleware,
    /// it waits until the client has been accepted.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.emit_with(event, args, Flags::default())
    }

    /// Sends an event right away, and asks for an acknowledgement. Await the result to get it; it is read as
    /// `T` (see [`FromArgs`](crate::FromArgs)).
    ///
    /// ```no_run
    /// # async fn example(socket: socketio::Socket) -> Result<(), socketio::AckError> {
    /// let answer: String = socket.emit_with_ack("question", "how are you?").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`AckError`](crate::AckError).
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Ack<T> {
        Ack::request(self, event, args, Flags::default())
    }

    /// For events that may be lost: they are dropped unless they can be written at once.
    pub fn volatile(&self) -> SocketEmitter<'_> {
        SocketEmitter { flags: Flags { volatile: true, ..Flags::default() }, socket: self }
    }

    /// For events with or without compression. See [`Broadcast::compress`].
    pub fn compress(&self, compress: bool) -> SocketEmitter<'_> {
        SocketEmitter { flags: Flags { compress: Some(compress), ..Flags::default() }, socket: self }
    }

    /// For events with this time until the acknowledgement. See [`Ack::timeout`].
    pub fn timeout(&self, timeout: Duration) -> SocketEmitter<'_> {
        SocketEmitter { flags: Flags { timeout: Some(timeout), ..Flags::default() }, socket: self }
    }

    /// All other sockets of this node. See [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// All other sockets in the namespace.
    pub fn broadcast(&self) -> Broadcast {
        self.0.namespace.everyone().except(Arc::clone(&self.0.id))
    }

    /// All other sockets in a room, or in any of several. [`within`](Socket::within) includes this one. An
    /// empty list selects [nobody](ToRooms#an-empty-list).
    pub fn to(&self, rooms: impl ToRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// All sockets in a room, including this one if it is there: the same as
    /// [`Namespace::to`](crate::Namespace::to). [`to`](Socket::to) excludes this one, and so does
    /// `socket.in(..)` in JavaScript.
    pub fn within(&self, rooms: impl ToRooms) -> Broadcast {
        self.0.namespace.to(rooms)
    }

    /// All other sockets that are not in the room, or in none of several.
    pub fn except(&self, rooms: impl ToRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Waits until the client has taken most of its queue. Wait for this before each [`emit`](Socket::emit)
    /// to send any amount at the client's pace. While the client is away and can recover, this waits for it.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the session is over, and the client can't recover.
    pub async fn ready(&self) -> Result<(), SendError> {
        let Some(history) = self.0.history.as_ref().filter(|_| self.was_let_in()) else {
            return Ok(poll_fn(|cx| self.0.mailbox.poll_space(cx)).await?);
        };
        let mut ended = None;
        loop {
            match history.destination(ended.as_ref()) {
                Destination::Open(mailbox) => match poll_fn(|cx| mailbox.poll_space(cx)).await {
                    Err(QueueError::Closed) => ended = Some(mailbox),
                    room => return Ok(room?),
                },
                // It is an error when the sender is dropped, which is what happens.
                Destination::Blocked(blocked) => drop(blocked.await),
                Destination::Over => return Err(SendError::Closed),
            }
        }
    }

    pub(super) fn emit_with(&self, event: &str, args: impl ToArgs, flags: Flags) -> Result<(), SendError> {
        if self.is_pending() {
            return self.emit_early(event, None, args, flags);
        }
        if self.0.history.is_some() && !flags.volatile && self.0.namespace.shared_recovery().is_some() {
            let event = Event::outgoing(event, args)?;
            self.check_space()?;
            self.emit_in_order(&event, flags);
            return Ok(());
        }
        let outgoing = self.encode(event, None, args, flags)?;
        self.send(&outgoing, flags.volatile)
    }

    /// Sends an event that this client may recover on any node. Returns whether it can. The event gets its position
    /// in the order before the client gets it. Other nodes, to which the client may have gone, get it as an event to
    /// the room of its id.
    pub(super) fn emit_in_order(&self, event: &Event, flags: Flags) -> bool {
        let (Some(cluster), Some(history)) = (self.0.namespace.shared_recovery(), &self.0.history) else {
            return false;
        };
        let (socket, own, history) = (self.clone(), event.clone(), Arc::clone(history));
        let selection = Selection { rooms: vec![self.room()], except: Vec::new() };
        let body = MessageBody::Broadcast { event: event.clone(), selection, flags, request: None };
        let in_transit = history.in_transit(event.cost());
        let deliver = move |position| {
            let _until_it_is_queued = in_transit;
            let recall = match position {
                OrderPosition::At(offset) => Recall::At(offset),
                OrderPosition::Early(_) | OrderPosition::Nowhere => Recall::Volatile,
            };
            // Can't fail: it was already serialised.
            let Ok(outgoing) = socket.encode_as(own.name(), None, own.args(), flags, recall) else { return };
            let sent = match &outgoing.kept {
                Some(kept) => history.deliver(kept),
                None => {
                    if let OrderPosition::Early(offset) = position
                        && !history.doubt(offset)
                    {
                        return;
                    }
                    let sent = socket.push_owed(&outgoing.frames).is_ok();
                    sent || socket.0.namespace.give_up(&history)
                }
            };
            if sent {
                socket.show_outgoing(&outgoing);
            }
        };
        cluster.publish_to_all(self.0.namespace.shared_name(), body, Box::new(deliver));
        true
    }

    /// Whether the client takes another event.
    fn check_space(&self) -> Result<(), SendError> {
        let history = self.0.history.as_ref().filter(|_| self.was_let_in());
        match history.and_then(|history| history.mailbox()) {
            Some(mailbox) => match mailbox.push(&[]) {
                Err(QueueError::Full) => Err(SendError::Full),
                Ok(()) if history.is_some_and(|history| history.is_full()) => {
                    self.hits().count(Limit::SendBudget);
                    Err(SendError::Full)
                }
                // A connection that is being lost right now doesn't count.
                Ok(()) | Err(_) => Ok(()),
            },
            None if history.is_some_and(|history| history.is_open()) => Ok(()),
            None => Err(SendError::Closed),
        }
    }

    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
    ) -> Result<Outgoing, SendError> {
        self.encode_as(event, id, args, flags, Recall::of(flags))
    }

    fn encode_as(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
        recall: Recall,
    ) -> Result<Outgoing, SendError> {
        let namespace = &self.0.namespace;
        let recall = if self.0.history.is_some() { recall } else { Recall::Never };
        namespace.encode(event, id, args, flags, recall, namespace.is_watched(EventDirection::Outgoing))
    }

    pub(crate) fn send(&self, outgoing: &Outgoing, volatile: bool) -> Result<(), SendError> {
        match (&self.0.history, &outgoing.kept) {
            // While the client is away, the event waits for it.
            (Some(history), Some(kept)) if self.was_let_in() => history.send(kept)?,
            _ if !volatile => self.push(&outgoing.frames)?,
            _ if !self.push_volatile(&outgoing.frames) => return Ok(()),
            _ => {}
        }
        self.show_outgoing(outgoing);
        Ok(())
    }

    fn was_let_in(&self) -> bool {
        self.0.lifecycle.is(Phase::Connected) || self.0.lifecycle.is(Phase::Over)
    }

    /// Calls the listeners for an event that was queued. No lock may be held.
    pub(crate) fn show_outgoing(&self, outgoing: &Outgoing) {
        if let Some(event) = &outgoing.event {
            self.show(EventDirection::Outgoing, event);
        }
    }

    pub(crate) fn push(&self, frames: &Frames) -> Result<(), SendError> {
        if !self.is_connected() {
            return Err(SendError::Closed);
        }
        Ok(self.0.mailbox.push(frames.as_slice())?)
    }

    pub(crate) fn push_volatile(&self, frames: &Frames) -> bool {
        self.is_connected() && self.0.mailbox.push_volatile(frames.as_slice())
    }

    /// Sends a broadcast to this socket. Returns whether it was connected.
    pub(crate) fn push_share(&self, outgoing: &Outgoing, volatile: bool) -> bool {
        if volatile {
            return self.push_volatile(&outgoing.frames);
        }
        if let (Some(history), Some(kept)) = (&self.0.history, &outgoing.kept) {
            return history.share(kept);
        }
        let connected = self.is_connected();
        if connected {
            self.0.mailbox.push_owed(outgoing.frames.as_slice());
        }
        connected
    }

    /// Sends something that the client waits for, even over its budget.
    pub(crate) fn push_owed(&self, frames: &Frames) -> Result<(), SendError> {
        let queued = self.is_connected() && self.0.mailbox.push_owed(frames.as_slice());
        if queued { Ok(()) } else { Err(SendError::Closed) }
    }
}

/// Sends events to one client with options: see [`Socket::volatile`], [`Socket::compress`] and
/// [`Socket::timeout`].
///
/// ```
/// use std::time::Duration;
/// use socketio::{SendError, Socket};
///
/// fn send(socket: &Socket) -> Result<(), SendError> {
///     socket.volatile().emit("position", (3, 4))?; // lost unless it can be written at once
///     socket.compress(false).emit("noise", "zzz")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct SocketEmitter<'a> {
    socket: &'a Socket,
    flags: Flags,
}

impl SocketEmitter<'_> {
    /// Makes events volatile: see [`Socket::volatile`].
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether events may be compressed: see [`Broadcast::compress`].
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = Some(compress);
        self
    }

    /// How long to wait for an acknowledgement: see [`Ack::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// Sends an event. A volatile one is dropped unless it can be written at once: nothing else waits for
    /// this client, and its transport is ready.
    ///
    /// # Errors
    /// See [`SendError`]. A dropped volatile event is not an error.
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.socket.emit_with(event, args, self.flags)
    }

    /// Sends an event and asks for an acknowledgement: see [`Socket::emit_with_ack`]. A volatile event that
    /// is dropped gets no acknowledgement.
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Ack<T> {
        Ack::request(self.socket, event, args, self.flags)
    }
}
