//! The application that the load speaks to, on the server that this repository is about.

use socketio::{Args, Io, SendError, Socket};
use socketio_server::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::new();
    application(&io, "/");
    for number in 0..10 {
        application(&io, &format!("/ns-{number}"));
    }
    let server = Server::builder().socketio("/socket.io/", io).build()?;
    let address = std::env::args().nth(1).ok_or("an address is missing")?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, std::future::pending()).await;
    Ok(())
}

fn application(io: &Io, namespace: &str) {
    io.of(namespace)
        .on_connect(|socket: Socket| async move { socket.join("all") })
        .on_with_ack("message", |socket: Socket, args: Args, _| async move {
            // A client that reads slowly gets its answers late, but gets them.
            while let Err(SendError::Full) = socket.emit("message-back", &args) {
                socket.ready().await?;
            }
            Ok::<_, SendError>(())
        })
        .on_sync("message-with-ack", |_: Socket, args: Args| args)
        .on_sync("broadcast", |socket: Socket, args: Args| {
            let _ = socket.namespace().to("all").emit("bcast", &args);
        })
        .on_sync("join", |socket: Socket, (room,): (String,)| {
            let _ = socket.join(room);
        })
        .on_sync("to-room", |socket: Socket, args: Args| {
            if let Ok((room, args)) = args.split_first::<String>() {
                let _ = socket.namespace().to(room).emit("bcast", &args);
            }
        });
}
