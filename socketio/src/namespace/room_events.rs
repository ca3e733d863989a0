//! What happens to rooms, for whoever listens.

use std::collections::VecDeque;
use std::sync::Arc;

use engineio::observe::What;

use crate::handler::task::guarded;
use crate::namespace::Namespace;
use crate::namespace::room::Room;
use crate::socket::Socket;

/// Something happened to a room. Each socket also is in a room of its own, named by its id.
///
/// ```
/// use socketio::{Io, RoomEvent};
///
/// fn watch(io: &Io) {
///     io.on_room_event(|event| match event {
///         RoomEvent::Created { room } => println!("{room} is new"),
///         RoomEvent::Joined { room, socket } => println!("{socket} is in {room}"),
///         RoomEvent::Left { .. } | RoomEvent::Deleted { .. } => {}
///     });
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The first socket is joining a room: `create-room` in JavaScript.
    Created {
        /// The room.
        room: Room,
    },
    /// A socket has joined a room: `join-room`.
    Joined {
        /// The room.
        room: Room,
        /// The socket's id.
        socket: Room,
    },
    /// A socket has left a room: `leave-room`.
    Left {
        /// The room.
        room: Room,
        /// The socket's id.
        socket: Room,
    },
    /// The last socket has left a room: `delete-room`.
    Deleted {
        /// The room.
        room: Room,
    },
}

pub(crate) type RoomListener = Arc<dyn Fn(&RoomEvent) + Send + Sync>;

/// Events that listeners have not been told yet. They are noted under the lock on the rooms, in the order in
/// which they happen, and told without it, by one thread at a time: so listeners hear them in that order,
/// and may do what they like.
#[derive(Default)]
pub(crate) struct Untold {
    events: VecDeque<Happened>,
    /// Somebody is telling listeners. Whoever else comes along leaves their events to them.
    telling: bool,
}

/// An event, and the socket that it is about if somebody [observes](engineio::observe) it.
pub(crate) struct Happened {
    event: RoomEvent,
    observed: Option<Socket>,
}

impl From<RoomEvent> for Happened {
    fn from(event: RoomEvent) -> Happened {
        Happened { event, observed: None }
    }
}

impl Untold {
    pub(crate) fn joined(&mut self, room: &Room, socket: &Socket, is_first: impl FnOnce() -> bool) {
        let listened = socket.namespace().watches_rooms();
        if listened && is_first() {
            self.events.push_back(RoomEvent::Created { room: Arc::clone(room) }.into());
        }
        self.moved(listened, socket, |socket| RoomEvent::Joined { room: Arc::clone(room), socket });
    }

    pub(crate) fn left(&mut self, room: &Room, socket: &Socket, was_last: impl FnOnce() -> bool) {
        let listened = socket.namespace().watches_rooms();
        self.moved(listened, socket, |socket| RoomEvent::Left { room: Arc::clone(room), socket });
        if listened && was_last() {
            self.events.push_back(RoomEvent::Deleted { room: Arc::clone(room) }.into());
        }
    }

    fn moved(&mut self, listened: bool, socket: &Socket, event: impl FnOnce(Room) -> RoomEvent) {
        let observed = socket.link().is_watched().then(|| socket.clone());
        if listened || observed.is_some() {
            self.events.push_back(Happened { event: event(socket.room()), observed });
        }
    }

    /// Takes the events to be told, and with them the duty to tell them and to come back for more.
    pub(crate) fn begin(&mut self) -> Option<VecDeque<Happened>> {
        (!self.telling).then(|| self.next())?
    }

    /// Takes the events that came meanwhile. Without any, the duty ends.
    pub(crate) fn next(&mut self) -> Option<VecDeque<Happened>> {
        self.telling = !self.events.is_empty();
        self.telling.then(|| std::mem::take(&mut self.events))
    }
}

impl Namespace {
    /// Calls the observers and the listeners. No lock may be held.
    pub(crate) fn tell(&self, events: &VecDeque<Happened>) {
        let mut listeners: Vec<RoomListener> = Vec::new();
        for handlers in self.layers() {
            handlers.look(|table| listeners.extend_from_slice(&table.room_listeners));
        }
        for Happened { event, observed } in events {
            // Before it is connected and when it ends, other observations say where it is.
            if let Some(socket) = observed.as_ref().filter(|socket| socket.is_connected()) {
                socket.see_room(event);
            }
            for listener in &listeners {
                if guarded(|| listener(event)).is_err() {
                    tracing::error!(namespace = self.name(), "a listener for rooms panicked");
                }
            }
        }
    }
}

