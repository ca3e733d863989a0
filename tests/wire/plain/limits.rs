//! What is bounded: messages, fragments, rates, what waits in either direction, and the time for a message.

use std::future::ready;
use std::time::Duration;

use engineio::EngineConfig;
use socketio_server::plain::{Accept, Message, QueueError, WebSocketRequest};
use socketio_tests::{Received, TestServer, WebSocket};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{accepting, echo, echo_run, start};

// proves: websocket-node/sizes, ws/fragments, ws/max-payload
#[tokio::test]
async fn a_message_over_the_limit_is_1009_before_it_has_come() {
    let server = accepting(|accept| accept.max_payload(1_000), echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    let exact = "x".repeat(1_000);
    websocket.text(&exact).await;
    assert_eq!(websocket.next_text().await, exact);
    websocket.raw(&WebSocket::frame(0x81, &[b'x'; 1_001])[..14]).await;
    websocket.expect_close(Some(1009)).await;

    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x01, &[b'x'; 600])).await;
    websocket.raw(WebSocket::frame(0x80, &[b'x'; 600])).await;
    websocket.expect_close(Some(1009)).await;

    let server = echo(EngineConfig { max_payload: 10, ..EngineConfig::default() }).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("12345678901").await;
    websocket.expect_close(Some(1009)).await;
}

