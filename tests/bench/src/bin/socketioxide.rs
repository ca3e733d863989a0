//! The echo application on socketioxide and axum.

use axum::Router;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use serde_json::Value;

#[tokio::main]
async fn main() {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.join("all");
        let _ = socket.emit("auth", "{}");
        socket.on("message", async |socket: SocketRef, Data::<Value>(data)| {
            let _ = socket.emit("message-back", &data);
        });
        socket.on("message-with-ack", async |Data::<Value>(data), ack: AckSender| {
            let _ = ack.send(&data);
        });
        socket.on("broadcast", async |socket: SocketRef, Data::<Value>(data)| {
            let _ = socket.within("all").emit("bcast", &data).await;
        });
    });
    let address = std::env::args().nth(1).expect("an address");
    let listener = tokio::net::TcpListener::bind(address).await.expect("to listen");
    println!("listening on http://{}/", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().layer(layer)).await.expect("to serve");
}
