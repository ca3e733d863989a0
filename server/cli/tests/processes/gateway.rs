//! The gateway: its API as a backend uses it.

use std::net::SocketAddr;

use socketio_tests::{Connection, Response, WebSocket};

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

#[tokio::test]
async fn the_api_is_described_by_a_command() {
    let mut program = Program::server(["openapi"]);
    assert_eq!(program.line("").await, "{");
    assert_eq!(program.line("").await, r#" "openapi": "3.1.0","#);
}
