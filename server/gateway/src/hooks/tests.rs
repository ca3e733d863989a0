//! Hooks with real clients' bytes and a backend that answers as each test says.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use socketio::{Config, Recovery};
use socketio_server::Server;
use socketio_tests::{Received, TestServer, WebSocket};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::app::{Gateway, Settings};
use crate::jwt::{Identity, Jwt, tests as jwt_tests};
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

    /// A backend that speaks TLS, with this certificate and its key.
    async fn start_tls(certified: &CertifiedKey<KeyPair>) -> Backend {
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let (sender, asked) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, sender).await;
                    }
                });
            }
        });
        Backend { url, asked, listening }
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

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, sender: mpsc::UnboundedSender<Asked>) {
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
    faults_of(Backend::start().await, Authorities::default()).await;
}

/// The certificate authorities in a file that has this certificate.
fn trusting(certified: &CertifiedKey<KeyPair>) -> Authorities {
    let name = format!("socketio-gateway-{}-{}.pem", std::process::id(), rand::rng().random::<u64>());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, certified.cert.pem()).unwrap();
    let authorities = Authorities::from_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Authorities::from_file(&path).is_err());
    authorities
}

#[tokio::test]
async fn the_same_by_https_with_an_authority_of_ones_own() {
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    faults_of(Backend::start_tls(&certified).await, trusting(&certified)).await;
}

#[tokio::test]
async fn a_backend_with_a_wrong_certificate_gets_nothing() {
    let right = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let of_another_name = generate_simple_self_signed(["other.test".to_owned()]).unwrap();
    // Of another authority, and of another host.
    for (served, trusted) in [(&right, &of_another_name), (&of_another_name, &of_another_name)] {
        let mut backend = Backend::start_tls(served).await;
        let server = Running::start(&backend, |settings| {
            settings.webhook.as_mut().unwrap().authorities = trusting(trusted);
        })
        .await;
        let mut client = server.connect("").await;
        assert!(matches!(client.next().await, Received::Close(_) | Received::End));
        assert!(server.metrics().contains("outcome=\"unreachable\"} 1\n"), "{}", server.metrics());
        assert!(backend.asked.try_recv().is_err());
    }
}

