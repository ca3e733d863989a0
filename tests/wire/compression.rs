//! Compressed answers to polls.

use std::io::Read as _;

use engineio::EngineConfig;
use socketio::{Io, Socket};
use socketio_server::Server;
use socketio_tests::{Response, TestServer};

use crate::{POLLING, echo};

/// A message whose packet has this many bytes.
fn packet(len: usize) -> String {
    format!("4{}", "ab".repeat(len)[..len - 1].to_owned())
}

async fn poll(server: &TestServer, target: &str, message: &str, accept: &str) -> Response {
    assert_eq!(server.post(target, message).await.text(), "ok");
    server.connect().await.request("GET", target, &[("Accept-Encoding", accept)], b"").await
}

fn inflated(response: &Response) -> String {
    let mut text = String::new();
    let body = &response.body[..];
    match response.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_string(&mut text),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_string(&mut text),
        other => panic!("{other:?}"),
    }
    .expect("a compressed body");
    text
}

// proves: features/http-compression, protocol/compression, protocol/vary
#[tokio::test]
async fn a_poll_of_the_threshold_is_compressed_as_the_client_prefers() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let message = packet(1024);
    for (accept, encoding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("gzip;q=0.9, br;q=0.8", "gzip"),
        ("deflate", "deflate"),
        ("identity;q=0.5, *;q=0.6", "br"),
    ] {
        let answer = poll(&server, &target, &message, accept).await;
        assert_eq!(answer.header("content-encoding"), Some(encoding), "{accept}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!((answer.header("cache-control"), answer.header("vary")), (Some("no-store"), None));
        assert!(answer.body.len() < 200, "{}", answer.body.len());
        assert_eq!(inflated(&answer), message);
    }
}

// proves: features/http-compression, protocol/compression
#[tokio::test]
async fn a_shorter_poll_and_one_whose_client_does_not_ask_are_sent_as_they_are() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    for (len, accept) in [(1023, "gzip"), (2000, "identity"), (2000, "zstd"), (2000, "gzip;q=0")] {
        let message = packet(len);
        let answer = poll(&server, &target, &message, accept).await;
        assert_eq!((answer.header("content-encoding"), answer.text()), (None, &*message), "{accept}");
    }
    let message = packet(2000);
    server.post(&target, &message).await;
    assert_eq!(server.get(&target).await.text(), message, "no Accept-Encoding");
}

#[tokio::test]
async fn a_large_poll_is_compressed_too() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let message = packet(900_000);
    for accept in ["gzip", "deflate", "br"] {
        let answer = poll(&server, &target, &message, accept).await;
        assert!(answer.body.len() < 10_000, "{accept}: {}", answer.body.len());
        assert_eq!(inflated(&answer), message);
    }
}

#[tokio::test]
async fn a_binary_payload_of_revision_3_is_compressed_too() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 3).await;
    let mut body = b"\x01\x02\x00\x00\x01\xff\x04".to_vec();
    body.resize(body.len() + 2000, b'x');
    let octets = [("Content-Type", "application/octet-stream")];
    assert_eq!(server.connect().await.request("POST", &target, &octets, &body).await.text(), "ok");
    let answer = server.connect().await.request("GET", &target, &[("Accept-Encoding", "gzip")], b"").await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, body);
}

#[tokio::test]
async fn a_script_is_compressed_by_its_own_length() {
    let server = TestServer::echo(EngineConfig { jsonp: true, ..EngineConfig::default() }).await;
    let target = server.open_polling("/engine.io/", 4).await;
    // The call around it is what takes it over the threshold.
    let message = packet(1015);
    assert_eq!(poll(&server, &target, &message, "gzip").await.header("content-encoding"), None);
    let script = poll(&server, &format!("{target}&j=0"), &format!("d={message}"), "gzip").await;
    assert_eq!(inflated(&script), format!("___eio[0](\"{message}\");"));
}

// proves: features/http-compression
#[tokio::test]
async fn compression_can_be_switched_off_or_begin_elsewhere() {
    for (threshold, encoding) in [(None, None), (Some(10), Some("gzip"))] {
        let server =
            TestServer::echo_with(EngineConfig::default(), |builder| builder.http_compression(threshold))
                .await;
        let target = server.open_polling("/engine.io/", 4).await;
        let message = packet(if threshold.is_some() { 100 } else { 2000 });
        let answer = poll(&server, &target, &message, "gzip").await;
        assert_eq!(answer.header("content-encoding"), encoding);
    }
}

// proves: features/modifiers, protocol/compression
#[tokio::test]
async fn a_poll_is_sent_as_it_is_if_none_of_its_events_asks_for_compression() {
    let io = Io::new();
    let all = io.clone();
    io.on_sync("plain", |socket: Socket, text: String| socket.compress(false).emit("e", text));
    io.on_sync("plain to all", move |_: Socket, text: String| all.compress(false).emit("e", text));
    io.on_sync("usual", |socket: Socket, text: String| socket.emit("e", text));
    io.on_sync("compressed", |socket: Socket, text: String| socket.compress(true).emit("e", text));
    let server = TestServer::start(Server::builder().socketio("/socket.io/", io)).await;
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    assert!(server.get(&target).await.text().starts_with("40{"));
    let text = "ab".repeat(1000);
    let event = format!(r#"42["e","{text}"]"#);
    for (events, compressed) in [
        (&["plain"][..], false),
        (&["plain to all"], false),
        (&["plain", "plain to all"], false),
        (&["usual"], true),
        (&["plain", "compressed"], true),
    ] {
        let posted: Vec<String> = events.iter().map(|name| format!(r#"42["{name}","{text}"]"#)).collect();
        let answer = poll(&server, &target, &posted.join("\u{1e}"), "gzip").await;
        assert_eq!(answer.header("content-encoding").is_some(), compressed, "{events:?}");
        let sent = if compressed { inflated(&answer) } else { answer.text().to_owned() };
        assert_eq!(sent, vec![&*event; events.len()].join("\u{1e}"), "{events:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_poll_is_compressed_ends_its_session() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    // Noise, which takes long and stays large.
    let noise: String = (0_u32..950_000)
        .map(|i| char::from(b' ' + (i.wrapping_mul(2_654_435_761) >> 16) as u8 % 90))
        .collect();
    assert_eq!(server.post(&target, format!("4{noise}")).await.text(), "ok");
    let mut connection = server.connect().await;
    connection.send("GET", &target, &[("Accept-Encoding", "br")], b"").await;
    drop(connection);
    loop {
        let answer = server.post(&target, "3").await;
        if answer.status == 400 {
            assert_eq!(answer.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
            break;
        }
    }
    assert_eq!(server.get(POLLING).await.status, 200);
}
