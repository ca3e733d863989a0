//! Who is in a room, told to those who are in it.
//!
//! ```text
//!   a socket joins ─▶ to itself: presence:members { room, members }
//!                     to the others: presence:joined { room, member }
//!   it leaves ──────▶ to the others: presence:left { room, member }
//! ```
//!
//! A member is a socket: `{"socket": id, "data": {..}}`. Each node tells of its own sockets, to those of all nodes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use socketio::{FetchedSocket, Namespace, Room, RoomEvent, Socket};

use crate::pattern;

/// The rooms that have presence, and what members are told of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Names of rooms. A `*` at the end stands for anything.
    pub rooms: Vec<String>,
    /// The keys of sockets' data that others in the room see.
    pub data: Vec<String>,
}

/// What is known of this node's members, by room and socket: a socket that has left can't be asked.
type Members = Mutex<HashMap<(Room, Room), Value>>;

impl Presence {
    fn has(&self, room: &str) -> bool {
        self.rooms.iter().any(|pattern| pattern::fits(pattern, room))
    }

    fn member(&self, id: &str, data: &Value) -> Value {
        let shown = |key: &String| Some((key.clone(), data.get(key)?.clone()));
        let data: Map<_, _> = self.data.iter().filter_map(shown).collect();
        json!({ "socket": id, "data": data })
    }

    /// Tells the members of rooms of this namespace about each other.
    pub(crate) fn watch(self, namespace: &Namespace) {
        let (presence, members) = (Arc::new(self), Members::default());
        let home = namespace.clone();
        namespace.on_room_event(move |event| match event {
            // The room that a socket has for itself is none of theirs.
            RoomEvent::Joined { room, socket } if room != socket && presence.has(room) => {
                let Some(joined) = home.socket(socket) else { return };
                let member = presence.member(socket, &joined.data().unwrap_or_default());
                members.lock().insert((Arc::clone(room), Arc::clone(socket)), member.clone());
                let others = home.to(room).except(socket);
                let _ = others.emit("presence:joined", json!({ "room": &**room, "member": member }));
                tokio::spawn(list(Arc::clone(&presence), home.clone(), Arc::clone(room), joined));
            }
            RoomEvent::Left { room, socket } if room != socket => {
                let left = members.lock().remove(&(Arc::clone(room), Arc::clone(socket)));
                if let Some(member) = left {
                    let others = home.to(room).except(socket);
                    let _ = others.emit("presence:left", json!({ "room": &**room, "member": member }));
                }
            }
            _ => {}
        });
    }
}

/// Tells a socket who is in a room, on all nodes as far as they answer.
async fn list(presence: Arc<Presence>, namespace: Namespace, room: Room, joined: Socket) {
    let found = match namespace.to(&room).fetch_sockets().await {
        Ok(found) => found,
        Err(error) => error.found,
    };
    let member = |socket: &FetchedSocket| presence.member(socket.id(), &socket.data().unwrap_or_default());
    let members: Vec<_> = found.iter().map(member).collect();
    let _ = joined.emit("presence:members", json!({ "room": &*room, "members": members }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_shows_what_is_allowed() {
        let presence =
            Presence { rooms: vec!["room:*".to_owned(), "lobby".to_owned()], data: vec!["name".to_owned()] };
        assert!(presence.has("room:1") && presence.has("lobby") && !presence.has("lobby:2"));
        let data = json!({ "name": "Anna", "email": "a@example.com" });
        assert_eq!(presence.member("x", &data), json!({ "socket": "x", "data": { "name": "Anna" } }));
    }
}