async fn faults_of(mut backend: Backend, authorities: Authorities) {
    let server = Running::start(&backend, |settings| {
        let webhook = settings.webhook.as_mut().unwrap();
        webhook.connect_timeout = Duration::from_millis(500);
        webhook.authorities = authorities;
    })
    .await;
    let mut client = server.connect("").await;
    backend.next().await.answer(401, r#"{"message":"who are you?","data":{"code":7}}"#);
    assert_eq!(client.next_text().await, r#"44{"message":"who are you?","data":{"code":7}}"#);
    let huge = format!("HTTP/1.1 200 x\r\ncontent-length: 1000001\r\n\r\n{}", " ".repeat(1_000_001));
    let half = "HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nhalf";
    for (bytes, kind) in [
        ("HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n", "status"),
        ("HTTP/1.1 404 x\r\ncontent-length: 6\r\n\r\n<html>", "bad_answer"),
        ("HTTP/1.1 403 x\r\ncontent-length: 0\r\n\r\n", "bad_answer"),
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

#[test]
fn a_hook_ends_before_the_time_of_middlewares_is_over() {
    let seconds = Duration::from_secs_f64;
    assert_eq!(connect_times(seconds(20.0), seconds(3.0), Duration::ZERO), (seconds(15.0), seconds(3.0)));
    for (hook_timeout, wanted) in [(20.0, 5.0), (20.0, 60.0), (2.0, 3.0), (60.0, 30.0)] {
        // A token's key may have been fetched for half of it.
        for passed in [0.0, hook_timeout / 4.0, hook_timeout / 2.0] {
            let (patience, limit) = connect_times(seconds(hook_timeout), seconds(wanted), seconds(passed));
            assert!(
                passed + (patience + limit).as_secs_f64() < hook_timeout * 0.96,
                "{hook_timeout} {wanted}"
            );
        }
    }
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
    for (status, body) in [(400, r#"{"message":"no"}"#), (400, ""), (500, "")] {
        client.text(r#"423["refused"]"#).await;
        backend.expect("event").await.answer(status, body);
    }
    let text = server.metrics();
    for (outcome, count) in [("answered", 3), ("bad_answer", 1)] {
        let line = format!("{{hook=\"event\",outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
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
    // As after SIGHUP.
    server.gateway.set_secrets(Secrets::new(&secrets[1..]).unwrap());
    let _client = server.connect("").await;
    let asked = backend.expect("connect").await;
    assert_eq!(asked.headers["webhook-signature"].split(' ').count(), 1);
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
async fn a_backend_that_answers_wrongly_is_not_left_alone() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |_| {}).await;
    let (mut client, _) = server.join(&mut backend).await;
    // Whoever finds an event that the backend stumbles over must not cut off all others.
    for n in 0..20 {
        client.text(r#"42["trips"]"#).await;
        let asked = backend.expect("event").await;
        asked.answer(if n % 2 == 0 { 200 } else { 404 }, "<html>");
    }
    client.text(r#"421["chat"]"#).await;
    backend.expect("event").await.answer(204, "");
    assert_eq!(client.next_text().await, "431[]");
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
async fn the_end_of_the_server_does_not_wait_for_a_backend_that_asked_to_be_left_alone() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.webhook.as_mut().unwrap().hooks = [HookType::NodeStarted].into();
    })
    .await;
    let leave_alone = "HTTP/1.1 503 x\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
    backend.expect("batch").await.answer_bytes(leave_alone);
    while !server.metrics().contains("circuit_open 1\n") {
        tokio::task::yield_now().await;
    }
    let gateway = server.gateway.clone();
    let finishing = tokio::spawn(async move { gateway.finish(Duration::from_secs(20)).await });
    // Nor if it asks again.
    for _ in 0..2 {
        backend.expect("batch").await.answer_bytes(leave_alone);
    }
    let batch = backend.expect("batch").await;
    assert_eq!(batch.body["hooks"][0]["type"], "node_started");
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

/// A server whose clients can come back, with tokens and without a backend.
async fn recovering(skip_middlewares: bool) -> Running {
    let recovery = Recovery { skip_middlewares, ..Recovery::default() };
    let config = Config { recovery: Some(recovery), ..Config::default() };
    Running::with(config, &Backend::start().await, |settings| {
        settings.jwt = Some(Jwt::new(jwt_tests::SECRET).unwrap());
        settings.webhook = None;
    })
    .await
}

/// Connects with these claims, and with a `pid` if there is one. Gives the socket's id and `pid`.
async fn arrive(server: &Running, mut claims: Value, pid: Option<&str>) -> (WebSocket, String, String) {
    if claims["exp"].is_null() {
        claims["exp"] = json!(jwt_tests::in_seconds(600));
    }
    let token = jwt_tests::hs256(&claims);
    let auth = pid.map_or_else(|| json!({ "token": token }), |pid| json!({ "token": token, "pid": pid }));
    let mut client = server.connect(&auth.to_string()).await;
    let answer = client.next_text().await;
    let answer: Value = serde_json::from_str(answer.strip_prefix("40").expect(&answer)).unwrap();
    let field = |name: &str| answer[name].as_str().unwrap().to_owned();
    (client, field("sid"), field("pid"))
}

/// The client's connection is lost, and the server knows.
async fn lose(server: &Running, client: WebSocket) {
    drop(client);
    while server.io.socket_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn only_the_same_user_gets_a_socket_back() {
    let server = recovering(false).await;
    for (was, is, same) in [
        (json!({ "sub": "anna" }), json!({ "sub": "anna" }), true),
        (json!({ "sub": 7 }), json!({ "sub": 7 }), true),
        (json!({ "sub": "anna" }), json!({ "sub": "bert" }), false),
        (json!({ "sub": 7 }), json!({ "sub": 8 }), false),
        (json!({ "sub": 7 }), json!({ "sub": "7" }), false),
        (json!({ "sub": 7 }), json!({}), false),
        (json!({}), json!({}), false),
        (json!({ "sub": null }), json!({ "sub": null }), false),
    ] {
        let (client, first, pid) = arrive(&server, was.clone(), None).await;
        lose(&server, client).await;
        let (client, second, _) = arrive(&server, is.clone(), Some(&pid)).await;
        assert_eq!(first == second, same, "{was} {is}");
        lose(&server, client).await;
    }
}

#[tokio::test]
async fn a_client_that_comes_back_has_the_time_of_its_new_token() {
    for skip_middlewares in [false, true] {
        let server = recovering(skip_middlewares).await;
        let (client, first, pid) = arrive(&server, json!({ "sub": "anna" }), None).await;
        lose(&server, client).await;
        let later = jwt_tests::in_seconds(6000);
        let claims = json!({ "sub": "anna", "exp": later });
        let (_client, second, _) = arrive(&server, claims, Some(&pid)).await;
        assert_eq!(first, second);
        let identity = server.io.socket(&second).unwrap().get::<Identity>().unwrap();
        let expires = identity.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(expires, u64::try_from(later).unwrap() + 10, "skip_middlewares: {skip_middlewares}");
    }
}

#[tokio::test]
async fn a_namespace_of_a_pattern_has_rules_hooks_and_presence_and_can_be_published_to() {
    let mut backend = Backend::start().await;
    let server = Running::start(&backend, |settings| {
        settings.namespaces.push("/orders-*".to_owned());
        settings.webhook.as_mut().unwrap().hooks.insert(HookType::RoomOccupied);
        settings.presence = Presence { rooms: vec!["r".to_owned()], data: Vec::new() };
        let rule = |namespace: &str, action| Rule {
            name: "e".to_owned(),
            namespace: Some(namespace.to_owned()),
            action,
            rate: None,
        };
        let rules = vec![rule("/orders-*", Action::Refuse), rule("/orders-8", Action::RelayToRooms)];
        settings.rules = Rules::new(rules, Action::Backend);
    })
    .await;
    let mut client = server.clients.websocket("/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    for name in ["/orders-7", "/orders-8"] {
        client.text(format!("40{name},")).await;
        let asked = backend.expect("connect").await;
        assert_eq!(asked.body["namespace"], name);
        asked.answer(200, r#"{"join":["r"]}"#);
        assert!(client.next_text().await.starts_with(&format!("40{name},{{")));
        assert!(client.next_text().await.starts_with(&format!("42{name},[\"presence:members\"")));
    }
    let batch = backend.expect("batch").await;
    assert_eq!(
        (&batch.body["hooks"][0]["namespace"], &batch.body["hooks"][0]["room"]),
        (&json!("/orders-7"), &json!("r"))
    );
    client.text(r#"42/orders-7,1["e"]"#).await;
    assert!(client.next_text().await.starts_with(r#"43/orders-7,1[{"error""#));
    client.text(r#"42/orders-8,1["e"]"#).await;
    assert_eq!(client.next_text().await, "43/orders-8,1[]");
    client.text("40/other,").await;
    assert!(client.next_text().await.starts_with("44/other,"));
    let publish = |namespace: &str| {
        let emit: crate::operations::Emit =
            serde_json::from_value(json!({ "namespace": namespace, "event": "news" })).unwrap();
        emit.prepare(&server.io, "/").map(|emit| emit.send()).ok()
    };
    // Clients may be there one day.
    assert_eq!([publish("/orders-7"), publish("/orders-9"), publish("/other")], [Some(1), Some(0), None]);
    assert!(server.io.namespace("/orders-9").is_none(), "nothing is kept of a name that was published to");
    assert_eq!(client.next_text().await, r#"42/orders-7,["news"]"#);
}

// Clients can always try to join `/`.
#[tokio::test]
async fn the_namespace_of_the_root_is_closed_unless_it_is_listed() {
    for (listed, answer) in
        [("/chat", r#"44{"message":"Invalid namespace"}"#), ("/*", "44{\"message\":\"send a token")]
    {
        let backend = Backend::start().await;
        let server = Running::start(&backend, |settings| {
            settings.namespaces = vec![listed.to_owned()];
            settings.jwt = Some(Jwt::new(jwt_tests::SECRET).unwrap());
            settings.webhook = None;
        })
        .await;
        let mut client = server.connect("").await;
        assert!(client.next_text().await.starts_with(answer), "{listed}");
        let token = jwt_tests::hs256(&json!({ "exp": jwt_tests::in_seconds(600) }));
        let auth = json!({ "token": token });
        client.text(format!("40/chat,{auth}")).await;
        assert!(client.next_text().await.starts_with("40/chat,{"), "{listed}");
        // Clients of revision 3 join it before any other, so it asks for a token there.
        let mut old = server.clients.websocket("/socket.io/?EIO=3&transport=websocket").await;
        old.next_text().await;
        let refused = old.next_text().await;
        assert!(refused.starts_with("44") && refused.contains("token_missing"), "{listed} {refused}");
        assert_eq!(server.io.socket_count(), 0);
    }
}

/// A small generator: the tests need no other.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

// A property: whatever time each answer takes, no event overtakes another of its socket, and none is lost or doubled.
#[tokio::test]
async fn each_sockets_events_come_in_order_from_a_backend_that_answers_at_random_times() {
    const EVENTS: u64 = 30;
    for seed in 1..=12_u64 {
        let mut backend = Backend::start().await;
        let server = Running::start(&backend, |_| {}).await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(server.join(&mut backend).await);
        }
        let ids: Vec<_> = clients.iter().map(|(_, id)| id.clone()).collect();
        for (client, _) in &mut clients {
            for n in 0..EVENTS {
                client.text(format!(r#"42{n}["e",{n}]"#)).await;
            }
        }
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        let mut waiting: Vec<(Instant, Asked)> = Vec::new();
        let (mut seen, mut most) = (0, 0);
        while seen < EVENTS * 6 || !waiting.is_empty() {
            let next = waiting.iter().map(|(due, _)| *due).min();
            tokio::select! {
                asked = backend.next(), if seen < EVENTS * 6 => {
                    let socket = asked.body["socket"].as_str().unwrap().to_owned();
                    let n = asked.body["args"][0].as_u64().unwrap();
                    let expected = last.get(&socket).map_or(0, |last| last + 1);
                    assert_eq!(n, expected, "seed {seed}");
                    let another = |(_, other): &(Instant, Asked)| other.body["socket"] == asked.body["socket"];
                    assert!(!waiting.iter().any(another), "two of one socket at once, seed {seed}");
                    last.insert(socket, n);
                    seen += 1;
                    let micros = random(&mut state) % 3000;
                    waiting.push((Instant::now() + Duration::from_micros(micros), asked));
                    most = most.max(waiting.len());
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {
                    let now = Instant::now();
                    for (_, asked) in waiting.extract_if(.., |(due, _)| *due <= now) {
                        let ack = json!({ "ack": asked.body["args"] }).to_string();
                        asked.answer(200, &ack);
                    }
                }
            }
        }
        assert_eq!(last.len(), ids.len());
        assert!(most > 1, "sockets don't wait for each other");
        for (client, _) in &mut clients {
            for n in 0..EVENTS {
                assert_eq!(client.next_text().await, format!("43{n}[{n}]"), "seed {seed}");
            }
        }
    }
}

// As after a restart of the server: tests/gateway/run return does it with 10,000.
#[tokio::test]
async fn clients_whose_turn_does_not_come_in_time_are_closed_come_back_and_get_in() {
    const CLIENTS: usize = 240;
    let mut backend = Backend::start().await;
    let config = Config { hook_timeout: Duration::from_secs(4), ..Config::default() };
    let server = Arc::new(Running::with(config, &backend, |_| {}).await);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                for tries in 0.. {
                    let mut client = server.connect("").await;
                    match client.next().await {
                        Received::Text(text) if text.starts_with("40{") => return tries,
                        Received::Text(text) => panic!("{text}: a refusal is for good"),
                        _ => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
                unreachable!("it tries again and again")
            })
        })
        .collect();
    let running = Arc::new(Mutex::new((0_usize, 0_usize)));
    let counted = Arc::clone(&running);
    let answering = tokio::spawn(async move {
        loop {
            let asked = backend.next().await;
            let counted = Arc::clone(&counted);
            {
                let (now, most) = &mut *counted.lock();
                *now += 1;
                *most = (*most).max(*now);
            }
            tokio::spawn(async move {
                // A call may wait for 3 s: six times 28 get their turn.
                tokio::time::sleep(Duration::from_millis(500)).await;
                counted.lock().0 -= 1;
                asked.answer(204, "");
            });
        }
    });
    let mut returned = 0;
    for client in clients {
        returned += usize::from(client.await.unwrap() > 0);
    }
    answering.abort();
    assert_eq!(running.lock().1, LIMIT);
    assert!(returned > 0 && server.metrics().contains("outcome=\"waited\""), "{}", server.metrics());
}
