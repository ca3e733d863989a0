//! Clients behind proxies, as the server is told of them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use engineio::HandshakeRequest;
use socketio::{Io, Socket};
use socketio_server::{Builder, Limits, Server, TrustedProxy};
use socketio_server_cli::apps;
use socketio_tests::{TestServer, WebSocket};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// Who came, in words.
type Seen = Arc<Mutex<Vec<String>>>;

fn note(seen: &Seen, handshake: &HandshakeRequest) {
    let address = handshake.address.expect("an address").ip();
    seen.lock().expect("nobody panicked").push(format!("{address} {}", handshake.secure));
}

/// A server that remembers the address and the encryption of everyone who comes.
async fn server(settings: impl FnOnce(Builder) -> Builder) -> (TestServer, Seen) {
    let seen = Seen::default();
    let io = Io::new();
    let sockets = seen.clone();
    io.on_connect(move |socket: Socket| {
        note(&sockets, &socket.handshake());
        async {}
    });
    let plain = seen.clone();
    let builder = Server::builder().socketio("/socket.io/", io).websocket("/ws", move |request| {
        note(&plain, request.handshake());
        std::future::ready(apps::plain_echo(request))
    });
    (TestServer::start(settings(builder)).await, seen)
}

/// Joins `/` over a session of its own, as a proxy forwards it.
async fn join(server: &TestServer, headers: &[(&str, &str)]) -> u16 {
    let mut connection = server.connect().await;
    let opened = connection.request("GET", POLLING, headers, b"").await;
    if opened.status == 200 {
        let target = format!("{POLLING}&sid={}", opened.sid());
        assert_eq!(connection.request("POST", &target, headers, b"40").await.text(), "ok");
        assert!(connection.request("GET", &target, headers, b"").await.text().starts_with("40"));
    }
    opened.status
}

const FORWARDED: &[(&str, &str)] =
    &[("X-Forwarded-For", "198.51.100.1, 203.0.113.7"), ("X-Forwarded-Proto", "https")];

// proves: websocket-node/forwarded, features/socket-handshake, security/trusted-proxies
#[tokio::test]
async fn forwarding_fields_are_believed_from_trusted_proxies_alone() {
    let loopback = TrustedProxy::from(IpAddr::from(Ipv4Addr::LOCALHOST));
    let other: TrustedProxy = "192.0.2.0/24".parse().unwrap();
    for (trusted, client) in [(other, "127.0.0.1 false"), (loopback, "203.0.113.7 true")] {
        let (server, seen) = server(|builder| builder.trusted_proxies([trusted])).await;
        assert_eq!(join(&server, FORWARDED).await, 200);
        let (plain, _) = WebSocket::handshake(server.address(), "/ws", FORWARDED).await;
        assert_eq!(plain.status, 101);
        assert_eq!(*seen.lock().unwrap(), [client, client]);
    }
}

// proves: security/limits-by-address
#[tokio::test]
async fn limits_by_address_count_the_clients_of_a_trusted_proxy_and_not_the_proxy() {
    let limits =
        Limits { connections_per_address: Some(1), handshakes_per_address: Some(1), ..Limits::default() };
    let (server, _) =
        server(|builder| builder.limits(limits).trusted_proxies(["127.0.0.1".parse().unwrap()])).await;
    let _held = server.connect().await;
    let of = |address| [("X-Forwarded-For", address)];
    assert_eq!(join(&server, &of("203.0.113.1")).await, 200, "one more connection of the proxy's");
    assert_eq!(join(&server, &of("203.0.113.2")).await, 200);
    // A bucket of one may have filled again by the second try, but not by each of many.
    let mut refused = false;
    for _ in 0..20 {
        refused |= join(&server, &of("198.51.100.9, 203.0.113.3")).await == 429;
    }
    assert!(refused);
}
