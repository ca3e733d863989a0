//! Who pings, and what silence leads to.

use crate::{WEBSOCKET, impatient_echo};

// proves: features/heartbeat, websocket-node/keepalive
#[tokio::test]
async fn revision_4_is_pinged_and_ends_without_a_pong() {
    let server = impatient_echo().await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    assert_eq!(websocket.next_text().await, "2");
    websocket.text("3").await;
    assert_eq!(websocket.next_text().await, "2");
    websocket.expect_close(None).await;
}

#[tokio::test]
async fn revision_4_is_pinged_by_polling_and_the_parked_poll_gets_a_close() {
    let server = impatient_echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    assert_eq!(server.get(&target).await.text(), "2");
    assert_eq!(server.get(&target).await.text(), "1");
    assert_eq!(server.get(&target).await.status, 400);
}

// proves: features/heartbeat
#[tokio::test]
async fn revision_3_pings_itself_and_gets_a_pong_without_a_payload() {
    let server = impatient_echo().await;
    let mut websocket = server.websocket("/engine.io/?EIO=3&transport=websocket").await;
    websocket.next_text().await;
    for ping in ["2", "2payload"] {
        websocket.text(ping).await;
        assert_eq!(websocket.next_text().await, "3");
    }
    // And is not pinged: silence leads to the end.
    websocket.expect_close(None).await;
}

// proves: protocol/signs-of-life
#[tokio::test]
async fn an_unsolicited_pong_changes_nothing() {
    let server = impatient_echo().await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    for _ in 0..1_000 {
        websocket.text("3").await;
    }
    assert_eq!(websocket.next_text().await, "2");
}
