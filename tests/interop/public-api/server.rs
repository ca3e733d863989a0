//! What socket.io's own test servers do, written against the public API alone: dates, binary at any depth, questions upon
//! questions, the handshake, refusals with data, rooms, namespaces that clients name, and the end of it all.
//!
//! `run.mjs` tests it with socket.io-client 4.8. `reference.mjs` is the same program on socket.io, and passes the
//! same test.
//!
//! ```sh
//! cargo run --package socketio-tests --example public-api -- 127.0.0.1:3000
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engineio::{Application, CloseReason, Frame, HandshakeRequest, Layer, Mailbox, Message, Opened};
use http::HeaderValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use socketio::{
    AckError, AckSender, Args, Binary, Config, ConnectError, DisconnectReason, Event, EventError,
    FetchedSocket, Io, ListenerHandle, Namespace, PatternError, Rest, RoomEvent, Socket, Unhandled,
};
use socketio_server::{Denied, Hooks, RequestHead, Server, Sid};
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Io::with_config(Config { cleanup_empty_child_namespaces: true, ..Config::default() });
    let stop = Arc::new(Notify::new());
    values(&io);
    questions(&io);
    unhandled(&io);
    handshakes(&io);
    refusals(&io);
    rooms(&io);
    namespaces(&io)?;
    listeners(&io);
    ends(&io, &stop);

    let builder = Server::builder().hooks(hooks(&io)).socketio("/socket.io/", io);
    let server = builder.engineio("/engine.io/", Greeter).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    server.serve(listener, stop.notified()).await;
    println!("closed");
    Ok(())
}

/// An application of Engine.IO, without Socket.IO. It tells each client where its handshake and its upgrade came from.
struct Greeter;

struct Greeting(Arc<Mailbox>);

impl Greeting {
    fn tell(&self, what: &str, request: &HandshakeRequest) {
        let from = request.headers.get("x-from").unwrap_or("nowhere");
        // A client that has gone misses nothing.
        let _ = self.0.push(&[Frame::text(&format!("{what} from {from}"))]);
    }
}

impl Application for Greeter {
    type Layer = Greeting;

    const WANTS_UPGRADE_REQUEST: bool = true;

    fn open(&self, opened: Opened, _: Instant) -> Greeting {
        let greeting = Greeting(opened.mailbox);
        greeting.tell("opened", &opened.handshake);
        greeting
    }
}

impl Layer for Greeting {
    fn message(&mut self, _: Message, _: Instant) {}

    fn poll(&mut self, _: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn upgraded(&mut self, request: Option<HandshakeRequest>) {
        if let Some(request) = request {
            self.tell("upgraded", &request);
        }
    }

    fn closed(&mut self, _: CloseReason) {}
}

/// A point in time, as a `Date` of JavaScript's becomes JSON: `2024-02-29T12:34:56.789Z`.
struct Date(SystemTime);

impl Date {
    fn now() -> Date {
        Date(SystemTime::now())
    }

    /// Since 1970, in milliseconds.
    fn number(&self) -> u64 {
        self.0.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(self.0))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Date).map_err(serde::de::Error::custom)
    }
}

/// A date among other things.
#[derive(Deserialize, Serialize)]
struct Appointment {
    with: String,
    at: Date,
}

/// Bytes among other things, at any depth.
#[derive(Deserialize, Serialize)]
struct Album {
    title: String,
    cover: Binary,
    pages: Vec<Page>,
}

#[derive(Deserialize, Serialize)]
struct Page {
    text: Option<String>,
    picture: Binary,
}

fn album() -> Album {
    let picture = |bytes: &'static [u8]| Binary(bytes.into());
    Album {
        title: "été 🌞".to_owned(),
        cover: picture(&[0, 1, 254, 255]),
        pages: vec![
            Page { text: None, picture: picture(b"") },
            Page { text: Some("b4AAEC".to_owned()), picture: picture(b"\x1e") },
        ],
    }
}

