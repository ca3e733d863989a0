//! Hooks with real clients' bytes and a backend that answers as each test says.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use socketio::Config;
use socketio_server::Server;
use socketio_tests::{Received, TestServer, WebSocket};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::app::{Gateway, Settings};
use crate::jwt::{Jwt, tests as jwt_tests};
use crate::presence::Presence;
use crate::rules::{Action, Rule, Rules};

/// A hook that came, and what takes the bytes of its answer.
struct Asked {
    headers: BTreeMap<String, String>,
    text: String,
    body: Value,
    answer: oneshot::Sender<Vec<u8>>,
}

impl Asked {
    fn answer_bytes(self, bytes: impl Into<Vec<u8>>) {
        let _ = self.answer.send(bytes.into());
    }

    fn answer(self, status: u16, body: &str) {
        let length = body.len();
        self.answer_bytes(format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}"));
    }

    fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

struct Backend {
    url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Backend {
    async fn start() -> Backend {
        Backend::listen(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn listen(listener: TcpListener) -> Backend {
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Backend { url, asked, listening }
    }

    async fn next(&mut self) -> Asked {
        tokio::time::timeout(Duration::from_secs(20), self.asked.recv()).await.expect("a hook comes").unwrap()
    }

    /// The next hook, which must be of that type.
    async fn expect(&mut self, kind: &str) -> Asked {
        let asked = self.next().await;
        assert_eq!(asked.kind(), kind, "{}", asked.text);
        asked
    }
}

async fn serve(stream: TcpStream, sender: mpsc::UnboundedSender<Asked>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut headers, mut line) = (BTreeMap::new(), String::new());
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
            if let Some((name, value)) = line.trim().split_once(": ") {
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            line.clear();
        }
        let Some(length) = headers.get("content-length").and_then(|length| length.parse().ok()) else {
            return;
        };
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let text = String::from_utf8(body).unwrap();
        let (answer, answered) = oneshot::channel();
        let body = serde_json::from_str(&text).unwrap();
        sender.send(Asked { headers, text, body, answer }).unwrap();
        // A test that answers nothing keeps the connection open.
        let Ok(bytes) = answered.await else { return std::future::pending().await };
        stream.write_all(&bytes).await.unwrap();
        if bytes.ends_with(b"half") {
            return;
        }
    }
}

struct Running {
    io: Io,
    clients: TestServer,
    gateway: Gateway,
}

impl Running {
    async fn start(backend: &Backend, change: impl FnOnce(&mut Settings)) -> Running {
        Running::with(Config::default(), backend, change).await
    }

    async fn with(config: Config, backend: &Backend, change: impl FnOnce(&mut Settings)) -> Running {
        let io = Io::with_config(config);
        let mut webhook = Webhook::new(&backend.url);
        webhook.hooks = [HookType::Connect, HookType::Event].into();
        let mut settings = Settings { webhook: Some(webhook), ..Settings::default() };
        change(&mut settings);
        let gateway = Gateway::start(&io, Node::new("here", false), settings).unwrap();
        let clients = TestServer::start(Server::builder().socketio("/socket.io/", io.clone())).await;
        Running { io, clients, gateway }
    }

    /// A client that has asked to join `/`.
    async fn connect(&self, auth: &str) -> WebSocket {
        let mut client = self.clients.websocket("/socket.io/?EIO=4&transport=websocket&q=1").await;
        assert!(client.next_text().await.starts_with('0'));
        client.text(format!("40{auth}")).await;
        client
    }

