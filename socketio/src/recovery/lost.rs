//! The sockets of a namespace that are away, by room.

use std::collections::HashMap;
use std::sync::Arc;

use super::trail::Lost;
use super::{Kept, Trail};
use crate::rooms::{Room, Selection};

/// The sockets that are away, each in the rooms that it was in.
#[derive(Default)]
pub(super) struct LostSockets {
    by_id: HashMap<Room, Entry>,
    by_room: HashMap<Room, HashMap<Room, Entry>>,
}

type Entry = Arc<(Arc<Trail>, Vec<Room>)>;

impl LostSockets {
    pub(super) fn insert(&mut self, trail: Arc<Trail>, id: &Room, rooms: Vec<Room>) {
        let entry = Arc::new((trail, rooms));
        for room in &entry.1 {
            self.by_room.entry(Arc::clone(room)).or_default().insert(Arc::clone(id), Arc::clone(&entry));
        }
        self.by_id.insert(Arc::clone(id), entry);
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

    /// Takes all of them out.
    pub(super) fn drain(&mut self) -> Vec<Arc<Trail>> {
        self.by_room.clear();
        self.by_id.drain().map(|(_, entry)| Arc::clone(&entry.0)).collect()
    }

    /// Keeps an event for each selected socket, once.
    pub(super) fn miss(&self, selection: &Selection, event: &Arc<Kept>) {
        if self.by_id.is_empty() {
            return;
        }
        let rooms = &selection.rooms;
        if rooms.is_empty() {
            self.by_id.iter().for_each(|(id, entry)| miss(id, entry, &[], selection, event));
        }
        for (at, room) in rooms.iter().enumerate() {
            if let Some((id, entry)) = self.by_id.get_key_value(room) {
                miss(id, entry, &rooms[..at], selection, event);
            }
            for (id, entry) in self.by_room.get(room).into_iter().flatten().filter(|(id, _)| *id != room) {
                miss(id, entry, &rooms[..at], selection, event);
            }
        }
    }
}

/// Keeps an event for a socket, unless it is in one of the rooms that have had it or are to have it not.
fn miss(id: &Room, entry: &Entry, had: &[Room], selection: &Selection, event: &Arc<Kept>) {
    let (trail, rooms) = &**entry;
    if !had.iter().chain(&selection.except).any(|room| room == id || rooms.contains(room)) {
        trail.miss(event);
    }
}
