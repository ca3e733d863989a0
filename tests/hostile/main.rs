//! Hostile input: what clients must not do, exactly what they get for it, and that no other client notices.
//!
//! Each test runs under [`hostile`], which checks the same after every row: another client kept talking all
//! along, nothing panicked, and there are as many sessions, tasks and file descriptors as before.

mod attachments;
mod deflate;
mod full_size;
mod handshakes;
mod harness;
mod http;
mod known;
mod limits;
mod memory;
mod packets;
mod polling;
mod process;
mod stress;
mod upgrade;
mod websocket;

use engineio::EngineConfig;
use harness::{Hostile, hostile, hostile_with, impatient};
use socketio_tests::{Connection, Received, TestServer, WebSocket};

/// Polling at the plain echo, in revision 4.
const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
/// A WebSocket at the plain echo, in revision 4.
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
/// A WebSocket at Socket.IO's echo, in revision 4.
const SOCKETIO: &str = "/socket.io/?EIO=4&transport=websocket";

/// What a refused request is told.
const TRANSPORT_UNKNOWN: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const SESSION_UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const HANDSHAKE_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const FORBIDDEN: &str = r#"{"code":4,"message":"Forbidden"}"#;
const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

/// A WebSocket at the plain echo, its open packet read.
async fn open(server: &TestServer) -> WebSocket {
    opened(server, WEBSOCKET).await
}

/// A WebSocket, its open packet read.
async fn opened(server: &TestServer, target: &str) -> WebSocket {
    let mut websocket = server.websocket(target).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket
}

/// A socket in `/` at Socket.IO's echo, its auth event read.
async fn joined(server: &TestServer) -> WebSocket {
    let mut websocket = opened(server, SOCKETIO).await;
    websocket.text("40").await;
    assert!(websocket.next_text().await.starts_with(r#"40{"sid":""#));
    assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    websocket
}

/// The target of a WebSocket that probes the session of a polling target.
fn probing(target: &str) -> String {
    target.replace("transport=polling", "transport=websocket")
}
