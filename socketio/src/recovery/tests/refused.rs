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
