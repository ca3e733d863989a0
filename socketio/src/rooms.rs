//! Who is in which room of a namespace.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::Socket;
use crate::error::JoinError;

/// A room's name.
pub type Room = Arc<str>;

/// The sockets of a namespace and their rooms. Each socket also is in a room named by its own id, which
/// takes no entry of its own.
///
/// One lock guards both directions, so they can't disagree. Under it, mailboxes may be locked, and nothing
/// else.
#[derive(Default)]
pub(crate) struct Rooms {
    membership: RwLock<Membership>,
}

#[derive(Default)]
struct Membership {
    sockets: HashMap<ById, Vec<Room>>,
    rooms: HashMap<Room, HashSet<ById>>,
}

/// Which sockets: those in any of the rooms `within`, or all if there are none, and in none of `except`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) within: Vec<Room>,
    pub(crate) except: Vec<Room>,
}

impl Rooms {
    /// Adds a socket, in no room yet.
    pub(crate) fn add(&self, socket: Socket) {
        self.membership.write().sockets.insert(ById(socket), Vec::new());
    }

    /// Takes a socket out of everything. Returns the rooms it was in.
    pub(crate) fn remove(&self, socket: &Socket) -> Vec<Room> {
        let mut membership = self.membership.write();
        let left = membership.sockets.remove(socket.id()).unwrap_or_default();
        for room in &left {
            membership.remove_member(room, socket);
        }
        left
    }

    pub(crate) fn join(&self, socket: &Socket, room: Room, limit: usize) -> Result<(), JoinError> {
        let mut membership = self.membership.write();
        let membership = &mut *membership;
        // Another socket may have the id of one that ended.
        let joined = membership.sockets.get_mut(socket.id()).filter(|_| socket.is_connected());
        let joined = joined.ok_or(JoinError::Closed)?;
        if joined.contains(&room) {
            return Ok(());
        }
        if joined.len() >= limit {
            return Err(JoinError::TooManyRooms);
        }
        joined.push(Arc::clone(&room));
        membership.rooms.entry(room).or_default().insert(ById(socket.clone()));
        Ok(())
    }

    pub(crate) fn leave(&self, socket: &Socket, room: &str) {
        let mut membership = self.membership.write();
        let joined = membership.sockets.get_mut(socket.id()).filter(|_| socket.is_connected());
        let Some(joined) = joined else { return };
        if let Some(at) = joined.iter().position(|joined| **joined == *room) {
            joined.swap_remove(at);
            membership.remove_member(room, socket);
        }
    }

    /// The rooms of a socket.
    pub(crate) fn of(&self, socket: &Socket) -> Vec<Room> {
        self.membership.read().sockets.get(socket.id()).cloned().unwrap_or_default()
    }

    pub(crate) fn get(&self, id: &str) -> Option<Socket> {
        self.membership.read().sockets.get_key_value(id).map(|(ById(socket), _)| socket.clone())
    }

    pub(crate) fn len(&self) -> usize {
        self.membership.read().sockets.len()
    }

    /// Calls `visit` for each selected socket once, under the lock.
    pub(crate) fn for_each(&self, selection: &Selection, mut visit: impl FnMut(&Socket)) {
        let membership = self.membership.read();
        let excepted: Vec<_> = selection.except.iter().map(|room| membership.members(room)).collect();
        let mut visit = |socket: &Socket| {
            if !excepted.iter().any(|room| room.contains(socket)) {
                visit(socket);
            }
        };
        match &selection.within[..] {
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

impl Membership {
    fn remove_member(&mut self, room: &str, socket: &Socket) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.remove(socket.id());
            if members.is_empty() {
                self.rooms.remove(room);
            }
        }
    }

    fn members<'a>(&'a self, room: &str) -> Members<'a> {
        Members {
            own: self.sockets.get_key_value(room).map(|(ById(socket), _)| socket),
            joined: self.rooms.get(room),
        }
    }
}

/// The members of a room: those that joined it, and the socket that it is the own room of.
struct Members<'a> {
    own: Option<&'a Socket>,
    joined: Option<&'a HashSet<ById>>,
}

impl<'a> Members<'a> {
    fn for_each(self, mut visit: impl FnMut(&'a Socket)) {
        if let Some(own) = self.own {
            visit(own);
        }
        for ById(socket) in self.joined.into_iter().flatten() {
            if self.own.is_none_or(|own| own.address() != socket.address()) {
                visit(socket);
            }
        }
    }

    fn contains(&self, socket: &Socket) -> bool {
        self.own.is_some_and(|own| own.address() == socket.address())
            || self.joined.is_some_and(|joined| joined.contains(socket.id()))
    }
}

/// A socket that is found by its id.
struct ById(Socket);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.id()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &ById) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}