impl Socket {
    /// Shows what happened to one of its rooms.
    pub(crate) fn see_room(&self, event: &RoomEvent) {
        let (nsp, socket) = (self.namespace().name(), self.id());
        self.link().see(|| match event {
            RoomEvent::Joined { room, .. } | RoomEvent::Created { room } => {
                What::RoomJoined { nsp, socket, room }
            }
            RoomEvent::Left { room, .. } | RoomEvent::Deleted { room } => {
                What::RoomLeft { nsp, socket, room }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::io::Io;
    use crate::testing::Peer;

    /// What happens to the rooms of `/`, with the names of sockets in place of their ids.
    fn listen(io: &Io) -> Arc<Mutex<Vec<RoomEvent>>> {
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        io.on_room_event(move |event| log.lock().unwrap().push(event.clone()));
        events
    }

    fn take(events: &Mutex<Vec<RoomEvent>>) -> Vec<RoomEvent> {
        std::mem::take(&mut events.lock().unwrap())
    }

    fn created(room: &str) -> RoomEvent {
        RoomEvent::Created { room: room.into() }
    }

    fn joined(room: &str, socket: &Socket) -> RoomEvent {
        RoomEvent::Joined { room: room.into(), socket: socket.room() }
    }

    fn left(room: &str, socket: &Socket) -> RoomEvent {
        RoomEvent::Left { room: room.into(), socket: socket.room() }
    }

    fn deleted(room: &str) -> RoomEvent {
        RoomEvent::Deleted { room: room.into() }
    }

    // proves: features/room-events
    #[tokio::test]
    async fn rooms_come_and_go_with_their_sockets() {
        let io = Io::new();
        let events = listen(&io);
        let mut peers = [Peer::join(&io)];
        let one = io.sockets().remove(0);
        assert_eq!(take(&events), [created(one.id()), joined(one.id(), &one)]);
        let mut other = Peer::join(&io);
        let two = io.except(one.id()).sockets().remove(0);
        take(&events);
        one.join("r").unwrap();
        two.join("r").unwrap();
        two.join("r").unwrap();
        assert_eq!(take(&events), [created("r"), joined("r", &one), joined("r", &two)]);
        one.leave("r");
        one.leave("r");
        two.leave("r");
        assert_eq!(take(&events), [left("r", &one), left("r", &two), deleted("r")]);
        // A socket's own room is there already.
        two.join(one.id()).unwrap();
        one.join(one.id()).unwrap();
        assert_eq!(take(&events), [joined(one.id(), &two)]);
        peers[0].send("1");
        assert_eq!(take(&events), [left(one.id(), &one)]);
        other.send("1");
        let ends = [left(one.id(), &two), deleted(one.id()), left(two.id(), &two), deleted(two.id())];
        assert_eq!(take(&events), ends);
    }

    // proves: features/room-events
    #[tokio::test]
    async fn a_listener_may_change_rooms_and_events_keep_their_order() {
        let io = Io::new();
        let _peer = Peer::join(&io);
        let socket = io.sockets().remove(0);
        let mover = socket.clone();
        io.on_room_event(move |event| {
            if *event == created("a") {
                mover.leave("a");
                mover.join("b").unwrap();
            }
            assert_ne!(*event, deleted("b"), "a panic is caught");
        });
        let events = listen(&io);
        socket.join("a").unwrap();
        let expected = [
            created("a"),
            joined("a", &socket),
            left("a", &socket),
            deleted("a"),
            created("b"),
            joined("b", &socket),
        ];
        assert_eq!(take(&events), expected);
        socket.leave("b");
        assert_eq!(take(&events), [left("b", &socket), deleted("b")]);
    }

    // proves: features/room-events
    #[tokio::test]
    async fn rooms_and_sockets_are_listed() {
        let io = Io::new();
        let _peers = [Peer::join(&io), Peer::join(&io)];
        let sockets = io.sockets();
        sockets[0].join("a").unwrap();
        io.sockets_join("b");
        sockets[0].join(sockets[1].id()).unwrap();
        let mut rooms = io.rooms();
        rooms.sort();
        let mut expected = vec![("a".into(), 1), ("b".into(), 2), (sockets[1].room(), 2)];
        expected.sort();
        assert_eq!(rooms, expected);
        let mut ids = io.socket_ids();
        ids.sort();
        let mut own: Vec<_> = sockets.iter().map(Socket::room).collect();
        own.sort();
        assert_eq!(ids, own);
    }
}
