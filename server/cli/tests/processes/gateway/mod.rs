//! The gateway as a process: what it is told, what it tells, and how it stops. What the API and the hooks do is tested in
//! `server/gateway`.

mod commands;
mod log;
mod reloading;

use std::net::SocketAddr;

use socketio_tests::{Connection, Response, WebSocket};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::listeners::Folder;
use crate::program::Program;

const KEY: &str = "the-key-0123456789";

/// The gateway, the address of its API, and that of its clients.
async fn gateway(options: &[&str]) -> (Program, SocketAddr, SocketAddr) {
    let always = ["--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--node", "a"];
    let mut program = Program::server(always.iter().chain(options));
    let api = program.line("API on http://").await;
    let api = api.strip_suffix("/api/").and_then(|address| address.parse().ok()).expect("an address");
    let clients = program.address().await;
    (program, api, clients)
}

async fn post(api: SocketAddr, path: &str, body: &str) -> Response {
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    Connection::open(api).await.request("POST", path, &headers, body.as_bytes()).await
}

/// Answers each request with 204, and gives the bodies.
async fn backend() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    backend_that_answers("HTTP/1.1 204 No Content\r\n\r\n").await
}

async fn backend_that_answers(
    answer: &'static str,
) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (sender, bodies) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                        if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") {
                            length = text.trim().parse().expect("a length");
                        }
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    if length == 0 || stream.read_exact(&mut body).await.is_err() {
                        return;
                    }
                    let _ = sender.send(String::from_utf8(body).expect("text"));
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (url, bodies)
}

/// What a web server answers on a path that it doesn't know.
const NOT_FOUND: &str =
    "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<h1>Where?</h1>";

#[tokio::test]
async fn a_backend_publishes_to_clients_and_a_stop_waits_for_it() {
    let (mut program, api, clients) = gateway(&["--api-key", KEY]).await;
    let mut client = WebSocket::open(clients, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    client.next_text().await;
    let sent = post(api, "/api/emit", r#"{"event":"news","args":["hi"]}"#).await;
    assert_eq!((sent.status, sent.text()), (200, r#"{"sockets":1,"scope":"cluster"}"#));
    assert_eq!(client.next_text().await, r#"42["news","hi"]"#);
    let refused = Connection::open(api).await.request("GET", "/api/info", &[], b"").await;
    assert_eq!(refused.status, 401);
    program.signal("TERM").await;
    assert!(program.ended().await.0.success());
}

#[tokio::test]
async fn a_backend_is_asked_and_told_and_metrics_count_it() {
    let (url, mut bodies) = backend().await;
    let options = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--webhook", &url];
    let mut program = Program::server(options.iter().chain(&["--webhook-events", "chat"]));
    let metrics = program.line("metrics on http://").await;
    let metrics: SocketAddr = metrics.strip_suffix("/metrics").expect("a URL").parse().expect("an address");
    let clients = program.address().await;
    program.logged("webhooks are not signed").await;
    let mut client = WebSocket::open(clients, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert!(client.next_text().await.starts_with("40{"));
    client.text(r#"42["other"]"#).await;
    client.text(r#"421["chat","hi"]"#).await;
    assert_eq!(client.next_text().await, "431[]");
    let text = Connection::open(metrics).await.request("GET", "/metrics", &[], b"").await;
    for sample in [
        "socketio_gateway_calls_total{hook=\"connect\",outcome=\"answered\"} 1\n",
        "socketio_gateway_calls_total{hook=\"event\",outcome=\"answered\"} 1\n",
        "socketio_gateway_events_total{result=\"dropped\"} 1\n",
    ] {
        assert!(text.text().contains(sample), "{sample} in {}", text.text());
    }
    program.signal("TERM").await;
    assert!(program.ended().await.0.success());
    let mut told = String::new();
    while let Ok(body) = bodies.try_recv() {
        told += &body;
    }
    for kind in ["connect", "event", "connected", "disconnected", "node_started"] {
        assert!(told.contains(&format!("\"type\":\"{kind}\"")), "{kind} in {told}");
    }
}

#[tokio::test]
async fn a_journal_has_hooks_and_api_calls_with_their_sessions_and_no_secrets() {
    let folder = Folder::new();
    let journal = folder.file("journal.jsonl").display().to_string();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n{\"join\":[\"lobby\"],\"data\":{\"token\":\"hunter2 of answer\"}}";
    let (url, _bodies) = backend_that_answers(answer).await;
    let options = ["--api-key", KEY, "--webhook", &url, "--trace", &journal];
    let (mut program, api, clients) = gateway(&options).await;
    let mut client = WebSocket::open(clients, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text(r#"40{"password":"hunter2"}"#).await;
    assert!(client.next_text().await.starts_with("40{"));
    assert_eq!(post(api, "/api/emit", r#"{"to":["lobby"],"event":"news"}"#).await.status, 200);
    assert_eq!(client.next_text().await, r#"42["news"]"#);
    program.signal("TERM").await;
    assert!(program.ended().await.0.success());
    let written = std::fs::read_to_string(&journal).expect("the journal");
    let notes: Vec<serde_json::Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &serde_json::Value| line["kind"] == "note")
        .collect();
    let said: Vec<_> = notes.iter().map(|note| [&note["source"], &note["name"], &note["text"]]).collect();
    assert_eq!(
        said,
        [["hook", "connect", r#"200 OK {"data":"***","join":["lobby"]}"#], ["api", "emit", "news to lobby"]]
    );
    assert!(notes[0]["took"].is_f64() && notes.iter().all(|note| note["session"] == 1));
    assert!(!written.contains("hunter2") && !written.contains(KEY), "{written}");
}
