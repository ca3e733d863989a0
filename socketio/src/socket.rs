//! A client in a namespace.

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engineio::{CloseReason, Frame, Limit, Revision, Transport};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::ack::{Ack, PendingAcks};
use crate::adapter::Flags;
use crate::args::ToArgs;
use crate::broadcast::Broadcast;
use crate::config::Config;
use crate::error::{DisconnectReason, JoinError, SendError};
use crate::lane::{Job, Lane};
use crate::link::{Command, Link};
use crate::listener::Direction;
use crate::namespace::{Namespace, Outgoing, Recall};
use crate::packet::Frames;
use crate::recovery::{Granted, Trail};
use crate::rooms::Room;

mod attached;

use attached::Attached;
pub(crate) use attached::Values;

/// A client in a namespace. Cloning it is cheap, and any clone may be kept, sent to other tasks, and used
/// after the client has gone.
#[derive(Clone)]
pub struct Socket(Arc<State>);

struct State {
    id: Room,
    /// Tells the sockets of one client apart, ended ones included.
    serial: u32,
    link: Arc<Link>,
    namespace: Namespace,
    /// JSON; `None` stands for `{}`.
    auth: Option<Box<str>>,
    phase: AtomicU8,
    lane: Lane,
    pending_acks: PendingAcks,
    ended: OnceLock<Ended>,
    end: Notify,
    attached: OnceLock<Box<Attached>>,
    /// What it takes to be recovered, if it can be.
    trail: Option<Arc<Trail>>,
    recovered: bool,
}

struct Ended {
    reason: DisconnectReason,
    rooms: Vec<Room>,
}

/// Middlewares have not decided yet.
const PENDING: u8 = 0;
const CONNECTED: u8 = 1;
/// Nothing is sent any more.
const ENDED: u8 = 2;
/// It was not let in.
const REFUSED: u8 = 3;

/// # Who it is
impl Socket {
    /// The socket's id, unique in its namespace: 20 random characters. For clients of socket.io 1 and 2 it is
    /// derived from the session's id, as they expect.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The namespace that the client joined.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// The request that opened the session, and what the client presented for this namespace.
    #[must_use]
    pub fn handshake(&self) -> Handshake<'_> {
        Handshake { request: &self.0.link.handshake, auth: self.0.auth.as_deref().unwrap_or("{}") }
    }

    /// The transport that the session is on now: `socket.conn.transport` in JavaScript. It changes once at
    /// most, from polling to WebSocket: see [`on_upgrade`](Socket::on_upgrade).
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.link.transport()
    }

    /// The revision of Engine.IO that the client speaks: `socket.conn.protocol` in JavaScript. Revision 3 is
    /// spoken by the clients of socket.io 1 and 2.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.link.revision
    }

    /// Whether this is the socket of a client that had lost its connection: it has the id, the rooms and what
    /// was kept with it again, and has been sent what it missed. See [`Config::recovery`].
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// Whether the socket is connected: from before `on_connect` until it ends.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == CONNECTED
    }
}

