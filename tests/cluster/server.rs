//! A node of ours that does what a test tells it: a line of JSON in is a command, a line out its result.
//! `server.mjs` is the same program on socket.io.
//!
//! ```sh
//! cargo run --package socketio-tests --example cluster -- redis://127.0.0.1:6379 classic
//! ```

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use socketio::{Args, Broadcast, ClusterError, FetchedSocket, Io, IoConfig, NodeId, RawJson, Recovery};
use socketio_redis::{Counts, Emitter, Mode, RedisAdapter, Subscriptions};
use socketio_server::Server;
use tokio::sync::mpsc;

/// A command. Which fields it has depends on what is to be done.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Command {
    id: u64,
    what: String,
    nsp: String,
    rooms: Vec<String>,
    except: Vec<String>,
    volatile: bool,
    compress: Option<bool>,
    local: bool,
    timeout: Option<u64>,
    /// An event's name and its arguments. `{"$bytes":[1,2]}` stands for bytes.
    event: Vec<Value>,
    socket: String,
    join: Vec<String>,
    close: bool,
    value: Value,
}

impl Default for Command {
    fn default() -> Command {
        Command {
            id: 0,
            what: String::new(),
            nsp: "/".to_owned(),
            rooms: Vec::new(),
            except: Vec::new(),
            volatile: false,
            compress: None,
            local: false,
            timeout: None,
            event: Vec::new(),
            socket: String::new(),
            join: Vec::new(),
            close: false,
            value: Value::Null,
        }
    }
}

