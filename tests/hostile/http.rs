//! Rows 1 to 14, 42 and 74: what HTTP forbids, and who sends it slowly.

use engineio::Limit;

use super::*;

/// One connection for each: exactly these bytes, and the status of the answer. `{target}` is that of a session,
/// which is alive afterwards; `{length}` its length.
async fn answers(server: &TestServer, rows: &[(&str, u16)]) {
    let target = server.open_polling("/engine.io/", 4).await;
    for (bytes, status) in rows {
        let mut connection = server.connect().await;
        connection.write(bytes.replace("{target}", &target)).await;
        assert_eq!(connection.response().await.status, *status, "{bytes:.300}");
    }
    still_polls(server, &target).await;
}

/// The session is there, and nothing of what was refused has reached it.
pub(crate) async fn still_polls(server: &TestServer, target: &str) {
    assert_eq!(server.post(target, "4alive").await.text(), "ok");
    loop {
        let polled = server.get(target).await;
        if polled.text() != "6" {
            assert_eq!(polled.text(), "4alive");
            break;
        }
    }
    end(server, target).await;
}

/// Ends a polling session as a client does.
pub(crate) async fn end(server: &TestServer, target: &str) {
    assert_eq!(server.post(target, "1").await.text(), "ok");
}

// proves: hostile/01, limit/idle-timeout
#[tokio::test]
async fn row_01_a_connection_that_sends_nothing_ends_at_the_idle_limit() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            let mut connection = server.connect().await;
            assert_eq!(connection.closed().await, b"");
            // Between two requests too.
            let mut connection = server.connect().await;
            assert_eq!(connection.request("GET", "/nowhere", &[], b"").await.status, 404);
            assert_eq!(connection.closed().await, b"");
            assert_eq!(server.service().limit_hits(Limit::IdleTimeout), 2);
        },
    )
    .await;
}

// proves: hostile/01
#[tokio::test]
async fn row_01_a_connection_that_sends_one_byte_ends_at_the_head_timeout() {
    let mut settings = impatient();
    settings.limits.idle_timeout = socketio_server::Limits::default().idle_timeout;
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let mut connection = server.connect().await;
            connection.write("P").await;
            assert_eq!(connection.closed().await, b"");
            assert_eq!(server.service().limit_hits(Limit::HeadTimeout), 1);
        },
    )
    .await;
}

// proves: hostile/02, limit/head-timeout
#[tokio::test]
async fn row_02_a_head_that_comes_byte_by_byte_ends_at_its_deadline() {
    let mut settings = impatient();
    settings.limits.idle_timeout = socketio_server::Limits::default().idle_timeout;
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let (reader, mut writer) = tokio::io::split(
                tokio::net::TcpStream::connect(server.address()).await.expect("a connection"),
            );
            let drip = tokio::spawn(async move {
                use tokio::io::AsyncWriteExt as _;
                for byte in "GET / HTTP/1.1\r\nHost: a\r\nX: ".bytes().chain(std::iter::repeat(b'x')) {
                    if writer.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            });
            let mut reader = reader;
            let mut got = Vec::new();
            // A reset is as good an end as any, since bytes were on their way.
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut got).await;
            assert_eq!(got, b"");
            drip.await.expect("the client's task");
            assert_eq!(server.service().limit_hits(Limit::HeadTimeout), 1);
        },
    )
    .await;
}

// proves: hostile/03, limit/body-timeout
#[tokio::test]
async fn row_03_a_body_that_stalls_is_408_and_its_session_ends() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let mut post = server.connect().await;
            post.write(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n4ab")).await;
            let response = post.response().await;
            assert_eq!((response.status, response.text()), (408, ""));
            assert_eq!(post.closed().await, b"");
            assert_eq!(server.get(&target).await.text(), SESSION_UNKNOWN);
            assert_eq!(server.service().limit_hits(Limit::BodyTimeout), 1);
        },
    )
    .await;
}

