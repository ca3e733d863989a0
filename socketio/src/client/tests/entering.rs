//! What a middleware does with its socket.

use super::*;

/// `/` has a middleware that does something with the socket, and a second that agrees when it gets its permit,
/// unless the client's auth says that it is to refuse.
fn doing(act: impl Fn(&Socket) + Send + Sync + 'static) -> (Io, Log, Arc<Notify>) {
    let (io, log) = logging();
    let permit = Arc::new(Notify::new());
    let wait = Arc::clone(&permit);
    io.of("/")
        .middleware(move |socket| {
            act(&socket);
            async { Ok(()) }
        })
        .middleware(move |socket: Socket| {
            let wait = Arc::clone(&wait);
            async move {
                wait.notified().await;
                if socket.handshake().auth_json() == "{}" { Ok(()) } else { Err("no".into()) }
            }
        });
    (io, log, permit)
}

// proves: features/namespace-middleware, protocol/emits-in-middlewares
#[tokio::test]
async fn rooms_joined_in_a_middleware_are_the_sockets_once_it_is_let_in() {
    let (io, log) = (Io::new(), Log::default());
    let seen = log.clone();
    io.middleware(move |socket: Socket| {
        for room in ["a", "b", "a", "c"] {
            socket.join(room).unwrap();
        }
        socket.join(socket.id()).unwrap();
        socket.leave("b");
        seen.add(format!("{:?}", socket.rooms()));
        socket.namespace().to("a").emit("too early", ()).unwrap();
        async { Ok(()) }
    });
    let seen = log.clone();
    io.on_connect(move |socket: Socket| {
        seen.add(format!("{:?}", socket.rooms()));
        async {}
    });
    let mut peer = Peer::join(&io);
    assert_eq!(log.take(), [r#"["a", "c"]"#, r#"["a", "c"]"#]);
    io.to("a").emit("e", 1).unwrap();
    io.to("b").emit("e", 2).unwrap();
    assert_eq!(peer.take(), [r#"2["e",1]"#]);
    peer.send("1");
    assert!(io.rooms().is_empty());
}

// proves: features/namespace-middleware, protocol/emits-in-middlewares
#[tokio::test]
async fn what_a_middleware_emits_follows_the_connect_in_order() {
    let (io, log, permit) = doing(|socket| {
        socket.emit("first", (1, crate::Binary::from(&b"x"[..]))).unwrap();
        socket.volatile().emit("lost", ()).unwrap();
        let answer = socket.timeout(Duration::from_secs(1)).emit_with_ack::<String>("asked", 2);
        let keeper = socket.clone();
        tokio::spawn(async move { keeper.insert(answer.await.unwrap()) });
        socket.compress(false).emit("last", ()).unwrap();
    });
    let seen = log.clone();
    let _ = io.on_any_outgoing(move |socket, event| {
        seen.add(format!("{} {}", event.name(), socket.is_connected()));
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert!(peer.take().is_empty());
    assert!(peer.client.link.backlog() > 0);
    permit.notify_one();
    let sent = peer.receive().await;
    assert!(sent[0].starts_with(r#"0{"sid":""#), "{sent:?}");
    let first = r#"51-["first",1,{"_placeholder":true,"num":0}]"#;
    assert_eq!(sent[1..], [first, "b:x", r#"20["asked",2]"#, r#"2["last"]"#]);
    assert_eq!(log.take(), ["first true", "asked true", "last true", "connect"]);
    assert_eq!(peer.client.link.backlog(), 0);
    peer.send(r#"30["yes"]"#);
    let socket = socket(&io, "/");
    while socket.get::<String>().is_none() {
        tokio::task::yield_now().await;
    }
}

// proves: protocol/emits-in-middlewares
#[tokio::test]
async fn who_is_not_let_in_has_joined_nothing_and_is_told_nothing() {
    for end in ["refused", "left", "gone", "closed"] {
        let sockets: Arc<Mutex<Vec<Socket>>> = Arc::default();
        let seen = Arc::clone(&sockets);
        let (io, log, permit) = doing(move |socket| {
            socket.join("r").unwrap();
            socket.emit("e", ()).unwrap();
            let (owner, other) = (socket.clone(), socket.clone());
            socket.on_sync("e", move |_, ()| drop(owner.clone()));
            socket.on_disconnect(move |_, _| {
                let other = other.clone();
                async move { drop(other) }
            });
            seen.lock().unwrap().push(socket.clone());
        });
        let events = log.clone();
        io.on_room_event(move |event| events.add(format!("{event:?}")));
        let mut peer = Peer::open(&io);
        peer.send(if end == "refused" { r#"0{"refuse":1}"# } else { "0" });
        let asking = sockets.lock().unwrap()[0].emit_with_ack::<()>("q", ());
        match end {
            "left" => peer.send("1"),
            "gone" => peer.close(CloseReason::TransportClose),
            "closed" => io.of("/").close(),
            _ => {}
        }
        permit.notify_one();
        match end {
            "refused" => assert_eq!(peer.receive().await, [r#"4{"message":"no"}"#]),
            "closed" => assert_eq!(peer.receive().await, [r#"4{"message":"Invalid namespace"}"#]),
            _ => tokio::task::yield_now().await,
        }
        assert!(peer.take().is_empty(), "{end}");
        assert!(matches!(asking.await, Err(AckError::Disconnected)), "{end}");
        let socket = sockets.lock().unwrap().pop().unwrap();
        assert_eq!((socket.rooms().len(), peer.client.link.backlog()), (0, 0), "{end}");
        assert_eq!(socket.join("r"), Err(JoinError::Closed));
        assert!(matches!(socket.emit("e", ()), Err(SendError::Closed)));
        // What is registered now is not kept either.
        let owner = socket.clone();
        socket.on_sync("late", move |_, ()| drop(owner.clone()));
        assert!(log.take().is_empty() && io.rooms().is_empty(), "{end}");
        let weak = socket.downgrade_link();
        drop((peer, socket, io));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(weak.upgrade().is_none(), "{end}: its handlers own it");
    }
}

// proves: protocol/emits-in-middlewares
#[tokio::test]
async fn a_disconnect_in_a_middleware_does_nothing_unless_it_closes() {
    let (io, log, permit) = doing(|socket| socket.disconnect(false));
    let mut peer = Peer::open(&io);
    peer.send("0");
    permit.notify_one();
    assert!(peer.receive().await[0].starts_with("0{"));
    assert_eq!(log.take(), ["connect"]);

    let (io, log, permit) = doing(|socket| socket.disconnect(true));
    for (auth, told) in [("", r#"0{"sid":""#), (r#"{"refuse":1}"#, r#"4{"message":"no"}"#)] {
        let mut peer = Peer::open(&io);
        peer.send(&format!("0{auth}"));
        peer.poll();
        assert_eq!(peer.close_requested(), None, "nothing is decided yet");
        permit.notify_one();
        // The client hears what was decided, and then the session ends.
        assert!(peer.receive().await[0].starts_with(told));
        peer.poll();
        assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    }
    assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
}

// proves: protocol/emits-in-middlewares
#[tokio::test]
async fn what_waits_for_a_middleware_is_bounded() {
    let config = IoConfig { max_backlog: 2000, max_rooms: 2, ..IoConfig::default() };
    let (io, log) = (Io::with_config(config), Log::default());
    let seen = log.clone();
    io.middleware(move |socket: Socket| {
        let emitted = (0..100).filter(|_| socket.emit("e", "x".repeat(400)).is_ok()).count();
        let joined = ["a", "b", "c"].map(|room| socket.join(room).is_ok());
        seen.add(format!("{emitted} {joined:?}"));
        async { Ok(()) }
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(log.take(), ["4 [true, true, false]"]);
    assert_eq!(peer.take().len(), 5);
    assert_eq!(peer.client.link.backlog(), 0);
    assert_eq!(io.hits().get(Limit::Backlog), 96);
}

// proves: protocol/emits-in-middlewares
#[tokio::test]
async fn another_task_may_use_the_socket_while_it_is_let_in() {
    for _ in 0..200 {
        let (io, log) = (Io::new(), Log::default());
        let (tell, told) = std::sync::mpsc::channel::<Socket>();
        let other = std::thread::spawn(move || {
            let socket = told.recv().unwrap();
            for n in 0..50 {
                socket.emit("n", n).unwrap();
                socket.join(format!("room {n}")).unwrap();
            }
            socket.leave("room 0");
            socket.rooms().len()
        });
        io.middleware(move |socket: Socket| {
            tell.send(socket).unwrap();
            async { Ok(()) }
        });
        let mut peer = Peer::open(&io);
        peer.send("0");
        assert_eq!(other.join().unwrap(), 49);
        let sent: Vec<_> = peer.take().into_iter().filter(|sent| sent.starts_with('2')).collect();
        assert_eq!(sent, (0..50).map(|n| format!(r#"2["n",{n}]"#)).collect::<Vec<_>>());
        assert_eq!(io.rooms().len(), 49);
        assert!(log.take().is_empty());
    }
}
