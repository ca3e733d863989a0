//! A silent peer is pinged, and then given up.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::plain::{Accept, WebSocketRequest};
use socketio_tests::{Received, WebSocket};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{close, listening, start};

/// Not the defaults, and on a clock that is turned on whenever there is nothing else to do.
const INTERVAL: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(15);

/// Has what was written arrive: the clock would be turned on before that.
async fn arrived() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

// proves: websocket-node/keepalive, protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_then_cut_off() {
    let (server, mut ended) = listening(|accept| accept.keepalive(INTERVAL, GRACE)).await;
    let mut websocket = server.websocket("/ws").await;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(websocket.next().await, Received::Ping(vec![]));
        assert_eq!(began.elapsed().as_secs(), INTERVAL.as_secs());
        websocket.raw(WebSocket::frame(0x8a, b"")).await;
        arrived().await;
    }
    assert_eq!(websocket.next().await, Received::Ping(vec![]));
    let began = Instant::now();
    assert_eq!(websocket.next().await, Received::End, "without a close frame: nobody would answer");
    assert_eq!(began.elapsed().as_secs(), GRACE.as_secs());
    assert_eq!(ended.recv().await, Some(close(1006, "")));
}

// proves: protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_peer_is_pinged_after_20_seconds_and_has_10_more_unless_set() {
    let (server, _ended) = listening(|accept| accept).await;
    let mut websocket = server.websocket("/ws").await;
    let began = Instant::now();
    assert_eq!((websocket.next().await, began.elapsed().as_secs()), (Received::Ping(vec![]), 20));
    assert_eq!((websocket.next().await, began.elapsed().as_secs()), (Received::End, 30));
}

// proves: websocket-node/keepalive, protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_anything_is_not_pinged() {
    let terms = |accept: Accept| accept.keepalive(INTERVAL, GRACE).message_timeout(INTERVAL * 20);
    let (server, _ended) = listening(terms).await;
    let mut websocket = server.websocket("/ws").await;
    // A message that comes byte by byte is a sign of life, too.
    let message = WebSocket::frame(0x81, b"slow");
    for byte in message {
        tokio::time::sleep(INTERVAL * 3 / 4).await;
        websocket.raw([byte]).await;
        arrived().await;
    }
    websocket.raw(WebSocket::frame(0x89, b"me")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"me".to_vec()), "and no ping before it");
}

// proves: websocket-node/keepalive, protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_peer_is_not_blamed_for_what_its_application_leaves_unread() {
    let (go, gone) = oneshot::channel::<()>();
    let gone = Arc::new(Mutex::new(Some(gone)));
    let handler = move |request: WebSocketRequest| {
        let gone = gone.lock().expect("the lock").take();
        ready(Ok(request.accept().keepalive(INTERVAL, GRACE).run(|mut websocket| async move {
            if let Some(gone) = gone {
                drop(gone.await);
            }
            let mut read = 0;
            while let Some(message) = websocket.next().await {
                read += message.len();
                let _ = websocket.send(read.to_string());
            }
        })))
    };
    let server = start(|server| server.websocket("/ws", handler)).await;
    let mut websocket = server.websocket("/ws").await;
    // More than waits for an application, so nothing after it is read.
    websocket.binary(vec![0; 70_000]).await;
    websocket.raw(WebSocket::frame(0x89, b"me")).await;
    arrived().await;
    tokio::time::sleep((INTERVAL + GRACE) * 3).await;
    let _ = go.send(());
    // It answers before what comes after its message is read.
    assert_eq!(websocket.next_text().await, "70000");
    assert_eq!(websocket.next().await, Received::Pong(b"me".to_vec()));
}

// proves: websocket-node/keepalive
#[tokio::test(start_paused = true)]
async fn a_connection_may_do_without_keepalive() {
    let (server, _ended) = listening(|accept| accept.keepalive(INTERVAL, GRACE).no_keepalive()).await;
    let mut websocket = server.websocket("/ws").await;
    tokio::time::sleep((INTERVAL + GRACE) * 3).await;
    websocket.raw(WebSocket::frame(0x89, b"me")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"me".to_vec()));
}
