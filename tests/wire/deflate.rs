//! Compressed messages of WebSockets: permessage-deflate (RFC 7692).

use std::future::ready;

use engineio::EngineConfig;
use engineio::websocket::deflate::PerMessageDeflate;
use socketio::{Args, Io, Socket};
use socketio_server::Server;
use socketio_server::plain::{Accept, Outgoing, WebSocket as Plain, WebSocketRequest};
use socketio_server_cli::apps;
use socketio_tests::{Deflate, Received, TestServer, WebSocket};

use crate::{WEBSOCKET, probing};

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const ALONE: PerMessageDeflate = PerMessageDeflate {
    threshold: 100,
    level: engineio::websocket::deflate::CompressionLevel::FASTEST,
    context_takeover: false,
};
const AFTER_OTHERS: PerMessageDeflate = PerMessageDeflate { context_takeover: true, ..ALONE };

fn config(deflate: PerMessageDeflate) -> EngineConfig {
    EngineConfig { per_message_deflate: Some(deflate), ..EngineConfig::default() }
}

/// Text of so many bytes.
fn text(len: usize) -> String {
    "hello, ".repeat(len)[..len].to_owned()
}

/// A new client for each message, since none refers to another.
fn compress(message: impl AsRef<[u8]>) -> Vec<u8> {
    Deflate::default().compress(message)
}

async fn next(websocket: &mut WebSocket) -> String {
    String::from_utf8(websocket.next_inflated(&mut Deflate::default()).await).expect("text")
}

// proves: features/per-message-deflate, protocol/deflate
#[tokio::test]
async fn messages_from_the_threshold_on_are_compressed_in_both_directions() {
    let server = TestServer::echo(config(ALONE)).await;
    let (agreed, mut websocket) = WebSocket::compressed(server.address(), WEBSOCKET, OFFER).await;
    assert_eq!(agreed, AGREED);
    let open = next(&mut websocket).await;
    assert!(open.starts_with("0{"), "{open}");
    for len in [100, 4_000, 100_000] {
        let message = format!("4{}", text(len - 1));
        // Whether the client compresses is for the client to decide, for each message.
        websocket.raw(WebSocket::frame(0xc1, &compress(&message))).await;
        assert_eq!(next(&mut websocket).await, message);
        websocket.text(&message).await;
        assert_eq!(next(&mut websocket).await, message);
    }
    let message = format!("4{}", text(98));
    websocket.raw(WebSocket::frame(0xc1, &compress(&message))).await;
    assert_eq!(websocket.next_text().await, message);
    websocket.raw(WebSocket::frame(0xc2, &compress([7; 1_000]))).await;
    assert_eq!(websocket.next_inflated(&mut Deflate::default()).await, [7; 1_000]);
    // The empty message is one byte.
    websocket.raw(WebSocket::frame(0xc2, &[0])).await;
    assert_eq!(websocket.next().await, Received::Binary(vec![]));
}

// proves: features/per-message-deflate
#[tokio::test]
async fn messages_after_an_upgrade_are_compressed_too() {
    let server = TestServer::echo(config(ALONE)).await;
    let target = server.open_polling("/engine.io/", 4).await;
    let (agreed, mut websocket) =
        WebSocket::compressed(server.address(), &probing(&target), "permessage-deflate").await;
    assert_eq!(agreed, AGREED);
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    websocket.text("5").await;
    let message = format!("4{}", text(1_000));
    websocket.raw(WebSocket::frame(0xc1, &compress(&message))).await;
    assert_eq!(next(&mut websocket).await, message);
}

// proves: protocol/deflate
#[tokio::test]
async fn a_client_that_offers_nothing_or_the_impossible_gets_messages_as_they_are() {
    let server = TestServer::echo(config(ALONE)).await;
    for offer in [None, Some("permessage-deflate; server_max_window_bits=8"), Some("x-webkit-deflate-frame")]
    {
        let headers = offer.map(|offer| ("Sec-WebSocket-Extensions", offer));
        let (response, connection) =
            WebSocket::handshake(server.address(), WEBSOCKET, headers.as_slice()).await;
        assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));
        let mut websocket = WebSocket::on(connection);
        websocket.next_text().await;
        let message = format!("4{}", text(2_000));
        websocket.text(&message).await;
        assert_eq!(websocket.next_text().await, message);
    }
}

// proves: protocol/deflate-safari
#[tokio::test]
async fn a_browser_that_would_not_keep_to_it_gets_messages_as_they_are() {
    let server = TestServer::echo(config(ALONE)).await;
    let safari = |version| {
        format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version} Safari/605.1.15"
        )
    };
    for (version, agreed) in [("15.3", None), ("15.4", Some(AGREED))] {
        let user_agent = safari(version);
        let headers = [("Sec-WebSocket-Extensions", "permessage-deflate"), ("User-Agent", &*user_agent)];
        let (response, _) = WebSocket::handshake(server.address(), WEBSOCKET, &headers).await;
        assert_eq!(response.header("sec-websocket-extensions"), agreed, "{version}");
    }
}

