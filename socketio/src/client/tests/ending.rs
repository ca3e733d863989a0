use super::*;

// proves: features/disconnect-reasons
#[tokio::test]
async fn a_socket_ends_with_the_reason_of_its_session() {
    for reason in [
        CloseReason::TransportError,
        CloseReason::TransportClose,
        CloseReason::ForcedClose,
        CloseReason::ForcedServerClose,
        CloseReason::PingTimeout,
        CloseReason::ParseError,
        CloseReason::ServerShuttingDown,
    ] {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        peer.close(reason);
        assert_eq!(log.take(), ["connect", reason.as_str()]);
        assert_eq!(socket.closed().await.as_str(), reason.as_str());
        assert_eq!(io.of("/").socket_count(), 0);
    }
}

// proves: features/disconnecting, protocol/end-once
#[tokio::test]
async fn the_end_is_told_once_and_with_the_rooms_that_were() {
    let (io, log) = logging();
    let (seen, after) = (log.clone(), log.clone());
    io.of("/")
        .on_disconnecting(move |socket, reason| {
            seen.add(format!("{:?} {reason}", socket.rooms()));
            async {}
        })
        .on_disconnect(move |socket, reason| {
            after.add(format!("after {:?} {reason}", socket.rooms()));
            async {}
        });
    let mut peer = Peer::join(&io);
    socket(&io, "/").join("a").unwrap();
    log.take();
    peer.send("1");
    peer.close(CloseReason::TransportClose);
    assert_eq!(
        log.take(),
        [r#"["a"] client namespace disconnect"#, r#"after ["a"] client namespace disconnect"#]
    );
    assert!(io.within("a").sockets().is_empty());
}

// proves: features/disconnect-true, protocol/disconnect-true
#[tokio::test]
async fn disconnect_leaves_one_namespace_and_disconnect_true_ends_the_session() {
    let (io, log) = logging();
    let _ = io.of("/x");
    let mut peer = Peer::join(&io);
    peer.send("0/x,");
    peer.take();
    let main = socket(&io, "/");
    main.emit("bye", ()).unwrap();
    main.disconnect(false);
    assert!(!main.is_connected());
    assert!(matches!(main.emit("late", ()), Err(SendError::Closed)));
    io.emit("late", ()).unwrap();
    peer.poll();
    assert_eq!(peer.take(), [r#"2["bye"]"#, "1"]);
    assert_eq!(peer.close_requested(), None);

    socket(&io, "/x").disconnect(true);
    peer.poll();
    assert_eq!(peer.take(), ["1/x,"]);
    assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
}

#[tokio::test]
async fn disconnect_twice_is_once() {
    let (io, log) = logging();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    socket.disconnect(false);
    socket.disconnect(false);
    peer.poll();
    socket.disconnect(false);
    peer.poll();
    assert_eq!(peer.take(), ["1"]);
    assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
}

#[tokio::test]
async fn a_disconnect_right_before_the_sessions_end_keeps_its_reason() {
    let (io, log) = logging();
    let mut peer = Peer::join(&io);
    socket(&io, "/").disconnect(false);
    peer.close(CloseReason::TransportClose);
    assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
}

#[tokio::test]
async fn closed_can_be_awaited_before_and_after() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let (started, is_started) = oneshot::channel();
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move {
            started.send(()).unwrap();
            socket.closed().await
        }
    });
    is_started.await.unwrap();
    peer.send("1");
    let waiting = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    assert_eq!(waiting.unwrap(), DisconnectReason::ClientNamespaceDisconnect);
    assert_eq!(socket.closed().await, DisconnectReason::ClientNamespaceDisconnect);
}

// proves: features/close, protocol/shutdown
#[tokio::test]
async fn closing_ends_all_sessions_without_telling_clients_to_stay_away() {
    let (io, log) = logging();
    let _ = io.of("/x");
    let mut peers = [Peer::join(&io), Peer::join(&io)];
    let mut outsider = Peer::open(&io);
    log.take();
    io.close();
    for peer in &mut peers {
        assert!(peer.take().is_empty());
        assert_eq!(peer.close_requested(), Some(CloseReason::ServerShuttingDown));
    }
    assert_eq!(log.take(), ["server shutting down", "server shutting down"]);
    assert_eq!(outsider.sending_closes("0"), Some(CloseReason::ServerShuttingDown));
    assert_eq!(Peer::open(&io).close_requested(), Some(CloseReason::ServerShuttingDown));
}

// proves: features/wish/abandoned-sessions
#[tokio::test]
async fn a_session_that_is_gone_is_not_kept_in_memory() {
    let io = Io::new();
    io.of("/").on_connect(|socket| async move { socket.join("r") });
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let weak = Arc::downgrade(&peer.client.link);
    socket.disconnect(false);
    peer.close(CloseReason::TransportClose);
    socket.disconnect(true);
    drop((peer, socket));
    assert!(weak.upgrade().is_none());
}