/// # Sending
impl Socket {
    /// Sends an event to this client. See [`ToArgs`] for what the arguments can be. While the client is away
    /// and can come back ([`Config::recovery`]), the event waits for it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        let outgoing = self.encode(event, None, args, Flags::default())?;
        self.send(&outgoing, false)
    }

    /// Sends an event that the client is to acknowledge. Await what is returned for the answer, which is
    /// read as `T` (see [`FromArgs`](crate::FromArgs)). The event is sent right away.
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
    pub fn volatile(&self) -> Emitter<'_> {
        Emitter { flags: Flags { volatile: true, ..Flags::default() }, socket: self }
    }

    /// For events with a say about compression. See [`Broadcast::compress`].
    pub fn compress(&self, compress: bool) -> Emitter<'_> {
        Emitter { flags: Flags { compress: Some(compress), ..Flags::default() }, socket: self }
    }

    /// For events with that much time to be acknowledged. See [`Ack::timeout`].
    pub fn timeout(&self, timeout: Duration) -> Emitter<'_> {
        Emitter { flags: Flags { timeout: Some(timeout), ..Flags::default() }, socket: self }
    }

    /// Everyone on this node but this client. See [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Everyone in the namespace but this client.
    pub fn broadcast(&self) -> Broadcast {
        self.0.namespace.everyone().except(Arc::clone(&self.0.id))
    }

    /// Everyone in a room but this client.
    pub fn to(&self, room: impl Into<Room>) -> Broadcast {
        self.broadcast().to(room)
    }

    /// Everyone in a room but this client. The same as [`to`](Socket::to): `in` is a keyword in Rust.
    pub fn within(&self, room: impl Into<Room>) -> Broadcast {
        self.to(room)
    }

    /// Everyone who is not in that room, and not this client.
    pub fn except(&self, room: impl Into<Room>) -> Broadcast {
        self.broadcast().except(room)
    }

    /// Waits until [`emit`](Socket::emit) would not answer [`SendError::Full`].
    ///
    /// # Errors
    /// [`SendError::Closed`] if the session is over.
    pub async fn ready(&self) -> Result<(), SendError> {
        let trail = self.0.trail.as_ref().filter(|_| self.was_let_in());
        let mailbox = match trail.and_then(|trail| trail.mailbox()) {
            Some(mailbox) => mailbox,
            None => Arc::clone(&self.0.link.mailbox),
        };
        match poll_fn(|cx| mailbox.poll_room(cx)).await {
            // What is sent to a client that is away waits elsewhere.
            Err(engineio::SendError::Closed) if trail.is_some_and(|trail| trail.is_open()) => Ok(()),
            room => Ok(room?),
        }
    }

    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
    ) -> Result<Outgoing, SendError> {
        let namespace = &self.0.namespace;
        let recall = if self.0.trail.is_some() { Recall::of(flags) } else { Recall::Never };
        namespace.encode(event, id, args, flags, recall, namespace.is_watched(Direction::Outgoing))
    }

    pub(crate) fn send(&self, outgoing: &Outgoing, volatile: bool) -> Result<(), SendError> {
        match (&self.0.trail, &outgoing.kept) {
            // While the client is away, the event waits for it.
            (Some(trail), Some(kept)) if self.was_let_in() => trail.send(kept)?,
            _ if !volatile => self.push(&outgoing.frames)?,
            _ if !self.push_volatile(&outgoing.frames) => return Ok(()),
            _ => {}
        }
        self.show_outgoing(outgoing);
        Ok(())
    }

    fn was_let_in(&self) -> bool {
        matches!(self.0.phase.load(Ordering::Acquire), CONNECTED | ENDED)
    }

    /// Calls the listeners for an event that was queued. No lock may be held.
    pub(crate) fn show_outgoing(&self, outgoing: &Outgoing) {
        if let Some(event) = &outgoing.event {
            self.show(Direction::Outgoing, event);
        }
    }

    pub(crate) fn push(&self, frames: &Frames) -> Result<(), SendError> {
        if !self.is_connected() {
            return Err(SendError::Closed);
        }
        Ok(self.0.link.mailbox.push(frames.as_slice())?)
    }

    pub(crate) fn push_volatile(&self, frames: &Frames) -> bool {
        self.is_connected() && self.0.link.mailbox.push_volatile(frames.as_slice())
    }

    /// Sends a share of a broadcast; says whether the socket is there to get it. A client that does not keep
    /// up is disconnected, since nobody is there to be told.
    pub(crate) fn push_share(&self, outgoing: &Outgoing, volatile: bool) -> bool {
        if volatile {
            return self.push_volatile(&outgoing.frames);
        }
        if let (Some(trail), Some(kept)) = (&self.0.trail, &outgoing.kept) {
            return trail.share(kept);
        }
        let connected = self.is_connected();
        if connected {
            self.0.link.send_or_close(outgoing.frames.as_slice());
        }
        connected
    }

    /// Ends the session of a client that takes too much.
    pub(crate) fn close_overloaded(&self) {
        self.0.link.mailbox.close(CloseReason::ForcedClose);
    }
}

/// # Rooms
impl Socket {
    /// Joins a room.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub fn join(&self, room: impl Into<Room>) -> Result<(), JoinError> {
        let joined = self.0.namespace.members().join(self, &room.into(), self.config().max_rooms);
        if let Err(JoinError::TooManyRooms) = joined {
            self.config().hits.count(Limit::Rooms);
        }
        joined
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        self.0.namespace.members().leave(self, room);
    }

    /// The rooms that the socket has joined; after its end, those it was in. The room named by its own id,
    /// where it always is, is not among them.
    #[must_use]
    pub fn rooms(&self) -> Vec<Room> {
        match self.0.ended.get() {
            Some(ended) => ended.rooms.clone(),
            None => self.0.namespace.members().of(self),
        }
    }
}

