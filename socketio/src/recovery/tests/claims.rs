//! Of a socket that is claimed, and not let in yet.

use super::*;

/// `/` has a middleware that waits for the permit, and then refuses whoever has `bad` in its auth. It
/// waits for those alone who come back.
fn waiting(recovery: Recovery) -> (Io, Arc<Notify>) {
    let io = with(recovery);
    let permit = Arc::new(Notify::new());
    let wait = Arc::clone(&permit);
    io.middleware(move |socket: Socket| {
        let wait = Arc::clone(&wait);
        async move {
            let auth: Value = socket.handshake().auth().unwrap_or_default();
            if auth.get("pid").is_some() {
                wait.notified().await;
            }
            match auth.get("bad") {
                None => Ok(()),
                Some(_) => Err(ConnectError::new("bad")),
            }
        }
    });
    (io, permit)
}

// proves: features/connection-state-recovery, protocol/one-claim
#[tokio::test]
async fn a_pid_is_taken_once() {
    let (io, permit) = waiting(Recovery::default());
    let mut roamer = Roamer::join(&io);
    let id = roamer.reply.clone().unwrap().sid;
    roamer.socket(&io).join("r").unwrap();
    roamer.lose();
    io.to("r").emit("e", 1).unwrap();
    let mut peers = [(); 2].map(|()| Peer::open(&io));
    for peer in &mut peers {
        peer.send(&roamer.connect());
    }
    // What is sent while the middlewares decide is missed as well.
    io.to("r").emit("e", 2).unwrap();
    assert!(peers.iter_mut().all(|peer| peer.take().is_empty()));
    permit.notify_waiters();
    let [first, second] = &mut peers;
    assert_eq!(first.receive().await.len(), 3);
    let reply = second.receive().await;
    assert!(reply.len() == 1 && !reply[0].contains(&id), "{reply:?}");
    assert_eq!((counts(&io).recovered, counts(&io).taken), (1, 1));
    io.to("r").emit("e", 3).unwrap();
    assert!(second.take().is_empty());
    assert!(io.socket(&id).unwrap().recovered());
}

