//! Who a client is, how it comes, who may not come in, and what may not be said.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use socketio::{ConnectError, Event, EventError, Io, Socket};

use crate::rooms_of;

/// Who a client is, and how it comes.
pub(crate) fn handshakes(io: &Io) {
    let upgraded = |socket: Socket| async move { socket.emit("upgraded", socket.transport().as_str()) };
    io.of("/transports")
        .on_upgrade(upgraded)
        .on_sync("transport", |socket: Socket, ()| (socket.transport().as_str(), socket.revision().number()));
    // It is the object that it is in JavaScript.
    io.of("/whoami").on_sync("handshake", |socket: Socket, ()| {
        let mut handshake = serde_json::to_value(socket.handshake())?;
        handshake["id"] = socket.id().into();
        Ok::<_, socketio::Error>(handshake)
    });
}

/// Who may not come in, and what may not be said.
pub(crate) fn refusals(io: &Io) {
    io.middleware(|socket: Socket| async move {
        match socket.handshake().query().get("fail") {
            Some(_) => Err(ConnectError::new("no entry to the main namespace")),
            None => Ok(()),
        }
    });
    io.of("/refused")
        .middleware(|socket: Socket| async move {
            socket.insert("seen by the first");
            Ok(())
        })
        .middleware(|socket: Socket| async move {
            let seen = socket.get::<&str>();
            let data = json!({ "code": 7, "why": ["a", { "seen": seen.as_deref() }] });
            Err(ConnectError::new("refused by the second").with_data(data))
        })
        .middleware(|_: Socket| async { Err(ConnectError::new("nobody gets here")) });
    io.of("/slow")
        .middleware(|socket: Socket| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let auth: Value = socket.handshake().auth().unwrap_or_default();
            let Some(name) = auth["name"].as_str() else { return Err("who?".into()) };
            socket.set_data("name", name).map_err(|error| ConnectError::new(error.to_string()))
        })
        .on_sync("name", |socket: Socket, ()| socket.data::<Value>().map(|data| data["name"].clone()).ok());
    io.of("/entering")
        .middleware(|socket: Socket| async move {
            for room in ["a", "b"] {
                let _ = socket.join(room);
            }
            socket.leave("b");
            let _ = socket.emit("early", (1, rooms_of(&socket)));
            let asked = socket.clone();
            let answer = socket.emit_with_ack::<Value>("asked", 2);
            tokio::spawn(async move { asked.emit("answered", answer.await.unwrap_or_default()) });
            socket.disconnect(false);
            socket.on("own", |_, ()| async { "the socket's" });
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        })
        .middleware(|socket: Socket| async move {
            let auth: Value = socket.handshake().auth().unwrap_or_default();
            if auth["refuse"] == true { Err("no".into()) } else { Ok(()) }
        })
        .on_connect(|socket: Socket| async move {
            socket.emit("connected", ())?;
            socket.namespace().to("a").emit("to the room", socket.id())
        })
        .on_sync("rooms", |socket: Socket, ()| rooms_of(&socket))
        .on_sync("all rooms", |socket: Socket, ()| {
            let rooms = socket.namespace().rooms().into_iter();
            rooms.map(|(room, size)| (room.to_string(), size)).collect::<BTreeMap<_, _>>()
        });
    io.of("/strict")
        .event_middleware(|_: Socket, event: Event| async move {
            if event.name() == "forbidden" { Err("not that word".into()) } else { Ok(()) }
        })
        .on_error(|socket: Socket, event: Event, error: EventError| async move {
            socket.emit("refused event", (event.name(), error.to_string()))
        })
        .on_sync("forbidden", |_: Socket, ()| "said all the same")
        .on_sync("allowed", |_: Socket, text: String| text);
}
