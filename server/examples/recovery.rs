//! A client that loses its connection gets its socket back, with its rooms and what it missed:
//! `cargo run --example recovery -- 127.0.0.1:3000`.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000", { auth: { name: "Ann" } });
//! socket.on("connect", () => {
//!   if (!socket.recovered) socket.emit("watch", "game 7");
//! });
//! socket.on("move", (move) => console.log(move)); // misses none
//! socket.emit("move", "game 7", "e2-e4");
//! socket.io.engine.close(); // as if the network had gone
//! ```

use std::time::Duration;

use serde::Deserialize;
use socketio::{DisconnectReason, Io, IoConfig, Recovery, Socket};
use socketio_server::Server;

/// Who came with the first CONNECT; kept with the socket, and so recovered with it.
#[derive(Deserialize)]
struct Player {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recovery = Recovery { max_disconnection: Duration::from_secs(60), ..Recovery::default() };
    let io = Io::with_config(IoConfig { recovery: Some(recovery), ..IoConfig::default() });
    io.on_connect(|socket: Socket| async move {
        if socket.recovered() {
            // It is in its rooms, and has been sent what it missed.
            return;
        }
        if let Ok(player) = socket.handshake().auth::<Player>() {
            socket.insert(player);
        }
    })
    .on("watch", |socket: Socket, game: String| async move { socket.join(game) })
    .on("move", |socket: Socket, (game, piece): (String, String)| async move {
        socket.to(game).emit("move", piece)
    })
    .on(
        "who am I?",
        |socket: Socket, ()| async move { socket.get::<Player>().map(|player| player.name.clone()) },
    )
    // Of those who come back as well: what is sent to them, or to their rooms, waits for them from here on.
    .on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
        let name = socket.get::<Player>().map(|player| player.name.clone());
        socket.broadcast().emit("away", (name, reason.as_str()))
    });

    let server = Server::builder().socketio("/socket.io/", io).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
