//! A chat with rooms, in a program of one's own: `cargo run --example chat -- 127.0.0.1:3000`.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.on("said", (room, name, text) => console.log(`${name}, in the ${room}: ${text}`));
//! socket.emit("enter", "kitchen", (others) => console.log(`${others} others are there`));
//! socket.emit("say", "kitchen", "Hello");
//! ```

use socketio::{DisconnectReason, Io, Socket};
use socketio_server::Server;

/// What a socket is called, kept with the socket.
struct Name(String);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::new();
    io.of("/")
        .on_connect(|socket: Socket| async move {
            let name = format!("guest-{}", &socket.id()[..4]);
            socket.insert(Name(name));
        })
        // What a handler returns is the acknowledgement.
        .on("enter", |socket: Socket, room: String| async move {
            let others = socket.to(room.as_str()).sockets().len();
            socket.join(room).map(|()| others)
        })
        .on("say", |socket: Socket, (room, text): (String, String)| async move {
            let Some(name) = socket.get::<Name>() else { return };
            let _ = socket.to(room.as_str()).emit("said", (&room, &name.0, &text));
        })
        .on_disconnect(|socket: Socket, _: DisconnectReason| async move {
            let Some(name) = socket.get::<Name>() else { return };
            for room in socket.rooms() {
                let _ = socket.to(room.clone()).emit("left", (&*room, &name.0));
            }
        });

    let server = Server::builder().socketio("/socket.io/", io).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
