//! Who is in which room of a namespace.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockWriteGuard};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::JoinError;
use crate::namespace::pending_events::{Member, PendingEvents};
use crate::namespace::room::{Room, Selection, add_rooms};

/// The sockets of a namespace and their rooms. Each socket also is in a room named by its own id, which
/// takes no entry of its own.
///
/// One lock guards both tables, so they can't disagree. While a broadcast visits its receivers under it, their
/// histories, awaited acknowledgements and mailboxes are locked; `docs/architecture.md` has the order, under "Locks".
pub(crate) struct Rooms<S> {
    membership: RwLock<Membership<S>>,
}

struct Membership<S> {
    /// The namespace is closed.
    closed: bool,
    sockets: FxHashMap<ById<S>, Vec<Room>>,
    rooms: HashMap<Room, FxHashSet<ById<S>>>,
    pending: PendingEvents<S>,
}

impl<S: Member> Default for Rooms<S> {
    fn default() -> Rooms<S> {
        let (sockets, rooms) = (FxHashMap::default(), HashMap::new());
        let membership = Membership { closed: false, sockets, rooms, pending: PendingEvents::default() };
        Rooms { membership: RwLock::new(membership) }
    }
}

impl<S: Member> Rooms<S> {
    /// Adds a socket, in its own room and in those, unless the namespace is closed.
    pub(crate) fn add(&self, socket: &S, rooms: Vec<Room>) -> bool {
        let mut membership = self.membership.write();
        let open = !membership.closed;
        if open {
            let Membership { rooms: joined, pending, .. } = &mut *membership;
            pending.joined(&socket.room(), socket, || !joined.contains_key(socket.id()));
            for room in &rooms {
                membership.add_member(room, socket);
            }
            membership.sockets.insert(ById(socket.clone()), rooms);
        }
        self.tell(membership, socket);
        open
    }

    /// Accepts no further sockets. Returns those that are here.
    pub(crate) fn close(&self) -> Vec<S> {
        let mut membership = self.membership.write();
        membership.closed = true;
        membership.sockets.keys().map(|ById(socket)| socket.clone()).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.membership.read().closed
    }

    /// Removes a socket. Returns the rooms it was in.
    pub(crate) fn remove(&self, socket: &S) -> Vec<Room> {
        let mut membership = self.membership.write();
        let Some(left) = membership.sockets.remove(socket.id()) else { return Vec::new() };
        for room in &left {
            membership.remove_member(room, socket);
        }
        let Membership { rooms, pending, .. } = &mut *membership;
        pending.left(&socket.room(), socket, || !rooms.contains_key(socket.id()));
        self.tell(membership, socket);
        left
    }

    /// Makes a socket join all of the rooms, or none of them.
    pub(crate) fn join(&self, socket: &S, rooms: &[Room], limit: usize) -> Result<(), JoinError> {
        let mut guard = self.membership.write();
        let membership = &mut *guard;
        // Another socket may have the id of one that ended.
        let joined = membership.sockets.get_mut(socket.id()).filter(|_| socket.is_connected());
        let joined = joined.ok_or(JoinError::Closed)?;
        for room in add_rooms(joined, rooms, socket.id(), limit)? {
            membership.add_member(&room, socket);
        }
        self.tell(guard, socket);
        Ok(())
    }

    pub(crate) fn leave(&self, socket: &S, rooms: &[Room]) {
        let mut membership = self.membership.write();
        for room in rooms {
            let joined = membership.sockets.get_mut(socket.id()).filter(|_| socket.is_connected());
            let Some(joined) = joined else { return };
            if let Some(at) = joined.iter().position(|joined| joined == room) {
                let room = joined.swap_remove(at);
                membership.remove_member(&room, socket);
            }
        }
        self.tell(membership, socket);
    }

    /// Tells listeners what happened, after unlocking.
    fn tell(&self, mut membership: RwLockWriteGuard<'_, Membership<S>>, socket: &S) {
        let mut events = membership.pending.begin();
        drop(membership);
        while let Some(pending) = events {
            socket.tell(&pending);
            events = self.membership.write().pending.next();
        }
    }

