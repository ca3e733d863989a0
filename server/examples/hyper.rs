//! Socket.IO on hyper's connections, without a framework: `cargo run --example hyper -- 127.0.0.1:3000`.

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socketio::{Io, Socket};
use socketio_server::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::new();
    io.of("/")
        .on("say", |socket: Socket, text: String| async move { socket.broadcast().emit("said", text) })
        .on("where am I?", |socket: Socket, ()| async move {
            socket.handshake().address.map(|address| address.to_string())
        });

    let socketio = Server::builder().socketio("/socket.io/", io).build()?.into_service();
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);

    let accepting = tokio::spawn({
        let socketio = socketio.clone();
        async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), socketio.for_peer(peer))
                    // Without this there are no WebSockets.
                    .with_upgrades();
                tokio::spawn(connection);
            }
        }
    });
    tokio::signal::ctrl_c().await?;
    // While the clients are told, their requests are still taken.
    socketio.drain().await;
    accepting.abort();
    Ok(())
}
