//! Sending to many.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::memory::Held;

use crate::ack::broadcast::{BroadcastAck, Counting, ask_selected};
use crate::args::event::Event;
use crate::args::{Args, ToArgs, event};
use crate::cluster::Cluster;
use crate::cluster::message::MessageBody;
use crate::cluster::ordered::OrderPosition;
use crate::error::SendError;
use crate::handler::listener::EventDirection;
use crate::namespace::Namespace;
use crate::namespace::flags::Flags;
use crate::namespace::outgoing::{Outgoing, Recall};
use crate::namespace::room::{Room, Selection};
use crate::namespace::to_rooms::{ToRooms, room_list};
use crate::recovery::NamespaceRecovery;
use crate::recovery::offset::Offset;
use crate::socket::Socket;

/// A selection of sockets in a namespace, to send to them or to change them.
///
/// ```
/// # let io = socketio::Io::new();
/// io.to(["room 1", "room 2"]).except("quiet").emit("news", "hello")?;
/// io.within("room 1").sockets_join("room 3");
/// # Ok::<(), socketio::SendError>(())
/// ```
///
/// With an [adapter](crate::Adapter), the selection includes the sockets of all nodes, unless it is
/// [`local`](Broadcast::local). A parent's selection includes its children that exist on this node.
#[derive(Clone)]
#[must_use = "nothing happens before `emit` or another of its methods"]
pub struct Broadcast {
    pub(crate) namespace: Namespace,
    pub(crate) selection: Selection,
    /// Rooms were asked for, though there may be none: see [`ToRooms`].
    in_rooms: bool,
    pub(crate) flags: Flags,
}

/// # Whom
impl Broadcast {
    pub(crate) fn new(namespace: Namespace) -> Broadcast {
        Broadcast { namespace, selection: Selection::default(), in_rooms: false, flags: Flags::default() }
    }

    /// What another node asks of this one.
    pub(crate) fn here(namespace: Namespace, selection: Selection, flags: Flags) -> Broadcast {
        Broadcast { namespace, selection, in_rooms: false, flags: Flags { local: true, ..flags } }
    }

    /// Selects the sockets in a room, or in any of several: pass a list, or call it several times. A socket in
    /// more than one room gets the event once. An empty list selects [nobody](ToRooms#an-empty-list).
    pub fn to(mut self, rooms: impl ToRooms) -> Broadcast {
        rooms.add_to(&mut self.selection.rooms);
        self.in_rooms = true;
        self
    }

    /// The same as [`to`](Broadcast::to): `in` is a keyword in Rust.
    pub fn within(self, rooms: impl ToRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Excludes the sockets in a room, or in any of several. To exclude one socket, use its id.
    pub fn except(mut self, rooms: impl ToRooms) -> Broadcast {
        rooms.add_to(&mut self.selection.except);
        self
    }

    /// Selects only sockets of this node.
    pub fn local(mut self) -> Broadcast {
        self.flags.local = true;
        self
    }
}

/// # How
impl Broadcast {
    /// Makes the event volatile: a client to which it can't be written at once doesn't get it.
    pub fn volatile(mut self) -> Broadcast {
        self.flags.volatile = true;
        self
    }

    /// Whether the event may be compressed; by default it may. The server compresses the answer to a poll if
    /// the client and the length allow it, unless all events in it are excluded.
    pub fn compress(mut self, compress: bool) -> Broadcast {
        self.flags.compress = Some(compress);
        self
    }

    /// How long to wait for answers of clients and of other nodes, instead of
    /// [`IoConfig::ack_timeout`](crate::IoConfig::ack_timeout) and
    /// [`IoConfig::cluster_timeout`](crate::IoConfig::cluster_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Broadcast {
        self.flags.timeout = Some(timeout);
        self
    }
}

