//! The application that the load speaks to, on socketioxide and axum.

use axum::Router;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};

#[tokio::main]
async fn main() {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", application);
    for number in 0..10 {
        io.ns(format!("/ns-{number}"), application);
    }
    let address = std::env::args().nth(1).expect("an address");
    let listener = tokio::net::TcpListener::bind(address).await.expect("to listen");
    println!("listening on http://{}/", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().layer(layer)).await.expect("to serve");
}

async fn application(socket: SocketRef) {
    socket.join("all");
    socket.on("message", async |socket: SocketRef, Data::<Value>(data)| {
        let _ = socket.emit("message-back", &data);
    });
    socket.on("message-with-ack", async |Data::<Value>(data), ack: AckSender| {
        let _ = ack.send(&data);
    });
    socket.on("broadcast", async |socket: SocketRef, Data::<Value>(data)| {
        let _ = socket.within("all").emit("bcast", &data).await;
    });
    socket.on("join", async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
        socket.join(room);
        let _ = ack.send(&());
    });
    socket.on("to-room", async |socket: SocketRef, Data::<(String, Value)>((room, data))| {
        let _ = socket.within(room).emit("bcast", &data).await;
    });
}
