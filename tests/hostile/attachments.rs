//! Rows 62 to 66: attachments.

use engineio::{EngineConfig, Limit};

use super::packets::end_the_session;
use super::*;

// proves: hostile/62
#[tokio::test]
async fn row_62_numbers_of_attachments_that_are_no_digits_end_the_session() {
    end_the_session(&[
        &[r#"451e1-["x"]"#],
        &[r#"450x1-["x"]"#],
        &[r#"45+1-["x"]"#],
        &[r#"45 1-["x"]"#],
        &[r#"45-1-["x"]"#],
        &[r#"451["x"]"#],
    ])
    .await;
}

// proves: flaw/cve-2022-2421, hostile/63
#[tokio::test]
async fn row_63_placeholders_without_an_attachment_end_the_session() {
    let num = |num: &str| format!(r#"451-["x",{{"_placeholder":true,"num":{num}}}]"#);
    for bad in ["1", "-1", r#""0""#, "null", "0.5", r#""splice""#, "1e0", "[0]"] {
        end_the_session(&[&[&num(bad), "binary:a"]]).await;
    }
    end_the_session(&[&[r#"451-["x",{"_placeholder":true}]"#, "binary:a"]]).await;
}

// proves: hostile/64
#[tokio::test]
async fn row_64_the_same_placeholder_twice_gives_the_buffer_twice() {
    hostile(async |server| {
        let mut websocket = joined(server).await;
        let num = r#"{"_placeholder":true,"num":0}"#;
        websocket.text(format!(r#"451-["message",{num},{num}]"#)).await;
        websocket.binary([5]).await;
        assert_eq!(websocket.next_text().await, format!(r#"451-["message-back",{num},{num}]"#));
        assert_eq!(websocket.next().await, Received::Binary(vec![5]));
    })
    .await;
}

// proves: flaw/cve-2026-48804, hostile/65, limit/attachment-timeout
#[tokio::test]
async fn row_65_attachments_have_a_time_and_a_number_of_bytes() {
    let mut settings = impatient();
    settings.config = EngineConfig::default();
    settings.socketio.max_backlog = 10_000;
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let num = r#"{"_placeholder":true,"num":0}"#;
            let mut websocket = joined(server).await;
            websocket.text(format!(r#"452-["message",{num}]"#)).await;
            websocket.binary("one").await;
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::AttachmentTimeout), 1);

            // Taken whole while under the limit, and not one more beyond it.
            let mut websocket = joined(server).await;
            websocket.text(format!(r#"453-["message",{num}]"#)).await;
            websocket.binary([0; 10_000]).await;
            websocket.binary("one more").await;
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::Backlog), 1);
        },
    )
    .await;
}

// proves: flaw/socketioxide, hostile/66
#[tokio::test]
async fn row_66_text_among_attachments_and_binary_that_nobody_announced_end_the_session() {
    let announced = r#"451-["x",{"_placeholder":true,"num":0}]"#;
    end_the_session(&[
        &[announced, r#"42["x"]"#],
        &[announced, "40"],
        &[announced, "binary:a", "binary:b"],
        &["binary:lost"],
    ])
    .await;
}

// proves: hostile/66
#[tokio::test]
async fn row_66_heartbeats_among_attachments_are_fine() {
    hostile(async |server| {
        let mut websocket = joined(server).await;
        websocket.text(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
        websocket.text("3").await;
        websocket.raw(WebSocket::frame(0x89, b"ping")).await;
        websocket.binary([9]).await;
        assert_eq!(websocket.next().await, Received::Pong(b"ping".to_vec()));
        assert!(websocket.next_text().await.starts_with("451-"));
        assert_eq!(websocket.next().await, Received::Binary(vec![9]));
    })
    .await;
}
