//! What HTTP itself demands.

use engineio::EngineConfig;
use socketio_server::Cors;
use socketio_tests::{Response, TestServer};

use crate::{POLLING, WEBSOCKET, echo};

async fn status(server: &TestServer, request: &str) -> u16 {
    let mut connection = server.connect().await;
    connection.write(request).await;
    connection.response().await.status
}

// proves: protocol/ambiguous-requests
#[tokio::test]
async fn a_request_has_one_host() {
    let server = echo().await;
    assert_eq!(status(&server, &format!("GET {POLLING} HTTP/1.1\r\n\r\n")).await, 400);
    assert_eq!(status(&server, &format!("GET {POLLING} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")).await, 400);
    assert_eq!(status(&server, &format!("GET {POLLING} HTTP/1.1\r\nHost: a\r\n\r\n")).await, 200);
}

// proves: protocol/ambiguous-requests
#[tokio::test]
async fn connect_is_refused() {
    let server = echo().await;
    assert_eq!(status(&server, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").await, 400);
}

// proves: protocol/ambiguous-requests
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

// proves: protocol/ambiguous-requests
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

// proves: ws/refused
#[tokio::test]
async fn another_protocol_in_upgrade_is_told_which_websocket_version_is_spoken() {
    let server = echo().await;
    let mut connection = server.connect().await;
    let headers = [("Connection", "Upgrade"), ("Upgrade", "h2c")];
    let response = connection.request("GET", WEBSOCKET, &headers, b"").await;
    assert_eq!((response.status, response.header("sec-websocket-version")), (400, Some("13")));
}

// proves: protocol/odd-targets
#[tokio::test]
async fn what_a_client_leaves_unescaped_in_a_target_is_taken() {
    let server = echo().await;
    for odd in ["\"", "<", ">", "`", "^", "{", "|", "}", "\\", "[", "]", "'", "\"<>\""] {
        let head = format!("GET {POLLING}&user=a{odd}b HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(status(&server, &head).await, 200, "{odd}");
    }
    // What has no room after what it grew by comes later, and so does what follows it.
    let mut connection = server.connect().await;
    let target = format!("{POLLING}&user={}", "<".repeat(4_000));
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.write(request.repeat(2)).await;
    for _ in 0..2 {
        assert_eq!(connection.response().await.status, 200);
    }
}

// proves: protocol/odd-targets
#[tokio::test]
async fn what_an_odd_target_asks_for_is_what_the_client_meant() {
    let io = socketio::Io::new();
    io.on_connect(|socket: socketio::Socket| async move {
        let user = socket.handshake().query().get("user").map(String::from);
        let _ = socket.emit("user", user);
    });
    let server = TestServer::start(socketio_server::Server::builder().socketio("/socket.io/", io)).await;
    let target = "/socket.io/?EIO=4&transport=websocket&user=\"<`a>\"";
    let mut websocket = server.websocket(target).await;
    websocket.next_text().await;
    websocket.text("40").await;
    websocket.next_text().await;
    assert_eq!(websocket.next_text().await, r#"42["user","\"<`a>\""]"#);
}

/// The answer, which is the connection's last.
async fn last(server: &TestServer, request: impl AsRef<[u8]>) -> Response {
    let mut connection = server.connect().await;
    connection.write_as_far_as_possible(request.as_ref()).await;
    let response = connection.response().await;
    assert_eq!(connection.closed().await, b"");
    response
}

// proves: protocol/unreadable-requests
#[tokio::test]
async fn what_can_not_be_read_is_refused_like_everything_else() {
    let cors = Cors::new(["http://a.example"]).expect("an origin");
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.cors(cors)).await;
    let fields = "Host: a\r\nOrigin: http://a.example\r\n";
    let many = "X: a\r\n".repeat(101);
    let long = format!("X: {}\r\n", "a".repeat(20_000));
    for (code, request) in [
        (400, format!("G@T {POLLING} HTTP/1.1\r\n{fields}\r\n")),
        (400, format!("GET {POLLING} HTTP/1.1\r\n{fields}Bad Name: a\r\n\r\n")),
        (400, format!("GET {POLLING} HTTP/1.1\r\n{fields}X: \u{1}\r\n\r\n")),
        (400, format!("POST {POLLING} HTTP/1.1\r\n{fields}Content-Length: x\r\n\r\n")),
        (400, format!("GET {POLLING} HTTP/1.1\r\n{fields}Host: b\r\n\r\n")),
        (
            400,
            format!(
                "POST {POLLING} HTTP/1.1\r\n{fields}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (431, format!("GET {POLLING} HTTP/1.1\r\n{fields}{many}\r\n")),
        (431, format!("GET {POLLING} HTTP/1.1\r\n{fields}{long}\r\n")),
    ] {
        let answer = last(&server, &request).await;
        let body = r#"{"code":3,"message":"Bad request"}"#;
        assert_eq!((answer.status, answer.text()), (code, body), "{request:.200}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"), "{request:.200}");
        assert_eq!(answer.header("connection"), Some("close"));
        let other = last(&server, request.replace("a.example", "b.example")).await;
        assert_eq!((other.status, other.header("access-control-allow-origin")), (code, None));
    }
    // Before one of them another may have been answered.
    let mut connection = server.connect().await;
    assert_eq!(connection.request("GET", POLLING, &[], b"").await.status, 200);
    connection.write("nonsense\r\n\r\n").await;
    assert_eq!(connection.response().await.text(), r#"{"code":3,"message":"Bad request"}"#);
}

/// Sends a request, whose body goes on after the answer, and then the connection ends in peace.
async fn answer_amid_the_body(server: &TestServer, head: &str, body: &[u8]) -> u16 {
    let mut connection = server.connect().await;
    let (begin, rest) = body.split_at(body.len() / 2);
    connection.write(head).await;
    connection.write_as_far_as_possible(begin).await;
    let answer = connection.response().await;
    assert_eq!(answer.header("connection"), Some("close"), "{head:.200}");
    connection.write(rest).await;
    assert_eq!(connection.closed().await, b"", "no other request is read");
    answer.status
}

// proves: protocol/early-answers
#[tokio::test]
async fn an_answer_before_the_body_was_read_arrives_and_the_body_may_go_on() {
    let server = TestServer::echo_with(EngineConfig::default(), |builder| {
        builder.hooks(
            socketio_server::Hooks::new().allow_request(async |_| Err(socketio_server::Denied::new("no"))),
        )
    })
    .await;
    let length = 3_000_000;
    let body = vec![b'4'; length];
    for (code, method, target) in [
        (400, "POST", "/engine.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA"),
        (403, "GET", POLLING),
        (404, "POST", "/nowhere"),
        (400, "PUT", POLLING),
        (400, "CONNECT", "a:1"),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(answer_amid_the_body(&server, &head, &body).await, code, "{method} {target}");
    }
    let server = echo().await;
    let target = server.open_polling("/engine.io/", 4).await;
    for (code, method, fields) in [
        (413, "POST", format!("Content-Length: {length}\r\n")),
        (405, "PUT", format!("Content-Length: {length}\r\n")),
        (400, "POST", format!("Host: b\r\nContent-Length: {length}\r\n")),
        (405, "PUT", format!("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {length}\r\n")),
        (431, "POST", format!("Content-Length: {length}\r\nX: {}\r\n", "a".repeat(20_000))),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(answer_amid_the_body(&server, &head, &body).await, code);
    }
    // In chunks, none of which says that it is the last.
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2dc6c0\r\n");
    assert_eq!(answer_amid_the_body(&server, &head, &body).await, 413);
    assert_eq!(server.post(&target, "4alive").await.text(), "ok", "and the session goes on");
}

// proves: protocol/early-answers
#[tokio::test]
async fn an_answer_whose_body_has_come_leaves_the_connection_open() {
    let server = echo().await;
    let mut connection = server.connect().await;
    for _ in 0..2 {
        let unknown = "/engine.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA";
        let answer = connection.request("POST", unknown, &[], b"4a").await;
        assert_eq!((answer.status, answer.header("connection")), (400, None));
    }
}
