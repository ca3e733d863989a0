//! The lost sockets of a namespace, by room.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::history::{History, Lost};
use super::kept::KeptEvent;
use crate::namespace::room::{Room, Selection};

/// The lost sockets, by the rooms that they were in.
#[derive(Default)]
pub(super) struct LostSockets {
    closed: bool,
    by_id: Histories,
    by_room: HashMap<Room, Histories>,
}

/// Histories by the id of their socket.
type Histories = HashMap<Room, Arc<History>>;

impl LostSockets {
    pub(super) fn insert(&mut self, history: &Arc<History>, id: &Room, rooms: &[Room]) {
        for room in rooms {
            self.by_room.entry(Arc::clone(room)).or_default().insert(Arc::clone(id), Arc::clone(history));
        }
        self.by_id.insert(Arc::clone(id), Arc::clone(history));
    }

    pub(super) fn remove(&mut self, lost: &Lost) {
        self.by_id.remove(&lost.id);
        for room in &lost.rooms {
            if let Some(members) = self.by_room.get_mut(room) {
                members.remove(&lost.id);
                if members.is_empty() {
                    self.by_room.remove(room);
                }
            }
        }
    }

    /// Removes all sockets, and accepts no further ones.
    pub(super) fn close(&mut self) -> Vec<Arc<History>> {
        self.closed = true;
        self.by_room.clear();
        self.by_id.drain().map(|(_, history)| history).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.by_room.is_empty()
    }

    /// Keeps an event for each selected socket, once.
    pub(super) fn miss(&self, selection: &Selection, event: &Arc<KeptEvent>) {
        self.for_each(selection, |history| history.miss(event));
    }

    /// Visits each selected socket, once.
    pub(super) fn for_each(&self, selection: &Selection, mut visit: impl FnMut(&Arc<History>)) {
        if self.by_id.is_empty() {
            return;
        }
        let excepted: Vec<_> = selection.except.iter().map(|room| (room, self.by_room.get(room))).collect();
        let mut visit = |id: &Room, history: &Arc<History>| {
            let is_in = |(room, members): &(&Room, Option<&Histories>)| {
                *room == id || members.is_some_and(|members| members.contains_key(id))
            };
            if !excepted.iter().any(is_in) {
                visit(history);
            }
        };
        if selection.rooms.is_empty() {
            return self.by_id.iter().for_each(|(id, history)| visit(id, history));
        }
        let mut had = HashSet::new();
        for room in &selection.rooms {
            let members = self.by_room.get(room).into_iter().flatten();
            for (id, history) in self.by_id.get_key_value(room).into_iter().chain(members) {
                if had.insert(id) {
                    visit(id, history);
                }
            }
        }
    }
}
