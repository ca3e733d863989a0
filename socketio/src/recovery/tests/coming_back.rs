//! Clients that get their socket back.

use std::task::{Context, Waker};

use super::*;

// proves: features/connection-state-recovery, protocol/missed-events
#[tokio::test]
async fn a_client_gets_its_socket_back_with_what_it_missed_in_order_and_once() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let mut bystander = Roamer::join(&io);
    let socket = roamer.socket(&io);
    let id = socket.id().to_owned();
    socket.join("a").unwrap();
    socket.join("b").unwrap();
    socket.insert(7_u8);
    socket.set_data("name", "Ann").unwrap();
    for number in 0..3 {
        io.emit("e", number).unwrap();
    }
    // The connection is lost after the first of them.
    roamer.receive(1);
    socket.emit("e", 3).unwrap();
    roamer.lose();
    assert_eq!(socket.closed().await, crate::DisconnectReason::TransportClose);
    assert!(io.socket(&id).is_none() && io.socket_count() == 1 && io.to("a").sockets().is_empty());

    io.emit("e", 4).unwrap();
    io.to("a").emit("e", 5).unwrap();
    io.to("a").to("b").to(&*id).emit("e", 6).unwrap();
    io.to(&*id).emit("e", 7).unwrap();
    socket.emit("e", 8).unwrap();
    bystander.socket(&io).broadcast().emit("e", 9).unwrap();
    io.except("c").emit("e", 10).unwrap();
    // None of these is for it.
    io.to("c").emit("e", "other room").unwrap();
    io.except("b").emit("e", "excepted").unwrap();
    io.to("a").except(&*id).emit("e", "excepted by id").unwrap();
    io.volatile().emit("e", "volatile").unwrap();
    assert!(matches!(socket.emit_with_ack::<()>("e", "ack").await, Err(AckError::Send(SendError::Closed))));

    assert!(roamer.come_back(&io));
    assert_eq!(roamer.take_got(), (0..=10).map(Value::from).collect::<Vec<_>>());
    let recovered = roamer.socket(&io);
    assert_ne!(recovered, socket);
    let mut rooms = recovered.rooms();
    rooms.sort();
    assert_eq!(rooms, ["a".into(), "b".into()]);
    assert_eq!(recovered.get::<u8>().as_deref(), Some(&7));
    assert_eq!(recovered.data::<Value>().unwrap(), json!({"name": "Ann"}));
    assert_eq!(io.to("a").sockets(), [recovered]);
    bystander.receive(usize::MAX);
    assert_eq!(bystander.take_got().iter().filter(|got| got.is_u64()).count(), 5);

    io.to("a").emit("e", 11).unwrap();
    // A handler that outlived the connection goes on.
    socket.emit("e", 12).unwrap();
    roamer.receive(usize::MAX);
    assert_eq!(roamer.take_got(), [11, 12]);
    assert_eq!(counts(&io).recovered, 1);
}

// proves: features/wish/recovery, protocol/recovery-without-offset
#[tokio::test]
async fn it_works_again_and_again() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    roamer.socket(&io).join("r").unwrap();
    for round in 0..20 {
        io.to("r").emit("e", 10 * round).unwrap();
        io.to("r").emit("e", 10 * round + 1).unwrap();
        // At times it has got nothing since it last came back.
        roamer.receive(round % 3);
        roamer.lose();
        io.to("r").emit("e", 10 * round + 2).unwrap();
        assert!(roamer.come_back(&io), "round {round}");
        let expected = [0, 1, 2].map(|event| json!(10 * round + event));
        assert_eq!(roamer.take_got(), expected, "round {round}");
    }
    assert_eq!(counts(&io).recovered, 20);
}

// proves: features/wish/recovery, protocol/recovery-without-offset
#[tokio::test]
async fn a_client_that_never_got_an_event_comes_back_from_its_connect() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    roamer.lose();
    assert!(roamer.come_back(&io));
    io.emit("e", 1).unwrap();
    roamer.lose();
    io.emit("e", 2).unwrap();
    assert!(roamer.come_back(&io));
    assert_eq!(roamer.take_got(), [1, 2]);
}

