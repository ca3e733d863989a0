//! What HTTP itself demands.

use socketio_tests::TestServer;

use crate::{POLLING, WEBSOCKET, echo};

async fn status(server: &TestServer, request: &str) -> u16 {
    let mut connection = server.connect().await;
    connection.write(request).await;
    connection.response().await.status
}

#[tokio::test]
async fn a_request_has_one_host() {
    let server = echo().await;
    assert_eq!(status(&server, &format!("GET {POLLING} HTTP/1.1\r\n\r\n")).await, 400);
    assert_eq!(status(&server, &format!("GET {POLLING} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")).await, 400);
    assert_eq!(status(&server, &format!("GET {POLLING} HTTP/1.1\r\nHost: a\r\n\r\n")).await, 200);
}

#[tokio::test]
async fn connect_is_refused() {
    let server = echo().await;
    assert_eq!(status(&server, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").await, 400);
}

#[tokio::test]
async fn an_upgrade_has_no_body() {
    let server = echo().await;
    let head = format!(
        "GET {WEBSOCKET} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    assert_eq!(status(&server, &format!("{head}Content-Length: 4\r\n\r\n4abc")).await, 400);
    assert_eq!(status(&server, &format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")).await, 400);
    assert_eq!(status(&server, &format!("{head}\r\n")).await, 101);
}

#[tokio::test]
async fn a_length_beside_a_transfer_encoding_is_refused_in_either_order() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\n");
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    ] {
        assert_eq!(status(&server, &format!("{head}{fields}\r\n2\r\n4a\r\n0\r\n\r\n")).await, 400);
    }
    assert_eq!(
        status(&server, &format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n")).await,
        200
    );
    assert_eq!(server.get(&target).await.text(), "4a", "only the last was taken");
}

#[tokio::test]
async fn a_transfer_encoding_is_chunked_once() {
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    for encoding in ["gzip", "gzip, chunked", "chunked, chunked", "chunked, identity", "xchunked"] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {encoding}\r\n\r\n");
        assert_eq!(status(&server, &format!("{head}2\r\n4a\r\n0\r\n\r\n")).await, 400, "{encoding}");
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\n{twice}\r\n");
    assert_eq!(status(&server, &format!("{head}2\r\n4a\r\n0\r\n\r\n")).await, 400);
}

#[tokio::test]
async fn a_head_is_bounded_in_bytes_and_fields() {
    let server = echo().await;
    let head = format!("GET {POLLING} HTTP/1.1\r\nHost: a\r\n");
    assert_eq!(status(&server, &format!("{head}X: {}\r\n\r\n", "a".repeat(10_000))).await, 200);
    assert_eq!(status(&server, &format!("{head}X: {}\r\n\r\n", "a".repeat(20_000))).await, 431);
    assert_eq!(status(&server, &format!("{head}{}\r\n", "X: a\r\n".repeat(101))).await, 431);
    assert_eq!(
        status(&server, &format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(20_000))).await,
        431
    );
}

#[tokio::test]
async fn another_protocol_in_upgrade_is_told_which_websocket_version_is_spoken() {
    let server = echo().await;
    let mut connection = server.connect().await;
    let headers = [("Connection", "Upgrade"), ("Upgrade", "h2c")];
    let response = connection.request("GET", WEBSOCKET, &headers, b"").await;
    assert_eq!((response.status, response.header("sec-websocket-version")), (400, Some("13")));
}