// proves: protocol/one-claim
#[tokio::test]
async fn a_claim_that_comes_to_nothing_leaves_the_socket_to_the_next() {
    let (io, permit) = waiting(Recovery::default());
    let mut roamer = Roamer::join(&io);
    io.emit("e", 1).unwrap();
    roamer.lose();

    // A middleware refuses.
    let mut peer = Peer::open(&io);
    peer.send(&roamer.connect().replacen('{', r#"{"bad":1,"#, 1));
    let refused = io.sockets();
    permit.notify_waiters();
    assert_eq!(peer.receive().await, [r#"4{"message":"bad"}"#]);
    assert!(refused.is_empty());
    io.emit("e", 2).unwrap();

    // The connection is lost again before they decided.
    let mut peer = Peer::open(&io);
    peer.send(&roamer.connect());
    peer.close(CloseReason::TransportClose);
    io.emit("e", 3).unwrap();

    // The client connects twice before it is answered.
    roamer.peer = Peer::open(&io);
    roamer.peer.send(&roamer.connect());
    roamer.peer.send(&roamer.connect());
    permit.notify_waiters();
    roamer.peer.woken().await;
    assert!(roamer.receive(usize::MAX));
    assert_eq!(roamer.take_got(), [1, 2, 3]);
    assert_eq!(io.socket_count(), 1);
    let counts = counts(&io);
    assert_eq!((counts.recovered, counts.taken, counts.away), (1, 0, 0));
}

// proves: protocol/recoverable-ends
#[tokio::test]
async fn a_client_that_leaves_while_the_middlewares_decide_does_not_come_back() {
    let (io, permit) = waiting(Recovery::default());
    let mut roamer = Roamer::join(&io);
    roamer.lose();
    let mut peer = Peer::open(&io);
    peer.send(&roamer.connect());
    peer.send("1");
    permit.notify_waiters();
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    permit.notify_one();
    roamer.peer = Peer::open(&io);
    roamer.peer.send(&roamer.connect());
    drop(roamer.peer.receive().await);
    assert_eq!(counts(&io).unknown, 1);
}

#[tokio::test]
async fn the_old_socket_has_no_say_once_it_is_claimed() {
    let (io, permit) = waiting(Recovery::default());
    let mut roamer = Roamer::join(&io);
    let old = roamer.socket(&io);
    old.join("r").unwrap();
    roamer.lose();
    let before = roamer.reply.clone();
    roamer.peer = Peer::open(&io);
    roamer.peer.send(&roamer.connect());
    old.disconnect(false);
    io.to("r").emit("e", 1).unwrap();
    permit.notify_waiters();
    roamer.peer.woken().await;
    assert!(roamer.receive(usize::MAX));
    assert_eq!((roamer.reply.clone(), roamer.take_got()), (before, vec![1.into()]));
    assert_eq!(*roamer.socket(&io).rooms(), ["r".into()]);
}

// proves: protocol/one-claim
#[tokio::test(start_paused = true)]
async fn a_claimed_socket_is_not_given_up_and_one_put_back_too_late_is() {
    let (io, permit) = waiting(Recovery { sessions: 1, ..Recovery::default() });
    let mut roamer = Roamer::join(&io);
    let mut others = [(); 3].map(|()| Roamer::join(&io));
    roamer.lose();
    let mut peer = Peer::open(&io);
    peer.send(&roamer.connect());
    others.iter_mut().for_each(Roamer::lose);
    advance(Duration::from_secs(130)).await;
    io.emit("e", 1).unwrap();
    permit.notify_waiters();
    assert_eq!(peer.receive().await.len(), 2);

    roamer.peer = peer;
    roamer.lose();
    let mut peer = Peer::open(&io);
    peer.send(&roamer.connect());
    advance(Duration::from_secs(130)).await;
    peer.close(CloseReason::TransportClose);
    io.emit("e", 2).unwrap();
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
}

// proves: protocol/one-claim
#[tokio::test]
async fn middlewares_run_again_unless_told_otherwise() {
    for skip_middlewares in [false, true] {
        let io = with(Recovery { skip_middlewares, ..Recovery::default() });
        let ran = Arc::new(StdMutex::new(Vec::new()));
        let runs = Arc::clone(&ran);
        io.middleware(move |socket: Socket| {
            // It is known as the old one.
            runs.lock().unwrap().push((socket.recovered(), socket.get::<u8>().is_some()));
            async { Ok(()) }
        });
        let mut roamer = Roamer::join(&io);
        roamer.socket(&io).insert(1_u8);
        roamer.lose();
        assert!(roamer.come_back(&io));
        let expected = if skip_middlewares { &[(false, false)][..] } else { &[(false, false), (true, true)] };
        assert_eq!(*ran.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn what_a_middleware_does_with_a_recovered_socket_comes_on_top_of_what_it_had() {
    let io = with(Recovery::default());
    io.middleware(|socket: Socket| async move {
        if socket.recovered() {
            assert!(socket.rooms().contains(&"old".into()));
            socket.leave("older");
            socket.emit("e", 3).unwrap();
        }
        socket.join("new").unwrap();
        Ok(())
    });
    let mut roamer = Roamer::join(&io);
    assert_eq!(roamer.socket(&io).rooms(), ["new".into()]);
    roamer.socket(&io).leave("new");
    for room in ["old", "older"] {
        roamer.socket(&io).join(room).unwrap();
    }
    roamer.socket(&io).emit("e", 1).unwrap();
    roamer.receive(1);
    roamer.lose();
    io.to("old").emit("e", 2).unwrap();
    let pid = roamer.reply.clone().unwrap().pid;
    assert!(!roamer.reconnect(&io), "what the middleware emitted follows the reply");
    assert_eq!(roamer.reply.clone().unwrap().pid, pid);
    assert_eq!(roamer.take_got(), [1, 2, 3]);
    assert_eq!(roamer.socket(&io).rooms(), ["old".into(), "new".into()]);
    // It is kept like everything else that was sent to it.
    roamer.lose();
    assert!(!roamer.reconnect(&io) && roamer.reply.unwrap().pid == pid);
    assert_eq!(roamer.got, [3], "and what it had is not sent again");
}

/// Lets clients bring namespaces into being, which are let go when they are empty.
fn dynamic() -> Io {
    let recovery = Some(Recovery::default());
    let config = IoConfig { recovery, cleanup_empty_child_namespaces: true, ..IoConfig::default() };
    let io = Io::with_config(config);
    io.of_pattern("^/n").unwrap();
    io
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_it_waits_for_its_old_socket_leaves_nothing_behind() {
    for clean in [false, true] {
        let io = dynamic();
        let mut old = Peer::open(&io);
        old.send("0/n1,");
        let reply: Reply = serde_json::from_str(&old.next()["0/n1,".len()..]).unwrap();
        advance(Duration::from_secs(1)).await;
        let mut peer = Peer::open(&io);
        let connect = format!(r#"0/n1,{{"pid":"{}"}}"#, reply.pid);
        peer.send(&connect);
        if clean {
            peer.send("1/n1,");
        } else {
            peer.close(CloseReason::TransportClose);
        }
        assert_eq!(old.close_requested(), Some(CloseReason::TransportClose));
        assert_eq!(counts(&io).away, usize::from(!clean), "who leaves cleanly does not come back");
        let mut peer = Peer::open(&io);
        peer.send(&connect);
        assert_eq!(peer.next().contains(&reply.pid), !clean);
        peer.send("1/n1,");
        assert!(io.namespace("/n1").is_none());
    }
}

// proves: protocol/recovery-limits
#[tokio::test]
async fn a_namespace_waits_for_who_is_away() {
    let io = dynamic();
    let mut peer = Peer::open(&io);
    peer.send("0/n1,");
    let reply: Reply = serde_json::from_str(&peer.next()["0/n1,".len()..]).unwrap();
    peer.close(CloseReason::TransportClose);
    assert!(io.namespace("/n1").is_some());
    let mut peer = Peer::open(&io);
    peer.send(&format!(r#"0/n1,{{"pid":"{}"}}"#, reply.pid));
    assert!(peer.next().contains(&reply.pid));
    peer.send("1/n1,");
    assert!(io.namespace("/n1").is_none());
}
