//! How sockets end, and the server with them.

use std::sync::Arc;

use socketio::{DisconnectReason, Io, Socket};
use tokio::sync::Notify;

use crate::rooms_of;

/// How sockets end, and the server with them.
pub(crate) fn ends(io: &Io, stop: &Arc<Notify>) {
    io.of("/ends")
        .on_sync("watch", |socket: Socket, ()| socket.join("watchers"))
        .on_sync("join", |socket: Socket, room: String| socket.join(room))
        .on_sync("put me out", |socket: Socket, close: bool| {
            let _ = socket.emit("the last word", ());
            socket.disconnect(close);
        })
        .on_disconnecting(|socket: Socket, reason: DisconnectReason| async move {
            let word = (socket.id(), reason.as_str(), rooms_of(&socket));
            socket.to("watchers").emit("leaving", word)
        })
        .on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
            println!("gone: {reason}");
            socket.to("watchers").emit("left", (socket.id(), reason.as_str(), socket.is_connected()))
        });
    let (all, stop) = (io.clone(), Arc::clone(stop));
    io.on_sync("close the server", move |_: Socket, ()| {
        all.close();
        stop.notify_one();
    });
}
