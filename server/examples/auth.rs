//! A namespace that only those enter who have a token: `cargo run --example auth -- 127.0.0.1:3000`.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000/staff", { auth: { token: "ada-1815" } });
//! socket.on("connect_error", (error) => console.log(error.message, error.data));
//! console.log(await socket.emitWithAck("who am I?")); // "Ada"
//! ```

use serde::Deserialize;
use serde_json::json;
use socketio::{ConnectError, Io, Socket};
use socketio_server::Server;

/// What a client presents: `io(url, { auth: { token } })`.
#[derive(Deserialize)]
struct Auth {
    token: String,
}

/// Who a socket belongs to, kept with the socket once it is known.
struct User {
    name: &'static str,
}

/// Stands for the database.
async fn user_with(token: &str) -> Option<User> {
    (token == "ada-1815").then_some(User { name: "Ada" })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::new();
    io.of("/staff")
        // The first that refuses ends it: what follows doesn't run, and the client gets a `connect_error`.
        .middleware(|socket: Socket| async move {
            let auth: Auth =
                socket.handshake().auth().map_err(|_| ConnectError::new("a token is missing"))?;
            let Some(user) = user_with(&auth.token).await else {
                let error = ConnectError::new("not authorized");
                return Err(error.with_data(json!({ "code": 401, "retry": false })));
            };
            socket.insert(user);
            Ok(())
        })
        .on("who am I?", |socket: Socket, ()| async move { socket.get::<User>().map(|user| user.name) });

    let server = Server::builder().socketio("/socket.io/", io).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