// proves: features/wish/recovery, protocol/recovery-without-offset
#[tokio::test(start_paused = true)]
async fn a_client_whose_last_event_is_long_ago_comes_back() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    socket.emit("e", 1).unwrap();
    socket.emit("e", 2).unwrap();
    roamer.receive(usize::MAX);
    advance(Duration::from_secs(3600)).await;
    io.emit("e", 3).unwrap();
    roamer.lose();
    advance(Duration::from_secs(119)).await;
    assert!(roamer.come_back(&io));
    assert_eq!(roamer.take_got(), [1, 2, 3]);
}

// proves: protocol/recoverable-ends
#[tokio::test]
async fn every_way_of_losing_a_connection_can_be_recovered_from() {
    for reason in [
        CloseReason::TransportError,
        CloseReason::TransportClose,
        CloseReason::ForcedClose,
        CloseReason::ForcedServerClose,
        CloseReason::PingTimeout,
    ] {
        let io = io();
        let mut roamer = Roamer::join(&io);
        roamer.peer.close(reason);
        assert!(roamer.come_back(&io), "{reason:?}");
    }
}

// proves: protocol/missed-events
#[tokio::test]
async fn a_client_that_is_evicted_comes_back_for_what_it_missed() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let large = "x".repeat(BUDGET);
    io.emit("e", [&large]).unwrap();
    assert!(matches!(roamer.socket(&io).emit("e", 1), Err(SendError::Full)));
    io.emit("e", 2).unwrap();
    roamer.peer.mailbox.evict(engineio::Limit::SendBudget);
    io.emit("e", 3).unwrap();
    roamer.peer.close(CloseReason::ForcedClose);
    io.emit("e", 4).unwrap();
    assert!(roamer.come_back(&io));
    assert_eq!(roamer.take_got()[1..], [2, 3, 4]);
}

// proves: protocol/recovery-of-a-connected-socket
#[tokio::test]
async fn the_end_is_told_before_the_recovered_socket_connects() {
    let io = io();
    let log = Arc::new(StdMutex::new(Vec::new()));
    let (connects, ends) = (Arc::clone(&log), Arc::clone(&log));
    io.on_connect(move |socket: Socket| {
        connects.lock().unwrap().push(format!("connect {}", socket.recovered()));
        async {}
    })
    .on_disconnect(move |socket: Socket, reason| {
        // What is kept with a socket is one thing for both.
        socket.set_data("left", true).unwrap();
        ends.lock().unwrap().push(format!("{reason} {}", socket.recovered()));
        async {}
    });
    let mut roamer = Roamer::join(&io);
    roamer.socket(&io).set_data("name", "Ann").unwrap();
    roamer.lose();
    assert!(roamer.come_back(&io));
    roamer.lose();
    let expected = ["connect false", "transport close false", "connect true", "transport close true"];
    assert_eq!(*log.lock().unwrap(), expected);
    assert!(roamer.come_back(&io));
    let expected = json!({"name": "Ann", "left": true});
    assert_eq!(roamer.socket(&io).data::<Value>().unwrap(), expected);
}

#[tokio::test]
async fn a_client_that_comes_back_while_its_socket_ends_waits_for_that() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let (second, connect) = (Arc::new(StdMutex::new(Peer::open(&io))), roamer.connect());
    let early = Arc::new(StdMutex::new(Vec::new()));
    let (coming, sent) = (Arc::clone(&second), Arc::clone(&early));
    io.on_disconnect(move |_, _| {
        let mut peer = coming.lock().unwrap();
        peer.send(&connect);
        sent.lock().unwrap().extend(peer.take());
        async {}
    });
    roamer.lose();
    assert!(early.lock().unwrap().is_empty());
    let mut peer = std::mem::replace(&mut *second.lock().unwrap(), Peer::open(&io));
    peer.woken().await;
    assert_eq!(serde_json::from_str::<Reply>(&peer.next()[1..]).ok(), roamer.reply);
}

