//! Tells listeners what happens to rooms.

use std::collections::VecDeque;

use engineio::observe::What;

use crate::handler::task::guarded;
use crate::namespace::Namespace;
use crate::namespace::pending_events::{Member, PendingEvent};
use crate::namespace::room::Room;
use crate::namespace::room_event::{RoomEvent, RoomListener};
use crate::socket::Socket;

impl Member for Socket {
    #[inline]
    fn id(&self) -> &str {
        Socket::id(self)
    }

    fn room(&self) -> Room {
        Socket::room(self)
    }

    #[inline]
    fn address(&self) -> *const () {
        Socket::address(self)
    }

    #[inline]
    fn is_connected(&self) -> bool {
        Socket::is_connected(self)
    }

    fn listens(&self) -> bool {
        self.namespace().watches_rooms()
    }

    fn is_observed(&self) -> bool {
        self.link().is_watched()
    }

    fn tell(&self, events: &VecDeque<PendingEvent<Socket>>) {
        self.namespace().tell(events);
    }
}

impl Namespace {
    /// Calls the observers and the listeners. No lock may be held.
    fn tell(&self, events: &VecDeque<PendingEvent<Socket>>) {
        let mut listeners: Vec<RoomListener> = Vec::new();
        for handlers in self.handler_tables() {
            handlers.look(|table| listeners.extend_from_slice(&table.room_listeners));
        }
        for PendingEvent { event, observed } in events {
            // Before it is connected and when it ends, other observations show its rooms.
            if let Some(socket) = observed.as_ref().filter(|socket| socket.is_connected()) {
                // This thread has to call it again, or listeners would never be told again.
                if guarded(|| socket.see_room(event)).is_err() {
                    tracing::error!(namespace = self.name(), "an observer of rooms panicked");
                }
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
    use std::sync::{Arc, Mutex};

    use engineio::Revision;
    use engineio::observe::{Observation, Observer, Observers};

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

    #[tokio::test]
    async fn listeners_hear_of_rooms_also_after_an_observer_panicked() {
        struct Broken;

        impl Observer for Broken {
            fn observe(&self, observation: &Observation<'_>) {
                assert!(!matches!(observation.what, What::RoomJoined { room: "a", .. }), "a panic is caught");
            }
        }

        let io = Io::new();
        let mut observers = Observers::default();
        observers.add(Arc::new(Broken));
        let mut peer = Peer::open_watched(&io, Revision::V4, observers);
        peer.send("0");
        let socket = io.sockets().remove(0);
        let events = listen(&io);
        socket.join("a").unwrap();
        socket.join("b").unwrap();
        let expected = [created("a"), joined("a", &socket), created("b"), joined("b", &socket)];
        assert_eq!(take(&events), expected);
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
