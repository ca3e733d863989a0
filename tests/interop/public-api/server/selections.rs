//! Many sockets at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use socketio::{FetchedSocket, Io, RoomEvent, Socket};

/// What can be done with many sockets at once, and what they say to it.
pub(crate) fn selections(io: &Io) {
    io.of("/many")
        .on_sync("join", |socket: Socket, room: String| socket.join(room))
        .on_sync("is called", |socket: Socket, name: String| socket.set_data("name", name).is_ok())
        .on("who is in", |socket: Socket, room: String| async move {
            let found = socket.namespace().within(room).fetch_sockets().await.ok()?;
            let name =
                |socket: &FetchedSocket| Some(socket.data::<Value>().ok()?["name"].as_str()?.to_owned());
            let mut names: Vec<_> = found.iter().map(name).collect();
            names.sort();
            Some(names)
        })
        .on("all move", |socket: Socket, (from, to): (String, String)| async move {
            socket.namespace().within(&*from).sockets_join(to);
            socket.namespace().within(&*from).sockets_leave(from);
        })
        .on("put out", |socket: Socket, room: String| async move {
            socket.namespace().within(room).disconnect_sockets(false);
        })
        .on("vote", |socket: Socket, (room, milliseconds): (String, u64)| async move {
            let voters = socket.namespace().to(room).timeout(Duration::from_millis(milliseconds));
            let all = voters.emit_with_ack::<String>("your vote?", ()).ok()?.await.all();
            let is_complete = all.is_ok();
            let mut votes = all.unwrap_or_else(|some| some.received().collect());
            votes.sort();
            Some(json!({ "complete": is_complete, "votes": votes }))
        })
        .on("ready?", |socket: Socket, ()| async move {
            // Nothing waits for this client, but its transport may be between two polls.
            socket.volatile().emit("perhaps", ())
        });
    let rooms: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&rooms);
    io.of("/many").on_room_event(move |event| {
        let line = match event {
            RoomEvent::Created { room } => format!("create {room}"),
            RoomEvent::Joined { room, .. } => format!("join {room}"),
            RoomEvent::Left { room, .. } => format!("leave {room}"),
            RoomEvent::Deleted { room } => format!("delete {room}"),
        };
        heard.lock().expect("nobody panics with it").push(line);
    });
    io.of("/many").on_sync("room events", move |_: Socket, room: String| {
        let mut lines = std::mem::take(&mut *rooms.lock().expect("nobody panics with it"));
        lines.retain(|line| line.ends_with(&*room));
        lines
    });
}
