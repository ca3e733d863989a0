use super::*;

/// An application whose `wait` handlers log their start, then wait for their permit, then log their end.
fn waiting(limit: usize) -> (Io, Log, Arc<Notify>) {
    let io = Io::with_config(IoConfig { max_running_handlers: limit, ..IoConfig::default() });
    let (log, permit) = (Log::default(), Arc::new(Notify::new()));
    log_handlers(&io.of("/"), &log);
    let (seen, wait) = (log.clone(), Arc::clone(&permit));
    io.of("/").on("wait", move |_, n: i64| {
        let (seen, wait) = (seen.clone(), Arc::clone(&wait));
        async move {
            seen.add(format!("start {n}"));
            wait.notified().await;
            seen.add(format!("end {n}"));
            n
        }
    });
    (io, log, permit)
}

fn bug() {
    panic!("on purpose");
}

// proves: features/handlers, features/wish/handlers-in-order
#[tokio::test]
async fn handlers_start_in_the_order_of_arrival_and_do_not_block_each_other() {
    let (io, log, permit) = waiting(256);
    let mut peer = Peer::join(&io);
    for n in 1..=3 {
        peer.send(&format!(r#"2{n}["wait",{n}]"#));
    }
    peer.send(r#"2["e",4]"#);
    assert_eq!(log.take(), ["connect", "start 1", "start 2", "start 3", "e 4"]);
    permit.notify_waiters();
    tokio::task::yield_now().await;
    permit.notify_waiters();
    until(&log, "end 3").await;
    let mut acks = peer.take();
    acks.sort();
    assert_eq!(acks, ["31[1]", "32[2]", "33[3]"]);
}

#[tokio::test]
async fn a_second_handler_of_an_event_replaces_the_first() {
    let io = Io::new();
    for answer in ["first", "second"] {
        io.on("ask", move |_: Socket, ()| async move { answer });
    }
    let mut peer = Peer::join(&io);
    peer.send(r#"21["ask"]"#);
    assert_eq!(peer.take(), [r#"31["second"]"#]);
}

#[tokio::test]
async fn handlers_that_are_done_at_once_do_not_count_as_running() {
    let (io, log, _permit) = waiting(2);
    let mut peer = Peer::join(&io);
    for n in 1..=5 {
        peer.send(&format!(r#"2["e",{n}]"#));
    }
    assert_eq!(log.take(), ["connect", "e 1", "e 2", "e 3", "e 4", "e 5"]);
}

#[tokio::test]
async fn events_beyond_the_running_handlers_wait_their_turn() {
    let (io, log, permit) = waiting(2);
    let mut peer = Peer::join(&io);
    for n in 1..=4 {
        peer.send(&format!(r#"2["wait",{n}]"#));
    }
    peer.send(r#"2["e",5]"#);
    assert_eq!(log.take(), ["connect", "start 1", "start 2"]);
    assert!(peer.client.link.backlog() > 0);
    tokio::task::yield_now().await;
    permit.notify_one();
    until(&log, "start 3").await;
    assert_eq!(log.take(), ["end 1", "start 3"]);
    permit.notify_one();
    until(&log, "start 4").await;
    permit.notify_one();
    until(&log, "e 5").await;
    assert_eq!(peer.client.link.backlog(), 0);
}

#[tokio::test]
async fn acks_and_disconnect_pass_events_that_wait() {
    let (io, log, permit) = waiting(1);
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    peer.send(r#"2["wait",1]"#);
    peer.send(r#"2["e",2]"#);
    let answer = socket.emit_with_ack::<i32>("q", ());
    peer.send("30[7]");
    assert_eq!(answer.await.unwrap(), 7);
    peer.send("1");
    assert!(!socket.is_connected());
    assert_eq!(log.take(), ["connect", "start 1"]);
    permit.notify_one();
    until(&log, "client namespace disconnect").await;
    assert_eq!(log.take(), ["end 1", "e 2", "client namespace disconnect"]);
}

#[tokio::test]
async fn a_full_backlog_ends_the_session() {
    let (io, _, _permit) = waiting(1);
    let mut peer = Peer::join(&io);
    peer.send(r#"2["wait",1]"#);
    let large = format!(r#"2["e","{}"]"#, "x".repeat(1_000_000));
    for _ in 0..10 {
        peer.send(&large);
        assert!(!peer.mailbox.is_closed());
    }
    peer.send(&large);
    assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
}

// proves: features/wish/handlers-in-order
#[tokio::test]
async fn events_and_the_end_wait_for_on_connect() {
    let (io, log) = logging();
    let permit = Arc::new(Notify::new());
    let (seen, wait) = (log.clone(), Arc::clone(&permit));
    io.of("/").on_connect(move |_| {
        let (seen, wait) = (seen.clone(), Arc::clone(&wait));
        async move {
            wait.notified().await;
            seen.add("connect");
        }
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send(r#"2["e",1]"#);
    peer.send("1");
    peer.close(CloseReason::TransportClose);
    assert!(log.take().is_empty());
    permit.notify_one();
    until(&log, "client namespace disconnect").await;
    assert_eq!(log.take(), ["connect", "e 1", "client namespace disconnect"]);
}

// proves: features/transport
#[tokio::test]
async fn the_upgrade_is_told_in_its_place_behind_on_connect() {
    let (io, log) = logging();
    let permit = Arc::new(Notify::new());
    let (seen, upgraded, wait) = (log.clone(), log.clone(), Arc::clone(&permit));
    io.on_connect(move |socket: Socket| {
        let (seen, wait) = (seen.clone(), Arc::clone(&wait));
        async move {
            let own = seen.clone();
            socket.on_upgrade(move |_: Socket| {
                own.add("own upgrade");
                async {}
            });
            wait.notified().await;
            seen.add(format!("connect on {}", socket.transport().as_str()));
        }
    })
    .on_upgrade(move |socket: Socket| {
        upgraded.add(format!("upgrade of {}", socket.namespace().name()));
        async {}
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    let socket = socket(&io, "/");
    assert_eq!(socket.transport(), Transport::Polling);
    peer.send(r#"2["e",1]"#);
    peer.client.upgraded(Transport::WebSocket, None);
    peer.send(r#"2["e",2]"#);
    assert_eq!(socket.transport(), Transport::WebSocket);
    assert!(log.take().is_empty());
    permit.notify_one();
    until(&log, "e 2").await;
    assert_eq!(log.take(), ["connect on websocket", "e 1", "own upgrade", "upgrade of /", "e 2"]);
    peer.send("1");
    assert_eq!(log.take(), ["client namespace disconnect"], "it has not ended before");
}

#[tokio::test]
async fn a_disconnect_does_not_cancel_a_running_handler() {
    let (io, log, permit) = waiting(256);
    let mut peer = Peer::join(&io);
    peer.send(r#"21["wait",1]"#);
    peer.close(CloseReason::PingTimeout);
    assert_eq!(log.take(), ["connect", "start 1", "ping timeout"]);
    permit.notify_one();
    until(&log, "end 1").await;
    assert!(peer.take().is_empty());
}

#[tokio::test]
async fn a_panic_ends_that_socket_alone() {
    let (io, log) = logging();
    let _ = io.of("/other");
    io.of("/").on("now", |_, ()| async { bug() }).on_sync("sync", |_, ()| bug()).on("later", |_, ()| async {
        tokio::task::yield_now().await;
        bug();
    });
    let mut bystander = Peer::join(&io);
    for event in ["now", "sync", "later"] {
        let mut peer = Peer::join(&io);
        peer.send("0/other,");
        peer.take();
        peer.send(&format!(r#"21["{event}"]"#));
        assert_eq!(peer.receive().await, ["1"], "{event}");
        assert_eq!(log.take().last().unwrap(), "server namespace disconnect");
        assert_eq!(peer.close_requested(), None);
        peer.send("0");
        assert!(peer.next().starts_with("0{"));
        peer.close(CloseReason::TransportClose);
        log.take();
    }
    bystander.send(r#"2["e",1]"#);
    assert_eq!(log.take(), ["e 1"]);
}

#[tokio::test]
async fn a_panic_in_on_connect_ends_the_socket_and_its_end_is_told() {
    let (io, log) = logging();
    io.of("/").on_connect(|_| async { bug() });
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send(r#"2["e",1]"#);
    peer.poll();
    let sent = peer.take();
    assert!(sent[0].starts_with("0{"));
    assert_eq!(sent[1..], ["1"]);
    assert_eq!(log.take(), ["server namespace disconnect"]);
}

#[tokio::test]
async fn a_panic_while_arguments_are_read_ends_that_socket() {
    struct Bomb;
    impl<'de> serde::Deserialize<'de> for Bomb {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Bomb, D::Error> {
            panic!("on purpose")
        }
    }
    let (io, log) = logging();
    io.of("/").on_sync("bomb", |_, _: Bomb| {});
    let mut peer = Peer::join(&io);
    peer.send(r#"2["bomb",1]"#);
    peer.poll();
    assert_eq!(peer.next(), "1");
    assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
}

#[tokio::test]
async fn whom_the_server_put_out_is_not_heard_any_more() {
    let (io, log, permit) = waiting(1);
    let mut peer = Peer::join(&io);
    peer.send(r#"2["wait",1]"#);
    peer.send(r#"2["e",2]"#);
    socket(&io, "/").disconnect(false);
    peer.poll();
    assert_eq!(peer.next(), "1");
    permit.notify_one();
    until(&log, "end 1").await;
    tokio::task::yield_now().await;
    assert_eq!(log.take(), ["connect", "start 1", "server namespace disconnect", "end 1"]);
    assert_eq!(peer.client.link.backlog(), 0);
}

// proves: protocol/bursts
#[tokio::test]
async fn what_is_owed_to_a_client_is_sent_however_much_waits_for_it() {
    let (io, _) = logging();
    drop(io.of("/other"));
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    socket.emit("large", "x".repeat(BUDGET)).unwrap();
    assert!(matches!(socket.emit("e", 1), Err(SendError::Full)));
    peer.send(r#"21["e",1]"#);
    peer.send("0/other,");
    peer.send("0/nowhere,");
    socket.broadcast().emit("not to it", ()).unwrap();
    io.emit("to all", ()).unwrap();
    socket.disconnect(false);
    peer.poll();
    let sent = peer.take();
    let kinds = ["2[\"large\"", "31[", "0/other,", "4/nowhere,", "2[\"to all\"", "1"];
    assert_eq!(sent.len(), kinds.len(), "{:?}", &sent[1..]);
    for (sent, kind) in sent.iter().zip(kinds) {
        assert!(sent.starts_with(kind), "{sent:.40} is no {kind}");
    }
    assert_eq!(peer.close_requested(), None);
}
