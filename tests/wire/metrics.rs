//! What a server tells whoever operates it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engineio::websocket::deflate::PerMessageDeflate;
use socketio::{Io, IoConfig, Recovery};
use socketio_server::{Limits, Metrics, Server};
use socketio_server_cli::apps;
use socketio_tests::{Connection, Deflate, Received, WebSocket};
use tokio::net::TcpSocket;

/// Where an echo server answers clients, and where it answers its operator.
async fn echo() -> (SocketAddr, SocketAddr) {
    echo_within(Limits::default()).await
}

async fn echo_within(limits: Limits) -> (SocketAddr, SocketAddr) {
    let config = IoConfig { recovery: Some(Recovery::default()), ..IoConfig::default() };
    let io = Io::with_config(config);
    apps::echo(&io);
    let metrics = Arc::new(Metrics::default());
    let builder = Server::builder().limits(limits).observer(metrics.clone());
    // The same application twice is still one.
    let builder = builder.socketio("/socket.io/", io.clone()).socketio("/again/", io);
    let server = builder.build().expect("a server");
    let mut listeners = Vec::new();
    for _ in 0..2 {
        let socket = TcpSocket::new_v4().expect("a socket");
        // What is not read is to stay with the server, and not with the kernel.
        socket.set_send_buffer_size(4 * 1024).expect("a small buffer");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        listeners.push(socket.listen(1024).expect("to listen"));
    }
    let addresses = [&listeners[0], &listeners[1]].map(|listener| listener.local_addr().expect("an address"));
    tokio::spawn(server.operations(metrics).serve(listeners.remove(1)));
    tokio::spawn(server.serve(listeners.remove(0), std::future::pending()));
    addresses.into()
}

/// The sample of that name and those labels.
async fn sample(operations: SocketAddr, name: &str) -> f64 {
    let metrics = Connection::open(operations).await.request("GET", "/metrics", &[], b"").await;
    assert_eq!(metrics.status, 200);
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {}", metrics.text())).parse().expect("a number")
}