// proves: ws/fragments
#[tokio::test]
async fn a_message_of_more_fragments_than_are_taken_is_1008() {
    let server = accepting(|accept| accept.max_fragments(3), echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    let (begin, more) = (WebSocket::frame(0x01, b"a"), WebSocket::frame(0x00, b""));
    let whole = [begin.clone(), more.clone(), WebSocket::frame(0x80, b"b")].concat();
    websocket.raw(whole).await;
    assert_eq!(websocket.next_text().await, "ab");
    websocket.raw([begin, more.clone(), more.clone(), more].concat()).await;
    websocket.expect_close(Some(1008)).await;
    assert_eq!(server.service().limit_hits(engineio::Limit::Fragments), 1);
}

// proves: websocket-node/fragmenting
#[tokio::test]
async fn long_messages_go_out_in_fragments_if_an_application_wants_so() {
    let server = accepting(|accept| accept.fragment(4), echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("123456789").await;
    let mut got = Vec::new();
    while got.len() < 15 {
        got.extend(websocket.next_bytes().await.expect("fragments"));
    }
    assert_eq!(got, b"\x01\x041234\x00\x045678\x80\x019");
}

// proves: ws/receiving
#[tokio::test]
async fn an_application_may_leave_pings_unanswered() {
    let server = accepting(Accept::no_pong, echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x89, b"there?")).await;
    websocket.text("and you?").await;
    assert_eq!(websocket.next_text().await, "and you?", "no pong before it");
}

// proves: limit/max-ping-rate, limit/max-packet-rate
#[tokio::test(start_paused = true)]
async fn plain_websockets_have_the_rates_of_sessions() {
    let config =
        EngineConfig { packets_per_second: Some(2), pings_per_second: Some(2), ..EngineConfig::default() };
    let server = echo(config).await;
    for (limit, first) in [(engineio::Limit::PacketRate, 0x81), (engineio::Limit::PingRate, 0x89)] {
        let mut websocket = server.websocket("/ws").await;
        websocket.raw(WebSocket::frame(first, b"").repeat(3)).await;
        // The two that were in time come back first.
        let two = [websocket.next().await, websocket.next().await];
        assert!(two.iter().all(|got| matches!(got, Received::Text(_) | Received::Pong(_))), "{two:?}");
        assert_eq!(websocket.next().await, Received::Close(Some(1008)));
        assert_eq!(server.service().limit_hits(limit), 1);
    }
}

#[tokio::test]
async fn what_a_peer_does_not_read_is_bounded_and_can_be_waited_for() {
    let (tell, mut full) = mpsc::unbounded_channel();
    let handler = move |request: WebSocketRequest| {
        let tell = tell.clone();
        ready(Ok(request.accept().send_budget(100_000).run(|mut websocket| async move {
            let message = Message::from(vec![7; 10_000]);
            let mut sent = 0;
            while websocket.send(message.clone()).is_ok() {
                sent += 1;
            }
            let _ = tell.send((sent, websocket.send("no").unwrap_err()));
            assert_eq!(websocket.ready().await, Ok(()));
            let _ = websocket.sender().send("room again");
            websocket.next().await;
        })))
    };
    let server = start(|server| server.websocket("/ws", handler)).await;
    let mut websocket = server.websocket("/ws").await;
    let (sent, error) = full.recv().await.expect("it was told");
    assert_eq!(error, QueueError::Full);
    for _ in 0..sent {
        assert_eq!(websocket.next().await, Received::Binary(vec![7; 10_000]));
    }
    assert_eq!(websocket.next_text().await, "room again");
}

// proves: protocol/plain-unread
#[tokio::test]
async fn a_burst_is_answered_in_full_and_in_order() {
    let server = echo(EngineConfig::default()).await;
    let mut websocket = server.websocket("/ws").await;
    let count = 100_000;
    let burst = (0..count).flat_map(|n: u32| WebSocket::frame(0x81, n.to_string().as_bytes())).collect();
    let written = websocket.raw_in_background(burst);
    for n in 0..count {
        assert_eq!(websocket.next_text().await, n.to_string());
    }
    written.await.expect("all was written");
}

// proves: ws/receiving, protocol/plain-unread
#[tokio::test]
async fn a_flood_of_pings_waits_until_the_pongs_are_read() {
    let server = echo(EngineConfig::default()).await;
    let mut websocket = server.websocket("/ws").await;
    let ping = WebSocket::frame(0x89, &[b'p'; 125]);
    let count = 100_000;
    let flood: Vec<u8> = std::iter::repeat_n(ping, count).flatten().collect();
    let written = websocket.raw_in_background([flood, WebSocket::frame(0x81, b"and now?")].concat());
    let mut pongs = 0;
    while websocket.next().await == Received::Pong(vec![b'p'; 125]) {
        pongs += 1;
    }
    assert_eq!(pongs, count, "until the text, which is no pong");
    written.await.expect("all was written");
}

/// Waits until a WebSocket to which something comes bit by bit, and pings in between, is closed with 1008.
async fn ends_while_it_drips(server: &TestServer, first: Vec<u8>, bit: Vec<u8>) {
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(first).await;
    loop {
        tokio::time::advance(Duration::from_secs(1)).await;
        websocket.raw(&bit).await;
        // The pong says that the bit has come, where a ping may be at all.
        match tokio::time::timeout(Duration::from_secs(1), websocket.next()).await {
            Err(_) | Ok(Received::Pong(_)) => {}
            Ok(end) => return assert_eq!(end, Received::Close(Some(1008))),
        }
    }
}

// proves: limit/message-timeout
#[tokio::test(start_paused = true)]
async fn a_message_that_drips_ends_at_its_timeout_and_pings_alone_do_not() {
    let server = echo(EngineConfig::default()).await;
    let whole = WebSocket::frame(0x82, &[0; 10_000]);
    // In one frame, and in fragments with pings between.
    ends_while_it_drips(&server, whole[..100].to_vec(), vec![0]).await;
    let ping = WebSocket::frame(0x89, b"");
    let more = [WebSocket::frame(0x00, b"x"), ping.clone()].concat();
    ends_while_it_drips(&server, WebSocket::frame(0x01, b"x"), more).await;
    assert_eq!(server.service().limit_hits(engineio::Limit::MessageTimeout), 2);
    // Pings alone are no message, however they are cut.
    let mut websocket = server.websocket("/ws").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(90) {
        tokio::time::advance(Duration::from_secs(1)).await;
        websocket.raw(&ping[..3]).await;
        websocket.raw(&ping[3..]).await;
        assert_eq!(websocket.next().await, Received::Pong(Vec::new()));
    }
    websocket.text("here").await;
    assert_eq!(websocket.next_text().await, "here");
}