/// The events that other servers sent, in their order.
type Heard = Arc<Mutex<Vec<Value>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the URL of a Redis is missing")?;
    let mode = arguments.next();
    // What comes after a dash is how many streams there are.
    let streams = mode.as_deref().and_then(|mode| mode.strip_prefix("streams-")?.parse().ok()).unwrap_or(1);
    let mode = match mode.as_deref() {
        None | Some("classic") => Mode::PubSub,
        Some("sharded") => Mode::Sharded(Subscriptions::Dynamic),
        Some("sharded-static") => Mode::Sharded(Subscriptions::Static),
        Some("sharded-dynamic-private") => Mode::Sharded(Subscriptions::DynamicPrivate),
        Some("streams" | "streams-4") => Mode::Streams,
        Some(other) => return Err(format!("no such mode: {other}").into()),
    };
    let recovery = (arguments.next().as_deref() == Some("recovery"))
        .then(|| Recovery { max_disconnection: Duration::from_secs(60), ..Recovery::default() });
    // Several with commas between them are of a Redis Cluster, or those of sentinels.
    let redis = || match (url.contains("+sentinel:"), url.contains(',')) {
        (true, _) => RedisAdapter::sentinel(url.split(',')),
        (false, true) => RedisAdapter::cluster(url.split(',')),
        (false, false) => RedisAdapter::open(&url),
    };
    let adapter = redis()?.mode(mode).stream_count(streams);
    let emitter = Emitter::new(redis()?.mode(mode));
    let counts = adapter.counts();
    let config = IoConfig { cleanup_empty_child_namespaces: true, recovery, ..IoConfig::default() };
    let io = Io::with_adapter(config, adapter);
    for namespace in [&*io, &io.of_pattern("^/dynamic-")?] {
        namespace.on_sync("join", |socket: socketio::Socket, room: String| socket.join(room).is_ok());
    }
    let heard = Heard::default();
    let server = Server::builder().socketio("/socket.io/", io.clone()).build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let ready = tokio::time::timeout(Duration::from_secs(5), io.cluster_ready()).await;
    println!("{}", json!({ "url": format!("http://{}", listener.local_addr()?), "ready": ready.is_ok() }));
    tokio::spawn(server.serve(listener, std::future::pending::<()>()));

    let (lines, mut commands) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    while let Some(line) = commands.recv().await {
        let command: Command = serde_json::from_str(&line)?;
        let (io, counts, heard) = (io.clone(), Arc::clone(&counts), Arc::clone(&heard));
        let emitter = emitter.clone();
        let task = async move {
            let id = command.id;
            let line = match run(&io, &emitter, &counts, &heard, command).await {
                Ok(result) => json!({ "id": id, "result": result }),
                Err(error) => json!({ "id": id, "error": error.to_string() }),
            };
            println!("{line}");
        };
        // Commands begin in their order. Those that wait for something don't hold up others.
        let mut task = Box::pin(task);
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(task.as_mut().poll(cx))).await;
        if first.is_pending() {
            tokio::spawn(task);
        }
    }
    Ok(())
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn run(
    io: &Io,
    emitter: &Emitter,
    counts: &Counts,
    heard: &Heard,
    command: Command,
) -> Result<Value, Failure> {
    if let Some(what) = command.what.strip_prefix("emitter ") {
        return emit(emitter, what, &command).await;
    }
    let chosen = whom(io, &command);
    let whom = chosen.clone().unwrap_or_else(|| io.of(&command.nsp).timeout(Duration::from_secs(5)));
    match &*command.what {
        "emit" => {
            let (name, args) = event(&command.event)?;
            match chosen {
                Some(chosen) => chosen.emit(&name, args)?,
                None => io.of(&command.nsp).emit(&name, args)?,
            }
        }
        "ack" => {
            let (name, args) = event(&command.event)?;
            let answers = whom.emit_with_ack::<Args>(&name, args)?.await;
            let (silent, missing) = (answers.silent_nodes, answers.silent_ids.clone());
            let failed = answers.answers.iter().filter(|answer| answer.result.is_err()).count();
            let values: Vec<_> = answers.received().map(|args| shown(&args)).collect();
            return Ok(
                json!({ "answers": values, "failed": failed, "silent": silent, "missing": ids(&missing) }),
            );
        }
        "fetch" => {
            let before = std::time::Instant::now();
            let (found, error, missing) = match whom.fetch_sockets().await {
                Ok(found) => (found, None, Vec::new()),
                Err(error) => {
                    let text = error.to_string();
                    let missing = match error.error {
                        ClusterError::Timeout { nodes, .. } => nodes,
                        _ => Vec::new(),
                    };
                    (error.found, Some(text), missing)
                }
            };
            let sockets: Vec<_> = found.iter().map(told).collect();
            let took = u64::try_from(before.elapsed().as_millis())?;
            return Ok(json!({ "sockets": sockets, "error": error, "missing": ids(&missing), "took": took }));
        }
        "join" => command.join.iter().for_each(|room| whom.sockets_join(&**room)),
        "leave" => command.join.iter().for_each(|room| whom.sockets_leave(&**room)),
        "disconnect" => whom.disconnect_sockets(command.close),
        "broadcast from" => {
            let (name, args) = event(&command.event)?;
            let socket = io.of(&command.nsp).socket(&command.socket).ok_or("no such socket")?;
            socket.broadcast().emit(&name, args)?;
        }
        "emit to" => {
            let (name, args) = event(&command.event)?;
            let socket = io.of(&command.nsp).socket(&command.socket).ok_or("no such socket")?;
            socket.emit(&name, args)?;
        }
        "recovery" => {
            let counts = io.recovery_counts().ok_or("recovery is off")?;
            return Ok(json!({ "recovered": counts.recovered, "away": counts.away }));
        }
        "set data" => {
            let socket = io.of(&command.nsp).socket(&command.socket).ok_or("no such socket")?;
            socket.set_data("value", &command.value)?;
        }
        "server side" => {
            let (name, args) = event(&command.event)?;
            io.of(&command.nsp).server_side_emit(&name, args)?;
        }
        "server side with ack" => {
            let (name, args) = event(&command.event)?;
            let answers = io.of(&command.nsp).server_side_emit_with_ack::<Args>(&name, args).await?;
            let silent = answers.silent_nodes;
            let values: Vec<_> = answers.received().map(|args| shown(&args)).collect();
            return Ok(json!({ "answers": values, "silent": silent }));
        }
        "handle server side" => {
            let (heard, answer) = (Arc::clone(heard), command.value);
            let name = command.event[0].as_str().ok_or("no name")?.to_owned();
            io.of(&command.nsp).on_server_side(&name, move |args: Args| {
                heard.lock().push(shown(&args));
                let answer = answer.clone();
                async move { answer }
            });
        }
        "heard" => return Ok(std::mem::take(&mut *heard.lock()).into()),
        "open" => drop(io.of(&command.nsp)),
        "close namespace" => io.of(&command.nsp).close(),
        "id" => return Ok(io.node_id().map(AsRef::as_ref).into()),
        "servers" => return Ok(io.of(&command.nsp).server_count().await.into()),
        "counts" => {
            return Ok(json!({
                "published": counts.published(), "dropped": counts.dropped(), "unsure": counts.unsure(),
                "refused": counts.refused(), "heard": counts.heard(), "unwanted": counts.unwanted(),
                "foreign": counts.foreign(), "overrun": counts.overrun(), "gaps": counts.gaps(), "trimmed": counts.trimmed(),
                "acks": io.pending_ack_count(),
            }));
        }
        "end" => {
            io.close();
            io.leave_cluster().await;
        }
        other => return Err(format!("no such command: {other}").into()),
    }
    Ok(Value::Null)
}

