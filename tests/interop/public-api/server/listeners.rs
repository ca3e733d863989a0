//! Listeners for everything, handlers for one event alone, and how to be rid of them.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use socketio::{Event, Io, ListenerHandle, Socket};

/// Listeners for everything, handlers for one event alone, and how to be rid of them.
pub(crate) fn listeners(io: &Io) {
    /// What listeners have heard, and how to stop them.
    #[derive(Default)]
    struct Diary {
        lines: Mutex<Vec<String>>,
        listeners: Mutex<Vec<ListenerHandle>>,
    }
    io.of("/listeners")
        .on_connect(|socket: Socket| async move {
            socket.insert(Diary::default());
            let diary = socket.get::<Diary>()?;
            let write = |prefix: &'static str, diary: &Arc<Diary>| {
                let diary = Arc::clone(diary);
                move |_: &Socket, event: &Event| {
                    let line = format!("{prefix} {} {}", event.name(), event.args().json());
                    diary.lines.lock().expect("nobody panics with it").push(line);
                }
            };
            let listeners = [
                socket.on_any(write("second", &diary)),
                socket.prepend_any(write("first", &diary)),
                socket.on_any_outgoing(write("out", &diary)),
            ];
            diary.listeners.lock().expect("nobody panics with it").extend(listeners);
            socket.once("once", |_: Socket, ()| async { "the first time" });
            socket.on("own", |_: Socket, ()| async { "the socket's" });
            Some(())
        })
        .on_sync("once", |_: Socket, ()| "every other time")
        .on_sync("own", |_: Socket, ()| "the namespace's")
        .on_sync("forget own", |socket: Socket, ()| socket.off("own"))
        .on_sync("emit", |socket: Socket, (name, args): (String, Value)| socket.emit(&name, args))
        .on_sync("diary", |socket: Socket, ()| {
            let diary = socket.get::<Diary>()?;
            let lines = std::mem::take(&mut *diary.lines.lock().expect("nobody panics with it"));
            Some(lines)
        })
        .on_sync("stop listening", |socket: Socket, ()| {
            let Some(diary) = socket.get::<Diary>() else { return };
            for listener in diary.listeners.lock().expect("nobody panics with it").drain(..) {
                listener.remove();
            }
        });
}