// proves: protocol/deflate-window
#[tokio::test]
async fn a_client_with_a_small_window_can_inflate_everything() {
    let server = TestServer::echo(config(ALONE)).await;
    let offer = "permessage-deflate; server_max_window_bits=10";
    let (agreed, mut websocket) = WebSocket::compressed(server.address(), WEBSOCKET, offer).await;
    assert_eq!(agreed, format!("{AGREED}; server_max_window_bits=9"));
    let numbers: String = (0..5_000).map(|number| format!("{},", number * 7_919 % 10_007)).collect();
    let message = format!("4{numbers}{numbers}");
    websocket.next_inflated(&mut Deflate::small()).await;
    websocket.text(&message).await;
    assert_eq!(websocket.next_inflated(&mut Deflate::small()).await, message.as_bytes());
}

// proves: features/per-message-deflate, protocol/deflate-contexts
#[tokio::test]
async fn a_message_may_refer_to_others_if_both_sides_agree() {
    let server = TestServer::echo(config(AFTER_OTHERS)).await;
    let (agreed, mut websocket) = WebSocket::compressed(server.address(), WEBSOCKET, OFFER).await;
    assert_eq!(agreed, "permessage-deflate");
    let mut deflate = Deflate::default();
    websocket.next_inflated(&mut deflate).await;
    let message = format!("4{}", (0..300).map(|number| format!("{number},")).collect::<String>());
    let mut lengths = Vec::new();
    for round in 0..4 {
        // What isn't compressed is no part of what others refer to.
        websocket.text("4short").await;
        assert_eq!(websocket.next_text().await, "4short");
        let sent = deflate.compress(&message);
        websocket.raw(WebSocket::frame(0xc1, &sent)).await;
        let Received::Compressed(0xc1, payload) = websocket.next().await else { panic!("round {round}") };
        assert_eq!(deflate.inflate(&payload), message.as_bytes());
        lengths.push((sent.len(), payload.len()));
    }
    assert!(lengths[3].0 * 5 < lengths[0].0 && lengths[3].1 * 5 < lengths[0].1, "{lengths:?}");
}

// proves: protocol/deflate-contexts
#[tokio::test]
async fn a_client_may_ask_for_messages_that_refer_to_no_other() {
    let server = TestServer::echo(config(AFTER_OTHERS)).await;
    for (offer, ours, theirs) in [
        ("permessage-deflate; server_no_context_takeover", false, true),
        ("permessage-deflate; client_no_context_takeover", true, false),
        (AGREED, false, false),
    ] {
        let (agreed, mut websocket) = WebSocket::compressed(server.address(), WEBSOCKET, offer).await;
        assert_eq!(agreed, offer);
        let (mut inflate, mut deflate) = (Deflate::default(), Deflate::default());
        websocket.next_inflated(&mut inflate).await;
        for _ in 0..3 {
            let message = format!("4{}", text(2_000));
            websocket.raw(WebSocket::frame(0xc1, &deflate.compress(&message))).await;
            if !ours {
                inflate = Deflate::default();
            }
            assert_eq!(websocket.next_inflated(&mut inflate).await, message.as_bytes(), "{offer}");
            if !theirs {
                deflate = Deflate::default();
            }
        }
    }
}

#[tokio::test]
async fn binary_messages_of_revision_3_are_compressed_with_their_type() {
    let server = TestServer::echo(config(ALONE)).await;
    let target = "/engine.io/?EIO=3&transport=websocket";
    let (_, mut websocket) = WebSocket::compressed(server.address(), target, OFFER).await;
    next(&mut websocket).await;
    let message = [&[4][..], &[9; 1_000]].concat();
    websocket.raw(WebSocket::frame(0xc2, &compress(&message))).await;
    assert_eq!(websocket.next_inflated(&mut Deflate::default()).await, message);
}