/// What can be sent, in events and in acknowledgements.
fn values(io: &Io) {
    const TEXTS: [&str; 4] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "— 🦀 \u{10ffff} \u{2028} \u{1e}"];
    io.on("date", |socket: Socket, ()| async move { socket.emit("date", Date::now()) })
        .on("appointment", |socket: Socket, ()| async move {
            socket.emit("appointment", Appointment { with: "Ada".to_owned(), at: Date::now() })
        })
        .on_sync("now", |_: Socket, ()| Date::now())
        .on_sync("number of", |_: Socket, appointment: Appointment| appointment.at.number())
        .on("texts", |socket: Socket, ()| async move {
            TEXTS.into_iter().try_for_each(|text| socket.emit("text", text))
        })
        .on("kinds", |socket: Socket, ()| async move {
            socket.emit("none", ())?;
            socket.emit("kinds", (None::<u8>, true, -1.5, "", [1, 2], json!({ "a": { "b": [] } })))
        })
        .on("bytes", |socket: Socket, ()| async move { socket.emit("bytes", Binary("bytes".into())) })
        .on("album", |socket: Socket, ()| async move {
            socket.emit("album", (1, album(), Binary("between".into()), "end"))
        })
        .on_sync("sizes", |_: Socket, (album, loose): (Album, Binary)| {
            let pages: Vec<usize> = album.pages.iter().map(|page| page.picture.len()).collect();
            (album.title, album.cover.len(), pages, loose.len())
        })
        // An array is one argument, like a tuple within a tuple.
        .on("at", |socket: Socket, (id, [x, y]): (u8, [f64; 2])| async move {
            socket.emit("at", [x, y])?;
            socket.emit("at", ([y, x], id))?;
            socket.emit("at", ((x, y),))?;
            socket.emit("at", Value::Null)
        })
        // Any value, with bytes in it, is one argument among others.
        .on_sync("swapped", |_: Socket, (a, b): (socketio::Value, socketio::Value)| (b, a))
        .on_sync("turned", |_: Socket, [x, y]: [f64; 2]| [y, x])
        .on_sync("echo after", |_: Socket, all: (Binary, Rest)| all)
        .on_sync("echo", |_: Socket, args: Args| args);
}

/// Acknowledgements of acknowledgements.
fn questions(io: &Io) {
    io.on("ask", |socket: Socket, args: Args| async move {
        socket.emit_with_ack::<Args>("question", &args).await.unwrap_or_default()
    })
    // Each answer is the next question, and the last is the answer to it all.
    .on("chain", |socket: Socket, (start, times): (Value, u32)| async move {
        let mut value = start;
        for _ in 0..times {
            value = socket.emit_with_ack("question", &value).await.ok()?;
        }
        Some(value)
    })
    .on("ask for bytes", |socket: Socket, ()| async move {
        match socket.emit_with_ack::<Binary>("question", Binary("abc".into())).await {
            Ok(bytes) => json!({ "len": bytes.len() }),
            Err(error) => json!({ "error": error.to_string() }),
        }
    })
    .on("ask in vain", |socket: Socket, milliseconds: u64| async move {
        let question = socket.emit_with_ack::<Value>("ignored question", ());
        matches!(question.timeout(Duration::from_millis(milliseconds)).await, Err(AckError::Timeout))
    })
    .on_with_ack("answer late", |socket: Socket, (), ack: AckSender| async move {
        socket.emit("before the answer", ack.is_wanted())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        ack.send(("late", Binary("late".into())))
    });
}

/// Events that no handler takes.
fn unhandled(io: &Io) {
    io.of("/answers").on_sync("add", |_: Socket, (a, b): (i64, i64)| a + b).on_unhandled(
        |_: Socket, event: Event, why: Unhandled| async move {
            json!({ "error": format!("{}: {why}", event.name()) })
        },
    );
}

/// Who a client is, and how it comes.
fn handshakes(io: &Io) {
    let upgraded = |socket: Socket| async move { socket.emit("upgraded", socket.transport().as_str()) };
    io.of("/transports")
        .on_upgrade(upgraded)
        .on_sync("transport", |socket: Socket, ()| (socket.transport().as_str(), socket.revision().number()));
    // It is the object that it is in JavaScript.
    io.of("/whoami").on_sync("handshake", |socket: Socket, ()| {
        let mut handshake = serde_json::to_value(socket.handshake())?;
        handshake["id"] = socket.id().into();
        Ok::<_, socketio::Error>(handshake)
    });
}