// proves: flaw/cve-2024-37890, hostile/04, limit/max-head
#[tokio::test]
async fn row_04_a_head_with_too_many_fields_or_bytes_is_431() {
    hostile(async |server| {
        let head = format!("GET {POLLING}&sid=x HTTP/1.1\r\n");
        let fields = |count: usize| format!("{head}Host: a\r\n{}\r\n", "X: a\r\n".repeat(count - 1));
        // As it is measured: the target, and each field with its colon, space and line end.
        let bytes = |count: usize| {
            let rest = count - format!("{POLLING}&sid=x").len() - "Host: a\r\n".len() - "X: \r\n".len();
            format!("{head}Host: a\r\nX: {}\r\n\r\n", "a".repeat(rest))
        };
        let rows = [
            (fields(100), 400),
            (fields(101), 431),
            (fields(2000), 431),
            (bytes(16_384), 400),
            (bytes(16_385), 431),
            (bytes(20_000), 431),
        ];
        let rows: Vec<(&str, u16)> = rows.iter().map(|(bytes, status)| (bytes.as_str(), *status)).collect();
        answers(server, &rows).await;
        assert_eq!(server.service().limit_hits(Limit::Head), 4);
    })
    .await;
}

// proves: hostile/05
#[tokio::test]
async fn row_05_a_target_of_70_kb_is_refused() {
    hostile(async |server| {
        let mut connection = server.connect().await;
        connection.write(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000))).await;
        assert_eq!(connection.response().await.status, 431);
    })
    .await;
}

// proves: hostile/06
#[tokio::test]
async fn row_06_a_length_beside_a_transfer_encoding_is_400_in_either_order() {
    hostile(async |server| {
        let body = "2\r\n4a\r\n0\r\n\r\n";
        let post = "POST {target} HTTP/1.1\r\nHost: a\r\n";
        let (length, encoding) = ("Content-Length: 12\r\n", "Transfer-Encoding: chunked\r\n");
        answers(
            server,
            &[
                (&format!("{post}{length}{encoding}\r\n{body}"), 400),
                (&format!("{post}{encoding}{length}\r\n{body}"), 400),
            ],
        )
        .await;
    })
    .await;
}

// proves: hostile/07
#[tokio::test]
async fn row_07_a_transfer_encoding_other_than_chunked_is_400() {
    hostile(async |server| {
        let rows = [
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding: \x0bchunked",
        ]
        .map(|field| format!("POST {{target}} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n2\r\n4a\r\n0\r\n\r\n"));
        let rows: Vec<(&str, u16)> = rows.iter().map(|bytes| (bytes.as_str(), 400)).collect();
        answers(server, &rows).await;
    })
    .await;
}

// proves: hostile/08
#[tokio::test]
async fn row_08_a_length_that_is_no_number_is_400() {
    hostile(async |server| {
        let lengths = [
            "Content-Length: +2",
            "Content-Length: 2, 2",
            "Content-Length: -1",
            "Content-Length: 18446744073709551616",
            "Content-Length: 2\r\nContent-Length: 3",
            "Content-Length: 0x2",
            "Content-Length: ",
        ]
        .map(|field| format!("POST {{target}} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n4a"));
        let rows: Vec<(&str, u16)> = lengths.iter().map(|bytes| (bytes.as_str(), 400)).collect();
        answers(server, &rows).await;
    })
    .await;
}

// proves: hostile/08
#[tokio::test]
async fn row_08_a_chunk_that_can_not_be_framed_is_400_and_ends_its_session() {
    hostile(async |server| {
        for chunk in
            ["f0000000000000003\r\n4a", "0x2\r\n4a", "2\n4a\n0\n\n", "-2\r\n4a", "\r\n4a", "2\r\n4axx0\r\n"]
        {
            let target = server.open_polling("/engine.io/", 4).await;
            let mut post = server.connect().await;
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            post.write(format!("{head}{chunk}")).await;
            assert_eq!(post.response().await.status, 400, "{chunk:?}");
            assert_eq!(post.closed().await, b"", "{chunk:?}");
            assert_eq!(server.get(&target).await.text(), SESSION_UNKNOWN, "{chunk:?}");
        }
    })
    .await;
}

