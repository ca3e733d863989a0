//! WebSocket alone: packets as frames, and what ends a connection.

use std::time::Duration;

use engineio::{EngineConfig, Limit};
use socketio_tests::{Received, TestServer, WebSocket};

use crate::{WEBSOCKET, echo};

async fn open(server: &TestServer) -> WebSocket {
    let mut websocket = server.websocket(WEBSOCKET).await;
    assert!(websocket.next_text().await.starts_with('0'));
    websocket
}

/// Settings under which no heartbeat helps a session along.
fn patient(max_payload: usize) -> EngineConfig {
    let hour = Duration::from_secs(3_600);
    EngineConfig { max_payload, ping_interval: hour, ..EngineConfig::default() }
}

// proves: websocket-node/fragmenting
#[tokio::test]
async fn a_packet_is_a_frame() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text("4héllo").await;
    assert_eq!(websocket.next_text().await, "4héllo");
    websocket.binary([1, 2, 3]).await;
    assert_eq!(websocket.next().await, Received::Binary(vec![1, 2, 3]));
}

#[tokio::test]
async fn a_binary_packet_of_revision_3_carries_its_type() {
    let server = echo().await;
    let mut websocket = server.websocket("/engine.io/?EIO=3&transport=websocket").await;
    websocket.next_text().await;
    websocket.binary([4, 1, 2, 3]).await;
    assert_eq!(websocket.next().await, Received::Binary(vec![4, 1, 2, 3]));
    websocket.text("b4AQID").await;
    assert_eq!(websocket.next().await, Received::Binary(vec![4, 1, 2, 3]));
}

// proves: protocol/unknown-digits
#[tokio::test]
async fn base64_in_a_text_frame_is_binary() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text("bAQID").await;
    assert_eq!(websocket.next().await, Received::Binary(vec![1, 2, 3]));
}

// proves: protocol/early-frames
#[tokio::test]
async fn frames_sent_with_the_handshake_are_kept() {
    let server = echo().await;
    let frames = [WebSocket::frame(0x81, b"4one"), WebSocket::frame(0x81, b"4two")].concat();
    let mut websocket = WebSocket::open_with(server.address(), WEBSOCKET, &frames).await;
    assert!(websocket.next_text().await.starts_with('0'));
    assert_eq!(websocket.next_text().await, "4one");
    assert_eq!(websocket.next_text().await, "4two");
}

// proves: protocol/unknown-digits
#[tokio::test]
async fn a_malformed_packet_closes_without_a_code() {
    let server = echo().await;
    for text in ["", "9", "7x", "éaaaa"] {
        let mut websocket = open(&server).await;
        websocket.text(text).await;
        websocket.expect_close(None).await;
    }
}

#[tokio::test]
async fn a_ping_from_a_revision_4_client_closes() {
    let server = echo().await;
    for text in ["2", "2probe"] {
        let mut websocket = open(&server).await;
        websocket.text(text).await;
        websocket.expect_close(None).await;
    }
}

// proves: protocol/close-packet
#[tokio::test]
async fn a_close_packet_closes_at_once() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text("1").await;
    websocket.expect_close(None).await;
}

#[tokio::test]
async fn open_upgrade_noop_and_pongs_mean_nothing() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    for text in ["0", "5", "6", "3", "3probe"] {
        websocket.text(text).await;
    }
    websocket.text("4alive").await;
    assert_eq!(websocket.next_text().await, "4alive");
}

// proves: features/max-http-buffer-size, websocket-node/sizes, ws/max-payload, protocol/max-payload
#[tokio::test]
async fn a_message_of_the_limit_is_taken_and_one_byte_more_is_1009() {
    let config = EngineConfig { max_payload: 100_000, ..EngineConfig::default() };
    let server = TestServer::echo(config).await;
    let exact = format!("4{}", "x".repeat(99_999));
    let mut websocket = open(&server).await;
    websocket.text(&exact).await;
    assert_eq!(websocket.next_text().await, exact);
    // By the header alone: nothing of the payload needs to arrive.
    websocket.raw(&WebSocket::frame(0x81, format!("{exact}x").as_bytes())[..14]).await;
    websocket.expect_close(Some(1009)).await;
}

// proves: websocket-node/assembling, websocket-node/sizes, features/wish/size-limit, ws/fragments
// proves: protocol/max-payload
#[tokio::test]
async fn fragments_over_the_limit_in_all_are_1009() {
    let config = EngineConfig { max_payload: 1_000, ..EngineConfig::default() };
    let server = TestServer::echo(config).await;
    let mut websocket = open(&server).await;
    websocket.raw(WebSocket::frame(0x01, &[b'4'; 600])).await;
    websocket.raw(WebSocket::frame(0x80, &[b'x'; 600])).await;
    websocket.expect_close(Some(1009)).await;
}