    /// The rooms that sockets have joined, and how many sockets are in each.
    pub(crate) fn sizes(&self) -> Vec<(Room, usize)> {
        let membership = self.membership.read();
        let size = |room: &Room| {
            let mut size = 0;
            membership.members(room).for_each(|_| size += 1);
            size
        };
        membership.rooms.keys().map(|room| (Arc::clone(room), size(room))).collect()
    }

    /// Whether a socket is in a room, including its own.
    pub(crate) fn has_room(&self, room: &str) -> bool {
        let membership = self.membership.read();
        membership.rooms.contains_key(room) || membership.sockets.contains_key(room)
    }

    /// How many rooms there are, without the sockets' own.
    pub(crate) fn room_count(&self) -> usize {
        self.membership.read().rooms.len()
    }

    /// The rooms of a socket.
    pub(crate) fn of(&self, socket: &S) -> Vec<Room> {
        self.membership.read().sockets.get(socket.id()).cloned().unwrap_or_default()
    }

    pub(crate) fn get(&self, id: &str) -> Option<S> {
        self.membership.read().sockets.get_key_value(id).map(|(ById(socket), _)| socket.clone())
    }

    pub(crate) fn ids(&self) -> Vec<Room> {
        self.membership.read().sockets.keys().map(|ById(socket)| socket.room()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.membership.read().sockets.len()
    }

    /// Calls `visit` for each selected socket once, under the lock.
    pub(crate) fn for_each(&self, selection: &Selection, mut visit: impl FnMut(&S)) {
        let membership = self.membership.read();
        let excepted: Vec<_> = selection.except.iter().map(|room| membership.members(room)).collect();
        let mut visit = |socket: &S| {
            if !excepted.iter().any(|room| room.contains(socket)) {
                visit(socket);
            }
        };
        match &selection.rooms[..] {
            [] => membership.sockets.keys().for_each(|ById(socket)| visit(socket)),
            [room] => membership.members(room).for_each(visit),
            rooms => {
                let mut seen = HashSet::new();
                for room in rooms {
                    membership.members(room).for_each(|socket| {
                        if seen.insert(socket.address()) {
                            visit(socket);
                        }
                    });
                }
            }
        }
    }
}

impl<S: Member> Membership<S> {
    fn add_member(&mut self, room: &Room, socket: &S) {
        let Membership { sockets, rooms, pending, .. } = self;
        let entry = rooms.entry(Arc::clone(room));
        let is_new = matches!(entry, Entry::Vacant(_));
        entry.or_default().insert(ById(socket.clone()));
        pending.joined(room, socket, || is_new && !sockets.contains_key(&**room));
    }

    fn remove_member(&mut self, room: &Room, socket: &S) {
        let Membership { sockets, rooms, pending, .. } = self;
        let Entry::Occupied(mut members) = rooms.entry(Arc::clone(room)) else { return };
        members.get_mut().remove(socket.id());
        let is_empty = members.get().is_empty();
        if is_empty {
            members.remove();
        }
        pending.left(room, socket, || is_empty && !sockets.contains_key(&**room));
    }

    fn members<'a>(&'a self, room: &str) -> OneRoom<'a, S> {
        OneRoom {
            own: self.sockets.get_key_value(room).map(|(ById(socket), _)| socket),
            joined: self.rooms.get(room),
        }
    }
}

/// The members of a room: those that have joined it, and the socket whose own room it is.
struct OneRoom<'a, S> {
    own: Option<&'a S>,
    joined: Option<&'a FxHashSet<ById<S>>>,
}

