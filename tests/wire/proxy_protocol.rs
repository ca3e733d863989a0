//! The PROXY protocol on a listener, in bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio::{Io, Socket};
use socketio_server::{Limits, Listener, Server};
use socketio_tests::{Connection, TestServer};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Who came, in words.
type Seen = Arc<Mutex<Vec<String>>>;

/// A server with the PROXY protocol that trusts this proxy, and remembers the address and the encryption of everyone who
/// joins.
async fn server(trusted: &str, limits: Limits) -> (TestServer, Seen) {
    let seen = Seen::default();
    let io = Io::new();
    let sockets = seen.clone();
    io.on_connect(move |socket: Socket| {
        let handshake = socket.handshake();
        let words = format!("{} {}", handshake.address.expect("an address"), handshake.secure);
        sockets.lock().expect("nobody panicked").push(words);
        async {}
    });
    let builder = Server::builder()
        .socketio("/socket.io/", io)
        .limits(limits)
        .trusted_proxies([trusted.parse().expect("an address")]);
    (TestServer::start_on(builder, Listener::proxy_protocol).await, seen)
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).expect("a short block").to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &len, block].concat()
}

/// Joins `/` on that connection; the status of the handshake's answer.
async fn join(connection: &mut Connection) -> u16 {
    join_with(connection, &[]).await
}

/// The same, with these header fields in the handshake.
async fn join_with(connection: &mut Connection, headers: &[(&str, &str)]) -> u16 {
    let opened = connection.request("GET", POLLING, headers, b"").await;
    if opened.status == 200 {
        let target = format!("{POLLING}&sid={}", opened.sid());
        assert_eq!(connection.request("POST", &target, &[], b"40").await.text(), "ok");
        assert!(connection.request("GET", &target, &[], b"").await.text().starts_with("40"));
    }
    opened.status
}

const V4: [u8; 12] = [203, 0, 113, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];

