//! Bursts: clients that read get all that a handler sends, however much it sends at once.

use std::time::Duration;

use socketio::{Io, Socket};
use socketio_server::{EngineConfig, Server};
use socketio_tests::{Received, TestServer, WebSocket};

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A picture, and so many of them that all are more than slows a client down, many times over.
const PICTURE: usize = 500_000;
const PICTURES: usize = 40;

/// `broadcast` sends pictures to all without awaiting anything, `load` sends them to the client that asks and waits
/// before each, and `one` sends one and returns.
async fn server() -> TestServer {
    let io = Io::new();
    let all = io.clone();
    io.of("/")
        .on("broadcast", move |_: Socket, _: socketio::Args| {
            let all = all.clone();
            async move {
                for n in 0..PICTURES {
                    all.emit("picture", (n, "x".repeat(PICTURE))).expect("a picture");
                }
            }
        })
        .on("load", |socket: Socket, count: usize| async move {
            for n in 0..count {
                socket.ready().await.expect("the client reads");
                socket.emit("picture", (n, "x".repeat(PICTURE))).expect("there is room");
            }
            "done"
        })
        .on("one", |socket: Socket, size: usize| async move {
            socket.emit("picture", (0, "x".repeat(size))).expect("a queue that is empty takes anything");
            "done"
        });
    // No ping comes among the pictures, however slow the machine is.
    let config = EngineConfig { ping_interval: Duration::from_secs(600), ..EngineConfig::default() };
    TestServer::start(Server::builder().config(config).socketio("/socket.io/", io)).await
}

async fn joined(server: &TestServer) -> WebSocket {
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    websocket.text("40").await;
    assert!(websocket.next_text().await.starts_with("40{"));
    websocket
}

/// Reads so many pictures in order.
async fn pictures(websocket: &mut WebSocket, count: usize) {
    for n in 0..count {
        let begin = format!(r#"42["picture",{n},"x"#);
        match websocket.next().await {
            Received::Text(text) if text.starts_with(&begin) => {}
            other => panic!("picture {n}: {other:.60?}"),
        }
    }
}

// proves: protocol/bursts
#[tokio::test]
async fn what_a_handler_broadcasts_in_a_loop_reaches_all_who_read() {
    let server = server().await;
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    assert!(server.get(&target).await.text().starts_with("40{"));
    let mut listener = joined(&server).await;
    let mut speaker = joined(&server).await;
    speaker.text(r#"42["broadcast"]"#).await;
    let polling = async {
        let mut seen = 0;
        while seen < PICTURES {
            for packet in server.get(&target).await.text().split('\u{1e}') {
                assert!(packet.starts_with(&format!(r#"42["picture",{seen},"x"#)), "{packet:.60}");
                seen += 1;
            }
        }
    };
    tokio::join!(polling, pictures(&mut listener, PICTURES), pictures(&mut speaker, PICTURES));
    assert_eq!(server.service().sessions(), 3);
}

// proves: protocol/bursts
#[tokio::test]
async fn an_acknowledgement_comes_behind_an_event_of_any_size() {
    let server = server().await;
    let mut websocket = joined(&server).await;
    websocket.text(r#"421["one",1100000]"#).await;
    pictures(&mut websocket, 1).await;
    assert_eq!(websocket.next_text().await, r#"431["done"]"#);

    let poller = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&poller, "40").await.text(), "ok");
    server.get(&poller).await;
    assert_eq!(server.post(&poller, r#"421["one",1100000]"#).await.text(), "ok");
    assert!(server.get(&poller).await.text().starts_with(r#"42["picture",0,"x"#));
    assert_eq!(server.get(&poller).await.text(), r#"431["done"]"#);
}

// proves: protocol/bursts
#[tokio::test]
async fn a_handler_that_waits_before_each_event_sends_any_amount() {
    let server = server().await;
    let mut websocket = joined(&server).await;
    // More than its budget.
    let count = 150;
    websocket.text(format!(r#"421["load",{count}]"#)).await;
    pictures(&mut websocket, count).await;
    assert_eq!(websocket.next_text().await, r#"431["done"]"#);
}