/// # Sending
impl Broadcast {
    /// Sends an event to all selected sockets, even if much already waits for a client. If a client then reads
    /// nothing for `write_timeout`, or holds most when memory runs short, its session is closed.
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`]; nothing is sent then.
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        if self.namespace.is_parent() || self.is_nobody() {
            event::check_name(event)?;
            let args = Args::new(args)?;
            return self.each().iter().try_for_each(|children| children.emit(event, &args));
        }
        let cluster = self.namespace.cluster().filter(|_| !self.flags.local);
        if self.namespace.shared_recovery().is_some() {
            return match cluster {
                None => self.deliver(event, args, OrderPosition::Nowhere),
                Some(cluster) => self.emit_in_order(cluster, event, args),
            };
        }
        let watched = self.namespace.is_watched(EventDirection::Outgoing);
        let outgoing = self.namespace.encode(
            event,
            None,
            args,
            self.flags,
            Recall::of(self.flags),
            watched || cluster.is_some(),
        )?;
        if let (Some(cluster), Some(event)) = (cluster, outgoing.event.clone()) {
            let (selection, flags) = (self.selection.clone(), self.flags);
            let body = MessageBody::Broadcast { event, selection, flags, request: None };
            drop(cluster.publish(self.namespace.shared_name(), None, body));
        }
        self.share(&outgoing, None);
        Ok(())
    }

    /// Sends an event that clients may recover on any node. It gets its position in the order before any client gets
    /// it.
    fn emit_in_order(&self, cluster: &Cluster, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        let event = Event::outgoing(event, args)?;
        let (broadcast, own) = (self.clone(), event.clone());
        let (selection, flags) = (self.selection.clone(), self.flags);
        let body = MessageBody::Broadcast { event, selection, flags, request: None };
        let held = Held::new(own.cost());
        let deliver = move |position| {
            let _until_it_is_queued = held;
            // Can't fail: it was already serialised.
            let _ = broadcast.deliver(own.name(), own.args(), position);
        };
        cluster.publish_to_all(self.namespace.shared_name(), body, Box::new(deliver));
        Ok(())
    }

    /// Sends an event to the selected sockets of this node, once its `position` in the order of all nodes is known.
    pub(crate) fn deliver(
        &self,
        event: &str,
        args: impl ToArgs,
        position: OrderPosition,
    ) -> Result<(), SendError> {
        let watched = self.namespace.is_watched(EventDirection::Outgoing);
        let recall = match position {
            OrderPosition::At(offset) if !self.flags.volatile => Recall::At(offset),
            _ => Recall::Volatile,
        };
        let outgoing = self.namespace.encode(event, None, args, self.flags, recall, watched)?;
        match position {
            // Clients that already have it may find it again at its position.
            OrderPosition::Early(offset) if !self.flags.volatile => self.share(&outgoing, Some(offset)),
            _ => self.share(&outgoing, None),
        }
        Ok(())
    }

    /// Queues an event for each selected socket of this node, and keeps it for those that are away. `early` means that
    /// it has not come back from the adapter, and has its offset if that is known already.
    fn share(&self, outgoing: &Outgoing, early: Option<Option<Offset>>) {
        let watched = outgoing.event.is_some() && self.namespace.is_watched(EventDirection::Outgoing);
        let volatile = self.flags.volatile;
        let mut sent_to = Vec::new();
        let missed = self.namespace.recovery().map(NamespaceRecovery::begin_broadcast);
        let members = self.namespace.members();
        if watched || early.is_some() {
            members.for_each(&self.selection, |socket| {
                if early.is_some_and(|offset| !socket.doubt_history(offset)) {
                    return;
                }
                if socket.push_share(outgoing, volatile) && watched {
                    sent_to.push(socket.clone());
                }
            });
        } else {
            // Nearly all broadcasts take this loop, so it is as short as possible.
            members.for_each(&self.selection, |socket| {
                socket.push_share(outgoing, volatile);
            });
        }
        if let (Some(missed), Some(kept)) = (&missed, &outgoing.kept) {
            missed.keep(&self.selection, kept);
        }
        let doubted = match (missed, early) {
            (Some(missed), Some(offset)) => missed.doubt(&self.selection, offset),
            _ => Vec::new(),
        };
        // They can't recover here, since they would get something twice or not at all. Those that are recovering
        // right now have to join as new clients.
        for history in doubted {
            self.namespace.give_up(&history);
        }
        sent_to.iter().for_each(|socket| socket.show_outgoing(outgoing));
    }

    /// Sends an event right away, and asks all selected sockets for an acknowledgement. Await the result to
    /// get all answers, or take them one by one with [`next`](BroadcastAck::next). Each is read as `T` (see
    /// [`FromArgs`](crate::FromArgs)).
    ///
    /// ```no_run
    /// # async fn example(io: socketio::Io) -> Result<(), socketio::SendError> {
    /// match io.to("voters").emit_with_ack::<String>("vote", ())?.await.all() {
    ///     Ok(votes) => println!("all have voted: {votes:?}"),
    ///     Err(some) => println!("not all have: {some:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`]; nothing is sent then.
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Result<BroadcastAck<T>, SendError> {
        let timeout = self.flags.timeout.unwrap_or(self.namespace.config().ack_timeout);
        let mut answers = BroadcastAck::new(timeout);
        event::check_name(event)?;
        let args = Args::new(args)?;
        for broadcast in self.each() {
            broadcast.ask(event, &args, &mut answers)?;
        }
        Ok(answers)
    }