// proves: protocol/recovery-of-a-connected-socket
#[tokio::test]
async fn the_end_is_told_before_the_recovered_socket_connects_also_if_handlers_hold_it_up() {
    let io = io();
    let log = Arc::new(StdMutex::new(Vec::new()));
    let (connects, ends, let_go) = (Arc::clone(&log), Arc::clone(&log), Arc::new(Notify::new()));
    let held = Arc::clone(&let_go);
    io.on_connect(move |socket: Socket| {
        connects.lock().unwrap().push(format!("connect {}", socket.recovered()));
        let held = Arc::clone(&held);
        async move { held.notified().await }
    })
    .on_disconnect(move |_, _| {
        ends.lock().unwrap().push("disconnect".to_owned());
        async {}
    });
    let mut roamer = Roamer::join(&io);
    roamer.lose();
    let connect = roamer.connect();
    roamer.peer = Peer::open(&io);
    roamer.peer.send(&connect);
    assert!(roamer.peer.take().is_empty(), "the first handler is not through, so the end is not told");
    let_go.notify_one();
    roamer.peer.woken().await;
    assert_eq!(serde_json::from_str::<Reply>(&roamer.peer.next()[1..]).ok(), roamer.reply);
    assert_eq!(*log.lock().unwrap(), ["connect false", "disconnect", "connect true"]);
}

// proves: features/wish/recovery, protocol/recovery-of-a-connected-socket
#[tokio::test(start_paused = true)]
async fn a_client_may_come_back_before_the_server_knows_that_it_was_gone() {
    let io = io();
    let log = Arc::new(StdMutex::new(Vec::new()));
    let (connects, ends) = (Arc::clone(&log), Arc::clone(&log));
    io.on_connect(move |_| {
        connects.lock().unwrap().push("connect");
        async {}
    })
    .on_disconnect(move |_, reason| {
        ends.lock().unwrap().push(reason.as_str());
        async {}
    });
    let mut roamer = Roamer::join(&io);
    roamer.socket(&io).join("r").unwrap();
    io.emit("e", 1).unwrap();
    advance(Duration::from_millis(500)).await;
    let mut second = Peer::open(&io);
    second.send(&roamer.connect());
    io.to("r").emit("e", 2).unwrap();
    assert!(second.take().is_empty(), "the old socket has to end first");
    let old = roamer.reply.clone();
    assert_eq!(roamer.peer.close_requested(), Some(CloseReason::TransportClose));
    io.to("r").emit("e", 3).unwrap();
    second.woken().await;
    roamer.peer = second;
    assert!(roamer.receive(usize::MAX));
    assert_eq!((roamer.reply.clone(), roamer.take_got()), (old, vec![1.into(), 2.into(), 3.into()]));
    assert_eq!(*log.lock().unwrap(), ["connect", "transport close", "connect"]);
    assert!(roamer.socket(&io).recovered());
}

// proves: protocol/recovery-of-a-connected-socket
#[tokio::test(start_paused = true)]
async fn an_old_socket_that_ends_otherwise_is_not_recovered() {
    let io = io();
    let roamer = Roamer::join(&io);
    advance(Duration::from_secs(1)).await;
    let socket = roamer.socket(&io);
    let mut second = Peer::open(&io);
    second.send(&roamer.connect());
    socket.disconnect(false);
    second.woken().await;
    let reply: Reply = serde_json::from_str(&second.next()[1..]).unwrap();
    assert_ne!(Some(reply), roamer.reply);
    assert_eq!(counts(&io).unknown, 1);
}

// proves: protocol/old-offsets
/// socket.io-client keeps its last offset when it gets a new pid.
#[tokio::test(start_paused = true)]
async fn a_client_that_was_refused_once_can_come_back_the_next_time() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    io.emit("e", 1).unwrap();
    roamer.receive(usize::MAX);
    roamer.lose();
    advance(Duration::from_secs(120)).await;
    assert!(!roamer.come_back(&io));
    io.emit("e", 2).unwrap();
    roamer.lose();
    io.emit("e", 3).unwrap();
    assert!(roamer.come_back(&io));
    assert_eq!(roamer.take_got(), [1, 2, 3]);
}

// proves: features/connection-state-recovery
#[tokio::test]
async fn a_sender_at_the_clients_pace_waits_for_a_client_that_is_away() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    socket.ready().await.unwrap();
    roamer.lose();
    let mut ready = std::pin::pin!(socket.ready());
    assert!(ready.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(roamer.come_back(&io));
    ready.await.unwrap();

    roamer.lose();
    let mut ready = std::pin::pin!(socket.ready());
    assert!(ready.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    socket.disconnect(false);
    assert!(matches!(ready.await, Err(SendError::Closed)));
}
