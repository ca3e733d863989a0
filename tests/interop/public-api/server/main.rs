//! What socket.io's own test servers do, written against the public API alone: dates, binary at any depth, questions upon
//! questions, the handshake, refusals with data, rooms, namespaces that clients name, and the end of it all.
//!
//! `../run.mjs` tests it with socket.io-client 4.8. `../reference.mjs` is the same program on socket.io, and passes the
//! same test. Each file beside this one is an idea of both.
//!
//! ```sh
//! cargo run --package socketio-tests --example public-api -- 127.0.0.1:3000
//! ```

mod ends;
mod entering;
mod greeter;
mod hooks;
mod listeners;
mod namespaces;
mod questions;
mod rooms;
mod selections;
mod values;

use std::sync::Arc;

use socketio::{Io, IoConfig, Socket};
use socketio_server::Server;
use tokio::sync::Notify;

use crate::greeter::Greeter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::with_config(IoConfig { cleanup_empty_child_namespaces: true, ..IoConfig::default() });
    let stop = Arc::new(Notify::new());
    values::values(&io);
    questions::questions(&io);
    questions::unhandled(&io);
    entering::handshakes(&io);
    entering::refusals(&io);
    rooms::rooms(&io);
    selections::selections(&io);
    namespaces::namespaces(&io)?;
    listeners::listeners(&io);
    ends::ends(&io, &stop);

    let builder = Server::builder().hooks(hooks::hooks(&io)).socketio("/socket.io/", io);
    let server = builder.engineio("/engine.io/", Greeter).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, stop.notified()).await;
    println!("closed");
    Ok(())
}

/// The rooms of a socket but the one of its own id, sorted.
fn rooms_of(socket: &Socket) -> Vec<String> {
    let mut rooms: Vec<String> = socket.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    rooms
}
