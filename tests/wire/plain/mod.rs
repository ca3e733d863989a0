//! Plain WebSockets: the handshake, what is taken and what is not, and the end.

mod application;
mod closing;
mod handshake;
mod keepalive;
mod limits;

use std::future::ready;

use engineio::EngineConfig;
use socketio_server::plain::{Accept, Accepted, Close, WebSocket as Plain, WebSocketRequest};
use socketio_server::{Builder, Denied, Server};
use socketio_server_cli::apps;
use socketio_tests::{Received, TestServer, WebSocket};
use tokio::sync::mpsc;

async fn start(settings: impl FnOnce(Builder) -> Builder) -> TestServer {
    TestServer::start(settings(Server::builder())).await
}

/// A server that echoes at `/ws`, within these limits.
async fn echo(config: EngineConfig) -> TestServer {
    start(|server| server.config(config).websocket("/ws", |request| ready(apps::plain_echo(request)))).await
}

/// A server that lets everyone in at `/ws`, on terms, to what one connection does.
async fn accepting<R>(terms: fn(Accept) -> Accept, run: fn(Plain) -> R) -> TestServer
where
    R: Future<Output = ()> + Send + 'static,
{
    start(|server| server.websocket("/ws", move |request| ready(Ok(terms(request.accept()).run(run))))).await
}

/// A server that decides by `handler`.
async fn deciding(handler: fn(WebSocketRequest) -> Result<Accepted, Denied>) -> TestServer {
    start(|server| server.websocket("/ws", move |request| ready(handler(request)))).await
}

/// Says how each connection ended.
fn told() -> (mpsc::UnboundedSender<Option<Close>>, mpsc::UnboundedReceiver<Option<Close>>) {
    mpsc::unbounded_channel()
}

fn close(code: u16, reason: &str) -> Option<Close> {
    Some(Close { code, reason: reason.into() })
}

/// The payload of a close frame.
fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The payload of the close frame that comes next.
async fn next_close_frame(websocket: &mut WebSocket) -> Vec<u8> {
    let mut frame = Vec::new();
    while frame.len() < 2 || frame.len() < 2 + usize::from(frame[1]) {
        frame.extend(websocket.next_bytes().await.expect("a close frame"));
    }
    assert_eq!(frame[0], 0x88);
    frame.split_off(2)
}

/// A server whose connections read to their end, and how those ended.
async fn listening(terms: fn(Accept) -> Accept) -> (TestServer, mpsc::UnboundedReceiver<Option<Close>>) {
    let (tell, ended) = told();
    let handler = move |request: WebSocketRequest| {
        let tell = tell.clone();
        ready(Ok(terms(request.accept()).run(move |mut websocket| async move {
            while websocket.next().await.is_some() {}
            drop(tell.send(websocket.ended()));
        })))
    };
    (start(|server| server.websocket("/ws", handler)).await, ended)
}

async fn echo_run(mut websocket: Plain) {
    while let Some(message) = websocket.next().await {
        if websocket.send(message).is_err() {
            break;
        }
    }
}

// proves: websocket-node/accepting, websocket-node/assembling
#[tokio::test]
async fn text_and_binary_come_back() {
    let server = echo(EngineConfig::default()).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("héllo").await;
    assert_eq!(websocket.next_text().await, "héllo");
    websocket.binary([0, 255]).await;
    assert_eq!(websocket.next().await, Received::Binary(vec![0, 255]));
    websocket.text("").await;
    assert_eq!(websocket.next_text().await, "");
    let fragments = [WebSocket::frame(0x01, b"h\xc3"), WebSocket::frame(0x80, b"\xa9")];
    websocket.raw(fragments.concat()).await;
    assert_eq!(websocket.next_text().await, "hé");
    websocket.raw(WebSocket::frame(0x89, b"there?")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"there?".to_vec()));
}

#[tokio::test]
async fn what_comes_along_with_the_handshake_is_kept() {
    let server = echo(EngineConfig::default()).await;
    let frames = [WebSocket::frame(0x81, b"one"), WebSocket::frame(0x81, b"two")].concat();
    let mut websocket = WebSocket::open_with(server.address(), "/ws", &frames).await;
    assert_eq!((websocket.next_text().await, websocket.next_text().await), ("one".into(), "two".into()));
}

// proves: ws/path
#[tokio::test]
async fn the_path_is_exact_but_for_a_slash_and_a_query() {
    let server = echo(EngineConfig::default()).await;
    for target in ["/ws", "/ws/", "/ws?room=tea", "/ws/?"] {
        let (answer, _connection) = WebSocket::handshake(server.address(), target, &[]).await;
        assert_eq!(answer.status, 101, "{target}");
    }
    for target in ["/", "/w", "/wsx", "/ws/x", "/WS"] {
        assert_eq!(server.get(target).await.status, 404, "{target}");
    }
}
