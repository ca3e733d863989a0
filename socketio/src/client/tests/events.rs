use super::*;

// proves: features/acks
#[tokio::test]
async fn what_a_handler_returns_is_the_acknowledgement() {
    let io = Io::new();
    io.of("/")
        .on("add", |_, (a, b): (i64, i64)| async move { a + b })
        .on("pair", |_, ()| async { ("a", [1]) })
        .on("nothing", |_, ()| async {})
        .on("result", |_, ok: bool| async move { if ok { Ok(1) } else { Err("no") } })
        .on("emits", |socket, ()| async move { socket.broadcast().emit("x", ()) })
        .on("option", |_, some: bool| async move { some.then_some(1) })
        .on("reads", |_, args: Args| async move { args.read::<(i32, i32)>().map(|(a, b)| a + b) })
        .on_sync("sync", |_, text: String| text.to_uppercase());
    let mut peer = Peer::join(&io);
    for (event, ack) in [
        (r#"21["add",1,2]"#, "31[3]"),
        (r#"22["pair"]"#, r#"32["a",[1]]"#),
        (r#"23["nothing"]"#, "33[]"),
        (r#"24["result",true]"#, "34[1]"),
        (r#"25["result",false]"#, r#"35["no"]"#),
        (r#"26["emits"]"#, "36[]"),
        (r#"27["sync","é"]"#, r#"37["É"]"#),
        (r#"21["option",true]"#, "31[1]"),
        (r#"22["option",false]"#, "32[null]"),
        (r#"23["reads",1,2]"#, "33[3]"),
        (r#"24["reads",1,"b"]"#, r#"34["argument 1: invalid type: string \"b\", expected i32"]"#),
    ] {
        peer.send(event);
        assert_eq!(peer.next(), ack);
    }
    peer.send(r#"2["add",1,2]"#);
    assert!(peer.take().is_empty(), "the client did not ask");
}

#[tokio::test]
async fn arguments_are_sent_back_as_they_came_binary_included() {
    let io = Io::new();
    io.of("/")
        .on("message", |socket: Socket, args: Args| async move { socket.emit("message-back", args) })
        .on_sync("message-with-ack", |_, args: Args| args);
    let mut peer = Peer::join(&io);
    peer.send(r#"2["message",1,"\u00e9",{"a":[true,null]}]"#);
    assert_eq!(peer.next(), r#"2["message-back",1,"\u00e9",{"a":[true,null]}]"#);
    peer.send(r#"52-["message",{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}]"#);
    peer.send_binary(b"one");
    peer.send_binary(b"two");
    let placeholders = r#"{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}"#;
    assert_eq!(peer.take(), [&format!(r#"52-["message-back",{placeholders}]"#), "b:one", "b:two"]);
    peer.send(r#"51-7["message-with-ack",{"_placeholder":true,"num":0}]"#);
    peer.send_binary(b"x");
    assert_eq!(peer.take(), [r#"61-7[{"_placeholder":true,"num":0}]"#, "b:x"]);
}

// proves: features/binary
#[tokio::test]
async fn binary_is_found_at_any_depth() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Picture {
        name: String,
        layers: Vec<Binary>,
    }
    let io = Io::new();
    io.of("/").on_sync("picture", |_, picture: Picture| Picture {
        name: picture.name.to_uppercase(),
        layers: picture.layers.into_iter().rev().collect(),
    });
    let mut peer = Peer::join(&io);
    let layers = r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    peer.send(&format!(r#"52-1["picture",{{"name":"a","layers":{layers}}}]"#));
    peer.send_binary(b"one");
    peer.send_binary(b"two");
    assert_eq!(peer.take(), [&format!(r#"62-1[{{"name":"A","layers":{layers}}}]"#), "b:two", "b:one"]);
}

// proves: features/wish/contracts
#[tokio::test]
async fn arguments_that_do_not_fit_do_not_run_the_handler() {
    let (io, log) = logging();
    let mut peer = Peer::join(&io);
    peer.send(r#"21["e","one"]"#);
    peer.send(r#"2["e",2]"#);
    assert_eq!(log.take(), ["connect", "e 2"]);
    assert!(peer.take().is_empty());
    assert_eq!(peer.close_requested(), None);
}

// proves: features/acks
#[tokio::test]
async fn an_event_without_a_handler_is_ignored() {
    let (io, _) = logging();
    let mut peer = Peer::join(&io);
    peer.send(r#"21["nobody",1]"#);
    peer.send(r#"2["__proto__",{"__proto__":1,"constructor":2}]"#);
    assert!(peer.take().is_empty());
    assert_eq!(peer.close_requested(), None);
}

#[tokio::test]
async fn connection_and_error_are_events_like_others() {
    let (io, log) = logging();
    let seen = log.clone();
    io.of("/").on_sync("connection", move |_, ()| seen.add("connection"));
    let mut peer = Peer::join(&io);
    peer.send(r#"2["connection"]"#);
    peer.send(r#"2["error"]"#);
    assert_eq!(log.take(), ["connect", "connection"]);
}

#[tokio::test]
async fn a_numeric_event_name_is_its_text() {
    let io = Io::new();
    io.of("/").on_sync("5", |_, n: i64| n + 1);
    let mut peer = Peer::join(&io);
    peer.send("20[5,1]");
    assert_eq!(peer.next(), "30[2]");
}

#[tokio::test]
async fn a_handler_may_register_another() {
    let io = Io::new();
    let inner = io.clone();
    io.of("/").on_sync("learn", move |_, name: String| {
        inner.of("/").on_sync(&name, |_, ()| "learned");
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["learn","x"]"#);
    peer.send(r#"21["x"]"#);
    assert_eq!(peer.next(), r#"31["learned"]"#);
}

// proves: features/reserved-names
#[test]
#[should_panic(expected = "reserved event")]
fn a_reserved_name_cannot_be_handled() {
    Io::new().of("/").on_sync("disconnect", |_, ()| {});
}

// proves: features/acks
#[tokio::test]
async fn an_acknowledgement_can_be_sent_later_and_once() {
    let io = Io::new();
    let (kept, mut acks) = mpsc::unbounded_channel::<AckSender>();
    io.of("/").on_with_ack("later", move |_, (), ack| {
        kept.send(ack).unwrap();
        async {}
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"29["later"]"#);
    peer.send(r#"2["later"]"#);
    assert!(peer.take().is_empty());
    let (asked, unasked) = (acks.recv().await.unwrap(), acks.recv().await.unwrap());
    assert!(asked.is_wanted() && !unasked.is_wanted());
    asked.send(("done", 1)).unwrap();
    unasked.send(2).unwrap();
    assert_eq!(peer.take(), [r#"39["done",1]"#]);

    peer.send(r#"29["later"]"#);
    let asked = acks.recv().await.unwrap();
    peer.send("1");
    assert!(matches!(asked.send(()), Err(SendError::Closed)));
}

// proves: features/send-budget
#[tokio::test]
async fn an_emit_that_cannot_be_sent_says_why() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    assert!(matches!(socket.emit("disconnect", ()), Err(SendError::ReservedEvent)));
    let map = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert!(matches!(socket.emit("e", map), Err(SendError::Serialize(_))));
    assert!(peer.take().is_empty());

    let large = "x".repeat(BUDGET);
    socket.emit("large", &large).unwrap();
    assert!(matches!(socket.emit("e", ()), Err(SendError::Full)));
    let mut ready = tokio_test_poll(socket.ready());
    assert!(ready.poll().is_pending());
    assert_eq!(peer.take().len(), 1);
    assert!(ready.poll().is_ready());
    socket.emit("e", ()).unwrap();

    peer.close(CloseReason::TransportClose);
    assert!(matches!(socket.emit("e", ()), Err(SendError::Closed)));
    assert!(matches!(socket.ready().await, Err(SendError::Closed)));
}

// proves: features/modifiers
#[tokio::test]
async fn a_volatile_event_is_sent_only_if_it_can_be_written_at_once() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let socket = socket(&io, "/");
    peer.sleep();
    socket.volatile().emit("v", 1).unwrap();
    socket.volatile().emit("v", 2).unwrap();
    assert_eq!(peer.take(), [r#"2["v",1]"#]);
    io.volatile().emit("v", 3).unwrap();
    io.emit("e", 4).unwrap();
    io.volatile().emit("v", 5).unwrap();
    assert_eq!(peer.take(), [r#"2["v",3]"#, r#"2["e",4]"#]);
}

#[tokio::test]
async fn an_event_and_its_attachments_are_one_entry() {
    let io = Io::new();
    let mut peer = Peer::join(&io);
    let binary = || Binary(Bytes::from_static(b"x"));
    io.emit("a", (binary(), binary())).unwrap();
    io.emit("b", ()).unwrap();
    let sent = peer.take();
    assert_eq!(sent[1..], ["b:x", "b:x", r#"2["b"]"#]);
}

/// A future to poll by hand.
fn tokio_test_poll<F: Future>(future: F) -> ByHand<F> {
    ByHand(Box::pin(future))
}

struct ByHand<F>(std::pin::Pin<Box<F>>);

impl<F: Future> ByHand<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        self.0.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}

// proves: features/acks
#[tokio::test]
async fn an_event_that_no_handler_takes_is_answered_by_whoever_answers_those() {
    let (io, _) = logging();
    let mut peer = Peer::join(&io);
    // Nobody does yet.
    peer.send(r#"21["e","one"]"#);
    peer.send(r#"22["nobody",1]"#);
    assert!(peer.take().is_empty());
    io.on_unhandled(|_, event: Event, why: Unhandled| async move {
        (event.name().to_owned(), event.args().json().to_owned(), why)
    });
    peer.send(r#"23["e","one",2]"#);
    assert_eq!(
        peer.next(),
        r#"33["e","\"one\",2","argument 0: invalid type: string \"one\", expected i64"]"#
    );
    peer.send(r#"24["nobody",1]"#);
    assert_eq!(peer.next(), r#"34["nobody","1","no handler for this event"]"#);
    // Where no answer is awaited, none is sent.
    peer.send(r#"2["nobody"]"#);
    peer.send(r#"2["e",{}]"#);
    assert!(peer.take().is_empty());
    let counts = io.unhandled_counts();
    assert_eq!((counts.no_handler, counts.args), (3, 3));
    // A listener that watches changes nothing.
    let _ = io.on_any(|_, _| {});
    peer.send(r#"25["nobody"]"#);
    assert_eq!(peer.next(), r#"35["nobody","","no handler for this event"]"#);
    // An answer of the client's is no event.
    peer.send("39[1]");
    assert_eq!(io.unhandled_counts().no_handler, 4);
}

#[tokio::test]
async fn events_without_a_handler_of_their_own_have_one_for_all_of_them() {
    let io = Io::new();
    io.on_sync("number", |_: Socket, _: i32| "number")
        .on_other(|_: Socket, event: Event, ack: AckSender| async move {
            ack.send(format!("{} {}", event.name(), event.args().json())).ok()
        })
        .on_unhandled(|_: Socket, _: Event, _: Unhandled| async { "unhandled" });
    let mut peer = Peer::join(&io);
    peer.send(r#"21["any",1,"x"]"#);
    assert_eq!(peer.next(), r#"31["any 1,\"x\""]"#);
    peer.send(r#"22["number",1]"#);
    assert_eq!(peer.next(), r#"32["number"]"#);
    peer.send(r#"23["number","x"]"#);
    assert_eq!(peer.next(), r#"33["unhandled"]"#);
    assert_eq!(io.unhandled_counts().no_handler, 0);
}

#[tokio::test]
async fn of_those_who_answer_what_no_handler_takes_the_closest_does() {
    let io = Io::new();
    let parent = io.of_pattern("^/n").unwrap();
    parent.on_unhandled(|_, _, _| async { "parent" });
    io.of("/n1").on_unhandled(|_, _, _| async {
        tokio::task::yield_now().await;
        "child"
    });
    let mut peer = Peer::open(&io);
    for nsp in ["/n1", "/n2"] {
        peer.send(&format!("0{nsp},"));
        peer.take();
    }
    peer.send(r#"2/n1,1["x"]"#);
    assert_eq!(peer.receive().await, [r#"3/n1,1["child"]"#]);
    peer.send(r#"2/n2,1["x"]"#);
    assert_eq!(peer.next(), r#"3/n2,1["parent"]"#);
    let socket = socket(&io, "/n2");
    socket.on_unhandled(|_, _, _| async { "socket" });
    socket.on_sync("once", |_, _: u8| ());
    peer.send(r#"2/n2,2["x"]"#);
    peer.send(r#"2/n2,3["once","text"]"#);
    assert_eq!(peer.take(), [r#"3/n2,2["socket"]"#, r#"3/n2,3["socket"]"#]);
    // A panic in it ends the socket, as in any handler.
    let never = false;
    socket.on_unhandled(move |_, _, _| async move { assert!(never, "on purpose") });
    peer.send(r#"2/n2,4["x"]"#);
    peer.poll();
    assert_eq!(peer.take(), ["1/n2,"]);
}

#[tokio::test]
async fn whoever_answers_what_no_handler_takes_is_asked_after_the_middlewares() {
    let io = Io::new();
    io.event_middleware(|_, event: Event| async move {
        if event.name() == "refused" { Err("no".into()) } else { Ok(()) }
    })
    .on_unhandled(|_, _, _| async { "unhandled" });
    let mut peer = Peer::join(&io);
    peer.send(r#"21["refused"]"#);
    assert!(peer.take().is_empty());
    peer.send(r#"22["let through"]"#);
    assert_eq!(peer.next(), r#"32["unhandled"]"#);
}