/// # The end
impl Socket {
    /// Puts the client out of the namespace; with `close`, out of all namespaces, and its session ends.
    /// Nothing more is sent from this socket. A client that is away does not get its socket back any more.
    ///
    /// In a middleware, where the client is not connected yet, return an error instead.
    pub fn disconnect(&self, close: bool) {
        let was = self.0.phase.compare_exchange(CONNECTED, ENDED, Ordering::AcqRel, Ordering::Acquire);
        match (was, &self.0.trail) {
            (Ok(_), _) => self.end_trail(),
            (Err(ENDED), Some(trail)) => drop(self.0.namespace.give_up(trail)),
            (Err(_), _) => {}
        }
        if close {
            self.0.link.command(Command::Close);
        } else if was.is_ok() {
            self.0.link.command(Command::Disconnect { serial: self.0.serial });
        }
    }

    /// Waits for the socket's end.
    pub async fn closed(&self) -> DisconnectReason {
        loop {
            let end = self.0.end.notified();
            if let Some(ended) = self.0.ended.get() {
                return ended.reason;
            }
            end.await;
        }
    }
}

/// # For the client and the namespace
impl Socket {
    #[cfg(test)]
    pub(crate) const STATE_SIZE: usize = size_of::<State>();

    pub(crate) fn new(
        id: Room,
        serial: u32,
        link: Arc<Link>,
        namespace: Namespace,
        auth: Option<Box<str>>,
        granted: Option<Granted>,
    ) -> Socket {
        let recovered = granted.is_some();
        let (trail, values) = match (granted, namespace.recovery()) {
            (Some(granted), _) => (Some(granted.trail), granted.values),
            (None, Some(recovery)) if link.revision == Revision::V4 => {
                (Some(recovery.new_trail(namespace.downgrade())), None)
            }
            (None, _) => (None, None),
        };
        Socket(Arc::new(State {
            id,
            serial,
            link,
            namespace,
            auth,
            phase: AtomicU8::new(PENDING),
            lane: Lane::default(),
            pending_acks: PendingAcks::default(),
            ended: OnceLock::new(),
            end: Notify::new(),
            attached: values.map_or_else(OnceLock::new, |values| Box::new(Attached::with(values)).into()),
            trail,
            recovered,
        }))
    }

    /// The middlewares let the client in. Says whether the namespace is still in service.
    pub(crate) fn admit(&self) -> bool {
        let (members, mailbox) = (self.0.namespace.members(), &self.0.link.mailbox);
        let trail = self.0.trail.as_ref().zip(self.0.namespace.recovery());
        let rooms = trail.filter(|_| self.0.recovered).map(|(trail, _)| trail.rooms());
        // No broadcast reaches it before it is connected. What it misses until then, it still misses as the
        // socket that was lost.
        if !members.add(self, rooms.unwrap_or_default()) {
            return false;
        }
        let pid = trail.map(|(trail, _)| trail.pid());
        let reply = self.config().parser.connect(self.0.link.revision, self.namespace_name(), self.id(), pid);
        match trail {
            None => self.0.link.send_or_close(&[reply]),
            Some((trail, recovery)) if !self.0.recovered => recovery.begin(trail, mailbox, &reply),
            Some((trail, recovery)) if recovery.resume(trail, mailbox, &reply) => self.0.namespace.leave(),
            Some(_) => {
                members.remove(self);
                return false;
            }
        }
        self.0.phase.store(CONNECTED, Ordering::Release);
        self.start();
        true
    }

    /// The client can't come back as this socket.
    pub(crate) fn end_trail(&self) {
        if let Some(trail) = &self.0.trail {
            self.0.namespace.end_trail(trail);
        }
    }

    /// The connection is lost: the client may come back for its socket.
    fn lose(&self) {
        let (Some(trail), Some(recovery)) = (&self.0.trail, self.0.namespace.recovery()) else { return };
        let rooms = self.0.namespace.members().of(self);
        if recovery.lose(trail, &self.0.id, rooms, self.values()) {
            self.0.namespace.enter();
        }
    }

    /// The namespace is taken out of service. The socket is connected, or about to be.
    pub(crate) fn put_out(&self) {
        let _ = self.0.phase.compare_exchange(CONNECTED, ENDED, Ordering::AcqRel, Ordering::Acquire);
        self.0.link.command(Command::Disconnect { serial: self.0.serial });
    }