/// Who may not come in, and what may not be said.
fn refusals(io: &Io) {
    io.middleware(|socket: Socket| async move {
        match socket.handshake().query().get("fail") {
            Some(_) => Err(ConnectError::new("no entry to the main namespace")),
            None => Ok(()),
        }
    });
    io.of("/refused")
        .middleware(|socket: Socket| async move {
            socket.insert("seen by the first");
            Ok(())
        })
        .middleware(|socket: Socket| async move {
            let seen = socket.get::<&str>();
            let data = json!({ "code": 7, "why": ["a", { "seen": seen.as_deref() }] });
            Err(ConnectError::new("refused by the second").with_data(data))
        })
        .middleware(|_: Socket| async { Err(ConnectError::new("nobody gets here")) });
    io.of("/slow")
        .middleware(|socket: Socket| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let auth: Value = socket.handshake().auth().unwrap_or_default();
            let Some(name) = auth["name"].as_str() else { return Err("who?".into()) };
            socket.set_data("name", name).map_err(|error| ConnectError::new(error.to_string()))
        })
        .on_sync("name", |socket: Socket, ()| socket.data::<Value>().map(|data| data["name"].clone()).ok());
    io.of("/entering")
        .middleware(|socket: Socket| async move {
            for room in ["a", "b"] {
                let _ = socket.join(room);
            }
            socket.leave("b");
            let _ = socket.emit("early", (1, rooms_of(&socket)));
            let asked = socket.clone();
            let answer = socket.emit_with_ack::<Value>("asked", 2);
            tokio::spawn(async move { asked.emit("answered", answer.await.unwrap_or_default()) });
            socket.disconnect(false);
            socket.on("own", |_, ()| async { "the socket's" });
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        })
        .middleware(|socket: Socket| async move {
            let auth: Value = socket.handshake().auth().unwrap_or_default();
            if auth["refuse"] == true { Err("no".into()) } else { Ok(()) }
        })
        .on_connect(|socket: Socket| async move {
            socket.emit("connected", ())?;
            socket.namespace().to("a").emit("to the room", socket.id())
        })
        .on_sync("rooms", |socket: Socket, ()| rooms_of(&socket))
        .on_sync("all rooms", |socket: Socket, ()| {
            let rooms = socket.namespace().rooms().into_iter();
            rooms.map(|(room, size)| (room.to_string(), size)).collect::<BTreeMap<_, _>>()
        });
    io.of("/strict")
        .event_middleware(|_: Socket, event: Event| async move {
            if event.name() == "forbidden" { Err("not that word".into()) } else { Ok(()) }
        })
        .on_error(|socket: Socket, event: Event, error: EventError| async move {
            socket.emit("refused event", (event.name(), error.to_string()))
        })
        .on_sync("forbidden", |_: Socket, ()| "said all the same")
        .on_sync("allowed", |_: Socket, text: String| text);
}

/// Who hears what.
fn rooms(io: &Io) {
    io.of("/rooms")
        .on_sync("join", |socket: Socket, room: String| socket.join(room).map(|()| rooms_of(&socket)))
        .on_sync("join all", |socket: Socket, rooms: Vec<String>| {
            socket.join(&rooms).map(|()| rooms_of(&socket))
        })
        .on_sync("leave", |socket: Socket, room: String| {
            socket.leave(&room);
            rooms_of(&socket)
        })
        .on("tell room", |socket: Socket, (room, Rest(words)): (String, Rest)| async move {
            socket.to(room).emit("told", &words)
        })
        .on("tell all in room", |socket: Socket, (room, words): (String, Value)| async move {
            socket.within(room).emit("told", words)
        })
        .on("tell rooms", |socket: Socket, (a, b, words): (String, String, Value)| async move {
            socket.namespace().to([a, b]).emit("told", words)
        })
        .on("tell all but rooms", |socket: Socket, (rooms, words): (Vec<String>, Value)| async move {
            socket.namespace().except(&rooms).emit("told", words)
        })
        .on("tell all but room", |socket: Socket, (room, words): (String, Value)| async move {
            socket.namespace().except(room).emit("told", words)
        })
        .on("tell one", |socket: Socket, (id, words): (String, Value)| async move {
            socket.to(id).emit("told", words)
        })
        .on(
            "tell others",
            |socket: Socket, words: Args| async move { socket.broadcast().emit("told", words) },
        )
        .on("tell all", |socket: Socket, words: Args| async move { socket.namespace().emit("told", words) })
        .on_sync("count", |socket: Socket, ()| socket.namespace().socket_count());
    selections(io);
}

