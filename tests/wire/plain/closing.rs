//! Either side ends it, or the server stops.

use std::future::{pending, ready};
use std::time::Duration;

use engineio::EngineConfig;
use socketio_server::plain::{QueueError, WebSocketRequest};
use socketio_server_cli::apps;
use socketio_tests::{Received, WebSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{accepting, close, close_payload, echo, listening, next_close_frame, start};

// proves: protocol/plain-close
#[tokio::test]
async fn what_came_before_the_end_is_answered_before_it() {
    let server = echo(EngineConfig::default()).await;
    let last = [WebSocket::frame(0x88, b"\x03\xe8"), WebSocket::frame(0x83, b"")];
    for (last, code) in last.into_iter().zip([1000, 1002]) {
        let mut websocket = server.websocket("/ws").await;
        websocket.raw([WebSocket::frame(0x81, b"one").repeat(3), last].concat()).await;
        for _ in 0..3 {
            assert_eq!(websocket.next_text().await, "one");
        }
        assert_eq!(websocket.next().await, Received::Close(Some(code)));
    }
}

// proves: websocket-node/drop, ws/receiving, ws/utf8
#[tokio::test]
async fn what_breaks_rfc_6455_ends_with_its_code() {
    let (server, mut ended) = listening(|accept| accept).await;
    for (code, name, frame) in [
        (1002, "unmasked", vec![0x81, 0x01, b'a']),
        (1002, "RSV1", WebSocket::frame(0xc1, b"a")),
        (1002, "opcode 3", WebSocket::frame(0x83, b"a")),
        (1002, "a fragmented ping", WebSocket::frame(0x09, b"")),
        (1002, "a ping of 126 bytes", WebSocket::frame(0x89, &[0; 126])),
        (1002, "a lone continuation", WebSocket::frame(0x80, b"a")),
        (1007, "text that is not UTF-8", WebSocket::frame(0x81, b"\xff")),
    ] {
        let mut websocket = server.websocket("/ws").await;
        websocket.raw(frame).await;
        assert_eq!(websocket.next().await, Received::Close(Some(code)), "{name}");
        assert_eq!(ended.recv().await, Some(close(code, "")), "{name}");
    }
}

// proves: websocket-node/drop
#[tokio::test]
async fn an_application_learns_how_the_peer_ended_it() {
    let (server, mut ended) = listening(|accept| accept).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x88, &close_payload(4321, "enough"))).await;
    websocket.expect_close(Some(4321)).await;
    assert_eq!(ended.recv().await, Some(close(4321, "enough")));

    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x88, b"")).await;
    websocket.expect_close(None).await;
    assert_eq!(ended.recv().await, Some(close(1005, "")));

    drop(server.websocket("/ws").await);
    assert_eq!(ended.recv().await, Some(close(1006, "")));
}

// proves: protocol/plain-close
#[tokio::test]
async fn a_close_goes_behind_what_was_sent_with_its_code_and_reason() {
    let server = accepting(
        |accept| accept,
        |mut websocket| async move {
            let _ = websocket.send("last words");
            websocket.close(4000, "that's all");
            websocket.close(4001, "once more");
            assert_eq!(websocket.send("too late"), Err(QueueError::Closed));
            assert_eq!(websocket.ready().await, Err(QueueError::Closed));
            assert_eq!(websocket.next().await, None);
        },
    )
    .await;
    let mut websocket = server.websocket("/ws").await;
    assert_eq!(websocket.next_text().await, "last words");
    assert_eq!(next_close_frame(&mut websocket).await, close_payload(4000, "that's all"));
    websocket.raw(WebSocket::frame(0x88, &4000u16.to_be_bytes())).await;
    assert_eq!(websocket.next().await, Received::End);
}

// proves: websocket-node/close-timeout, ws/close-timeout, protocol/plain-close
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_close_is_cut_off() {
    let server = accepting(
        |accept| accept.close_timeout(Duration::from_secs(7)),
        |websocket| async move { drop(websocket) },
    )
    .await;
    let mut websocket = server.websocket("/ws").await;
    assert_eq!(websocket.next().await, Received::Close(Some(1000)));
    let began = Instant::now();
    assert_eq!(websocket.next().await, Received::End);
    assert_eq!(began.elapsed().as_secs(), 7, "it was waited for");
}

#[tokio::test]
async fn codes_that_cannot_be_sent_and_long_reasons_are_made_to_fit() {
    for (asked, sent) in [(1005, 1000), (1006, 1000), (999, 1000), (5000, 1000), (3000, 3000), (1013, 1013)] {
        let server = start(|server| {
            server.websocket("/ws", move |request| {
                ready(Ok(request.accept().run(async move |websocket| {
                    websocket.close(asked, &format!("x{}", "é".repeat(100)));
                })))
            })
        })
        .await;
        let mut websocket = server.websocket("/ws").await;
        let reason = "x".to_owned() + &"é".repeat(61);
        assert_eq!(next_close_frame(&mut websocket).await, close_payload(sent, &reason), "{asked}");
    }
}

// proves: protocol/plain-close
#[tokio::test]
async fn a_task_that_panics_closes_its_connection_with_1011() {
    let server = accepting(
        |accept| accept,
        |mut websocket| async move {
            websocket.next().await;
            panic!("on purpose");
        },
    )
    .await;
    let mut bystander = server.websocket("/ws").await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("now").await;
    websocket.expect_close_and_answer(1011).await;
    bystander.raw(WebSocket::frame(0x89, b"")).await;
    assert_eq!(bystander.next().await, Received::Pong(vec![]));
}

// proves: websocket-node/shutdown, protocol/plain-close
#[tokio::test]
async fn a_stopping_server_closes_with_1001_behind_what_was_sent() {
    let (server, mut ended) = listening(|accept| accept).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x89, b"here")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"here".to_vec()));
    tokio::join!(server.stop(), websocket.expect_close_and_answer(1001));
    assert_eq!(ended.recv().await, Some(close(1001, "")));
}

// proves: websocket-node/shutdown
#[tokio::test]
async fn many_clients_of_a_stopping_server_go_one_after_the_other() {
    let spread = Duration::from_secs(1);
    let server = start(|server| {
        server.drain_spread(spread).websocket("/ws", |request| ready(apps::plain_echo(request)))
    })
    .await;
    let mut clients = JoinSet::new();
    for _ in 0..501 {
        let mut websocket = server.websocket("/ws").await;
        clients.spawn(async move {
            websocket.expect_close_and_answer(1001).await;
            Instant::now()
        });
    }
    server.stop().await;
    let went = clients.join_all().await;
    let took = went.iter().max().zip(went.iter().min()).map(|(last, first)| last.duration_since(*first));
    // A busy machine may be late to see the first go.
    assert!(took > Some(spread / 2), "{took:?}");
}

#[tokio::test]
async fn a_client_that_is_still_being_decided_about_gets_503_from_a_stopping_server() {
    let (tell, mut asked) = mpsc::unbounded_channel();
    let handler = move |_: WebSocketRequest| {
        let _ = tell.send(());
        pending()
    };
    let server = start(|server| server.websocket("/ws", handler)).await;
    let address = server.address();
    let asking = tokio::spawn(async move { WebSocket::handshake(address, "/ws", &[]).await.0 });
    asked.recv().await;
    server.stop().await;
    assert_eq!(asking.await.expect("an answer").status, 503);
}
