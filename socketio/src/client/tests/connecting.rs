use super::*;

// proves: features/own-id, protocol/ids
#[tokio::test]
async fn connect_is_answered_with_an_id_that_is_not_the_sid() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    assert!(peer.take().is_empty(), "nothing is sent before CONNECT");
    peer.send("0");
    let id = socket(&io, "/").id().to_owned();
    assert_eq!(peer.next(), format!(r#"0{{"sid":"{id}"}}"#));
    assert_eq!(id.len(), 20);
    assert_ne!(id, peer.sid.as_str());
}

#[tokio::test]
async fn the_reply_goes_out_before_on_connect_runs() {
    let io = Io::new();
    io.of("/").on_connect(|socket| async move { socket.emit("welcome", ()) });
    let mut peer = Peer::open(&io);
    peer.send("0");
    let sent = peer.take();
    assert!(sent[0].starts_with("0{"), "{sent:?}");
    assert_eq!(sent[1..], [r#"2["welcome"]"#]);
}

// proves: features/namespaces
#[tokio::test]
async fn each_namespace_is_a_socket_of_its_own() {
    let io = Io::new();
    io.of("/x").on_sync("where", |socket, ()| socket.namespace().name().to_owned());
    io.of("/").on_sync("where", |socket, ()| socket.namespace().name().to_owned());
    let mut peer = Peer::join(&io);
    peer.send("0/x,");
    let id = socket(&io, "/x").id().to_owned();
    assert_eq!(peer.next(), format!(r#"0/x,{{"sid":"{id}"}}"#));
    assert_ne!(socket(&io, "/").id(), id);
    peer.send(r#"2/x,1["where"]"#);
    peer.send(r#"21["where"]"#);
    assert_eq!(peer.take(), [r#"3/x,1["/x"]"#, r#"31["/"]"#]);
}

// proves: websocket-node/cookies, features/socket-handshake
#[tokio::test]
async fn the_handshake_has_the_request_and_the_auth() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"token":"a","n":[1]}"#);
    let socket = socket(&io, "/");
    let handshake = socket.handshake();
    assert_eq!(handshake.auth_json(), r#"{"token":"a","n":[1]}"#);
    assert_eq!(handshake.auth::<Value>().unwrap(), json!({"token": "a", "n": [1]}));
    assert!(handshake.auth::<Vec<i32>>().is_err());
    assert_eq!(handshake.headers.get("user-agent"), Some("test"));
    assert_eq!(handshake.query().get("t").as_deref(), Some("1"));
    assert_eq!(handshake.address.unwrap().port(), 50_000);
    assert!(!handshake.secure && handshake.url.starts_with("/socket.io/"));

    let mut peer = Peer::open(&io);
    peer.send("0");
    let other = io.of("/").sockets().into_iter().find(|other| *other != socket).unwrap();
    assert_eq!(other.handshake().auth_json(), "{}");
}

// proves: features/wish/invalid-namespace, protocol/refused-namespace
#[tokio::test]
async fn an_unknown_namespace_is_refused_and_the_session_goes_on() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    peer.send("0/nope,");
    assert_eq!(peer.next(), r#"4/nope,{"message":"Invalid namespace"}"#);
    peer.send("0/x?token=abc,");
    assert_eq!(peer.next(), r#"4/x?token=abc,{"message":"Invalid namespace"}"#);
    assert_eq!(peer.close_requested(), None);
    peer.send("0");
    assert!(peer.next().starts_with("0{"));
}

#[tokio::test]
async fn a_namespace_created_later_can_be_joined() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    peer.send("0/later,");
    assert!(peer.next().starts_with("4/later,"));
    let _ = io.of("later");
    peer.send("0/later,");
    assert!(peer.next().starts_with("0/later,{"));
}

// proves: features/connect-timeout, features/wish/invalid-namespace, protocol/refused-namespace
#[tokio::test]
async fn a_session_that_joins_nothing_ends_after_the_connect_timeout() {
    let (io, log) = logging();
    let mut peer = Peer::open(&io);
    assert_eq!(peer.deadline(), Some(Duration::from_secs(45)));
    peer.send("0/nope,");
    peer.take();
    peer.advance(Duration::from_millis(44_999));
    peer.poll();
    assert_eq!(peer.close_requested(), None);
    peer.advance(Duration::from_millis(1));
    peer.poll();
    assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    assert!(log.take().is_empty());
}

#[tokio::test]
async fn a_session_that_joined_once_has_no_connect_timeout() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    assert_eq!(peer.deadline(), None);
    peer.send("1");
    assert_eq!(peer.deadline(), None);
}

// proves: protocol/repeated-connect
#[tokio::test]
async fn a_repeated_connect_replaces() {
    let (io, log) = logging();
    let mut peer = Peer::join(&io);
    let first = socket(&io, "/");
    peer.send("0");
    assert!(peer.next().starts_with("0{"));
    let second = socket(&io, "/");
    assert_ne!(first, second);
    assert_eq!(log.take(), ["connect", "client namespace disconnect", "connect"]);
    assert!(!first.is_connected() && second.is_connected());
    assert_eq!(first.closed().await, DisconnectReason::ClientNamespaceDisconnect);
    peer.send(r#"2["e",1]"#);
    assert_eq!(log.take(), ["e 1"]);
}

// proves: protocol/repeated-connect
#[tokio::test]
async fn of_pipelined_connects_one_socket_lives() {
    let (io, _) = logging();
    let mut peer = Peer::open(&io);
    for _ in 0..3 {
        peer.send("0");
    }
    assert_eq!(peer.take().len(), 3);
    assert_eq!(io.of("/").socket_count(), 1);
    assert_eq!(peer.close_requested(), None);
}

// proves: protocol/max-namespaces
#[tokio::test]
async fn more_namespaces_than_the_limit_are_refused() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    for n in 0..100 {
        let _ = io.of(&format!("/n{n}"));
        peer.send(&format!("0/n{n},"));
    }
    let sent = peer.take();
    assert!(sent[63].starts_with("0/n63,{"), "{}", sent[63]);
    assert_eq!(sent[64], r#"4/n64,{"message":"Too many namespaces"}"#);
    assert_eq!(sent.len(), 100);
}

// proves: protocol/max-namespaces
#[tokio::test]
async fn connecting_over_and_over_cannot_pile_up_sockets() {
    let io = Io::new();
    io.of("/").on_connect(|_| std::future::pending::<()>());
    let mut peer = Peer::open(&io);
    for _ in 0..1000 {
        peer.send("0");
    }
    let accepted = peer.take().iter().filter(|packet| packet.starts_with("0{")).count();
    assert_eq!(accepted, 128);
}

// proves: protocol/crossing-packets
#[tokio::test]
async fn refused_names_are_not_all_remembered() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    for n in 0..10_000 {
        peer.send(&format!("0/n{n},"));
        assert!(peer.next().starts_with("4/n"));
    }
    assert_eq!(peer.client.departed.len(), 64);
}
