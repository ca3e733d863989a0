//! Clients that don't.

use std::future::poll_fn;
use std::task::Poll;

use super::*;

/// Has a roamer come back that must be connected as a new client, without anything of the old one.
fn assert_new(io: &Io, roamer: &mut Roamer, count: impl Fn(RecoveryCounts) -> u64) {
    let before = count(counts(io));
    assert!(!roamer.come_back(io));
    assert!(roamer.take_got().is_empty());
    assert_eq!(count(counts(io)), before + 1);
}

// proves: protocol/not-recovered
#[tokio::test(start_paused = true)]
async fn who_comes_too_late_is_a_new_client() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    roamer.lose();
    io.emit("e", 1).unwrap();
    // Time goes on, and nobody else has run yet.
    let mut late = std::pin::pin!(advance(Duration::from_secs(120)));
    assert!(poll_fn(|cx| Poll::Ready(late.as_mut().poll(cx))).await.is_pending());
    assert_new(&io, &mut roamer, |counts| counts.expired);
    // Later nothing is known of the old one.
    roamer.lose();
    advance(Duration::from_secs(121)).await;
    assert_new(&io, &mut roamer, |counts| counts.unknown);
}

// proves: protocol/not-recovered
#[tokio::test]
async fn unknown_and_malformed_pids_and_offsets_are_a_new_client() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    io.emit("e", 1).unwrap();
    roamer.lose();
    let pid = &roamer.reply.as_ref().unwrap().pid;
    let count = |name: &str| match (name, counts(&io)) {
        ("unknown", counts) => counts.unknown,
        ("offset", counts) => counts.offset,
        (_, counts) => counts.malformed,
    };
    for (auth, refusal) in [
        (json!({"pid": "aaaaaaaaaaaaaaaaaaaa", "offset": "0"}), "unknown"),
        (json!({"pid": "x"}), "unknown"),
        (json!({"pid": pid, "offset": "1"}), "offset"),
        (json!({"pid": pid, "offset": "18446744073709551615"}), "offset"),
        (json!({"pid": pid, "offset": "18446744073709551616"}), "malformed"),
        (json!({"pid": pid, "offset": ""}), "malformed"),
        (json!({"pid": pid, "offset": "+0"}), "malformed"),
        (json!({"pid": pid, "offset": "text"}), "malformed"),
        (json!({"pid": pid, "offset": 0}), "malformed"),
        (json!({"pid": pid, "offset": ["0"]}), "malformed"),
        (json!({"pid": ""}), "malformed"),
        (json!({"pid": 7}), "malformed"),
        (json!({"pid": {}, "offset": "0"}), "malformed"),
        (json!({"pid": format!("{pid}\n")}), "malformed"),
        (json!({"pid": "x".repeat(100_000)}), "malformed"),
    ] {
        let before = count(refusal);
        let mut peer = Peer::open(&io);
        peer.send(&format!("0{auth}"));
        let reply: Reply = serde_json::from_str(&peer.next()[1..]).unwrap();
        assert!(reply.pid != *pid && !io.socket(&reply.sid).unwrap().recovered(), "{auth}");
        assert_eq!(count(refusal), before + 1, "{auth}");
    }
    let mut peer = Peer::open(&io);
    peer.send(&format!(r#"0{{"pid":"{pid}","pid":"{pid}"}}"#));
    assert!(peer.next().starts_with("0{"));
    peer.send(r#"0{"offset":"0"}"#);
    peer.send(r#"0{"pid":null}"#);
    assert_eq!(counts(&io).malformed, 12);
    // All of that took nothing from who has the right to it.
    assert!(roamer.come_back(&io));
    assert_eq!(roamer.take_got(), [1]);
}

// proves: protocol/recoverable-ends
#[tokio::test]
async fn who_left_or_was_put_out_is_a_new_client() {
    let endings: [fn(&mut Roamer, &Socket); 5] = [
        |roamer, _| roamer.peer.send("1"),
        |roamer, socket| {
            socket.disconnect(false);
            assert!(matches!(socket.emit("e", 1), Err(SendError::Closed)));
            roamer.peer.poll();
        },
        |roamer, socket| {
            socket.disconnect(true);
            roamer.peer.poll();
        },
        // The connection is lost before the client could be told.
        |_, socket| socket.disconnect(false),
        |roamer, _| assert_eq!(roamer.peer.sending_closes("2["), Some(CloseReason::ParseError)),
    ];
    for ending in endings {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        ending(&mut roamer, &socket);
        roamer.lose();
        io.emit("e", 1).unwrap();
        assert!(matches!(socket.emit("e", 1), Err(SendError::Closed)));
        assert_new(&io, &mut roamer, |counts| counts.unknown);
    }
}

// proves: protocol/recoverable-ends
#[tokio::test]
async fn a_server_that_shuts_down_keeps_nothing() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let mut away = Roamer::join(&io);
    away.lose();
    io.close();
    assert_eq!(roamer.peer.close_requested(), Some(CloseReason::ServerShuttingDown));
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
}

// proves: protocol/not-recovered
#[tokio::test]
async fn a_pid_is_of_one_namespace() {
    let io = io();
    let _ = io.of("/other");
    let mut roamer = Roamer::join(&io);
    roamer.lose();
    let mut peer = Peer::open(&io);
    peer.send(&roamer.connect().replacen('0', "0/other,", 1));
    assert!(peer.next().starts_with("0/other,{"));
    assert_eq!(counts(&io).unknown, 1);
    assert!(roamer.come_back(&io));
}

// proves: protocol/recoverable-ends
#[tokio::test]
async fn a_namespace_that_is_closed_gives_up_who_is_away() {
    let io = io();
    let _ = io.of("/x");
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    let reply: Reply = serde_json::from_str(&peer.next()["0/x,".len()..]).unwrap();
    peer.close(CloseReason::TransportClose);
    assert_eq!(counts(&io).away, 1);
    io.of("/x").close();
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    let _ = io.of("/x");
    let mut peer = Peer::open(&io);
    peer.send(&format!(r#"0/x,{{"pid":"{}"}}"#, reply.pid));
    assert!(!peer.next().contains(&reply.pid));
}

// proves: protocol/away-disconnect
#[tokio::test]
async fn who_is_put_out_while_it_is_away_is_a_new_client() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    io.emit("e", 1).unwrap();
    roamer.lose();
    socket.disconnect(false);
    assert!(matches!(socket.emit("e", 2), Err(SendError::Closed)));
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    assert_new(&io, &mut roamer, |counts| counts.unknown);

    // Once it is back, the socket that was lost has no say.
    let lost = roamer.socket(&io);
    roamer.lose();
    assert!(roamer.come_back(&io));
    lost.disconnect(true);
    io.emit("e", 3).unwrap();
    roamer.receive(usize::MAX);
    assert_eq!(roamer.take_got(), [3]);
}

// proves: protocol/refused-recovery, security/recovery-and-logins
#[tokio::test]
async fn who_comes_back_as_somebody_else_is_a_new_client_and_the_socket_waits_for_its_own() {
    for skip_middlewares in [false, true] {
        for slow in [false, true] {
            let io = with(Recovery { skip_middlewares, ..Recovery::default() });
            let user = |socket: &Socket| {
                let auth: Value = socket.handshake().auth().unwrap();
                auth["user"].as_str().unwrap_or("nobody").to_owned()
            };
            io.allow_recovery(move |socket: Socket| async move {
                if slow {
                    tokio::task::yield_now().await;
                }
                assert!(socket.recovered() && !socket.is_connected());
                let _ = (socket.join("never"), socket.emit("e", "never"));
                socket.get::<String>().as_deref() == Some(&user(&socket))
            })
            .middleware(move |socket: Socket| async move {
                socket.insert(user(&socket));
                Ok(())
            })
            .on_sync("f", |socket: Socket, ()| socket.get::<String>().map(|user| (*user).clone()));
            let mut roamer = Roamer::join(&io);
            let old = roamer.socket(&io);
            old.join("of nobody").unwrap();
            old.set_data("secret", 1).unwrap();
            io.emit("e", 1).unwrap();
            roamer.receive(usize::MAX);
            roamer.lose();
            io.to("of nobody").emit("e", 2).unwrap();

            // Its packets wait for the decision like any others.
            let mut other = Peer::open(&io);
            let claim = roamer.connect().replacen('{', r#"{"user":"eve","#, 1);
            other.send(&claim);
            other.send(r#"21["f"]"#);
            let mut sent = other.receive().await;
            sent.extend(other.take());
            let reply: Reply = serde_json::from_str(&sent[0][1..]).unwrap();
            assert_eq!(sent[1..], [r#"31["eve"]"#], "it has got nothing of the old one");
            assert_ne!(Some(&reply.pid), roamer.reply.as_ref().map(|reply| &reply.pid));
            let new = io.socket(&reply.sid).unwrap();
            assert!(!new.recovered() && new.rooms().is_empty() && new.data::<Value>().unwrap() == json!({}));
            assert_eq!((counts(&io).denied, counts(&io).recovered, counts(&io).away), (1, 0, 1));
            assert_eq!(other.client.link().backlog(), 0);

            roamer.peer = Peer::open(&io);
            roamer.peer.send(&roamer.connect());
            let mut sent = roamer.peer.receive().await;
            sent.extend(roamer.peer.take());
            assert!(sent[0].starts_with(r#"2["e",2,"#), "what it missed: {sent:?}");
            let again = roamer.socket(&io);
            assert!(again.recovered() && again.rooms().contains(&"of nobody".into()));
            assert_eq!(again.id(), old.id());
            assert_eq!((counts(&io).denied, counts(&io).recovered), (1, 1));
        }
    }
}

// proves: protocol/refused-recovery
#[tokio::test]
async fn a_client_that_goes_while_its_recovery_is_decided_on_leaves_the_socket_to_the_next() {
    let recovery = Some(Recovery::default());
    let io =
        Io::with_config(IoConfig { recovery, cleanup_empty_child_namespaces: true, ..IoConfig::default() });
    let permit = Arc::new(tokio::sync::Notify::new());
    let wait = Arc::clone(&permit);
    let parent = io.of_pattern("^/m").unwrap();
    parent.allow_recovery(move |_| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            false
        }
    });
    let mut old = Peer::open(&io);
    old.send("0/m1,");
    let reply: Reply = serde_json::from_str(&old.next()["0/m1,".len()..]).unwrap();
    old.close(CloseReason::TransportClose);
    let claim = format!("0/m1,{}", json!({ "pid": reply.pid }));
    let mut gone = Peer::open(&io);
    gone.send(&claim);
    gone.close(CloseReason::TransportClose);
    assert_eq!(counts(&io).away, 1);
    let mut next = Peer::open(&io);
    next.send(&claim);
    permit.notify_waiters();
    let sent = next.receive().await;
    assert!(sent[0].starts_with("0/m1,{") && !sent[0].contains(&reply.pid), "{sent:?}");
    next.close(CloseReason::TransportClose);
    // The namespace is let go once nobody is in it or may come back to it.
    io.namespace("/m1").unwrap().give_up_lost();
    assert!(io.namespace("/m1").is_none());
}
