//! What the client does in each style and mode. It knows one namespace per session, one attachment per event, and no
//! way to answer an ack.

use rust_socketio::Payload;
use serde_json::{Value, json};

use crate::client::{Client, Mode, Style};
use crate::server::Server;

pub struct Scenario {
    pub name: &'static str,
    pub run: fn(&Stage),
    /// Why this style and mode does not run it, if so.
    pub skip: fn(Style, Mode) -> Option<&'static str>,
}

const fn scenario(name: &'static str, run: fn(&Stage)) -> Scenario {
    Scenario { name, run, skip: |_, _| None }
}

const fn large(name: &'static str, run: fn(&Stage)) -> Scenario {
    let skip = |style, mode| {
        let broken = style == Style::Async && mode == Mode::Polling;
        broken.then_some("it takes each chunk of a poll's body for a payload")
    };
    Scenario { name, run, skip }
}

pub const SCENARIOS: &[Scenario] = &[
    scenario("text", text),
    scenario("unicode", unicode),
    scenario("binary", binary),
    scenario("the server's ack", the_servers_ack),
    scenario("auth", auth),
    scenario("no auth", no_auth),
    scenario("a refusal by a middleware", a_refusal_by_a_middleware),
    scenario("an unknown namespace", an_unknown_namespace),
    scenario("rooms", rooms),
    scenario("a broadcast, the sender included", a_broadcast),
    scenario("the client disconnects", the_client_disconnects),
    scenario("the server disconnects a namespace", the_server_disconnects),
    scenario("the server is killed and started again", the_server_comes_back),
    large("990,000 bytes of text", bytes_of_text),
    large("740,000 bytes of binary", bytes_of_binary),
    large("more where 5,000,000 bytes are allowed", more_where_allowed),
    scenario("200 events from each side", events_from_each_side),
    scenario("heartbeats keep it alive", heartbeats),
];

/// What a scenario works with.
#[derive(Clone, Copy)]
pub struct Stage {
    pub style: Style,
    pub mode: Mode,
}

impl Stage {
    fn open(self, server: &Server, namespace: &str, auth: Option<Value>) -> Client {
        Client::connect(self.style, self.mode, &server.url(), namespace, auth)
    }

    /// A client that the namespace has accepted.
    fn connect(self, server: &Server, namespace: &str) -> Client {
        let mut client = self.open(server, namespace, None);
        client.next("open");
        client
    }
}

fn text(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.connect(&server, "/");
    let args =
        vec![json!("hello"), json!(""), json!(-1.5), json!(null), json!([]), json!({"a": {"b": [1, "2"]}})];
    client.emit("message", args.clone());
    assert_eq!(client.next_text("message-back"), args);
}

fn unicode(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.connect(&server, "/");
    let args = vec![
        json!("ÄÖÜ ß русский"),
        json!("汉字 かな"),
        json!("🦀 🏳️‍🌈 \u{10ffff}"),
        json!({"🔑": "\0\u{1e}\u{2028}"}),
    ];
    client.emit("message", args.clone());
    assert_eq!(client.next_text("message-back"), args);
}

fn binary(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.connect(&server, "/");
    client.emit("message", vec![0, 1, 127, 128, 255]);
    assert_eq!(client.next("message-back"), Payload::from(vec![0, 1, 127, 128, 255]));
}

fn the_servers_ack(stage: &Stage) {
    let server = Server::start(&[]);
    let client = stage.connect(&server, "/custom");
    let args = vec![json!(1), json!("🦀"), json!({"a": null})];
    assert_eq!(client.call("message-with-ack", args.clone()), json!(args));
}

fn auth(stage: &Stage) {
    let server = Server::start(&[]);
    for namespace in ["/", "/custom"] {
        let auth = json!({"token": "é🦀", "n": [1, {"a": null}]});
        let mut client = stage.open(&server, namespace, Some(auth.clone()));
        client.next("open");
        assert_eq!(client.next_text("auth"), [auth]);
    }
}

fn no_auth(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.connect(&server, "/custom");
    assert_eq!(client.next_text("auth"), [json!({})]);
}

fn refusal(client: &mut Client) -> Value {
    let heard = client.next_text("error");
    let (_, packet) =
        heard[0].as_str().and_then(|text| text.split_once("frame: ")).expect("it says what came");
    serde_json::from_str(packet).expect("the packet holds JSON")
}

fn a_refusal_by_a_middleware(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.open(&server, "/test", Some(json!({"token": "bad"})));
    assert_eq!(refusal(&mut client), json!({"message": "refused", "data": {"code": 7}}));
}

fn an_unknown_namespace(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.open(&server, "/nope", None);
    assert_eq!(refusal(&mut client), json!({"message": "Invalid namespace"}));
}