    /// The socket was connected and has ended. `farewell` is the last packet for the client.
    pub(crate) fn finish(&self, reason: DisconnectReason, farewell: Option<Frame>) {
        self.0.phase.store(ENDED, Ordering::Release);
        if reason.is_lost_connection() {
            self.lose();
        } else {
            self.end_trail();
        }
        // Out of all rooms first, so that no broadcast comes behind the farewell.
        let rooms = self.0.namespace.members().remove(self);
        if let Some(farewell) = farewell {
            self.0.link.send_or_close(&[farewell]);
        }
        self.0.pending_acks.end();
        self.end(reason, rooms);
        if reason == DisconnectReason::ServerNamespaceDisconnect {
            // Whom the server put out is not heard any more.
            self.clear_lane();
        }
        let _ = self.submit(Job::Ended(reason));
        if let Some(trail) = &self.0.trail {
            trail.settle();
        }
    }

    /// The socket ended before the middlewares had decided.
    pub(crate) fn discard(&self, reason: DisconnectReason) {
        self.0.phase.store(REFUSED, Ordering::Release);
        if let (Some(trail), Some(recovery)) = (&self.0.trail, self.0.namespace.recovery()) {
            recovery.put_back(trail);
        }
        self.end(reason, Vec::new());
    }

    fn end(&self, reason: DisconnectReason, rooms: Vec<Room>) {
        // A socket ends once.
        if self.0.ended.set(Ended { reason, rooms }).is_ok() {
            self.0.namespace.leave();
        }
        self.0.end.notify_waiters();
    }

    /// The room that it alone is in.
    pub(crate) fn room(&self) -> Room {
        Arc::clone(&self.0.id)
    }

    pub(crate) fn serial(&self) -> u32 {
        self.0.serial
    }

    pub(crate) fn namespace_name(&self) -> &str {
        self.0.namespace.name()
    }

    pub(crate) fn config(&self) -> &Config {
        self.0.namespace.config()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.0.link
    }

    #[cfg(test)]
    pub(crate) fn downgrade_link(&self) -> std::sync::Weak<Link> {
        Arc::downgrade(&self.0.link)
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.0.lane
    }

    pub(crate) fn pending_acks(&self) -> &PendingAcks {
        &self.0.pending_acks
    }

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.0.namespace.next_ack_id()
    }

    /// Tells sockets apart, those with the same id included.
    pub(crate) fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Socket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.namespace_name()).finish()
    }
}

/// Sends events to one client in a certain way: see [`Socket::volatile`], [`Socket::compress`] and
/// [`Socket::timeout`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emitter<'a> {
    socket: &'a Socket,
    flags: Flags,
}

impl Emitter<'_> {
    /// Lets events be lost: see [`Socket::volatile`].
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether events may be compressed: see [`Broadcast::compress`].
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = Some(compress);
        self
    }

    /// How long an acknowledgement is awaited: see [`Ack::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// Sends an event. A volatile one is dropped unless it can be written at once: nothing else waits for
    /// this client, and its transport is ready.
    ///
    /// # Errors
    /// See [`SendError`]. That a volatile event is dropped is none.
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        let outgoing = self.socket.encode(event, None, args, self.flags)?;
        self.socket.send(&outgoing, self.flags.volatile)
    }

    /// Sends an event that the client is to acknowledge: see [`Socket::emit_with_ack`]. A volatile one that
    /// is dropped is never acknowledged.
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Ack<T> {
        Ack::request(self.socket, event, args, self.flags)
    }
}

/// How a client came: the request that opened its session, and its auth for one namespace.
///
/// It dereferences to [`engineio::Handshake`]: `time`, `address`, `secure`, `url`, `headers` and `query()`.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    request: &'a engineio::Handshake,
    auth: &'a str,
}

impl<'a> Handshake<'a> {
    /// The JSON object that the client presented for this namespace, `{}` if it presented none. From clients
    /// of socket.io 1 and 2 it is the query of the namespace.
    #[must_use]
    pub fn auth_json(&self) -> &'a str {
        self.auth
    }

    /// What the client presented for this namespace, as `T`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn auth<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.auth)
    }
}

impl Deref for Handshake<'_> {
    type Target = engineio::Handshake;

    fn deref(&self) -> &engineio::Handshake {
        self.request
    }
}