// proves: protocol/max-payload
#[tokio::test]
async fn as_many_fragments_as_the_limit_are_taken_and_one_more_is_1008() {
    let config = EngineConfig { max_fragments: 100, ..EngineConfig::default() };
    let server = TestServer::echo(config).await;
    let mut websocket = open(&server).await;
    let begin = [WebSocket::frame(0x01, b"4hi"), WebSocket::frame(0x00, b"").repeat(98)].concat();
    websocket.raw([&begin[..], &WebSocket::frame(0x80, b"")].concat()).await;
    assert_eq!(websocket.next_text().await, "4hi");
    websocket.raw([&begin[..], &WebSocket::frame(0x00, b"").repeat(2)].concat()).await;
    websocket.expect_close(Some(1008)).await;
    assert_eq!(server.service().limit_hits(Limit::Fragments), 1);
}

#[tokio::test]
async fn a_ping_to_a_websocket_that_probes_is_answered() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let mut probe = server.websocket(&target.replace("polling", "websocket")).await;
    probe.text("2probe").await;
    assert_eq!(probe.next_text().await, "3probe");
    probe.raw(WebSocket::frame(0x89, b"there?")).await;
    assert_eq!(probe.next().await, Received::Pong(b"there?".to_vec()));
}

// proves: websocket-node/drop
#[tokio::test]
async fn what_breaks_rfc_6455_is_1002() {
    let server = echo().await;
    for (name, frame) in [
        ("unmasked", vec![0x81, 0x02, b'4', b'a']),
        ("RSV1", WebSocket::frame(0xc1, b"4a")),
        ("opcode 3", WebSocket::frame(0x83, b"4a")),
        ("opcode 11", WebSocket::frame(0x8b, b"4a")),
        ("a fragmented ping", WebSocket::frame(0x09, b"")),
        ("a ping of 126 bytes", WebSocket::frame(0x89, &[0; 126])),
        ("a lone continuation", WebSocket::frame(0x80, b"4a")),
    ] {
        let mut websocket = open(&server).await;
        websocket.raw(frame).await;
        assert_eq!(websocket.next().await, Received::Close(Some(1002)), "{name}");
    }
}

// proves: websocket-node/drop, ws/receiving
#[tokio::test]
async fn text_that_is_not_utf8_is_1007() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text(b"4\xff").await;
    websocket.expect_close(Some(1007)).await;
}

// proves: ws/receiving
#[tokio::test]
async fn a_websocket_ping_is_answered_with_its_payload() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.raw(WebSocket::frame(0x89, b"are you there")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"are you there".to_vec()));
}

#[tokio::test]
async fn a_close_frame_is_answered_with_one() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.raw(WebSocket::frame(0x88, &1000u16.to_be_bytes())).await;
    websocket.expect_close(Some(1000)).await;
}

#[tokio::test]
async fn a_pong_follows_the_message_that_was_half_written_when_its_ping_came() {
    let server = TestServer::echo(patient(32_000_000)).await;
    let mut websocket = open(&server).await;
    // More than the socket's buffers hold, so that the echo is stuck until the client reads.
    let large = format!("4{}", "x".repeat(30_000_000));
    websocket.text(&large).await;
    websocket.begun().await;
    websocket.raw(WebSocket::frame(0x89, b"p")).await;
    assert!(matches!(websocket.next().await, Received::Text(text) if text == large));
    assert_eq!(websocket.next().await, Received::Pong(b"p".to_vec()));
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_of_a_message_harms_nobody() {
    let server = TestServer::echo(patient(32_000_000)).await;
    let large = format!("4{}", "x".repeat(15_000_000));
    for end in [
        WebSocket::frame(0x88, &1000u16.to_be_bytes()),
        // Breaks RFC 6455, which would get a close frame if there were room for one.
        WebSocket::frame(0xc1, b"4a"),
        Vec::new(),
    ] {
        let mut websocket = open(&server).await;
        websocket.text(&large).await;
        websocket.begun().await;
        for _ in 0..3 {
            websocket.text("4hi").await;
        }
        websocket.raw(&end).await;
        if end.is_empty() {
            drop(websocket);
            continue;
        }
        // The rest of the message may come or not; nothing else may.
        while let Some(chunk) = websocket.next_bytes().await {
            assert!(!chunk.windows(3).any(|window| window == b"4hi"), "a message behind the end");
        }
    }
    let mut bystander = open(&server).await;
    bystander.text("4here").await;
    assert_eq!(bystander.next_text().await, "4here");
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_behind_a_close_frame() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    let frames = [WebSocket::frame(0x81, b"4a"), WebSocket::frame(0x88, &1000u16.to_be_bytes())];
    websocket.raw(frames.concat()).await;
    let mut received = websocket.next().await;
    if received == Received::Text("4a".into()) {
        received = websocket.next().await;
    }
    assert_eq!(received, Received::Close(Some(1000)));
    assert_eq!(websocket.next().await, Received::End);
}

// proves: features/send-budget, protocol/backpressure
#[tokio::test]
async fn a_burst_that_brings_more_than_the_send_budget_holds_is_answered_in_full() {
    let server = TestServer::echo(patient(1_000_000)).await;
    let mut websocket = open(&server).await;
    let count = 100_000;
    let burst: Vec<u8> =
        (0..count).flat_map(|n| WebSocket::frame(0x81, format!("4{n}").as_bytes())).collect();
    let written = websocket.raw_in_background(burst);
    for n in 0..count {
        assert_eq!(websocket.next_text().await, format!("4{n}"));
    }
    written.await.expect("all was written");
}
