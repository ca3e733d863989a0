use super::*;

// proves: features/namespace-middleware, protocol/refused-namespace
#[tokio::test]
async fn middlewares_run_in_order_and_the_first_error_refuses() {
    let (io, log) = logging();
    let (first, third) = (log.clone(), log.clone());
    io.of("/")
        .middleware(move |_| {
            first.add("first");
            async { Ok(()) }
        })
        .middleware(|socket: Socket| async move {
            match socket.handshake().auth::<Value>() {
                Ok(auth) if auth["ok"] == true => Ok(()),
                _ => Err(ConnectError::new("nope").with_data(json!({"a": 1}))),
            }
        })
        .middleware(move |_| {
            third.add("third");
            async { Ok(()) }
        });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.next(), r#"4{"message":"nope","data":{"a":1}}"#);
    assert_eq!(log.take(), ["first"]);
    assert_eq!(io.of("/").socket_count(), 0);
    assert_eq!(peer.close_requested(), None);
    assert!(peer.deadline().is_some(), "the connect timeout still runs");

    peer.send(r#"0{"ok":true}"#);
    assert!(peer.next().starts_with("0{"));
    assert_eq!(log.take(), ["first", "third", "connect"]);
}

#[tokio::test]
async fn an_error_that_closes_the_session_is_not_told_so_that_the_client_comes_back() {
    let (io, log) = logging();
    io.of("/busy").middleware(|_| async { Err(ConnectError::new("not now").close_session()) });
    let mut peer = Peer::join(&io);
    log.take();
    peer.send("0/busy,");
    assert!(peer.take().is_empty());
    assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    assert_eq!(io.of("/busy").socket_count(), 0);
}

// proves: protocol/refused-namespace
#[tokio::test]
async fn an_error_without_data_has_none() {
    let io = Io::new();
    io.of("/mw").middleware(|_| async { Err("nope".into()) });
    let mut peer = Peer::open(&io);
    peer.send("0/mw,");
    assert_eq!(peer.next(), r#"4/mw,{"message":"nope"}"#);
}

/// `/` has a middleware that waits for the permit, one for each connect.
fn waiting() -> (Io, Log, Arc<Notify>) {
    let (io, log) = logging();
    let permit = Arc::new(Notify::new());
    let wait = Arc::clone(&permit);
    io.of("/").middleware(move |_| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Ok(())
        }
    });
    (io, log, permit)
}

// proves: protocol/waiting-events
#[tokio::test]
async fn events_wait_for_a_pending_namespace() {
    let (io, log, permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send(r#"2["e",1]"#);
    peer.send(r#"2["e",2]"#);
    assert!(peer.take().is_empty() && log.take().is_empty());
    permit.notify_one();
    assert!(peer.receive().await[0].starts_with("0{"));
    assert_eq!(log.take(), ["connect", "e 1", "e 2"]);
    assert_eq!(peer.client.link.backlog(), 0);
}

// proves: protocol/waiting-events
/// socket.io-client sends what it emitted in one tick in one POST, and a slow middleware may keep all of it
/// waiting. Each small event counts for more than a hundred bytes then.
#[tokio::test]
async fn twenty_thousand_small_events_wait_for_a_pending_namespace() {
    const EVENTS: usize = 20_000;
    let (io, log, permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send("0");
    (0..EVENTS).for_each(|_| peer.send(r#"2["e",1]"#));
    assert_eq!(peer.close_requested(), None);
    permit.notify_one();
    peer.receive().await;
    assert_eq!(log.take().len(), 1 + EVENTS);
    assert_eq!(peer.client.link.backlog(), 0);
}

// proves: protocol/waiting-events
#[tokio::test]
async fn what_waits_for_a_pending_namespace_is_bounded() {
    let (io, _, _permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send("0");
    let large = format!(r#"2["e","{}"]"#, "x".repeat(1_000_000));
    for _ in 0..10 {
        peer.send(&large);
        assert!(!peer.mailbox.is_closed());
    }
    peer.send(&large);
    assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    assert_eq!(peer.client.link.backlog(), 0);
}

// proves: protocol/repeated-connect
#[tokio::test]
async fn of_two_connects_while_a_middleware_runs_one_socket_comes() {
    let (io, log, permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"n":1}"#);
    peer.send(r#"0{"n":2}"#);
    permit.notify_one();
    permit.notify_one();
    peer.receive().await;
    tokio::task::yield_now().await;
    peer.poll();
    assert!(peer.take().is_empty());
    assert_eq!(socket(&io, "/").handshake().auth_json(), r#"{"n":2}"#);
    assert_eq!(log.take(), ["connect"], "the discarded one was never connected");
}

#[tokio::test]
async fn a_disconnect_discards_a_pending_connect() {
    let (io, log, permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send("1");
    permit.notify_one();
    peer.woken().await;
    assert!(peer.take().is_empty() && log.take().is_empty());
    assert_eq!(io.of("/").socket_count(), 0);
}

#[tokio::test]
async fn a_violation_discards_a_pending_connect() {
    let (io, log, permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send("7");
    permit.notify_one();
    tokio::task::yield_now().await;
    peer.poll();
    assert!(peer.take().is_empty() && log.take().is_empty());
    assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
    assert!(log.take().is_empty());
}

#[tokio::test]
async fn the_sessions_end_discards_a_pending_connect() {
    let (io, log, permit) = waiting();
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.close(CloseReason::TransportClose);
    permit.notify_one();
    tokio::task::yield_now().await;
    peer.poll();
    assert!(log.take().is_empty());
    assert_eq!(io.of("/").socket_count(), 0);
}

// proves: features/namespace-middleware
#[tokio::test]
async fn a_middleware_that_panics_refuses() {
    let io = Io::new();
    io.of("/").middleware(|_| async { panic!("on purpose") });
    io.of("/later").middleware(|_| async {
        tokio::task::yield_now().await;
        panic!("on purpose")
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.next(), r#"4{"message":"Internal error"}"#);
    peer.send("0/later,");
    assert_eq!(peer.receive().await, [r#"4/later,{"message":"Internal error"}"#]);
}

// proves: limit/hook-timeout, protocol/hook-timeout
#[tokio::test(start_paused = true)]
async fn middlewares_that_take_too_long_refuse_the_client_and_the_session_goes_on() {
    let (io, log, _permit) = waiting();
    let _ = io.of_dynamic(|_, _: Value| std::future::pending::<bool>());
    io.of("/other").on_connect(|_| async {});
    let mut peer = Peer::open(&io);
    let limit = io.config().hook_timeout;
    for (connect, refusal) in [
        ("0", r#"4{"message":"The server took too long to decide"}"#),
        ("0/dynamic,", r#"4/dynamic,{"message":"Invalid namespace"}"#),
    ] {
        let began = tokio::time::Instant::now();
        peer.send(connect);
        assert!(peer.take().is_empty());
        peer.woken().await;
        assert_eq!(peer.next(), refusal);
        assert_eq!(began.elapsed().as_secs(), limit.as_secs());
    }
    assert_eq!(io.hits().get(engineio::Limit::HookTimeout), 2);
    peer.send("0/other,");
    assert!(peer.next().starts_with("0/other,"));
    assert!(log.take().is_empty(), "nobody joined what was not decided");
}