impl<'a, S: Member> OneRoom<'a, S> {
    fn for_each(self, mut visit: impl FnMut(&'a S)) {
        if let Some(own) = self.own {
            visit(own);
        }
        for ById(socket) in self.joined.into_iter().flatten() {
            if self.own.is_none_or(|own| own.address() != socket.address()) {
                visit(socket);
            }
        }
    }

    fn contains(&self, socket: &S) -> bool {
        self.own.is_some_and(|own| own.address() == socket.address())
            || self.joined.is_some_and(|joined| joined.contains(socket.id()))
    }
}

/// A socket that is found by its id. Ids are random and made by the server, so the hash needs no key.
struct ById<S>(S);

impl<S: Member> Borrow<str> for ById<S> {
    fn borrow(&self) -> &str {
        self.0.id()
    }
}

impl<S: Member> Hash for ById<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl<S: Member> PartialEq for ById<S> {
    fn eq(&self, other: &ById<S>) -> bool {
        self.0.id() == other.0.id()
    }
}

impl<S: Member> Eq for ById<S> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Broadcast;
    use crate::io::Io;
    use crate::io::config::IoConfig;
    use crate::socket::Socket;
    use crate::testing::{BUDGET, Peer};

    /// Sockets of `/`, with their peers, in the order in which they joined.
    fn sockets<const N: usize>(io: &Io) -> [(Peer, Socket); N] {
        std::array::from_fn(|_| {
            let peer = Peer::join(io);
            let sockets = io.of("/").sockets().into_iter();
            let own = sockets.filter(|socket| std::ptr::eq(socket.link(), peer.client.link())).last();
            (peer, own.unwrap())
        })
    }

