//! Who hears what.

use serde_json::Value;
use socketio::{Args, Io, Rest, Socket};

use crate::rooms_of;

/// Who hears what.
pub(crate) fn rooms(io: &Io) {
    io.of("/rooms")
        .on_sync("join", |socket: Socket, room: String| socket.join(room).map(|()| rooms_of(&socket)))
        .on_sync("join all", |socket: Socket, rooms: Vec<String>| {
            socket.join(&rooms).map(|()| rooms_of(&socket))
        })
        .on_sync("leave", |socket: Socket, room: String| {
            socket.leave(&room);
            rooms_of(&socket)
        })
        .on("tell room", |socket: Socket, (room, Rest(words)): (String, Rest)| async move {
            socket.to(room).emit("told", &words)
        })
        .on("tell all in room", |socket: Socket, (room, words): (String, Value)| async move {
            socket.within(room).emit("told", words)
        })
        .on("tell rooms", |socket: Socket, (a, b, words): (String, String, Value)| async move {
            socket.namespace().to([a, b]).emit("told", words)
        })
        .on("tell all but rooms", |socket: Socket, (rooms, words): (Vec<String>, Value)| async move {
            socket.namespace().except(&rooms).emit("told", words)
        })
        .on("tell all but room", |socket: Socket, (room, words): (String, Value)| async move {
            socket.namespace().except(room).emit("told", words)
        })
        .on("tell one", |socket: Socket, (id, words): (String, Value)| async move {
            socket.to(id).emit("told", words)
        })
        .on(
            "tell others",
            |socket: Socket, words: Args| async move { socket.broadcast().emit("told", words) },
        )
        .on("tell all", |socket: Socket, words: Args| async move { socket.namespace().emit("told", words) })
        .on_sync("count", |socket: Socket, ()| socket.namespace().socket_count());
}
