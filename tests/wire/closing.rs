//! The end of a session, and of the server.

use crate::{POLLING, WEBSOCKET, echo};

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
