//! The reference application: what suites that test Socket.IO clients and servers expect.
//!
//! In `/` and in `/custom`, every socket gets `auth` with its handshake's auth and joins the room `all`;
//! `message` comes back as `message-back`, `message-with-ack` is acknowledged with its own arguments, and
//! `broadcast` goes to the room `all` as `bcast`. `/test` has what those suites leave out; its table is in
//! `tests/interop/README.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use socketio::{AckError, Args, ConnectError, DisconnectReason, Io, SendError, Socket};

/// Registers the application's handlers.
pub fn echo(io: &Io) {
    for namespace in ["/", "/custom"] {
        io.of(namespace)
            .on_connect(|socket: Socket| async move {
                let _ = socket.join("all");
                socket.emit("auth", auth(&socket))
            })
            .on_with_ack("message", |socket: Socket, args: Args, _| async move {
                // A client that reads slowly gets its answers late, but gets them.
                while let Err(SendError::Full) = socket.emit("message-back", &args) {
                    socket.ready().await?;
                }
                Ok::<_, SendError>(())
            })
            .on_sync("message-with-ack", |_: Socket, args: Args| args)
            .on_with_ack("broadcast", |socket: Socket, args: Args, _| async move {
                socket.namespace().to("all").emit("bcast", &args)
            });
    }
    test(io);
}

/// A client's auth as it sent it, or `{}`.
fn auth(socket: &Socket) -> Box<RawValue> {
    let auth = RawValue::from_string(socket.handshake().auth_json().to_owned());
    auth.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// What a client is told of its own handshake.
#[derive(Serialize)]
struct HandshakeSeen {
    id: String,
    auth: Box<RawValue>,
    query: BTreeMap<String, String>,
}

fn test(io: &Io) {
    io.of("/test")
        .middleware(|socket: Socket| async move {
            let auth: Value = socket.handshake().auth().unwrap_or_default();
            let token = match auth.get("token").and_then(Value::as_str) {
                Some(token) => Some(token.to_owned()),
                None => socket.handshake().query().get("token").map(Into::into),
            };
            if token.as_deref() == Some("bad") {
                return Err(ConnectError::new("refused").with_data(json!({ "code": 7 })));
            }
            Ok(())
        })
        .on_sync("handshake", |socket: Socket, ()| HandshakeSeen {
            id: socket.id().to_owned(),
            auth: auth(&socket),
            query: socket.handshake().query().iter().map(|(key, value)| (key.into(), value.into())).collect(),
        })
        .on_sync("join", |socket: Socket, (room,): (String,)| {
            let _ = socket.join(room);
            joined(&socket)
        })
        .on_sync("leave", |socket: Socket, (room,): (String,)| {
            socket.leave(&room);
            joined(&socket)
        })
        .on_with_ack("to-room", |socket: Socket, args: Args, _| async move {
            let (room, args): (String, Args) = args.split_first().ok()?;
            socket.to(room).emit("room", &args).ok()
        })
        .on_with_ack("in-room", |socket: Socket, args: Args, _| async move {
            let (room, args): (String, Args) = args.split_first().ok()?;
            socket.namespace().within(room).emit("room", &args).ok()
        })
        .on_with_ack("except-room", |socket: Socket, args: Args, _| async move {
            let (room, args): (String, Args) = args.split_first().ok()?;
            socket.except(room).emit("room", &args).ok()
        })
        .on_with_ack("others", |socket: Socket, args: Args, _| async move {
            socket.broadcast().emit("room", &args)
        })
        .on_with_ack("ask", |socket: Socket, args: Args, ack| async move {
            let answer: Args = socket.emit_with_ack("question", &args).await.ok()?;
            ack.send(answer).ok()
        })
        .on_with_ack("ask-briefly", |socket: Socket, (millis,): (u64,), ack| async move {
            let question = socket.emit_with_ack::<Args>("question", ());
            match question.timeout(Duration::from_millis(millis)).await {
                Err(AckError::Timeout) => ack.send("timeout").ok(),
                answer => ack.send(answer.ok()?).ok(),
            }
        })
        .on("burst", |socket: Socket, (count,): (u64,)| async move {
            for tick in 0..count {
                if socket.ready().await.is_err() || socket.emit("tick", tick).is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            count
        })
        .on_sync("kick", |socket: Socket, (close,): (bool,)| socket.disconnect(close))
        .on_disconnecting(|socket: Socket, reason: DisconnectReason| async move {
            let left = (socket.id(), reason.as_str(), joined(&socket));
            socket.to("watch").emit("left", left)
        });
}

/// The rooms of a socket without the one of its own id, sorted.
fn joined(socket: &Socket) -> Vec<String> {
    let mut rooms: Vec<String> = socket.rooms().iter().map(ToString::to_string).collect();
    rooms.retain(|room| room != socket.id());
    rooms.sort();
    rooms
}
