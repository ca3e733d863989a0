use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::FetchError;
use crate::args::Args;
use crate::cluster::adapter::Adapter;
use crate::cluster::node::Node;
use crate::io::Io;
use crate::io::config::IoConfig;
use crate::namespace::Namespace;
use crate::socket::Socket;
use crate::testing::Peer;

mod in_order;
mod missing;

/// Links nodes of one process. Each hears all others in the order of their messages.
#[derive(Clone, Debug, Default)]
struct Bus(Arc<State>);

#[derive(Debug, Default)]
struct State {
    nodes: Mutex<Vec<mpsc::UnboundedSender<NodeMessage>>>,
    log: Mutex<Vec<NodeMessage>>,
    /// Messages get lost.
    broken: AtomicBool,
    /// This node, counted from the first, hears nothing.
    deaf: Mutex<Option<usize>>,
    /// How many nodes have gone.
    gone: AtomicUsize,
    /// One that has gone.
    left: Mutex<Option<NodeId>>,
    ids: Mutex<Vec<NodeId>>,
    /// Whether nodes are known by name.
    tells_names: AtomicBool,
    /// The namespaces that came and went.
    namespaces: Mutex<Vec<String>>,
}

impl Adapter for Bus {
    fn start(&self, node: Node) {
        let (sender, mut messages) = mpsc::unbounded_channel();
        self.0.nodes.lock().push(sender);
        self.0.ids.lock().push(Arc::clone(node.id()));
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                node.receive(message);
            }
        });
    }

    fn namespace_opened(&self, namespace: &Namespace) {
        self.0.namespaces.lock().push(format!("+{}", namespace.name()));
    }

    fn namespace_closed(&self, name: &str) {
        self.0.namespaces.lock().push(format!("-{name}"));
    }

    fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
        let gone = self.0.gone.load(Ordering::Relaxed) + usize::from(self.0.left.lock().is_some());
        Box::pin(ready(self.0.nodes.lock().len() - 1 - gone))
    }

    /// The first asks.
    fn other_node_ids(&self, _: &str) -> AdapterFuture<Option<Vec<NodeId>>> {
        let left = self.0.left.lock().clone();
        let others =
            self.0.ids.lock().iter().skip(1).filter(|id| Some(*id) != left.as_ref()).cloned().collect();
        Box::pin(ready(self.0.tells_names.load(Ordering::Relaxed).then_some(others)))
    }

    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        self.0.log.lock().push(message.clone());
        if self.0.broken.load(Ordering::Relaxed) {
            return Box::pin(ready(Ok(())));
        }
        for (at, node) in self.0.nodes.lock().iter().enumerate() {
            if *self.0.deaf.lock() != Some(at) {
                node.send(message.clone()).unwrap();
            }
        }
        Box::pin(ready(Ok(())))
    }
}

/// Two nodes.
fn nodes() -> (Bus, [Io; 2]) {
    let bus = Bus::default();
    let nodes = [(); 2].map(|()| Io::with_adapter(IoConfig::default(), bus.clone()));
    (bus, nodes)
}

fn joined(io: &Io) -> (Peer, Socket) {
    let peer = Peer::join(io);
    let own = io.sockets().into_iter().find(|socket| std::ptr::eq(socket.link(), peer.client.link()));
    (peer, own.unwrap())
}

/// Lets the nodes hear of each other.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn open_requests(nodes: &[Io; 2]) -> usize {
    nodes.iter().map(|io| io.cluster().unwrap().requests.lock().len()).sum()
}