// proves: features/modifiers, protocol/deflate
#[tokio::test]
async fn events_that_ask_for_it_are_not_compressed() {
    let io = Io::new();
    let all = io.clone();
    io.on_sync("plain", |socket: Socket, args: Args| socket.compress(false).emit("e", &args));
    io.on_sync("plain to all", move |_: Socket, args: Args| all.compress(false).emit("e", &args));
    let all = io.clone();
    io.on_sync("compressed", move |_: Socket, args: Args| all.emit("e", &args));
    let server = TestServer::start(Server::builder().config(config(ALONE)).socketio("/socket.io/", io)).await;
    let target = "/socket.io/?EIO=4&transport=websocket";
    let (_, mut websocket) = WebSocket::compressed(server.address(), target, OFFER).await;
    next(&mut websocket).await;
    websocket.text("40").await;
    websocket.next_text().await;
    let args = text(500);
    for name in ["plain", "plain to all"] {
        websocket.text(format!(r#"42["{name}","{args}"]"#)).await;
        assert_eq!(websocket.next_text().await, format!(r#"42["e","{args}"]"#));
    }
    websocket.text(format!(r#"42["compressed","{args}"]"#)).await;
    assert_eq!(next(&mut websocket).await, format!(r#"42["e","{args}"]"#));
}

/// A server of plain WebSockets, on these terms, that sends this back.
async fn plain(terms: fn(Accept) -> Accept, answer: fn(Outgoing) -> Outgoing) -> TestServer {
    let handler = move |request: WebSocketRequest| {
        ready(Ok(terms(request.accept()).run(move |mut websocket: Plain| async move {
            while let Some(message) = websocket.next().await {
                if websocket.send(answer(message.into())).is_err() {
                    break;
                }
            }
        })))
    };
    TestServer::start(Server::builder().config(config(ALONE)).websocket("/ws", handler)).await
}

// proves: ws/per-message-deflate
#[tokio::test]
async fn plain_websockets_compress_as_sessions_do() {
    let server = plain(|accept| accept, |message| message).await;
    let (agreed, mut websocket) = WebSocket::compressed(server.address(), "/ws", OFFER).await;
    assert_eq!(agreed, AGREED);
    websocket.raw(WebSocket::frame(0xc1, &compress(text(1_000)))).await;
    assert_eq!(next(&mut websocket).await, text(1_000));
    websocket.text("short").await;
    assert_eq!(websocket.next_text().await, "short");
}

// proves: ws/per-message-deflate
#[tokio::test]
async fn a_plain_websocket_may_have_terms_of_its_own() {
    let server = plain(|accept| accept.per_message_deflate(None), |message| message).await;
    let headers = [("Sec-WebSocket-Extensions", OFFER)];
    let (response, _) = WebSocket::handshake(server.address(), "/ws", &headers).await;
    assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));

    let server = plain(|accept| accept.per_message_deflate(Some(AFTER_OTHERS)), |message| message).await;
    let (agreed, mut websocket) = WebSocket::compressed(server.address(), "/ws", OFFER).await;
    assert_eq!(agreed, "permessage-deflate");
    let mut deflate = Deflate::default();
    for _ in 0..3 {
        websocket.raw(WebSocket::frame(0xc1, &deflate.compress(text(1_000)))).await;
        assert_eq!(websocket.next_inflated(&mut deflate).await, text(1_000).as_bytes());
    }
}

// proves: ws/per-message-deflate
#[tokio::test]
async fn messages_in_fragments_and_those_that_ask_for_it_are_not_compressed() {
    let server = plain(|accept| accept.fragment(600), |message| message).await;
    let (_, mut websocket) = WebSocket::compressed(server.address(), "/ws", OFFER).await;
    websocket.raw(WebSocket::frame(0xc1, &compress(text(600)))).await;
    assert_eq!(next(&mut websocket).await, text(600));
    websocket.raw(WebSocket::frame(0xc1, &compress(text(601)))).await;
    let mut bytes = Vec::new();
    while bytes.len() < 4 + 600 + 2 + 1 {
        bytes.extend(websocket.next_bytes().await.expect("two fragments"));
    }
    assert_eq!((bytes[0], bytes[604]), (0x01, 0x80));

    let server = plain(|accept| accept, Outgoing::uncompressed).await;
    let (_, mut websocket) = WebSocket::compressed(server.address(), "/ws", OFFER).await;
    websocket.text(text(2_000)).await;
    assert_eq!(websocket.next_text().await, text(2_000));
}

// proves: features/broadcast-compressed-once
#[tokio::test]
async fn whoever_compresses_and_whoever_does_not_get_the_same_broadcast() {
    let io = Io::new();
    apps::echo(&io);
    let server = TestServer::start(Server::builder().config(config(ALONE)).socketio("/socket.io/", io)).await;
    let target = "/socket.io/?EIO=4&transport=websocket";
    let (_, mut full) = WebSocket::compressed(server.address(), target, OFFER).await;
    let offer = "permessage-deflate; server_max_window_bits=9";
    let (_, mut small) = WebSocket::compressed(server.address(), target, offer).await;
    let mut none = server.websocket(target).await;
    next(&mut full).await;
    small.next_inflated(&mut Deflate::small()).await;
    none.next_text().await;
    for websocket in [&mut full, &mut small, &mut none] {
        websocket.text("40").await;
        assert!(websocket.next_text().await.starts_with("40{"));
        assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    }
    let args = text(3_000);
    none.text(format!(r#"42["broadcast","{args}"]"#)).await;
    let expected = format!(r#"42["bcast","{args}"]"#);
    assert_eq!(none.next_text().await, expected);
    assert_eq!(next(&mut full).await, expected);
    assert_eq!(small.next_inflated(&mut Deflate::small()).await, expected.as_bytes());
}