/// What can be done with many sockets at once, and what they say to it.
fn selections(io: &Io) {
    io.of("/many")
        .on_sync("join", |socket: Socket, room: String| socket.join(room))
        .on_sync("is called", |socket: Socket, name: String| socket.set_data("name", name).is_ok())
        .on("who is in", |socket: Socket, room: String| async move {
            let found = socket.namespace().within(room).fetch_sockets().await.ok()?;
            let name =
                |socket: &FetchedSocket| Some(socket.data::<Value>().ok()?["name"].as_str()?.to_owned());
            let mut names: Vec<_> = found.iter().map(name).collect();
            names.sort();
            Some(names)
        })
        .on("all move", |socket: Socket, (from, to): (String, String)| async move {
            socket.namespace().within(&*from).sockets_join(to);
            socket.namespace().within(&*from).sockets_leave(from);
        })
        .on("put out", |socket: Socket, room: String| async move {
            socket.namespace().within(room).disconnect_sockets(false);
        })
        .on("vote", |socket: Socket, (room, milliseconds): (String, u64)| async move {
            let voters = socket.namespace().to(room).timeout(Duration::from_millis(milliseconds));
            let all = voters.emit_with_ack::<String>("your vote?", ()).ok()?.await.all();
            let is_complete = all.is_ok();
            let mut votes = all.unwrap_or_else(|some| some.received().collect());
            votes.sort();
            Some(json!({ "complete": is_complete, "votes": votes }))
        })
        .on("ready?", |socket: Socket, ()| async move {
            // Nothing waits for this client, but its transport may be between two polls.
            socket.volatile().emit("perhaps", ())
        });
    let rooms: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&rooms);
    io.of("/many").on_room_event(move |event| {
        let line = match event {
            RoomEvent::Created { room } => format!("create {room}"),
            RoomEvent::Joined { room, .. } => format!("join {room}"),
            RoomEvent::Left { room, .. } => format!("leave {room}"),
            RoomEvent::Deleted { room } => format!("delete {room}"),
        };
        heard.lock().expect("nobody panics with it").push(line);
    });
    io.of("/many").on_sync("room events", move |_: Socket, room: String| {
        let mut lines = std::mem::take(&mut *rooms.lock().expect("nobody panics with it"));
        lines.retain(|line| line.ends_with(&*room));
        lines
    });
}

/// The rooms of a socket but the one of its own id, sorted.
fn rooms_of(socket: &Socket) -> Vec<String> {
    let mut rooms: Vec<String> = socket.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    rooms
}

/// Namespaces that clients bring into being, and that go with the last of them.
fn namespaces(io: &Io) -> Result<(), PatternError> {
    let welcome = |socket: Socket| async move {
        let name = socket.namespace().name().to_owned();
        socket.emit("welcome", name)
    };
    let tables = io.of_pattern(r"^/table-\d+$")?;
    tables.on_connect(welcome).on_sync("tell all tables", {
        let tables = tables.clone();
        move |_: Socket, words: Value| tables.emit("told", words)
    });
    io.of_dynamic(|name, auth: Value| async move { name == "/by-key" && auth["key"] == 42 })
        .on_connect(welcome);
    let (listed, opened, closed) = (io.clone(), io.clone(), io.clone());
    io.on_sync("tables", move |_: Socket, ()| {
        let namespaces = listed.namespaces();
        let names = namespaces.iter().map(Namespace::name).filter(|name| name.starts_with("/table-"));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    })
    .on_sync("open", move |_: Socket, name: String| drop(opened.of(&name)))
    .on_sync("close", move |_: Socket, name: String| closed.remove_namespace(&name));
    Ok(())
}