fn rooms(stage: &Stage) {
    let server = Server::start(&[]);
    let mut clients = [(); 3].map(|()| stage.connect(&server, "/test"));
    assert_eq!(clients[0].call("join", vec![json!("red")]), json!([["red"]]));
    assert_eq!(clients[1].call("join", vec![json!("red")]), json!([["red"]]));
    assert_eq!(clients[1].call("join", vec![json!("blue")]), json!([["blue", "red"]]));

    let mut sent = |sender: usize, event: &str, args: Value| {
        clients[sender].emit(event, args.as_array().expect("an array").clone());
        // What was emitted to each before its ack has arrived with it.
        clients[sender].call("handshake", vec![]);
        clients.each_mut().map(|client| {
            client.call("handshake", vec![]);
            client.rest("room")
        })
    };
    let n = |n: i32| vec![Payload::from(json!(n))];
    assert_eq!(sent(0, "to-room", json!(["red", 1])), [vec![], n(1), vec![]]);
    assert_eq!(sent(0, "in-room", json!(["red", 2])), [n(2), n(2), vec![]]);
    assert_eq!(sent(2, "to-room", json!(["red", 3])), [n(3), n(3), vec![]]);
    assert_eq!(sent(0, "except-room", json!(["blue", 4])), [vec![], vec![], n(4)]);
    assert_eq!(sent(0, "others", json!([5])), [vec![], n(5), n(5)]);
}

fn a_broadcast(stage: &Stage) {
    let server = Server::start(&[]);
    let mut clients = [(); 2].map(|()| stage.connect(&server, "/"));
    clients[0].emit("broadcast", vec![0, 255]);
    for client in &mut clients {
        assert_eq!(client.next("bcast"), Payload::from(vec![0, 255]));
    }
}

fn the_client_disconnects(stage: &Stage) {
    let server = Server::start(&[]);
    let mut watcher = stage.connect(&server, "/test");
    watcher.call("join", vec![json!("watch")]);
    let client = stage.connect(&server, "/test");
    let id = client.call("handshake", vec![])[0]["id"].clone();
    client.call("join", vec![json!("a room")]);
    client.disconnect();
    let left = watcher.next_text("left");
    assert_eq!((&left[0], &left[2]), (&id, &json!(["a room"])));
    // It writes a DISCONNECT and closes the transport at once: which of them the server sees first is open.
    assert!(
        ["client namespace disconnect", "transport close"].map(|reason| json!(reason)).contains(&left[1]),
        "{left:?}"
    );
}

fn the_server_disconnects(stage: &Stage) {
    let server = Server::start(&[]);
    let mut watcher = stage.connect(&server, "/test");
    watcher.call("join", vec![json!("watch")]);
    let mut client = stage.connect(&server, "/test");
    let id = client.call("handshake", vec![])[0]["id"].clone();
    client.emit("kick", json!(false));
    client.next("close");
    assert_eq!(watcher.next_text("left"), [id, json!("server namespace disconnect"), json!([])]);
}

fn the_server_comes_back(stage: &Stage) {
    let mut server = Server::start(&[]);
    let mut client = stage.connect(&server, "/custom");
    client.emit("message", json!("before"));
    assert_eq!(client.next_text("message-back"), [json!("before")]);
    server.kill();
    server.restart();
    client.next("open");
    client.emit("message", json!("after"));
    assert_eq!(client.next_text("message-back"), [json!("after")]);
}

fn bytes_of_text(stage: &Stage) {
    let server = Server::start(&[]);
    echo_text(&mut stage.connect(&server, "/"), 990_000);
}

fn bytes_of_binary(stage: &Stage) {
    let server = Server::start(&[]);
    echo_binary(&mut stage.connect(&server, "/"), 740_000);
}

fn more_where_allowed(stage: &Stage) {
    let server = Server::start(&["--max-payload", "5000000"]);
    let mut client = stage.connect(&server, "/");
    echo_text(&mut client, 4_900_000);
    echo_binary(&mut client, 3_700_000);
}

fn echo_text(client: &mut Client, size: usize) {
    let text = json!("0123456789".repeat(size / 10));
    client.emit("message", text.clone());
    assert!(client.next_text("message-back") == [text], "{size} bytes of text came back changed");
}

fn echo_binary(client: &mut Client, size: usize) {
    // No byte below 32: the client takes 0x1e for a separator of packets, in a binary frame too.
    let bytes: Vec<u8> = (0..size).map(|i| 32 + (i * 31 % 223) as u8).collect();
    client.emit("message", bytes.clone());
    assert!(client.next("message-back") == Payload::from(bytes), "{size} bytes came back changed");
}

fn events_from_each_side(stage: &Stage) {
    let server = Server::start(&[]);
    let mut client = stage.connect(&server, "/test");
    client.call("join", vec![json!("mine")]);
    client.emit("burst", json!(200));
    for i in 0..200 {
        client.emit("in-room", vec![json!("mine"), json!(i)]);
    }
    for event in ["room", "tick"] {
        for i in 0..200 {
            assert_eq!(client.next_text(event), [json!(i)], "{event}");
        }
    }
    client.call("handshake", vec![]);
    assert_eq!(client.rest("room"), []);
    assert_eq!(client.rest("tick"), []);
}

fn heartbeats(stage: &Stage) {
    // A busy machine may take a second to answer.
    let server = Server::start(&["--ping-interval", "300ms", "--ping-timeout", "1500ms"]);
    let mut client = stage.connect(&server, "/test");
    // The burst lasts for two seconds at least: a client that doesn't answer is gone before its end.
    client.emit("burst", json!(2000));
    for i in 0..2000 {
        assert_eq!(client.next_text("tick"), [json!(i)]);
    }
}
