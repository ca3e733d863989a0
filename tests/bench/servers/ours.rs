//! The application that the load speaks to, on the server that this repository is about.
//!
//! Behind the address may stand `--trace FILE`, or `--inspect`: then everything is recorded. `--redis URL` joins a
//! cluster.

use std::path::Path;

use socketio::{Args, Config, Io, SendError, Socket};
use socketio_redis::RedisAdapter;
use socketio_server::journal::{Journal, Options};
use socketio_server::{Inspector, Server, inspector};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, options) = arguments.split_first().ok_or("an address is missing")?;
    let io = match options {
        [option, url] if option == "--redis" => Io::with_adapter(Config::default(), RedisAdapter::open(url)?),
        _ => Io::new(),
    };
    application(&io, "/");
    for number in 0..10 {
        application(&io, &format!("/ns-{number}"));
    }
    io.cluster_ready().await;
    let mut server = Server::builder().socketio("/socket.io/", io);
    match options {
        [] => {}
        [option, _] if option == "--redis" => {}
        [option, file] if option == "--trace" => {
            // Long enough not to be full in the middle.
            let options = Options { limit: u64::MAX, ..Options::default() };
            server = server.observer(Journal::file(Path::new(file), options)?);
        }
        [option] if option == "--inspect" => {
            let inspector = Inspector::new(inspector::Options::default());
            server = server.observer(Journal::new([inspector.sink()], false)?);
            let listening = inspector.listen(TcpListener::bind("127.0.0.1:0").await?)?;
            println!("inspector on {}", listening.url());
            tokio::spawn(listening.serve());
        }
        _ => return Err("behind the address, only --redis URL, --trace FILE or --inspect".into()),
    }
    let server = server.build()?;
    let listener = TcpListener::bind(address).await?;
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
        .on("fetch", |socket: Socket, ()| async move {
            socket.namespace().fetch_sockets().await.map(|sockets| sockets.len()).unwrap_or_default()
        })
        .on_sync("to-room", |socket: Socket, args: Args| {
            if let Ok((room, args)) = args.split_first::<String>() {
                let _ = socket.namespace().to(room).emit("bcast", &args);
            }
        });
}