/// Listeners for everything, handlers for one event alone, and how to be rid of them.
fn listeners(io: &Io) {
    /// What listeners have heard, and how to stop them.
    #[derive(Default)]
    struct Diary {
        lines: Mutex<Vec<String>>,
        listeners: Mutex<Vec<ListenerHandle>>,
    }
    io.of("/listeners")
        .on_connect(|socket: Socket| async move {
            socket.insert(Diary::default());
            let diary = socket.get::<Diary>()?;
            let write = |prefix: &'static str, diary: &Arc<Diary>| {
                let diary = Arc::clone(diary);
                move |_: &Socket, event: &Event| {
                    let line = format!("{prefix} {} {}", event.name(), event.args().json());
                    diary.lines.lock().expect("nobody panics with it").push(line);
                }
            };
            let listeners = [
                socket.on_any(write("second", &diary)),
                socket.prepend_any(write("first", &diary)),
                socket.on_any_outgoing(write("out", &diary)),
            ];
            diary.listeners.lock().expect("nobody panics with it").extend(listeners);
            socket.once("once", |_: Socket, ()| async { "the first time" });
            socket.on("own", |_: Socket, ()| async { "the socket's" });
            Some(())
        })
        .on_sync("once", |_: Socket, ()| "every other time")
        .on_sync("own", |_: Socket, ()| "the namespace's")
        .on_sync("forget own", |socket: Socket, ()| socket.off("own"))
        .on_sync("emit", |socket: Socket, (name, args): (String, Value)| socket.emit(&name, args))
        .on_sync("diary", |socket: Socket, ()| {
            let diary = socket.get::<Diary>()?;
            let lines = std::mem::take(&mut *diary.lines.lock().expect("nobody panics with it"));
            Some(lines)
        })
        .on_sync("stop listening", |socket: Socket, ()| {
            let Some(diary) = socket.get::<Diary>() else { return };
            for listener in diary.listeners.lock().expect("nobody panics with it").drain(..) {
                listener.remove();
            }
        });
}

/// How sockets end, and the server with them.
fn ends(io: &Io, stop: &Arc<Notify>) {
    io.of("/ends")
        .on_sync("watch", |socket: Socket, ()| socket.join("watchers"))
        .on_sync("join", |socket: Socket, room: String| socket.join(room))
        .on_sync("put me out", |socket: Socket, close: bool| {
            let _ = socket.emit("the last word", ());
            socket.disconnect(close);
        })
        .on_disconnecting(|socket: Socket, reason: DisconnectReason| async move {
            let word = (socket.id(), reason.as_str(), rooms_of(&socket));
            socket.to("watchers").emit("leaving", word)
        })
        .on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
            println!("gone: {reason}");
            socket.to("watchers").emit("left", (socket.id(), reason.as_str(), socket.is_connected()))
        });
    let (all, stop) = (io.clone(), Arc::clone(stop));
    io.on_sync("close the server", move |_: Socket, ()| {
        all.close();
        stop.notify_one();
    });
}

/// The HTTP side.
fn hooks(io: &Io) -> Hooks {
    let ids = AtomicU64::new(0);
    let errors: Arc<Mutex<Vec<Value>>> = Arc::default();
    io.on_sync("connection errors", {
        let errors = Arc::clone(&errors);
        move |_: Socket, ()| std::mem::take(&mut *errors.lock().expect("nobody panics with it"))
    });
    Hooks::new()
        .allow_request(|request: RequestHead| async move {
            match request.query().get("banned") {
                Some(_) => Err(Denied::new("you are banned")),
                None => Ok(()),
            }
        })
        .generate_id(move |_: RequestHead| {
            let id = format!("session-{}", ids.fetch_add(1, Ordering::Relaxed));
            async move { Sid::parse(&id) }
        })
        .initial_headers(|headers, _| drop(headers.insert("x-first", HeaderValue::from_static("1"))))
        .headers(|headers, request| {
            if let Ok(method) = HeaderValue::from_str(request.method().as_str()) {
                headers.insert("x-each", method);
            }
        })
        .connection_error(move |error| {
            let line = json!({ "code": error.code, "message": error.message });
            errors.lock().expect("nobody panics with it").push(line);
        })
}