// proves: hostile/09
#[tokio::test]
async fn row_09_a_request_without_a_host_or_with_two_is_400() {
    hostile(async |server| {
        answers(
            server,
            &[
                ("GET {target} HTTP/1.1\r\n\r\n", 400),
                ("GET {target} HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
                ("GET {target} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ],
        )
        .await;
    })
    .await;
}

// proves: hostile/10
#[tokio::test]
async fn row_10_connect_is_400() {
    hostile(async |server| {
        answers(server, &[("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400)]).await;
    })
    .await;
}

// proves: hostile/11
#[tokio::test]
async fn row_11_an_upgrade_with_a_body_is_400() {
    hostile(async |server| {
        let head = format!(
            "GET {WEBSOCKET} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        answers(
            server,
            &[
                (&format!("{head}Content-Length: 4\r\n\r\n4abc"), 400),
                (&format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n"), 400),
            ],
        )
        .await;
    })
    .await;
}

// proves: hostile/12
#[tokio::test]
async fn row_12_a_control_character_or_a_folded_line_in_a_head_is_400() {
    hostile(async |server| {
        answers(
            server,
            &[
                ("GET {target} HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
                ("GET {target} HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
                ("GET {target} HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
                ("GET {target} HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", 400),
                ("GET {target}\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ],
        )
        .await;
    })
    .await;
}

// proves: hostile/13
#[tokio::test]
async fn row_13_a_length_over_the_limit_is_413_from_the_head_alone() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut post = server.connect().await;
        post.write(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")).await;
        let response = post.response().await;
        assert_eq!((response.status, response.header("connection")), (413, Some("close")));
        assert_eq!(server.service().limit_hits(Limit::Payload), 1);
        still_polls(server, &target).await;
    })
    .await;
}

// proves: hostile/14
#[tokio::test]
async fn row_14_a_chunked_body_is_413_at_the_byte_over_the_limit() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut post = server.connect().await;
        post.write(format!("{head}f4240\r\n4{}", "x".repeat(999_999))).await;
        // The limit is reached and not exceeded: the server waits.
        post.write("\r\n1\r\n").await;
        assert_eq!(server.service().limit_hits(Limit::Payload), 0);
        post.write("x").await;
        assert_eq!(post.response().await.status, 413);
        still_polls(server, &target).await;
    })
    .await;
}

// proves: hostile/42
#[tokio::test]
async fn row_42_a_websocket_handshake_that_is_incomplete_is_400_with_the_version() {
    hostile(async |server| {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for fields in [
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n".to_owned(),
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n".to_owned(),
            format!("Upgrade: websocket\r\nSec-WebSocket-Version: 7\r\n{key}"),
            format!("Upgrade: websocket\r\n{key}"),
            format!("Upgrade: h2c\r\nSec-WebSocket-Version: 13\r\n{key}"),
        ] {
            let mut connection = server.connect().await;
            let head = format!("GET {WEBSOCKET} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n");
            connection.write(format!("{head}{fields}\r\n")).await;
            let response = connection.response().await;
            assert_eq!((response.status, response.text()), (400, BAD_REQUEST), "{fields}");
            assert_eq!(response.header("sec-websocket-version"), Some("13"), "{fields}");
        }
    })
    .await;
}

// proves: hostile/74
#[tokio::test]
async fn row_74_paths_are_compared_and_never_walked() {
    hostile(async |server| {
        for path in [
            "/socket.io/../x",
            "/socket.io/../socket.io/",
            "/socket.io/%2e%2e/x",
            "/socket.io/socket.io.js/../../x",
            "/socket.io/..%2f..%2fetc/passwd",
            "/socket.io/socket.io.js%00",
            "/socket.io//etc/passwd",
            "//socket.io/",
        ] {
            let response = server.get(&format!("{path}?EIO=4&transport=polling")).await;
            assert_eq!((response.status, response.text()), (404, ""), "{path}");
        }
    })
    .await;
}
