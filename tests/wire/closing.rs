//! The end of a session, and of the server.

use socketio::{Io, Socket};
use socketio_server::Server;
use socketio_tests::{TestServer, WebSocket};

use crate::{POLLING, WEBSOCKET, echo, probing};

#[tokio::test]
async fn a_client_that_closes_by_polling_gets_a_noop_on_its_poll() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    server.post(&target, "4x").await;
    assert_eq!(poll.response().await.text(), "4x");
    let posted = server.post(&target, "1").await;
    assert_eq!(posted.text(), "ok");
    assert_eq!(server.get(&target).await.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
}

// proves: features/close, features/wish/drain, protocol/shutdown
#[tokio::test]
async fn a_stopping_server_tells_every_client() {
    let server = echo().await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    poll.send("GET", &target, &[], b"").await;
    let told = async move {
        let polled = poll.response().await;
        // The stop may overtake the GET, which then finds a session that has ended already.
        assert!(["1", "6\u{1e}1"].contains(&polled.text()), "{polled:?}");
        websocket.expect_close(None).await;
    };
    tokio::join!(server.stop(), told);
}

// proves: websocket-node/shutdown, protocol/shutdown
#[tokio::test]
async fn a_client_without_a_parked_poll_is_told_by_its_next_and_new_ones_are_refused() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut poll = server.connect().await;
    let mut newcomer = server.connect().await;
    let told = async {
        // Until the drain begins, handshakes succeed.
        while newcomer.request("GET", POLLING, &[], b"").await.status != 503 {}
        poll.request("GET", &target, &[], b"").await
    };
    let (polled, ()) = tokio::join!(told, server.stop());
    assert_eq!(polled.text(), "6\u{1e}1");
}

// proves: features/wish/drain
#[tokio::test]
async fn half_a_request_holds_no_drain_up() {
    let server = echo().await;
    let mut connection = server.connect().await;
    connection.write("GET / HT").await;
    // Whoever answers this has read that.
    server.get("/none").await;
    let closed = async { connection.closed().await };
    tokio::join!(server.stop(), closed);
}

/// A Socket.IO client whose poll was let go by its probe, so that nothing can reach it before its `5` or its next
/// poll.
async fn between(server: &TestServer) -> (String, WebSocket) {
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    assert!(server.get(&target).await.text().starts_with("40"));
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    assert_eq!(server.get(&target).await.text(), "6");
    (target, websocket)
}

/// Says a word to whoever asks for it, and puts out whoever asks for that.
async fn farewells() -> (Io, TestServer) {
    let io = Io::new();
    io.on("kick", |socket: Socket, ()| async move {
        let _ = socket.emit("why", "spam");
        socket.disconnect(true);
    })
    .on("say", |socket: Socket, ()| async move { socket.emit("said", ()) });
    let server = Server::builder().socketio("/socket.io/", io.clone());
    (io, TestServer::start(server).await)
}

// proves: protocol/closing-during-an-upgrade
#[tokio::test]
async fn an_event_and_a_disconnect_reach_a_client_that_upgrades_by_its_websocket() {
    let (_, server) = farewells().await;
    let (target, mut websocket) = between(&server).await;
    assert_eq!(server.post(&target, r#"42["kick"]"#).await.text(), "ok");
    websocket.text("5").await;
    assert_eq!(websocket.next_text().await, r#"42["why","spam"]"#);
    assert_eq!(websocket.next_text().await, "41");
    websocket.expect_close(None).await;
    assert_eq!(server.get(&target).await.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
}

// proves: protocol/closing-during-an-upgrade
#[tokio::test]
async fn an_event_and_a_disconnect_reach_a_client_that_polls_on_by_its_polls() {
    let (_, server) = farewells().await;
    let (target, mut websocket) = between(&server).await;
    assert_eq!(server.post(&target, r#"42["kick"]"#).await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "42[\"why\",\"spam\"]\u{1e}41");
    assert_eq!(server.get(&target).await.text(), "6\u{1e}1");
    websocket.expect_close(None).await;
}

// proves: protocol/closing-during-an-upgrade
#[tokio::test]
async fn who_is_closed_before_its_probe_is_told_by_the_websocket_that_comes() {
    let (_, server) = farewells().await;
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    assert!(server.get(&target).await.text().starts_with("40"));
    assert_eq!(server.post(&target, r#"42["kick"]"#).await.text(), "ok");
    let mut websocket = server.websocket(&probing(&target)).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    websocket.text("5").await;
    assert_eq!(websocket.next_text().await, r#"42["why","spam"]"#);
    assert_eq!(websocket.next_text().await, "41");
    websocket.expect_close(None).await;
}

// proves: protocol/closing-during-an-upgrade
#[tokio::test]
async fn what_was_sent_before_any_end_reaches_a_client_that_upgrades() {
    // Io::close, an error of Socket.IO, a stop of the server.
    for end in 0..3 {
        let (io, server) = farewells().await;
        let (target, mut websocket) = between(&server).await;
        assert_eq!(server.post(&target, r#"42["say"]"#).await.text(), "ok");
        let told = async move {
            websocket.text("5").await;
            assert_eq!(websocket.next_text().await, r#"42["said"]"#);
            websocket.expect_close(None).await;
        };
        match end {
            0 => {
                io.close();
                told.await;
            }
            1 => {
                assert_eq!(server.post(&target, "42{}").await.text(), "ok");
                told.await;
            }
            _ => drop(tokio::join!(server.stop(), told)),
        }
    }
}