    /// A client that the backend has let in.
    async fn join(&self, backend: &mut Backend) -> (WebSocket, String) {
        let mut client = self.connect("").await;
        let asked = backend.expect("connect").await;
        let id = asked.body["socket"].as_str().unwrap().to_owned();
        asked.answer(204, "");
        assert!(client.next_text().await.starts_with("40{"));
        (client, id)
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        self.gateway.write_metrics(&mut text);
        text
    }
}

#[tokio::test]
async fn a_client_is_let_in_with_rooms_data_and_events() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().headers = vec!["host".to_owned(), "cookie".to_owned()];
    })
    .await;
    let mut client = server.connect(r#"{"token":"t"}"#).await;
    let asked = backend.expect("connect").await;
    let id = asked.body["socket"].as_str().unwrap().to_owned();
    assert_eq!(asked.body["auth"], json!({ "token": "t" }));
    assert_eq!(asked.body["query"]["q"], "1");
    assert_eq!((&asked.body["address"], &asked.body["namespace"]), (&json!("127.0.0.1"), &json!("/")));
    assert_eq!((&asked.body["node"], &asked.body["recovered"]), (&json!("here"), &json!(false)));
    assert!(asked.body["epoch"].is_u64() && asked.body["timestamp"].is_string());
    assert_eq!(asked.body["headers"], json!({ "host": "test" }), "only fields that are allowed");
    assert!(!asked.headers.contains_key("webhook-signature"), "there is no secret");
    let answer = json!({
        "join": ["r"],
        "data": { "name": "Anna" },
        "emit": [{ "to": [id], "event": "welcome", "args": [1] }, { "to": ["r"], "event": "joined" }],
    });
    asked.answer(200, &answer.to_string());
    assert!(client.next_text().await.starts_with("40{"));
    assert_eq!(client.next_text().await, r#"42["welcome",1]"#);
    let socket = server.io.socket(&id).unwrap();
    assert_eq!(
        (socket.data::<Value>().unwrap(), socket.rooms()),
        (json!({ "name": "Anna" }), vec!["r".into()])
    );
}

#[tokio::test]
async fn a_refusal_is_told_and_a_failure_closes_the_session_so_that_the_client_comes_back() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().connect_timeout = Duration::from_millis(200);
    })
    .await;
    let mut client = server.connect("").await;
    backend.next().await.answer(401, r#"{"message":"who are you?","data":{"code":7}}"#);
    assert_eq!(client.next_text().await, r#"44{"message":"who are you?","data":{"code":7}}"#);
    let mut client = server.connect("").await;
    backend.next().await.answer(403, "<html>no</html>");
    assert_eq!(client.next_text().await, r#"44{"message":"Forbidden"}"#);
    let huge = format!("HTTP/1.1 200 x\r\ncontent-length: 1000001\r\n\r\n{}", " ".repeat(1_000_001));
    let half = "HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nhalf";
    for (bytes, kind) in [
        ("HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n", "status"),
        ("HTTP/1.1 302 x\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n", "redirect"),
        ("HTTP/1.1 200 x\r\ncontent-length: 6\r\n\r\n<html>", "bad_answer"),
        ("HTTP/1.1 200 x\r\ncontent-length: 12\r\n\r\n{\"jion\":[\"\"]}", "bad_answer"),
        (half, "cut"),
        (&huge, "too_large"),
    ] {
        let mut client = server.connect("").await;
        backend.next().await.answer_bytes(bytes);
        // Without a refusal before it.
        assert!(matches!(client.next().await, Received::Close(_) | Received::End), "{kind}");
        assert!(server.metrics().contains(&format!("outcome=\"{kind}\"")), "{kind}: {}", server.metrics());
    }
    let mut client = server.connect("").await;
    let _silent = backend.next().await;
    assert!(matches!(client.next().await, Received::Close(_) | Received::End));
    assert!(server.metrics().contains("outcome=\"timeout\""));
    assert_eq!(server.io.socket_count(), 0);
}

#[tokio::test]
async fn the_answer_to_an_event_is_its_acknowledgement() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, id) = server.join(&mut backend).await;
    client.text(r#"421["chat","hi",{"a":1}]"#).await;
    let asked = backend.expect("event").await;
    assert_eq!((&asked.body["event"], &asked.body["args"]), (&json!("chat"), &json!(["hi", { "a": 1 }])));
    assert_eq!((&asked.body["ack"], &asked.body["socket"]), (&json!(true), &json!(id)));
    let answer = json!({
        "ack": ["ok", { "_placeholder": true, "num": 0 }], "attachments": ["AQID"],
        "join": ["a", "b"], "leave": ["b"], "data": { "n": 1 }, "emit": [{ "event": "news" }],
    });
    asked.answer(200, &answer.to_string());
    assert_eq!(client.next_text().await, r#"42["news"]"#);
    assert_eq!(client.next_text().await, r#"461-1["ok",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.next().await, Received::Binary(vec![1, 2, 3]));
    let socket = server.io.socket(&id).unwrap();
    assert_eq!((socket.rooms(), socket.data::<Value>().unwrap()), (vec!["a".into()], json!({ "n": 1 })));

    client.text(r#"422["nothing"]"#).await;
    let asked = backend.expect("event").await;
    assert_eq!(asked.body["data"], json!({ "n": 1 }));
    asked.answer(204, "");
    assert_eq!(client.next_text().await, "432[]");

    // What the backend refuses, or fails to answer, has no acknowledgement; later events have theirs.
    for status in [400, 500] {
        client.text(r#"423["refused"]"#).await;
        backend.expect("event").await.answer(status, "");
    }
    client.text(r#"42["bye"]"#).await;
    let asked = backend.expect("event").await;
    assert_eq!(asked.body["ack"], json!(false));
    asked.answer(200, r#"{"ack":["nobody asked"],"disconnect":true}"#);
    assert_eq!(client.next_text().await, "41");
}

#[tokio::test]
async fn attachments_come_in_base64() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, _) = server.join(&mut backend).await;
    client.text(r#"451-["picture",{"_placeholder":true,"num":0}]"#).await;
    client.binary([1, 2, 3]).await;
    let asked = backend.expect("event").await;
    assert_eq!(asked.body["args"], json!([{ "_placeholder": true, "num": 0 }]));
    assert_eq!(asked.body["attachments"], json!(["AQID"]));
}

#[tokio::test]
async fn a_sockets_events_come_in_order_and_other_sockets_do_not_wait_for_them() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut slow, _) = server.join(&mut backend).await;
    let (mut quick, _) = server.join(&mut backend).await;
    for n in 0..3 {
        slow.text(format!(r#"42{n}["slow",{n}]"#)).await;
    }
    let first = backend.expect("event").await;
    quick.text(r#"427["quick"]"#).await;
    let other = backend.expect("event").await;
    assert_eq!((&first.body["args"], &other.body["event"]), (&json!([0]), &json!("quick")));
    other.answer(204, "");
    assert_eq!(quick.next_text().await, "437[]");
    first.answer(204, "");
    for n in 1..3 {
        let next = backend.expect("event").await;
        assert_eq!(next.body["args"], json!([n]));
        next.answer(204, "");
    }
    for n in 0..3 {
        assert_eq!(slow.next_text().await, format!("43{n}[]"));
    }
}

#[tokio::test]
async fn at_most_28_calls_run_at_once_and_clients_come_in_as_they_arrived() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let mut clients = Vec::new();
    for n in 0..40 {
        clients.push(server.connect(&format!("{{\"n\":{n}}}")).await);
        // So that they arrive one after the other.
        while server.gateway.clone().calls() <= n {
            tokio::task::yield_now().await;
        }
    }
    let mut running = std::collections::VecDeque::new();
    for _ in 0..LIMIT {
        running.push_back(backend.next().await);
    }
    assert!(backend.asked.try_recv().is_err(), "28 calls run");
    let text = server.metrics();
    assert!(
        text.contains("socketio_gateway_calls_running 28\n")
            && text.contains("socketio_gateway_calls_waiting 12\n"),
        "{text}"
    );
    for n in LIMIT..40 {
        running.pop_front().unwrap().answer(204, "");
        let next = backend.next().await;
        assert_eq!(next.body["auth"]["n"], n);
        running.push_back(next);
    }
    running.into_iter().for_each(|asked| asked.answer(204, ""));
    for mut client in clients {
        assert!(client.next_text().await.starts_with("40{"));
    }
}

#[tokio::test]
async fn hooks_are_signed_with_each_secret_and_no_two_are_the_same() {
    let mut backend = Backend::start().await;
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().secrets = Secrets::new(secrets).unwrap();
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let _client = server.connect("").await;
        let asked = backend.expect("connect").await;
        let (id, timestamp) =
            (&asked.headers["webhook-id"], asked.headers["webhook-timestamp"].parse().unwrap());
        let expected = Secrets::new(secrets).unwrap().sign(id, timestamp, asked.text.as_bytes());
        assert_eq!(asked.headers["webhook-signature"], expected);
        assert_eq!(expected.split(' ').count(), 2);
        assert!(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - timestamp < 60);
        ids.push(id.clone());
        asked.answer(204, "");
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn joining_leaving_and_rooms_are_told_in_order_in_batches_and_again_if_that_fails() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        let webhook = settings.webhook.as_mut().unwrap();
        webhook.hooks = HookType::ALL.into();
        webhook.hooks.remove(&HookType::Connect);
    })
    .await;
    let mut client = server.connect("").await;
    let connected = client.next_text().await;
    let id = serde_json::from_str::<Value>(&connected[2..]).unwrap()["sid"].as_str().unwrap().to_owned();
    server.io.sockets_join("r");
    client.text("41").await;
    let mut hooks = Vec::new();
    // What comes is told 500 ms after the first of it, so it may be in one batch or in two.
    while hooks.len() < 5 {
        let asked = backend.expect("batch").await;
        assert_eq!(asked.body["node"], "here");
        let (batch, id) = (asked.body["hooks"].clone(), asked.headers["webhook-id"].clone());
        asked.answer(500, "");
        let again = backend.expect("batch").await;
        assert_eq!((&again.body["hooks"], &again.headers["webhook-id"]), (&batch, &id), "the same again");
        again.answer(200, "ok");
        hooks.extend(batch.as_array().unwrap().clone());
    }
    let told: Vec<_> = hooks.iter().map(|hook| hook["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["node_started", "connected", "room_occupied", "room_vacated", "disconnected"]);
    assert_eq!((&hooks[1]["socket"], &hooks[1]["transport"]), (&json!(id), &json!("websocket")));
    assert_eq!((&hooks[2]["room"], &hooks[2]["namespace"]), (&json!("r"), &json!("/")));
    assert_eq!(
        (&hooks[4]["reason"], &hooks[4]["rooms"]),
        (&json!("client namespace disconnect"), &json!(["r"]))
    );
}

#[tokio::test]
async fn a_backend_that_fails_is_left_alone_and_found_again() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    for _ in 0..10 {
        let mut client = server.connect("").await;
        backend.next().await.answer(503, "");
        assert!(matches!(client.next().await, Received::Close(_) | Received::End));
    }
    let mut turned_away = server.connect("").await;
    assert!(matches!(turned_away.next().await, Received::Close(_) | Received::End));
    assert!(backend.asked.try_recv().is_err(), "the backend is left alone");
    let text = server.metrics();
    assert!(text.contains("outcome=\"circuit_open\"} 1\n") && text.contains("circuit_open 1\n"), "{text}");
    // After a second, a client that comes back finds it again.
    let (mut client, asked) = loop {
        let mut client = server.connect("").await;
        tokio::select! {
            asked = backend.next() => break (client, asked),
            _ = client.next() => {}
        }
    };
    asked.answer(204, "");
    assert!(client.next_text().await.starts_with("40{"));
    assert!(server.metrics().contains("circuit_open 0\n"));
}

#[tokio::test]
async fn the_end_of_the_server_waits_for_what_runs_and_what_is_to_be_told() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().hooks.insert(HookType::Disconnected);
    })
    .await;
    let (mut client, id) = server.join(&mut backend).await;
    client.text(r#"42["last"]"#).await;
    let last = backend.expect("event").await;
    let Running { clients, gateway, .. } = server;
    clients.stop().await;
    let finishing = tokio::spawn(async move { gateway.finish(Duration::from_secs(20)).await });
    last.answer(204, "");
    let batch = backend.expect("batch").await;
    assert_eq!(batch.body["hooks"][0]["socket"], json!(id));
    assert!(!finishing.is_finished());
    batch.answer(204, "");
    finishing.await.unwrap();
}

#[tokio::test]
async fn events_are_relayed_refused_dropped_and_limited_as_the_rules_say() {
    let mut backend = Backend::start().await;
    let rule = |name: &str, action, rate: Option<&str>| Rule {
        name: name.to_owned(),
        namespace: None,
        action,
        rate: rate.map(|rate| rate.parse().unwrap()),
    };
    let server = Running::start(&backend, |settings| {
        let rules = vec![
            rule("typing", Action::RelayToRooms, None),
            rule("shout", Action::RelayToNamespace, Some("1/m")),
            rule("no", Action::Refuse, None),
            rule("chat", Action::Backend, None),
        ];
        settings.rules = Rules::new(rules, Action::Drop);
    })
    .await;
    let (mut one, first) = server.join(&mut backend).await;
    let (mut two, second) = server.join(&mut backend).await;
    let (mut three, _) = server.join(&mut backend).await;
    for id in [&first, &second] {
        server.io.socket(id).unwrap().join("r").unwrap();
    }
    one.text(r#"421["typing",1]"#).await;
    assert_eq!(one.next_text().await, "431[]");
    assert_eq!(two.next_text().await, r#"42["typing",1]"#);
    one.text(r#"42["shout"]"#).await;
    assert_eq!([two.next_text().await, three.next_text().await], [r#"42["shout"]"#, r#"42["shout"]"#]);
    one.text(r#"42["shout","too often"]"#).await;
    one.text(r#"42["unknown"]"#).await;
    one.text(r#"422["no"]"#).await;
    assert_eq!(
        one.next_text().await,
        r#"432[{"error":{"code":"refused","message":"this event is not allowed"}}]"#
    );
    one.text(r#"42["chat"]"#).await;
    backend.expect("event").await.answer(204, "");
    let text = server.metrics();
    for (result, count) in [("relayed", 2), ("over_rate", 1), ("dropped", 1), ("refused", 1), ("backend", 1)]
    {
        assert!(text.contains(&format!("result=\"{result}\"}} {count}\n")), "{result} in {text}");
    }
}

#[tokio::test]
async fn a_token_gives_rooms_and_data_and_its_end_puts_the_client_out() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.jwt = Some(Jwt::new(jwt_tests::SECRET).unwrap());
        settings.presence = Presence { rooms: vec!["r".to_owned()], data: vec!["sub".to_owned()] };
    })
    .await;
    let mut client = server.connect("").await;
    let missing = r#"44{"message":"send a token: auth: { token }","data":{"code":"token_missing"}}"#;
    assert_eq!(client.next_text().await, missing);
    let token = |sub: &str, seconds| {
        jwt_tests::hs256(&json!({ "sub": sub, "rooms": ["r"], "exp": jwt_tests::in_seconds(seconds) }))
    };
    let auth = |token: String| json!({ "token": token }).to_string();
    let mut client = server.connect(&auth(token("anna", -60))).await;
    assert!(client.next_text().await.contains("token_expired"));
    let mut client = server.connect(&auth("x.y.z".to_owned())).await;
    assert!(client.next_text().await.contains("token_invalid"));

    let mut anna = server.connect(&auth(token("anna", 600))).await;
    let asked = backend.expect("connect").await;
    let first = asked.body["socket"].clone();
    assert_eq!(asked.body["data"], json!({ "sub": "anna" }), "the backend sees what the token says");
    asked.answer(204, "");
    assert!(anna.next_text().await.starts_with("40{"));
    let member = |socket: &Value, sub: &str| json!({ "socket": socket, "data": { "sub": sub } });
    let event = |name: &str, body: Value| format!("42{}", json!([name, body]));
    let alone = json!({ "members": [member(&first, "anna")], "room": "r" });
    assert_eq!(anna.next_text().await, event("presence:members", alone));

    // The clocks may be 10 s apart.
    let mut bert = server.connect(&auth(token("bert", -9))).await;
    let asked = backend.expect("connect").await;
    let second = asked.body["socket"].clone();
    asked.answer(204, "");
    assert!(bert.next_text().await.starts_with("40{"));
    let joined = json!({ "member": member(&second, "bert"), "room": "r" });
    assert_eq!(anna.next_text().await, event("presence:joined", joined.clone()));
    assert!(bert.next_text().await.starts_with(r#"42["presence:members""#));
    assert_eq!(bert.next_text().await, r#"42["token_expired"]"#);
    assert_eq!(bert.next_text().await, "41");
    assert_eq!(anna.next_text().await, event("presence:left", joined));
}