/// Waits until the sample has that value.
async fn becomes(operations: SocketAddr, name: &str, value: f64) {
    while sample(operations, name).await != value {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn metrics_tell_what_compression_saves() {
    let metrics = Arc::new(Metrics::default());
    let deflate = Some(PerMessageDeflate::default());
    let config = engineio::EngineConfig { per_message_deflate: deflate, ..engineio::EngineConfig::default() };
    let builder = Server::builder().config(config).observer(metrics.clone());
    let server = builder.engineio("/engine.io/", apps::EngineEcho).build().expect("a server");
    let [clients, operators] = [(); 2].map(|()| TcpSocket::new_v4().expect("a socket"));
    for socket in [&clients, &operators] {
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    }
    let [clients, operators] = [clients, operators].map(|socket| socket.listen(16).expect("to listen"));
    let (address, operations) = (clients.local_addr().unwrap(), operators.local_addr().unwrap());
    tokio::spawn(server.operations(metrics).serve(operators));
    tokio::spawn(server.serve(clients, std::future::pending()));
    let target = "/engine.io/?EIO=4&transport=websocket";
    let (_, mut websocket) = WebSocket::compressed(address, target, "permessage-deflate").await;
    websocket.next_text().await;
    // This one is too short to come back compressed.
    let short = Deflate::default().compress("4short");
    websocket.raw(WebSocket::frame(0xc1, &short)).await;
    assert_eq!(websocket.next_text().await, "4short");
    let message = format!("4{}", "tea ".repeat(500));
    let long = Deflate::default().compress(&message);
    websocket.raw(WebSocket::frame(0xc1, &long)).await;
    let Received::Compressed(_, payload) = websocket.next().await else { panic!("it is compressed") };
    for (name, bytes) in [
        ("socketio_deflate_message_bytes_total{direction=\"in\"}", 6 + message.len()),
        ("socketio_deflate_wire_bytes_total{direction=\"in\"}", short.len() + long.len()),
        ("socketio_deflate_message_bytes_total{direction=\"out\"}", message.len()),
        ("socketio_deflate_wire_bytes_total{direction=\"out\"}", payload.len()),
    ] {
        assert_eq!(sample(operations, name).await, bytes as f64, "{name}");
    }
}

#[tokio::test]
async fn metrics_tell_what_is_held_and_that_it_is_given_back() {
    let (address, operations) = echo().await;
    let tasks = sample(operations, "socketio_tasks").await;
    let mut client = WebSocket::open(address, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40/test,").await;
    client.next_text().await;
    client.text(r#"42/test,1["join","a"]"#).await;
    assert_eq!(client.next_text().await, r#"43/test,1[["a"]]"#);
    client.text(r#"42/test,["join",5]"#).await;
    client.text(r#"42/test,["join",{}]"#).await;
    client.text(r#"42/test,["nobody handles this"]"#).await;
    // The question stands when it has come, and nobody answers it.
    client.text(r#"42/test,2["ask"]"#).await;
    assert!(client.next_text().await.starts_with("42/test,"));
    for (name, value) in [
        ("socketio_connections", 1.0),
        (r#"socketio_sessions{transport="websocket"}"#, 1.0),
        ("socketio_sockets", 1.0),
        // `/`, `/custom` and `/test`.
        ("socketio_namespaces", 3.0),
        (r#"socketio_namespace_sockets{namespace="/"}"#, 0.0),
        (r#"socketio_namespace_sockets{namespace="/test"}"#, 1.0),
        ("socketio_rooms", 1.0),
        ("socketio_pending_acks", 1.0),
        (r#"socketio_unhandled_events_total{reason="args"}"#, 2.0),
        (r#"socketio_unhandled_events_total{reason="no_handler"}"#, 1.0),
        ("socketio_recovery_away", 0.0),
        (r#"socketio_recoveries_total{outcome="recovered"}"#, 0.0),
    ] {
        assert_eq!(sample(operations, name).await, value, "{name}");
    }
    assert!(sample(operations, "socketio_tasks").await > tasks);

    client.text("41/test,").await;
    drop(client);
    for name in ["socketio_connections", "socketio_sockets", "socketio_rooms", "socketio_pending_acks"] {
        becomes(operations, name, 0.0).await;
    }
    becomes(operations, "socketio_tasks", tasks).await;
}

/// Clients that ask for much, all at once, and read nothing of it.
pub(crate) async fn deaf(address: SocketAddr, target: &str, clients: usize) -> Vec<Connection> {
    let mut deaf = Vec::new();
    for _ in 0..clients {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
        let mut client = Connection::over(socket.connect(address).await.expect("a connection"));
        client.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(200)).await;
        deaf.push(client);
    }
    deaf
}

/// Asks for something that has to be answered, whoever else is there.
pub(crate) async fn answered(address: SocketAddr, target: &str) {
    let mut connection = Connection::open(address).await;
    connection.host = "localhost".to_owned();
    let answer = connection.request("GET", target, &[], b"");
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

// proves: security/operators-addresses
#[tokio::test]
async fn health_is_answered_however_many_clients_ask_for_metrics_and_do_not_read() {
    let (_, operations) = echo().await;
    let _deaf = deaf(operations, "/metrics", 140).await;
    answered(operations, "/healthz").await;
    let _more = deaf(operations, "/metrics", 140).await;
    answered(operations, "/metrics").await;
}

// proves: security/operators-addresses
#[tokio::test]
async fn who_reads_nothing_of_the_metrics_is_closed_at_the_write_timeout() {
    let (_, operations) =
        echo_within(Limits { write_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let _deaf = deaf(operations, "/metrics", 1).await;
    becomes(operations, r#"socketio_limit_hits_total{limit="write_timeout"}"#, 1.0).await;
}

#[tokio::test]
async fn who_never_ends_a_head_is_closed_at_its_timeout_here_as_elsewhere() {
    let (_, operations) =
        echo_within(Limits { head_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let mut slow = Connection::open(operations).await;
    slow.write("GET /metr").await;
    assert_eq!(slow.closed().await, b"");
    becomes(operations, r#"socketio_limit_hits_total{limit="head_timeout"}"#, 1.0).await;
}