/// What a program that is no server does.
async fn emit(emitter: &Emitter, what: &str, command: &Command) -> Result<Value, Failure> {
    let all = emitter.of(&command.nsp);
    let to = command.rooms.iter().fold(all, |whom, room| whom.to(&**room));
    let whom = command.except.iter().fold(to, |whom, room| whom.except(&**room));
    let room = command.join.first().map(String::as_str).unwrap_or_default();
    match what {
        "emit" => {
            let (name, args) = event(&command.event)?;
            whom.emit(&name, args)?.await?;
        }
        "join" => whom.sockets_join(room).await?,
        "leave" => whom.sockets_leave(room).await?,
        "disconnect" => whom.disconnect_sockets(command.close).await?,
        "server side" => {
            let (name, args) = event(&command.event)?;
            whom.server_side_emit(&name, args)?.await?;
        }
        other => return Err(format!("no such command: {other}").into()),
    }
    Ok(Value::Null)
}

/// Whom a command is for, and how; nothing that it doesn't say.
fn whom(io: &Io, command: &Command) -> Option<Broadcast> {
    let all = io.of(&command.nsp);
    let mut whom: Option<Broadcast> = None;
    for room in &command.rooms {
        whom = Some(whom.map_or_else(|| all.to(&**room), |whom| whom.to(&**room)));
    }
    for room in &command.except {
        whom = Some(whom.map_or_else(|| all.except(&**room), |whom| whom.except(&**room)));
    }
    if command.volatile {
        whom = Some(whom.map_or_else(|| all.volatile(), Broadcast::volatile));
    }
    if command.local {
        whom = Some(whom.map_or_else(|| all.local(), Broadcast::local));
    }
    if let Some(compress) = command.compress {
        whom = Some(whom.map_or_else(|| all.compress(compress), |whom| whom.compress(compress)));
    }
    if let Some(timeout) = command.timeout.map(Duration::from_millis) {
        whom = Some(whom.map_or_else(|| all.timeout(timeout), |whom| whom.timeout(timeout)));
    }
    whom
}

fn event(event: &[Value]) -> Result<(String, Args), Failure> {
    let (name, values) = event.split_first().ok_or("an event has a name")?;
    let mut attachments = Vec::new();
    let values: Vec<_> = values.iter().map(|value| without_bytes(value, &mut attachments)).collect();
    let args = Args::from_raw(RawJson::new(Value::from(values).to_string(), attachments)?)?;
    Ok((name.as_str().ok_or("a name is text")?.to_owned(), args))
}

fn without_bytes(value: &Value, attachments: &mut Vec<bytes::Bytes>) -> Value {
    match value {
        Value::Array(values) => values.iter().map(|value| without_bytes(value, attachments)).collect(),
        Value::Object(members) => match members.get("$bytes") {
            Some(Value::Array(bytes)) => {
                let bytes: Vec<u8> = bytes.iter().filter_map(Value::as_u64).map(|byte| byte as u8).collect();
                attachments.push(bytes.into());
                json!({ "_placeholder": true, "num": attachments.len() - 1 })
            }
            _ => {
                members.iter().map(|(key, value)| (key.clone(), without_bytes(value, attachments))).collect()
            }
        },
        other => other.clone(),
    }
}

fn ids(nodes: &[NodeId]) -> Vec<&str> {
    nodes.iter().map(|id| &**id).collect()
}

/// Arguments as JSON, bytes as a `Buffer` writes them.
fn shown(args: &Args) -> Value {
    serde_json::from_str(&args.to_raw().stringified()).unwrap_or_default()
}

fn told(socket: &FetchedSocket) -> Value {
    json!({
        "id": socket.id(),
        "here": socket.socket().is_some(),
        "rooms": socket.rooms().collect::<Vec<_>>(),
        "data": socket.data::<Value>().unwrap_or_default(),
        "handshake": socket.handshake(),
    })
}
