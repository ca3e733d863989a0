//! Clients on slow links: a large message takes longer than a pong may.
//!
//! What paces them is another client's heartbeat: one step for each ping.

use std::time::Duration;

use engineio::EngineConfig;
use socketio_server::Limits;
use socketio_tests::{Connection, Received, TestServer, WebSocket};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::WEBSOCKET;

/// A message that takes a client longer to send or to read than its pong may take: so many steps.
const STEPS: usize = 25;

/// What the kernel may hold of a connection, and a message of many times as much.
const KERNELS: usize = 4_000_000;
const LARGE: usize = 16_000_000;

/// One that sends many pings in the time of a pong.
async fn server(limits: Limits) -> TestServer {
    let config = EngineConfig {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_secs(1),
        max_payload: 2 * LARGE,
        ..EngineConfig::default()
    };
    TestServer::echo_with(config, |builder| builder.limits(limits)).await
}

/// A client that answers its pings, as soon as they come.
struct Pace(watch::Receiver<()>);

impl Pace {
    async fn of(server: &TestServer) -> Pace {
        let mut websocket = server.websocket(WEBSOCKET).await;
        websocket.next_text().await;
        let (pinged, pings) = watch::channel(());
        tokio::spawn(async move {
            while pinged.send(()).is_ok() {
                assert_eq!(websocket.next_text().await, "2");
                websocket.text("3").await;
            }
        });
        Pace(pings)
    }

    /// Waits for the next ping.
    async fn step(&mut self) {
        self.0.changed().await.expect("the client is pinged");
    }
}

/// A connection for which the kernel holds little that it has not read.
async fn narrow(server: &TestServer) -> Connection {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
    Connection::over(socket.connect(server.address()).await.expect("a connection"))
}

/// The next message that is no ping. Pings are answered.
async fn next_message(websocket: &mut WebSocket) -> String {
    loop {
        match websocket.next_text().await.as_str() {
            "2" => websocket.text("3").await,
            other => return other.to_owned(),
        }
    }
}

// proves: protocol/progress
#[tokio::test]
async fn a_client_may_send_a_websocket_message_slowly() {
    let server = server(Limits::default()).await;
    let mut pace = Pace::of(&server).await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    let text = format!("4{}", "x".repeat(10 * STEPS - 1));
    for piece in WebSocket::frame(0x81, text.as_bytes()).chunks(10) {
        websocket.raw(piece).await;
        pace.step().await;
    }
    assert_eq!(next_message(&mut websocket).await, text);
}

// proves: protocol/progress, security/slow-messages
#[tokio::test]
async fn a_websocket_message_that_takes_longer_than_a_body_ends_the_session() {
    let server = server(Limits { body_timeout: Duration::from_secs(1), ..Limits::default() }).await;
    let mut pace = Pace::of(&server).await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    websocket.raw([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    let ended = async {
        loop {
            match websocket.next().await {
                Received::Text(ping) if ping == "2" => {}
                last => break last,
            }
        }
    };
    tokio::pin!(ended);
    // As long as it takes: nobody reads what is sent here.
    let mut steps = 0;
    let last = loop {
        tokio::select! {
            last = &mut ended => break last,
            () = pace.step() => steps += 1,
        }
    };
    assert_eq!(last, Received::Close(None), "after {steps} steps");
}

// proves: protocol/progress
#[tokio::test]
async fn a_client_may_post_slowly() {
    let server = server(Limits::default()).await;
    let mut pace = Pace::of(&server).await;
    let target = server.open_polling("/engine.io/", 4).await;
    let body = format!("4{}", "x".repeat(10 * STEPS - 1));
    let mut posting = server.connect().await;
    let head = format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
    posting.write(head).await;
    for piece in body.as_bytes().chunks(10) {
        posting.write(piece).await;
        pace.step().await;
    }
    assert_eq!(posting.response().await.text(), "ok");
    let answer = server.get(&target).await;
    assert!(
        answer.text().starts_with("2\u{1e}") && answer.text().split("\u{1e}").any(|packet| packet == body)
    );
}

// proves: protocol/progress
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_read_an_answer_slowly() {
    let server = server(Limits::default()).await;
    let mut pace = Pace::of(&server).await;
    let target = server.open_polling("/engine.io/", 4).await;
    assert_eq!(server.post(&target, format!("4{}", "x".repeat(LARGE))).await.text(), "ok");
    let mut polling = narrow(&server).await;
    polling.send("GET", &target, &[], b"").await;
    let mut read = 0;
    while read < LARGE {
        // The server doesn't see the last of it move, which the kernel has: that is read at once.
        let piece = if read < LARGE - KERNELS { read + LARGE / STEPS } else { LARGE };
        while read < piece {
            read += polling.some_bytes().await.expect("more of it").len();
        }
        pace.step().await;
    }
    // The session is there. It has sent pings meanwhile.
    assert!(server.get(&target).await.text().starts_with('2'));
    assert_eq!(server.post(&target, "3").await.text(), "ok");
}
