//! Socket.IO beside the routes of an axum application: `cargo run --example axum -- 127.0.0.1:3000`.
//!
//! ```sh
//! curl -d 'The kettle is on.' http://127.0.0.1:3000/news    # every client gets it as an event
//! ```

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use socketio::{Io, Socket};
use socketio_server::{Peer, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::new();
    io.of("/")
        .on("say", |socket: Socket, text: String| async move { socket.broadcast().emit("said", text) })
        .on("where am I?", |socket: Socket, ()| async move {
            socket.handshake().address.map(|address| address.to_string())
        });

    let socketio = Server::builder().socketio("/socket.io/", io.clone()).build()?.into_service();
    let app = Router::new()
        .route("/", get(|| async { "Connect to me with Socket.IO." }))
        .route("/news", post(news))
        .with_state(io)
        // This is the one line. It comes last: routes that are added later would go before it.
        .layer(socketio.peer_from(|extensions| {
            extensions.get::<ConnectInfo<SocketAddr>>().map(|info| Peer::from(info.0))
        }));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            drop(tokio::signal::ctrl_c().await);
            // While the clients are told, axum still takes their requests.
            socketio.drain().await;
        })
        .await?;
    Ok(())
}

/// Tells every client what was posted.
async fn news(State(io): State<Io>, text: String) -> StatusCode {
    match io.emit("news", text) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
