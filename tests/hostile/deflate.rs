//! Rows 77 to 81: compressed messages (RFC 7692).

use engineio::Limit;
use engineio::websocket::deflate::PerMessageDeflate;
use socketio_tests::Deflate;

use super::*;

const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// Runs a row against a server that compresses.
async fn compressing(deflate: PerMessageDeflate, row: impl AsyncFnOnce(&TestServer)) {
    let config = EngineConfig { per_message_deflate: Some(deflate), ..EngineConfig::default() };
    hostile_with(Hostile { config, ..Hostile::default() }, |builder, _| builder, row).await;
}

async fn by_default(row: impl AsyncFnOnce(&TestServer)) {
    compressing(PerMessageDeflate::default(), row).await;
}

/// A WebSocket at the plain echo that agreed to compression, its open packet read.
async fn open(server: &TestServer) -> WebSocket {
    let (_, mut websocket) = WebSocket::compressed(server.address(), WEBSOCKET, OFFER).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket
}

async fn closes(server: &TestServer, name: &str, bytes: &[u8], code: u16) {
    let mut websocket = open(server).await;
    websocket.raw(bytes).await;
    assert_eq!(websocket.next().await, Received::Close(Some(code)), "{name}");
    assert_eq!(websocket.next().await, Received::End, "{name}");
}

fn compress(message: impl AsRef<[u8]>) -> Vec<u8> {
    Deflate::default().compress(message)
}

// proves: hostile/77, limit/max-payload
#[tokio::test]
async fn row_77_a_message_that_is_too_long_once_it_is_inflated_is_1009() {
    by_default(async |server| {
        let mut websocket = open(server).await;
        let exact = format!("4{}", "x".repeat(999_999));
        websocket.raw(WebSocket::frame(0xc1, &compress(&exact))).await;
        assert_eq!(websocket.next_inflated(&mut Deflate::default()).await, exact.as_bytes());
        assert_eq!(server.service().limit_hits(Limit::Payload), 0);
        closes(server, "a byte more", &WebSocket::frame(0xc1, &compress(vec![b'4'; 1_000_001])), 1009).await;
        // 20 MB in 20 KB, in one frame and in two.
        let bomb = compress(vec![0; 20_000_000]);
        assert!(bomb.len() < 25_000, "{}", bomb.len());
        closes(server, "a bomb", &WebSocket::frame(0xc2, &bomb), 1009).await;
        let (one, two) = bomb.split_at(bomb.len() / 2);
        let frames = [WebSocket::frame(0x42, one), WebSocket::frame(0x80, two)].concat();
        closes(server, "a bomb in fragments", &frames, 1009).await;
        assert_eq!(server.service().limit_hits(Limit::Payload), 3);
    })
    .await;
}

// proves: hostile/78
#[tokio::test]
async fn row_78_a_flood_of_messages_that_inflate_to_a_thousand_times_their_length_holds_up_nobody() {
    by_default(async |server| {
        // 30 MB in 30 KB, each message as long as it may be, to a client that reads no echo.
        let message = WebSocket::frame(0xc1, &compress(vec![b'4'; 1_000_000]));
        let mut flooding = open(server).await;
        flooding.raw(message.repeat(30)).await;
        let mut other = open(server).await;
        for _ in 0..20 {
            other.text("4there?").await;
            assert_eq!(other.next_text().await, "4there?");
        }
        flooding.next_inflated(&mut Deflate::default()).await;
    })
    .await;
}

// proves: hostile/79
#[tokio::test]
async fn row_79_what_is_not_deflate_is_1007() {
    by_default(async |server| {
        let good = compress(format!("4{}", "hello".repeat(100)));
        for (name, payload) in [
            ("noise", &[0xff; 20][..]),
            ("a reserved type of block", &[0x07]),
            ("a length that is not repeated", &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48]),
            ("a message that is cut", &good[..good.len() - 3]),
            // "Hello" again, as RFC 7692 has it in section 7.2.3.2.
            ("a message that refers to another", &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            ("text that isn't UTF-8", &compress(b"4\xff")),
        ] {
            closes(server, name, &WebSocket::frame(0xc1, payload), 1007).await;
        }
        // Whoever shares the inflater notices nothing.
        let mut websocket = open(server).await;
        websocket.raw(WebSocket::frame(0xc1, &good)).await;
        assert_eq!(websocket.next_text().await, format!("4{}", "hello".repeat(100)));
    })
    .await;
}

// proves: hostile/80
#[tokio::test]
async fn row_80_a_compressed_bit_elsewhere_is_1002() {
    by_default(async |server| {
        let hello = compress("4hello");
        for (name, frames) in [
            (
                "on a continuation",
                [WebSocket::frame(0x41, &hello[..2]), WebSocket::frame(0xc0, &hello[2..])].concat(),
            ),
            ("on a ping", WebSocket::frame(0xc9, b"")),
            ("on a pong", WebSocket::frame(0xca, b"")),
            ("on a close", WebSocket::frame(0xc8, b"")),
            ("with RSV2", WebSocket::frame(0xe1, &hello)),
            ("RSV3 alone", WebSocket::frame(0x91, &hello)),
        ] {
            closes(server, name, &frames, 1002).await;
        }
    })
    .await;
}

// proves: hostile/81, protocol/deflate-offers
#[tokio::test]
async fn row_81_odd_offers_are_declined() {
    by_default(async |server| {
        let long = format!("permessage-deflate; {}", "a".repeat(8_000));
        let many = "permessage-deflate; client_max_window_bits=16, ".repeat(150);
        for offer in [
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_max_window_bits=99999999999999999999",
            "permessage-deflate; server_max_window_bits=\"9",
            "permessage-deflate; client_max_window_bits=0",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate;",
            "permessage-deflate; =",
            "constructor",
            "\"",
            ",,;;==",
            &long,
            &many,
        ] {
            let headers = [("Sec-WebSocket-Extensions", offer)];
            let (response, connection) = WebSocket::handshake(server.address(), WEBSOCKET, &headers).await;
            assert_eq!(
                (response.status, response.header("sec-websocket-extensions")),
                (101, None),
                "{offer}"
            );
            let mut websocket = WebSocket::on(connection);
            websocket.next_text().await;
            websocket.raw(WebSocket::frame(0xc1, &compress("4hello"))).await;
            websocket.expect_close(Some(1002)).await;
        }
        // One that is fine may follow, in a field of its own too.
        let headers = [
            ("Sec-WebSocket-Extensions", "permessage-deflate; unknown"),
            ("Sec-WebSocket-Extensions", "x, permessage-deflate"),
        ];
        let (response, _) = WebSocket::handshake(server.address(), WEBSOCKET, &headers).await;
        assert!(response.header("sec-websocket-extensions").is_some());
    })
    .await;
}
