//! Presence: the members of a room learn who is in it.
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
use socketio::{FetchedSocket, Io, Namespace, Room, RoomEvent, Socket};

use crate::pattern;

/// The rooms that have presence, and what members learn about each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Names of rooms. A `*` at the end stands for anything.
    pub rooms: Vec<String>,
    /// The keys of sockets' data that others in the room see.
    pub data: Vec<String>,
}

/// What is known of this node's members, by room and socket: a socket that has left can't be asked.
type Members = Mutex<HashMap<(Room, Room), (Namespace, Value)>>;

impl Presence {
    fn has(&self, room: &str) -> bool {
        self.rooms.iter().any(|pattern| pattern::fits(pattern, room))
    }

    fn member(&self, id: &str, data: &Value) -> Value {
        let shown = |key: &String| Some((key.clone(), data.get(key)?.clone()));
        let data: Map<_, _> = self.data.iter().filter_map(shown).collect();
        json!({ "socket": id, "data": data })
    }

    /// Tells the members of rooms of this namespace about each other. It holds the namespace only while it has members
    /// there: empty ones are let go.
    pub(crate) fn watch(self, io: &Io, namespace: &Namespace) {
        let (presence, members) = (Arc::new(self), Members::default());
        let (io, name) = (io.clone(), namespace.name().to_owned());
        namespace.on_room_event(move |event| match event {
            // The room that a socket has for itself is none of theirs.
            RoomEvent::Joined { room, socket } if room != socket && presence.has(room) => {
                let Some(home) = io.namespace(&name) else { return };
                let Some(joined) = home.socket(socket) else { return };
                let member = presence.member(socket, &joined.data().unwrap_or_default());
                let others = home.to(room).except(socket);
                let known = (home.clone(), member.clone());
                members.lock().insert((Arc::clone(room), Arc::clone(socket)), known);
                let _ = others.emit("presence:joined", json!({ "room": &**room, "member": member }));
                tokio::spawn(list(Arc::clone(&presence), home, Arc::clone(room), joined));
            }
            RoomEvent::Left { room, socket } if room != socket => {
                let left = members.lock().remove(&(Arc::clone(room), Arc::clone(socket)));
                if let Some((home, member)) = left {
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
    use std::time::Duration;

    use socketio::IoConfig;
    use socketio_server::Server;
    use socketio_tests::TestServer;

    use super::*;

    /// What is dropped with the last handle on a namespace.
    struct Held(Arc<()>);

    #[tokio::test]
    async fn a_namespace_that_is_let_go_is_not_held() {
        let io = Io::with_config(IoConfig { cleanup_empty_child_namespaces: true, ..IoConfig::default() });
        let _ = io.of_pattern("^/orders-").unwrap();
        let held = Arc::new(());
        let (watching, counted) = (io.clone(), Arc::clone(&held));
        io.on_new_namespace(move |namespace| {
            let presence = Presence { rooms: vec!["r".to_owned()], data: Vec::new() };
            presence.watch(&watching, namespace);
            let held = Held(Arc::clone(&counted));
            namespace.on_connect(move |socket: Socket| {
                let _ = (socket.join("r"), &held.0);
                std::future::ready(())
            });
        });
        let server = TestServer::start(Server::builder().socketio("/socket.io/", io.clone())).await;
        let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
        client.next_text().await;
        client.text("40/orders-1,").await;
        assert!(client.next_text().await.starts_with("40/orders-1,{"));
        assert!(client.next_text().await.starts_with(r#"42/orders-1,["presence:members""#));
        assert_eq!(Arc::strong_count(&held), 3);
        client.text("41/orders-1,").await;
        let let_go = async {
            while Arc::strong_count(&held) > 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), let_go).await.expect("nothing holds the namespace");
        assert_eq!(io.namespaces().len(), 1);
    }

    #[test]
    fn a_member_shows_what_is_allowed() {
        let presence =
            Presence { rooms: vec!["room:*".to_owned(), "lobby".to_owned()], data: vec!["name".to_owned()] };
        assert!(presence.has("room:1") && presence.has("lobby") && !presence.has("lobby:2"));
        let data = json!({ "name": "Anna", "email": "a@example.com" });
        assert_eq!(presence.member("x", &data), json!({ "socket": "x", "data": { "name": "Anna" } }));
    }
}