    fn ask<T>(&self, event: &str, args: &Args, answers: &mut BroadcastAck<T>) -> Result<(), SendError> {
        let cluster = self.namespace.cluster().filter(|_| !self.flags.local);
        let watched = self.namespace.is_watched(EventDirection::Outgoing);
        let id = self.namespace.next_ack_id();
        let outgoing = self.namespace.encode(
            event,
            Some(id),
            args,
            self.flags,
            Recall::Never,
            watched || cluster.is_some(),
        )?;
        if let (Some(cluster), Some(event)) = (cluster, outgoing.event.clone()) {
            let (name, selection) = (self.namespace.shared_name(), self.selection.clone());
            let flags = Flags { timeout: Some(answers.patience()), ..self.flags };
            let awaited = Arc::default();
            let request = cluster.ask_clients(name, event, selection, flags, answers.collector(), &awaited);
            answers.add_request(request, Counting::new(cluster, name, awaited, answers.patience()));
        }
        let volatile = self.flags.volatile;
        let asked =
            ask_selected(&self.namespace, &self.selection, volatile, &outgoing, id, answers.collector());
        answers.add(asked);
        Ok(())
    }
}

/// # The sockets themselves
impl Broadcast {
    /// The selected sockets of this node, in no particular order.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        for Broadcast { namespace, selection, .. } in self.each() {
            namespace.members().for_each(&selection, |socket| sockets.push(socket.clone()));
        }
        sockets
    }

    /// How many sockets of this node are selected.
    #[must_use]
    pub fn socket_count(&self) -> usize {
        let mut count = 0;
        for Broadcast { namespace, selection, .. } in self.each() {
            namespace.members().for_each(&selection, |_| count += 1);
        }
        count
    }

    /// Makes all selected sockets join a room, or several: `socketsJoin(rooms)` in JavaScript. A socket that
    /// would then be in [too many](crate::IoConfig::max_rooms) joins none of them.
    pub fn sockets_join(&self, rooms: impl ToRooms) {
        let rooms = room_list(rooms);
        self.tell_others(|selection| MessageBody::SocketsJoin { selection, rooms: rooms.clone() });
        self.after_own(move |selected| selected.join_at_once(&rooms));
    }

    /// Makes all selected sockets leave a room, or several: `socketsLeave(rooms)` in JavaScript.
    pub fn sockets_leave(&self, rooms: impl ToRooms) {
        let rooms = room_list(rooms);
        self.tell_others(|selection| MessageBody::SocketsLeave { selection, rooms: rooms.clone() });
        self.after_own(move |selected| selected.leave_at_once(&rooms));
    }

    /// Disconnects all selected sockets from the namespace. With `close`, ends their sessions:
    /// `disconnectSockets(close)` in JavaScript. See [`Socket::disconnect`].
    pub fn disconnect_sockets(&self, close: bool) {
        self.tell_others(|selection| MessageBody::DisconnectSockets { selection, close });
        self.after_own(move |selected| selected.disconnect_at_once(close));
    }

    /// Makes the selected sockets of this node join rooms, without waiting for what is still being sent to them.
    pub(crate) fn join_at_once(&self, rooms: &[Room]) {
        for socket in self.sockets() {
            if let Err(error) = socket.join(rooms) {
                tracing::debug!(socket = socket.id(), %error, "a socket can't join a room");
            }
        }
    }

    pub(crate) fn leave_at_once(&self, rooms: &[Room]) {
        self.sockets().iter().for_each(|socket| socket.leave(rooms));
    }

    pub(crate) fn disconnect_at_once(&self, close: bool) {
        self.sockets().iter().for_each(|socket| socket.disconnect_at_once(close));
    }

    /// Does something to sockets of this node, after everything that was sent to them before.
    fn after_own(&self, act: impl FnOnce(&Broadcast) + Send + 'static) {
        match self.namespace.shared_recovery() {
            None => act(self),
            Some(cluster) => {
                let selected = self.clone();
                cluster.then(self.namespace.name(), move || act(&selected));
            }
        }
    }

    fn tell_others(&self, body: impl Fn(Selection) -> MessageBody) {
        for Broadcast { namespace, selection, flags, .. } in self.each() {
            if let Some(cluster) = namespace.cluster().filter(|_| !flags.local) {
                drop(cluster.publish(namespace.shared_name(), None, body(selection)));
            }
        }
    }

    /// Rooms were asked for, and there were none in the lists. Without this, a [`Selection`] would mean everybody.
    fn is_nobody(&self) -> bool {
        self.in_rooms && self.selection.rooms.is_empty()
    }

    /// This selection, or the same for each of a parent's children. Empty if it selects nobody.
    pub(crate) fn each(&self) -> Vec<Broadcast> {
        if self.is_nobody() {
            return Vec::new();
        }
        if !self.namespace.is_parent() {
            return vec![self.clone()];
        }
        let children = self.namespace.children().into_iter();
        children.map(|namespace| Broadcast { namespace, ..self.clone() }).collect()
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("namespace", &self.namespace.name())
            .field("selection", &self.selection)
            .field("flags", &self.flags)
            .finish()
    }
}
