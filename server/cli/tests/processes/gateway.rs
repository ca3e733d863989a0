//! The gateway: its API as a backend uses it.

use std::net::SocketAddr;

use socketio_tests::{Connection, Response, WebSocket};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

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

/// Answers each request with 204, and gives the bodies.
async fn backend() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
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
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            });
        }
    });
    (url, bodies)
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
async fn the_api_is_described_by_a_command() {
    let mut program = Program::server(["openapi"]);
    assert_eq!(program.line("").await, "{");
    assert_eq!(program.line("").await, r#" "openapi": "3.1.0","#);
}

#[tokio::test]
async fn a_file_is_checked_by_a_command_and_one_is_printed() {
    let folder = std::env::temp_dir().join(format!("socketio-gateway-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("server.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        Program::server(["config".as_ref(), "check".as_ref(), file.as_os_str()])
    };
    let mut right = check("app = 'echo'\n");
    assert!(right.line("").await.ends_with("server.toml is right"));
    assert!(right.ended().await.0.success());
    let (status, told) = check("[gateway]\nwebhok = 'http://a.example'\n").ended().await;
    assert_eq!(status.code(), Some(2));
    assert!(told.ends_with("server.toml, line 2: no such option; did you mean webhook?"), "{told}");
    let mut printed = Program::server(["config", "default"]);
    assert!(printed.line("# Options of socketio-server").await.contains("--config"));
    std::fs::remove_dir_all(&folder).expect("it was there");
}
