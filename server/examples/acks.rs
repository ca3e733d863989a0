//! Acknowledgements in both directions: `cargo run --example acks -- 127.0.0.1:3000`.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! console.log(await socket.emitWithAck("divide", 7, 2)); // { quotient: 3, rest: 1 }
//! socket.on("how many?", (things, answer) => answer(things === "wheels" ? 4 : 0));
//! console.log(await socket.emitWithAck("ask me", "wheels")); // "You have 4 wheels."
//! ```

use std::time::Duration;

use serde::Serialize;
use socketio::{AckError, AckSender, Io, Socket};
use socketio_server::Server;

#[derive(Serialize)]
struct Division {
    quotient: i64,
    rest: i64,
}

#[derive(Serialize)]
struct Problem {
    error: &'static str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::new();
    io.of("/")
        // What a handler returns is the acknowledgement; of a `Result`, what is inside.
        .on("divide", |_: Socket, (a, b): (i64, i64)| async move {
            match (a.checked_div_euclid(b), a.checked_rem_euclid(b)) {
                (Some(quotient), Some(rest)) => Ok(Division { quotient, rest }),
                _ => Err(Problem { error: "that can't be divided" }),
            }
        })
        // The client is asked in turn. Waiting holds up none of its other events.
        .on("ask me", |socket: Socket, things: String| async move {
            let question = socket.emit_with_ack::<u32>("how many?", &things);
            match question.timeout(Duration::from_secs(5)).await {
                Ok(number) => format!("You have {number} {things}."),
                Err(AckError::Timeout) => format!("You don't know your {things}."),
                Err(error) => format!("Nobody knows: {error}."),
            }
        })
        // Acknowledged when and where it suits.
        .on_with_ack("remind me", |_: Socket, milliseconds: u64, ack: AckSender| async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            ack.send(("it is time", milliseconds))
        });

    let server = Server::builder().socketio("/socket.io/", io).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