    /// Which of the peers get a broadcast, and that each gets it once.
    fn receivers<const N: usize>(broadcast: &Broadcast, sockets: &mut [(Peer, Socket); N]) -> Vec<usize> {
        broadcast.emit("e", ()).unwrap();
        let sent = sockets.each_mut().map(|(peer, _)| peer.take());
        sent.iter().filter(|sent| !sent.is_empty()).for_each(|sent| assert_eq!(*sent, [r#"2["e"]"#]));
        (0..N).filter(|at| !sent[*at].is_empty()).collect()
    }

    // proves: features/rooms, protocol/two-rooms
    #[tokio::test]
    async fn a_broadcast_reaches_exactly_the_members_once() {
        let io = Io::new();
        let mut all = sockets::<4>(&io);
        for (at, rooms) in [(0, &["a", "b"][..]), (1, &["b"]), (2, &["c"])] {
            for room in rooms {
                all[at].1.join(*room).unwrap();
            }
        }
        let [first, last] = [all[0].1.clone(), all[3].1.clone()];
        assert_eq!(receivers(&io.of("/").everyone(), &mut all), [0, 1, 2, 3]);
        assert_eq!(receivers(&io.to("b"), &mut all), [0, 1]);
        assert_eq!(receivers(&io.to("a").to("b").within("c"), &mut all), [0, 1, 2]);
        assert_eq!(receivers(&io.to("nobody"), &mut all), [0; 0]);
        assert_eq!(receivers(&io.except("b"), &mut all), [2, 3]);
        assert_eq!(receivers(&io.to("a").to("b").except("a").except("x"), &mut all), [1]);
        assert_eq!(receivers(&first.broadcast(), &mut all), [1, 2, 3]);
        assert_eq!(receivers(&first.to("b"), &mut all), [1]);
        assert_eq!(receivers(&first.to("a"), &mut all), [0; 0]);
        assert_eq!(receivers(&first.within("a"), &mut all), [0]);
        assert_eq!(receivers(&first.within("b").except("a"), &mut all), [1]);
        assert_eq!(receivers(&last.within("b"), &mut all), [0, 1]);
        assert_eq!(receivers(&first.except("b"), &mut all), [2, 3]);
        assert_eq!(receivers(&last.to("a").to("b"), &mut all), [0, 1]);
    }

    // proves: features/rooms
    #[tokio::test]
    async fn a_socket_is_in_a_room_named_by_its_id() {
        let io = Io::new();
        let mut all = sockets::<3>(&io);
        let id = all[1].1.id().to_owned();
        assert_eq!(receivers(&io.to(&*id), &mut all), [1]);
        assert_eq!(receivers(&io.except(&*id), &mut all), [0, 2]);
        assert_eq!(receivers(&all[0].1.to(&*id), &mut all), [1]);
        // Others may join it, and so may its owner.
        all[2].1.join(&*id).unwrap();
        all[1].1.join(&*id).unwrap();
        assert_eq!(receivers(&io.to(&*id), &mut all), [1, 2]);
        assert_eq!(receivers(&io.to(&*id).to("x"), &mut all), [1, 2]);
    }

    #[tokio::test]
    async fn namespaces_do_not_share_rooms() {
        let io = Io::new();
        let other = io.of("/other");
        let mut peer = Peer::join(&io);
        peer.send("0/other,");
        peer.take();
        for socket in [io.of("/").sockets(), other.sockets()].concat() {
            socket.join("r").unwrap();
        }
        other.to("r").emit("e", ()).unwrap();
        assert_eq!(peer.take(), [r#"2/other,["e"]"#]);
    }

    #[tokio::test]
    async fn leaving_and_ending_take_a_socket_out_of_its_rooms() {
        let io = Io::new();
        let mut all = sockets::<2>(&io);
        for (_, socket) in &all {
            socket.join("a").unwrap();
            socket.join("b").unwrap();
            socket.join("a").unwrap();
        }
        assert_eq!(*all[0].1.rooms(), ["a".into(), "b".into()]);
        all[0].1.leave("a");
        all[0].1.leave("never joined");
        assert_eq!(receivers(&io.to("a"), &mut all), [1]);
        assert_eq!(receivers(&io.to("b"), &mut all), [0, 1]);
        all[1].0.send("1");
        assert_eq!(receivers(&io.to("a"), &mut all), [0; 0]);
        assert_eq!(receivers(&io.to("b"), &mut all), [0]);
        assert_eq!(all[1].1.join("a"), Err(JoinError::Closed));
        all[0].0.send("1");
        let namespace = io.of("/");
        let membership = namespace.members().membership.read();
        assert!(membership.rooms.is_empty() && membership.sockets.is_empty());
    }

    // proves: features/rooms
    #[tokio::test]
    async fn the_rooms_of_a_socket_are_bounded() {
        let io = Io::with_config(IoConfig { max_rooms: 3, ..IoConfig::default() });
        let [(mut peer, socket)] = sockets(&io);
        for room in ["a", "b", "c", "a"] {
            socket.join(room).unwrap();
        }
        assert_eq!(socket.join("d"), Err(JoinError::TooManyRooms));
        assert!(io.to("d").sockets().is_empty());
        socket.leave("a");
        socket.join("d").unwrap();
        peer.send("1");
        assert!(io.of("/").members().membership.read().rooms.is_empty());
    }

    // proves: features/send-budget
    #[tokio::test]
    async fn a_broadcast_shares_its_frames_and_leaves_nobody_out() {
        let io = Io::new();
        let mut all = sockets::<3>(&io);
        all[1].1.emit("large", "x".repeat(BUDGET)).unwrap();
        io.emit("e", crate::Binary::from(&b"x"[..])).unwrap();
        let [first, full, last] = all.each_mut().map(|(peer, _)| peer.take_frames());
        assert_eq!((first.len(), full.len()), (2, 3));
        for (one, other) in first.iter().zip(&last) {
            assert!(std::ptr::eq(one.packet(), other.packet()));
        }
        let closed = all.each_mut().map(|(peer, _)| peer.close_requested());
        assert_eq!(closed, [None; 3]);
    }

    // proves: features/many-sockets, ws/clients
    #[tokio::test]
    async fn sockets_are_found_by_id_and_by_room() {
        let io = Io::new();
        let [(mut peer, socket), (_other, other)] = sockets(&io);
        socket.join("r").unwrap();
        assert_eq!(io.of("/").socket(socket.id()), Some(socket.clone()));
        assert_eq!(io.of("/").socket("nobody"), None);
        assert_eq!(io.within("r").sockets(), std::slice::from_ref(&socket));
        assert_eq!(socket.broadcast().sockets(), [other]);
        assert_eq!(io.of("/").socket_count(), 2);
        peer.send("1");
        assert_eq!(io.of("/").socket(socket.id()), None);
        assert_eq!(io.of("/").socket_count(), 1);
    }
}
