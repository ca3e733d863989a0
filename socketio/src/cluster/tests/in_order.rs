//! What clients of one node get, and when, where an adapter gives all broadcasts one order.

use std::sync::atomic::AtomicU64;
use std::task::{Context, Waker};

use serde_json::Map;

use super::*;
use crate::IoConfig;
use crate::SendError;
use crate::cluster::sessions::PersistedSession;
use crate::recovery::settings::Recovery;
use crate::testing::BUDGET;

/// What a node sends comes back when the test says so.
#[derive(Clone, Debug, Default)]
struct Stream(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    node: Mutex<Option<Node>>,
    sent: Mutex<Vec<NodeMessage>>,
    last: AtomicU64,
    /// Who asks for a session makes it panic.
    panics: AtomicBool,
}

/// Namespaces that begin so have an order of their own.
const ASIDE: &str = "/aside";

impl Stream {
    fn node(&self) -> Node {
        self.0.node.lock().clone().unwrap()
    }

    fn next(&self) -> Offset {
        Offset::new(self.0.last.fetch_add(1, Ordering::Relaxed) + 1, 0)
    }

    /// The first messages of this node that have not come back yet do so.
    fn come_back(&self, count: usize) {
        let sent: Vec<_> = self.0.sent.lock().drain(..count).collect();
        for message in sent {
            let offset = self.next();
            if let Some(serial) = message.serial {
                self.node().returned(serial, offset);
            }
        }
    }

    /// Another node has sent this.
    fn hear(&self, body: MessageBody) {
        let message = NodeMessage::new(Some("another".into()), None, "/".into(), body);
        self.node().receive(message.at(self.next()));
    }

    fn hear_event(&self, name: &str, room: &str) {
        let selection = to(room);
        let event = Event::outgoing(name, ()).unwrap();
        self.hear(MessageBody::Broadcast { event, selection, flags: Flags::default(), request: None });
    }
}

impl Adapter for Stream {
    fn start(&self, node: Node) {
        *self.0.node.lock() = Some(node);
    }

    fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
        Box::pin(ready(1))
    }

    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        self.0.sent.lock().push(message);
        Box::pin(ready(Ok(())))
    }

    fn sessions(&self) -> Option<&dyn SessionStore> {
        Some(self)
    }
}

impl SessionStore for Stream {
    fn order(&self, namespace: &str) -> u16 {
        u16::from(namespace.starts_with(ASIDE))
    }

    fn keep(&self, _: PersistedSession, _: Duration) {}

    fn take(&self, pid: &str) -> AdapterFuture<Result<Option<PersistedSession>, AdapterError>> {
        let _ = PersistedSession::new("".into(), pid.into(), Vec::new(), Map::new());
        if self.0.panics.load(Ordering::Relaxed) {
            return Box::pin(async { panic!("on purpose") });
        }
        Box::pin(ready(Ok(None)))
    }

    fn forget(&self, _: &str) {}

    fn missed(&self, _: &str, _: Offset) -> AdapterFuture<Result<Option<Vec<NodeMessage>>, AdapterError>> {
        Box::pin(ready(Ok(None)))
    }
}

fn to(room: &str) -> Selection {
    Selection { rooms: vec![room.into()], except: Vec::new() }
}

/// A node, with a client in the room `r`.
fn node() -> (Stream, Io, Peer, Socket) {
    let stream = Stream::default();
    let config = IoConfig { recovery: Some(Recovery::default()), ..IoConfig::default() };
    let io = Io::with_adapter(config, stream.clone());
    let (mut peer, socket) = joined(&io);
    peer.take();
    socket.join("r").unwrap();
    (stream, io, peer, socket)
}

/// The names of the events that a client was sent.
fn events(peer: &mut Peer) -> Vec<String> {
    let name = |packet: &String| packet.strip_prefix("2[\"")?.split('"').next().map(str::to_owned);
    peer.take().iter().filter_map(name).collect()
}