// proves: features/adapters, features/modifiers
#[tokio::test]
async fn a_broadcast_reaches_the_clients_of_all_nodes_once() {
    let (bus, [here, there]) = nodes();
    let [(mut one, one_socket), (mut two, two_socket)] = [joined(&here), joined(&there)];
    here.emit("e", (1, crate::Binary::from(&b"x"[..]))).unwrap();
    settle().await;
    let event = [r#"51-["e",1,{"_placeholder":true,"num":0}]"#, "b:x"];
    assert_eq!((one.take(), two.take()), (event.map(Into::into).into(), event.map(Into::into).into()));

    two_socket.join("room").unwrap();
    here.to("room").emit("room", ()).unwrap();
    there.except("room").emit("others", ()).unwrap();
    one_socket.broadcast().emit("broadcast", ()).unwrap();
    here.to(two_socket.id()).emit("to one", ()).unwrap();
    settle().await;
    assert_eq!(one.take(), [r#"2["others"]"#]);
    assert_eq!(two.take(), [r#"2["room"]"#, r#"2["broadcast"]"#, r#"2["to one"]"#]);

    bus.0.log.lock().clear();
    here.local().emit("local", ()).unwrap();
    one_socket.emit("own", ()).unwrap();
    settle().await;
    assert_eq!((one.take().len(), two.take().len()), (2, 0));
    assert!(bus.0.log.lock().is_empty());

    here.volatile().compress(false).emit("flags", ()).unwrap();
    match &bus.0.log.lock()[..] {
        [
            NodeMessage {
                body: MessageBody::Broadcast { event, flags, request: None, .. }, namespace, ..
            },
        ] => {
            assert_eq!((event.name(), &**namespace), ("flags", "/"));
            assert_eq!((flags.volatile, flags.compress, flags.local), (true, Some(false), false));
        }
        other => panic!("{other:?}"),
    }
}

// proves: features/many-sockets
#[tokio::test]
async fn sockets_of_all_nodes_are_fetched() {
    let (_bus, [here, there]) = nodes();
    let [(_one, one), (mut peer, two)] = [joined(&here), joined(&there)];
    one.join("room").unwrap();
    two.join("room").unwrap();
    two.set_data("name", "bob").unwrap();
    let mut found = here.within("room").fetch_sockets().await.unwrap();
    found.sort_by_key(|socket| socket.socket().is_none());
    let [local, remote] = &found[..] else { panic!("{found:?}") };
    assert_eq!((local.socket(), local.id()), (Some(&one), one.id()));
    assert_eq!((remote.socket(), remote.id()), (None, two.id()));
    assert_eq!(remote.rooms().collect::<Vec<_>>(), ["room"]);
    assert_eq!(remote.data::<Value>().unwrap(), json!({"name": "bob"}));
    let handshake = remote.handshake();
    assert_eq!(
        (handshake.address.as_str(), handshake.secure, handshake.xdomain),
        ("127.0.0.1", false, false)
    );
    assert_eq!((&handshake.headers["user-agent"], &handshake.query["t"]), (&json!("test"), &json!("1")));
    assert_eq!(handshake.auth, json!({}));
    assert!(handshake.issued > 1_700_000_000_000);

    remote.emit("hello", 1).unwrap();
    remote.join("more");
    remote.leave("room");
    settle().await;
    assert_eq!((peer.next(), &*two.rooms()), (r#"2["hello",1]"#.into(), &["more".into()][..]));
    remote.disconnect(false);
    settle().await;
    peer.poll();
    assert_eq!(peer.next(), "1");
    assert_eq!(here.local().fetch_sockets().await.unwrap().len(), 1);
    assert_eq!(open_requests(&[here, there]), 0);
}

#[tokio::test]
async fn a_socket_of_this_node_stays_as_it_was_when_it_was_fetched() {
    let (_bus, [here, _there]) = nodes();
    let (_peer, socket) = joined(&here);
    socket.join("room").unwrap();
    let found = here.fetch_sockets().await.unwrap();
    socket.leave("room");
    socket.set_data("name", "late").unwrap();
    let [fetched] = &found[..] else { panic!("{found:?}") };
    assert_eq!(fetched.rooms().collect::<Vec<_>>(), ["room"]);
    assert_eq!(fetched.data::<Value>().unwrap(), json!({}));
    let details = fetched.details();
    assert_eq!(
        (details.id.as_str(), &details.rooms[..]),
        (socket.id(), &[socket.id().into(), "room".into()][..])
    );
    assert_eq!((&details.data, details.handshake.address.as_str()), (&json!({}), "127.0.0.1"));
}

// proves: features/many-sockets
#[tokio::test]
async fn sockets_of_all_nodes_join_leave_and_are_put_out() {
    let (_bus, [here, there]) = nodes();
    let [(_a, one), (_b, two)] = [joined(&here), joined(&there)];
    here.sockets_join("room");
    settle().await;
    assert_eq!([one.rooms().len(), two.rooms().len()], [1, 1]);
    here.except(one.id()).sockets_leave("room");
    settle().await;
    assert_eq!([one.rooms().len(), two.rooms().len()], [1, 0]);
    there.local().sockets_join("room");
    there.within("room").disconnect_sockets(true);
    settle().await;
    assert!(!one.is_connected() && !two.is_connected());
}

// proves: features/adapters
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_a_timeout() {
    let (bus, [here, there]) = nodes();
    bus.0.broken.store(true, Ordering::Relaxed);
    let start = Instant::now();
    match here.fetch_sockets().await {
        Err(FetchError { error: ClusterError::Timeout { missing: 1, .. }, .. }) => {
            assert_eq!(start.elapsed(), Duration::from_secs(5));
        }
        other => panic!("{other:?}"),
    }
    let start = Instant::now();
    assert!(here.timeout(Duration::from_millis(10)).fetch_sockets().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1));
    let answers = here.server_side_emit_with_ack::<()>("e", ()).await.unwrap();
    assert_eq!((answers.answers.len(), answers.silent_nodes), (0, 1));
    assert_eq!(open_requests(&[here, there]), 0);
}

// proves: features/server-side-emit
#[tokio::test]
async fn servers_send_events_to_each_other() {
    let (_bus, [here, there]) = nodes();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    for (io, name) in [(&here, "here"), (&there, "there")] {
        let log = Arc::clone(&log);
        io.on_server_side("hello", move |(number, text): (i32, String)| {
            log.lock().push(format!("{name} {number} {text}"));
            async move { name }
        });
    }
    here.server_side_emit("hello", (1, "a")).unwrap();
    settle().await;
    assert_eq!(*heard.lock(), ["there 1 a"], "not to itself");
    let answers = there.server_side_emit_with_ack::<String>("hello", (2, "b")).await.unwrap();
    assert_eq!(answers.all().unwrap(), ["here"]);
    assert!(here.server_side_emit("disconnect", ()).is_err());
    let alone = Io::new();
    alone.server_side_emit("hello", ()).unwrap();
    assert_eq!(alone.server_side_emit_with_ack::<()>("hello", ()).await.unwrap().answers.len(), 0);
}

// proves: features/server-side-emit
#[tokio::test(start_paused = true)]
async fn a_server_without_a_handler_or_with_one_that_fails_does_not_answer() {
    let (_bus, [here, there]) = nodes();
    there
        .on_server_side("panics", |(): ()| async {
            if true {
                panic!("on purpose")
            }
        })
        .on_server_side("wants a number", |n: i32| async move { n });
    for event in ["nobody", "panics", "wants a number"] {
        let answers = here.server_side_emit_with_ack::<()>(event, "text").await.unwrap();
        assert_eq!((answers.answers.len(), answers.silent_nodes), (0, 1), "{event}");
    }
}

// proves: features/broadcast-acks
#[tokio::test]
async fn clients_of_all_nodes_acknowledge_a_broadcast() {
    let (_bus, [here, there]) = nodes();
    let [(mut one, one_socket), (mut two, _)] = [joined(&here), joined(&there)];
    let _ = one_socket.emit_with_ack::<()>("shifts the ids of this node", ());
    one.take();
    let answers = here.emit_with_ack::<i32>("e", "x").unwrap();
    settle().await;
    assert_eq!((one.next(), two.next()), (r#"21["e","x"]"#.into(), r#"20["e","x"]"#.into()));
    one.send("31[10]");
    two.send("30[20]");
    let answers = answers.await;
    assert_eq!(answers.silent_nodes, 0);
    let mut received: Vec<_> = answers.answers.iter().map(|answer| answer.result.as_ref().unwrap()).collect();
    received.sort();
    assert_eq!(received, [&10, &20]);
    assert_eq!(open_requests(&[here, there]), 0);
}

// proves: protocol/broadcast-acks
#[tokio::test(start_paused = true)]
async fn who_fails_to_acknowledge_in_time_is_told_and_the_tables_are_empty() {
    let (bus, [here, there]) = nodes();
    let [(_one, one), (_two, two), (_three, three)] = [joined(&here), joined(&there), joined(&there)];
    let asking = here.timeout(Duration::from_secs(1)).emit_with_ack::<i32>("e", ()).unwrap();
    let answers = asking.await;
    assert_eq!(answers.answers.len(), 3);
    assert!(answers.answers.iter().all(|answer| matches!(answer.result, Err(AckError::Timeout))));
    assert_eq!(answers.answers[0].socket.as_deref(), Some(one.id()));
    settle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!([one, two, three].map(|socket| socket.pending_acks().len()), [0; 3]);

    bus.0.broken.store(true, Ordering::Relaxed);
    let answers = here.emit_with_ack::<i32>("e", ()).unwrap().await;
    assert_eq!((answers.answers.len(), answers.silent_nodes), (1, 1));
    assert!(answers.all().is_err());
    assert_eq!(open_requests(&[here, there]), 0);
}

#[tokio::test]
async fn a_node_without_the_namespace_answers_that_it_has_no_one() {
    let (_bus, [here, _there]) = nodes();
    let namespace = here.of("/only-here");
    assert_eq!(namespace.fetch_sockets().await.unwrap().len(), 0);
    assert_eq!(namespace.emit_with_ack::<()>("e", ()).unwrap().await.silent_nodes, 0);
}

#[tokio::test]
async fn children_of_a_parent_are_reached_on_all_nodes_that_have_them() {
    let (_bus, [here, there]) = nodes();
    let parents = [&here, &there].map(|io| io.of_pattern("^/n").unwrap());
    let mut peers = [&here, &there].map(Peer::open);
    for peer in &mut peers {
        peer.send("0/n1,");
        peer.take();
    }
    parents[0].emit("e", 1).unwrap();
    settle().await;
    for peer in &mut peers {
        assert_eq!(peer.take(), [r#"2/n1,["e",1]"#]);
    }
    assert_eq!(parents[0].fetch_sockets().await.unwrap().len(), 2);
    let asking = parents[1].emit_with_ack::<i32>("q", ()).unwrap();
    settle().await;
    for peer in &mut peers {
        assert_eq!(peer.take(), [r#"2/n1,0["q"]"#]);
        peer.send("3/n1,0[5]");
    }
    assert_eq!(asking.await.all().unwrap(), [5, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_handed_on_is_an_error_at_once() {
    struct Unplugged;

    impl Adapter for Unplugged {
        fn start(&self, _: Node) {}

        fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
            Box::pin(ready(1))
        }

        fn publish(&self, _: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
            Box::pin(ready(Err("no wire".into())))
        }
    }

    let io = Io::with_adapter(IoConfig::default(), Unplugged);
    let (mut peer, _) = joined(&io);
    let start = Instant::now();
    let error = io.fetch_sockets().await.unwrap_err();
    assert_eq!(error.to_string(), "other nodes were not reached: no wire");
    assert!(io.server_side_emit_with_ack::<()>("e", ()).await.is_err());
    assert_eq!(start.elapsed(), Duration::ZERO);
    // Clients of this node get their events all the same.
    io.emit("e", ()).unwrap();
    assert_eq!(peer.next(), r#"2["e"]"#);
    assert!(io.cluster().unwrap().requests.lock().is_empty());
}

// proves: features/adapters
#[tokio::test]
async fn messages_of_this_node_and_for_others_are_ignored() {
    let (bus, [here, _there]) = nodes();
    let (mut peer, _) = joined(&here);
    let node = here.node(Arc::clone(&here.cluster().unwrap().id));
    let message = |from: &str, to: Option<&str>| {
        let body = MessageBody::Broadcast {
            event: Event::outgoing("e", ()).unwrap(),
            selection: Selection::default(),
            flags: Flags::default(),
            request: None,
        };
        NodeMessage::new(Some(from.into()), to.map(Into::into), "/".into(), body)
    };
    node.receive(message(node.id(), None));
    node.receive(message("a", Some("b")));
    assert!(peer.take().is_empty());
    node.receive(message("a", Some(node.id())));
    node.receive(message("a", None));
    assert_eq!(peer.take().len(), 2);
    assert!(bus.0.log.lock().is_empty(), "what comes from others is not passed on");
}

#[tokio::test(start_paused = true)]
async fn answers_whose_count_got_lost_do_not_make_anybody_wait_for_ever() {
    let (bus, [here, _there]) = nodes();
    bus.0.broken.store(true, Ordering::Relaxed);
    let node = here.node(Arc::clone(&here.cluster().unwrap().id));
    let asking = here.emit_with_ack::<i32>("e", ()).unwrap();
    let request = here.cluster().unwrap().requests.lock().keys().next().unwrap().clone();
    for answer in [1, 2] {
        let answer = Args::new(answer).unwrap();
        let body = MessageBody::ClientAnswer { request: Arc::clone(&request), answer };
        node.receive(NodeMessage::new(Some("a".into()), None, "/".into(), body));
    }
    let start = Instant::now();
    let answers = asking.await;
    assert_eq!((answers.answers.len(), answers.silent_nodes), (2, 1));
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_node_that_has_just_joined_delays_nobody() {
    let (bus, [here, _there]) = nodes();
    bus.0.broken.store(true, Ordering::Relaxed);
    let node = here.node(Arc::clone(&here.cluster().unwrap().id));
    let io = here.clone();
    let asking = tokio::spawn(async move { io.timeout(Duration::MAX).fetch_sockets().await });
    settle().await;
    let request = here.cluster().unwrap().requests.lock().keys().next().unwrap().clone();
    for from in ["known", "new"] {
        let body = MessageBody::FetchedSockets { request: Arc::clone(&request), sockets: Vec::new() };
        node.receive(NodeMessage::new(Some(from.into()), None, "/".into(), body));
    }
    assert_eq!(asking.await.unwrap().unwrap().len(), 0);
}

/// Tells where messages of other nodes go.
struct Tap(Arc<Mutex<Option<Node>>>);

impl Adapter for Tap {
    fn start(&self, node: Node) {
        *self.0.lock() = Some(node);
    }

    fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
        Box::pin(ready(1))
    }

    fn publish(&self, _: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        Box::pin(ready(Ok(())))
    }
}

// proves: features/adapters
#[tokio::test]
async fn handlers_of_servers_events_begin_in_the_order_of_the_events() {
    let (tap, begun) = (Arc::default(), Arc::new(Mutex::new(Vec::new())));
    let io = Io::with_adapter(IoConfig::default(), Tap(Arc::clone(&tap)));
    let log = Arc::clone(&begun);
    io.on_server_side("e", move |(n,): (u64,)| {
        log.lock().push(n);
        tokio::task::yield_now()
    });
    let node = tap.lock().clone().unwrap();
    for n in 0..3u64 {
        let event = Event::outgoing("e", n).unwrap();
        let body = MessageBody::ServerSideEmit { event, request: None };
        node.receive(NodeMessage::new(Some("another".into()), None, "/".into(), body));
    }
    assert_eq!(*begun.lock(), [0, 1, 2]);
}