// proves: features/wish/proxy-protocol
#[tokio::test]
async fn a_trusted_proxy_says_whose_connection_it_is_in_either_version() {
    let (server, seen) = server("127.0.0.1", Limits::default()).await;
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    (v6[15], v6[33]) = (7, 9);
    let secure = [&V4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    for header in [
        &b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"[..],
        b"PROXY TCP6 2001:db8::7 2001:db8::1 9 443\r\n",
        &v2(1, 0x11, &V4),
        &v2(1, 0x21, &v6),
        &v2(1, 0x11, &secure),
    ] {
        let mut connection = server.connect().await;
        connection.write(header).await;
        assert_eq!(join(&mut connection).await, 200);
    }
    let expected = [
        "203.0.113.7:4711 false",
        "[2001:db8::7]:9 false",
        "203.0.113.7:4711 false",
        "[2001:db8::7]:9 false",
        "203.0.113.7:4711 true",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_header_in_segments_is_one_header_and_what_follows_is_http() {
    let (server, seen) = server("127.0.0.1", Limits::default()).await;
    for header in [&b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"[..], &v2(1, 0x11, &V4)] {
        let mut connection = server.connect().await;
        for byte in header {
            connection.write([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(join(&mut connection).await, 200);
        // All in one, as most proxies send it.
        let mut connection = server.connect().await;
        let request = format!("GET {POLLING} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.write([header, request.as_bytes()].concat()).await;
        assert_eq!(connection.response().await.status, 200);
    }
    assert_eq!(*seen.lock().unwrap(), ["203.0.113.7:4711 false"; 2]);
}

#[tokio::test]
async fn a_connection_of_the_proxys_own_has_its_address() {
    let (server, seen) = server("127.0.0.1", Limits::default()).await;
    // Whoever writes the requests can't name another address, nor pretend to use TLS.
    let forged = [("X-Forwarded-For", "203.0.113.66"), ("X-Forwarded-Proto", "https")];
    for header in [&b"PROXY UNKNOWN\r\n"[..], &v2(0, 0, &[]), &v2(0, 0x11, &V4), &v2(1, 0x31, &[0; 216])] {
        let mut connection = server.connect().await;
        connection.write(header).await;
        assert_eq!(join_with(&mut connection, &forged).await, 200);
    }
    let seen = seen.lock().unwrap();
    let own = |who: &String| who.starts_with("127.0.0.1:") && who.ends_with(" false");
    assert!(seen.len() == 4 && seen.iter().all(own), "{seen:?}");
}

#[tokio::test]
async fn a_trusted_proxy_without_a_right_header_gets_no_answer() {
    let (server, _) = server("127.0.0.1", Limits::default()).await;
    let request = format!("GET {POLLING} HTTP/1.1\r\nHost: test\r\n\r\n");
    for wrong in [
        request.as_bytes(),
        b"PROXY TCP4 nobody 198.51.100.1 4711 443\r\n",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443                                                           more",
        &v2(9, 0x11, &V4),
        &v2(1, 0x11, &[0; 5000]),
        b"\r\n\r\n\0\r\nQUIT\nnonsense and more of it",
    ] {
        let mut connection = server.connect().await;
        connection.write_as_far_as_possible(wrong).await;
        assert_eq!(connection.closed().await, b"", "{:?}", String::from_utf8_lossy(wrong));
    }
}

#[tokio::test]
async fn a_header_has_the_time_of_a_requests_head() {
    let limits = Limits { head_timeout: Duration::from_millis(100), ..Limits::default() };
    let (server, _) = server("127.0.0.1", limits).await;
    for beginning in [&b""[..], b"PROXY TCP4 203.0.113.7 198", &v2(1, 0x11, &V4)[..20]] {
        let mut connection = server.connect().await;
        connection.write(beginning).await;
        assert_eq!(connection.closed().await, b"");
    }
}

// proves: features/wish/proxy-protocol
#[tokio::test]
async fn who_is_not_trusted_is_told_so_and_may_connect_without_a_header() {
    let (server, seen) = server("192.0.2.1", Limits::default()).await;
    for header in [&b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"[..], &v2(1, 0x11, &V4)] {
        let mut connection = server.connect().await;
        connection.write(header).await;
        let answer = connection.response().await;
        let told = "The sender of the PROXY header is not a trusted proxy.\n";
        assert_eq!((answer.status, answer.text()), (400, told));
    }
    assert_eq!(join(&mut server.connect().await).await, 200);
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 1 && seen[0].starts_with("127.0.0.1:"), "{seen:?}");
}

#[tokio::test]
async fn without_the_setting_a_header_is_no_http() {
    let server = TestServer::start(Server::builder().socketio("/socket.io/", Io::new())).await;
    let mut connection = server.connect().await;
    connection.write("PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n\r\n").await;
    assert_eq!(connection.response().await.status, 400);
}

// proves: security/limits-by-address
#[tokio::test]
async fn limits_by_address_count_the_client_that_the_header_names() {
    let limits = Limits { connections_per_address: Some(1), ..Limits::default() };
    let (server, _) = server("127.0.0.1", limits).await;
    let open = async |client: &str| {
        let mut connection = server.connect().await;
        connection.write(format!("PROXY TCP4 {client} 198.51.100.1 1 443\r\n")).await;
        let status = connection.request("GET", POLLING, &[], b"").await.status;
        (connection, status)
    };
    let (held, status) = open("203.0.113.1").await;
    assert_eq!(status, 200);
    assert_eq!(open("203.0.113.2").await.1, 200, "another client");
    assert_eq!(open("203.0.113.1").await.1, 429, "the same one once more");
    drop(held);
    // Its place is free once the server has seen that it is gone.
    while open("203.0.113.1").await.1 != 200 {}
}

#[tokio::test]
async fn forwarding_fields_behind_the_header_are_the_clients_own_claim() {
    let (server, seen) = server("127.0.0.1", Limits::default()).await;
    let mut connection = server.connect().await;
    connection.write("PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n").await;
    let claim = [("X-Forwarded-For", "198.51.100.99"), ("X-Forwarded-Proto", "https")];
    let opened = connection.request("GET", POLLING, &claim, b"").await;
    let target = format!("{POLLING}&sid={}", opened.sid());
    connection.request("POST", &target, &claim, b"40").await;
    connection.request("GET", &target, &claim, b"").await;
    let address: SocketAddr = "203.0.113.7:4711".parse().unwrap();
    assert_eq!(*seen.lock().unwrap(), [format!("{address} false")]);
}
