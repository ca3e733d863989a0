use super::*;

#[tokio::test]
async fn an_answer_is_read_as_the_type_awaited() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let first = socket.emit_with_ack::<String>("q", 1);
    let second = socket.emit_with_ack::<(i32, Option<i32>)>("q", 2);
    let binary = socket.emit_with_ack::<Binary>("q", Binary::from(&b"x"[..]));
    let args = socket.emit_with_ack::<Args>("q", ());
    assert_eq!(
        peer.take(),
        [r#"20["q",1]"#, r#"21["q",2]"#, r#"51-2["q",{"_placeholder":true,"num":0}]"#, "b:x", r#"23["q"]"#]
    );
    peer.send("31[5]");
    peer.send(r#"30["a"]"#);
    peer.send(r#"61-2[{"_placeholder":true,"num":0}]"#);
    peer.send_binary(b"y");
    peer.send(r#"33[1, {"a":2}]"#);
    assert_eq!(first.await.unwrap(), "a");
    assert_eq!(second.await.unwrap(), (5, None));
    assert_eq!(&*binary.await.unwrap(), b"y");
    assert_eq!(args.await.unwrap().json(), r#"1, {"a":2}"#);
    assert_eq!(socket.pending_acks().len(), 0);
}

// proves: protocol/unexpected-acks
#[tokio::test]
async fn ids_count_in_the_namespace() {
    let io = Io::new();
    let (mut a, mut b) = (Peer::join(&io), Peer::join(&io));
    let mut waiting = Vec::new();
    for socket in io.of("/").sockets() {
        waiting.push(socket.emit_with_ack::<()>("q", ()));
    }
    let mut sent = [a.next(), b.next()];
    sent.sort();
    assert_eq!(sent, [r#"20["q"]"#, r#"21["q"]"#]);
}

// proves: features/acks
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_times_out() {
    let io = Io::new();
    let _peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let start = tokio::time::Instant::now();
    assert!(matches!(socket.emit_with_ack::<()>("q", ()).await, Err(AckError::Timeout)));
    assert_eq!(start.elapsed().as_secs(), 10);
    let short = socket.emit_with_ack::<()>("q", ()).timeout(Duration::from_millis(50));
    assert!(matches!(short.await, Err(AckError::Timeout)));
    assert_eq!(start.elapsed().as_millis(), 10_050);
    assert_eq!(socket.pending_acks().len(), 0);
}

// proves: protocol/unexpected-acks
#[tokio::test(start_paused = true)]
async fn late_duplicate_unknown_and_idless_answers_are_ignored() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let late = socket.emit_with_ack::<i32>("q", ());
    assert!(matches!(late.await, Err(AckError::Timeout)));
    peer.send("30[1]");
    let answered = socket.emit_with_ack::<i32>("q", ());
    peer.send("31[1]");
    peer.send("31[2]");
    peer.send("399[3]");
    peer.send("3[4]");
    assert_eq!(answered.await.unwrap(), 1);
    assert_eq!(peer.close_requested(), None);
    assert_eq!(socket.pending_acks().len(), 0);
}

#[tokio::test]
async fn another_sockets_id_answers_nothing() {
    let io = Io::new();
    let mut asked = Peer::join(&io);
    let socket = socket(&io, "/");
    let mut other = Peer::join(&io);
    let answer = socket.emit_with_ack::<i32>("q", ());
    other.send("30[666]");
    asked.send("30[1]");
    assert_eq!(answer.await.unwrap(), 1);
}

#[tokio::test]
async fn a_disconnect_ends_the_wait() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let waiting = socket.emit_with_ack::<()>("q", ());
    peer.send("1");
    assert_eq!(socket.pending_acks().len(), 0);
    assert!(matches!(waiting.await, Err(AckError::Disconnected)));
    let late = socket.emit_with_ack::<()>("q", ()).await;
    assert!(matches!(late, Err(AckError::Send(SendError::Closed))));
}

// proves: features/acks
#[tokio::test]
async fn an_ack_that_is_dropped_or_not_sent_leaves_no_entry() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    drop(socket.emit_with_ack::<()>("q", ()));
    assert_eq!(socket.pending_acks().len(), 0);
    socket.emit("large", "x".repeat(BUDGET)).unwrap();
    let full = socket.emit_with_ack::<()>("q", ()).await;
    assert!(matches!(full, Err(AckError::Send(SendError::Full))));
    assert_eq!(socket.pending_acks().len(), 0);
    peer.take();
}

#[tokio::test]
async fn an_answer_of_another_type_is_an_error() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let answer = socket(&io, "/").emit_with_ack::<i32>("q", ());
    peer.send(r#"30["text"]"#);
    assert!(matches!(answer.await, Err(AckError::Args(error)) if error.index() == 0));
}

#[tokio::test]
async fn the_answers_awaited_from_one_socket_are_bounded() {
    let io = Io::new();
    let _peer = Peer::join(&io);
    let socket = socket(&io, "/");
    let waiting: Vec<_> = (0..1024).map(|n| socket.emit_with_ack::<()>("q", n)).collect();
    assert!(matches!(socket.emit_with_ack::<()>("q", ()).await, Err(AckError::TooManyPending)));
    drop(waiting);
    assert_eq!(socket.pending_acks().len(), 0);
}

#[tokio::test]
async fn on_connect_can_await_an_answer() {
    let (io, log) = logging();
    let seen = log.clone();
    io.of("/").on_connect(move |socket| {
        let seen = seen.clone();
        async move {
            let name: String = socket.emit_with_ack("name?", ()).await.unwrap();
            seen.add(name);
        }
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send(r#"2["e",1]"#);
    assert_eq!(peer.take()[1], r#"20["name?"]"#);
    let socket = socket(&io, "/");
    peer.send(r#"30["Ann"]"#);
    until(&log, "e 1").await;
    assert_eq!(log.take(), ["Ann", "e 1"]);
    assert!(socket.is_connected());
}
