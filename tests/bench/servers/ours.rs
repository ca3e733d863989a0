//! The application that the load speaks to, on the server that this repository is about.
//!
//! Behind the address may stand `--trace FILE`, or `--inspect`: then everything is recorded. `--redis URL` joins a
//! cluster. `--gateway ADDRESS` has a backend there answer the events, and lets it publish. `--deflate` compresses messages,
//! and `--plain` echoes at `/ws` too.

use std::path::Path;

use socketio::{Args, IoConfig, Io, SendError, Socket};
use socketio_gateway::{Action, Gateway, HookType, Keys, NodeInfo, Rule, Rules, GatewayConfig, Webhook};
use socketio_redis::RedisAdapter;
use socketio_server::deflate::PerMessageDeflate;
use socketio_server::plain::{Accepted, WebSocketRequest};
use socketio_server::{Denied, EngineConfig, Server};
use socketio_server::journal::{Journal, JournalConfig};
use socketio_server::inspector::{Inspector, InspectorConfig};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, options) = arguments.split_first().ok_or("an address is missing")?;
    let io = match options {
        [option, url] if option == "--redis" => Io::with_adapter(IoConfig::default(), RedisAdapter::open(url)?),
        _ => Io::new(),
    };
    if let [option, backend] = options
        && option == "--gateway"
    {
        gateway(&io, backend).await?;
    } else {
        application(&io, "/");
        for number in 0..10 {
            application(&io, &format!("/ns-{number}"));
        }
    }
    io.cluster_ready().await;
    let mut server = Server::builder().socketio("/socket.io/", io);
    match options {
        [] => {}
        [option, _] if option == "--redis" || option == "--gateway" => {}
        [option, file] if option == "--trace" => {
            // Long enough not to be full in the middle.
            let options = JournalConfig { limit: u64::MAX, ..JournalConfig::default() };
            server = server.observer(Journal::file(Path::new(file), options)?);
        }
        [option] if option == "--inspect" => {
            let inspector = Inspector::new(InspectorConfig::default());
            server = server.observer(Journal::new([inspector.sink()], false)?);
            let listening = inspector.listen(TcpListener::bind("127.0.0.1:0").await?)?;
            println!("inspector on {}", listening.url());
            tokio::spawn(listening.serve());
        }
        [option] if option == "--deflate" => {
            let per_message_deflate = Some(PerMessageDeflate::default());
            server = server.config(EngineConfig { per_message_deflate, ..EngineConfig::default() });
        }
        [option] if option == "--plain" => server = server.websocket("/ws", echo),
        _ => {
            let known = "behind the address, only --redis URL, --gateway ADDRESS, --trace FILE, --inspect, --deflate or --plain";
            return Err(known.into());
        }
    }
    let server = server.build()?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, std::future::pending()).await;
    Ok(())
}

/// A WebSocket without Socket.IO.
async fn echo(request: WebSocketRequest) -> Result<Accepted, Denied> {
    Ok(request.accept().run(|mut websocket| async move {
        while let Some(message) = websocket.next().await {
            if websocket.ready().await.is_err() || websocket.send(message).is_err() {
                break;
            }
        }
    }))
}

/// The events go to a backend, but for `typing`, which the others get.
async fn gateway(io: &Io, backend: &str) -> Result<(), Box<dyn std::error::Error>> {
    let hooks = [HookType::Event].into();
    let relay = Rule { name: "typing".to_owned(), namespace: None, action: Action::RelayToRooms, rate: None };
    let config = GatewayConfig {
        webhook: Some(Webhook { hooks, ..Webhook::new(format!("http://{backend}/")) }),
        rules: Rules::new(vec![relay], Action::Backend),
        ..GatewayConfig::default()
    };
    let gateway = Gateway::start(io, NodeInfo::new("bench", false), config)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("API on http://{}/api/", listener.local_addr()?);
    tokio::spawn(gateway.api(Keys::default()).serve(listener, std::future::pending()));
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