// proves: features/adapters
#[tokio::test]
async fn what_another_node_sends_is_done_in_its_order_whatever_is_on_its_way_from_here() {
    let (stream, io, mut peer, socket) = node();
    io.emit("own", ()).unwrap();
    stream.hear_event("before", "r");
    stream.hear(MessageBody::SocketsLeave { selection: to("r"), rooms: vec!["r".into()] });
    stream.hear_event("secret", "r");
    assert_eq!(events(&mut peer), ["before"]);
    stream.come_back(1);
    assert_eq!(events(&mut peer), ["own"]);

    io.emit("own", ()).unwrap();
    stream.hear(MessageBody::DisconnectSockets { selection: to(socket.id()), close: false });
    stream.hear_event("secret", socket.id());
    assert!(!socket.is_connected());
    stream.come_back(1);
    assert_eq!(events(&mut peer), [""; 0]);
}

// proves: features/adapters
#[tokio::test]
async fn what_is_done_to_sockets_keeps_its_order_among_what_is_sent() {
    let (stream, io, mut peer, socket) = node();
    io.emit("first", ()).unwrap();
    io.sockets_leave("r");
    io.sockets_join("r");
    io.to("new").emit("too early", ()).unwrap();
    io.sockets_join("new");
    io.to("new").emit("news", ()).unwrap();
    io.disconnect_sockets(false);
    io.emit("too late", ()).unwrap();
    assert_eq!(events(&mut peer), [""; 0]);
    // The first event, and what two other messages say of rooms.
    stream.come_back(3);
    assert_eq!((events(&mut peer), &*socket.rooms()), (vec!["first".into()], &["r".into()][..]));
    stream.come_back(1);
    assert_eq!((events(&mut peer), socket.rooms().len()), (Vec::new(), 2));
    stream.come_back(2);
    assert_eq!((events(&mut peer), socket.is_connected()), (vec!["news".into()], false));
    stream.come_back(2);
    assert_eq!(events(&mut peer), [""; 0]);
}

// proves: features/send-budget
#[tokio::test]
async fn a_sender_waits_for_what_is_on_its_way_through_the_adapter() {
    let (stream, _io, mut peer, socket) = node();
    let is_ready = || {
        let ready = std::pin::pin!(socket.ready());
        ready.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    };
    let text = "x".repeat(BUDGET / 10);
    let mut sent = 0;
    while is_ready() {
        socket.emit("e", &text).unwrap();
        sent += 1;
    }
    assert_eq!(sent, 3, "more than a quarter of the budget");
    let mut ready = std::pin::pin!(socket.ready());
    assert!(ready.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    stream.come_back(sent);
    assert_eq!(events(&mut peer), ["e"; 3]);
    ready.await.unwrap();

    // Without waiting.
    let mut sent = 0;
    while sent < 100 && socket.emit("e", &text).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 10);
    assert!(matches!(socket.emit("e", 1), Err(SendError::Full)));
    stream.come_back(sent);
    assert_eq!(events(&mut peer).len(), sent);
    socket.emit("e", 1).unwrap();
}

// proves: features/adapters
#[tokio::test]
async fn what_comes_back_in_one_order_says_nothing_of_another() {
    let (stream, io, mut peer, _socket) = node();
    let aside = io.of(ASIDE);
    peer.send(&format!("0{ASIDE},"));
    peer.take();
    io.emit("first", ()).unwrap();
    aside.emit("aside", ()).unwrap();
    io.emit("second", ()).unwrap();
    // The streams are read in turns.
    stream.0.sent.lock().swap(1, 2);
    stream.come_back(2);
    let got = peer.take();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].starts_with(r#"2["first","#) && got[1].starts_with(r#"2["second","#), "{got:?}");
    stream.come_back(1);
    let got = peer.take();
    // With its offset.
    assert!(matches!(&got[..], [event] if event.starts_with(r#"2/aside,["aside","#)), "{got:?}");
}

#[tokio::test]
async fn who_comes_back_is_answered_even_if_something_panics_over_what_it_missed() {
    let (stream, io, ..) = node();
    stream.0.panics.store(true, Ordering::Relaxed);
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"pid":"aaaaaaaaaaaaaaaaaaaa","offset":"1-0"}"#);
    for _ in 0..10 {
        tokio::task::yield_now().await;
        peer.poll();
    }
    let reply = peer.take();
    assert!(matches!(&reply[..], [reply] if reply.starts_with("0{")), "{reply:?}");
}
