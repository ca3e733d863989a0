//! Clients that lose their connection and come back to another node.

use serde_json::{Value, json};
use socketio::{Adapter, Binary, Io, IoConfig, Recovery};

use crate::client::{PATIENCE, TestClient};

/// Tests what is asked of an adapter that has a [`SessionStore`](socketio::SessionStore): clients recover on any node, with
/// exactly what they missed. Each call of `adapter` makes one for a further node of the same cluster.
///
/// # Panics
/// If an adapter does not do what it should. The message says what that was.
pub async fn check_recovery<A: Adapter>(mut adapter: impl FnMut() -> A) {
    // However busy the machine is, an event is waited for until it has its place.
    let recovery = Recovery { adapter_patience: PATIENCE, ..Recovery::default() };
    let config =
        || IoConfig { recovery: Some(recovery.clone()), cluster_timeout: PATIENCE, ..IoConfig::default() };
    let nodes = [(); 3].map(|()| Io::with_adapter(config(), adapter()));
    for node in &nodes {
        node.cluster_ready().await;
    }
    order(&nodes).await;
    coming_back(&nodes).await;
    going_round(&nodes).await;
    changing_elsewhere(&nodes).await;
    once(&nodes).await;
    what_is_unknown(&nodes).await;
    moving_on(&nodes).await;
}

/// A client with what it keeps across its connections, as socket.io-client keeps it.
struct Roamer {
    client: TestClient,
    sid: String,
    pid: String,
    offset: Option<String>,
}

impl Roamer {
    async fn join(node: &Io) -> Roamer {
        let mut client = TestClient::open(node);
        client.send("0");
        let mut roamer = Roamer { client, sid: String::new(), pid: String::new(), offset: None };
        roamer.connected().await;
        roamer
    }

    /// Reads up to the reply to its CONNECT. Returns the events that came before it.
    async fn connected(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let packet = self.client.next().await;
            if let Some(reply) = packet.strip_prefix('0') {
                let reply: Value = serde_json::from_str(reply).expect("it is JSON");
                let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
                (self.sid, self.pid) = (text("sid"), text("pid"));
                return events;
            }
            events.push(self.read(&packet));
        }
    }

    /// The next event, without its offset.
    async fn event(&mut self) -> Value {
        let packet = self.client.next().await;
        self.read(&packet)
    }

    fn read(&mut self, packet: &str) -> Value {
        let from = packet.find('[').unwrap_or_else(|| panic!("{packet} is no event"));
        if packet.starts_with("bytes") {
            return json!(packet);
        }
        let mut event: Vec<Value> = serde_json::from_str(&packet[from..]).expect("it is JSON");
        if let Some(Value::String(last)) = event.last()
            && event.len() > 1
        {
            self.offset = Some(last.clone());
            event.pop();
        }
        event.into()
    }

    async fn expect(&mut self, what: &str, events: &[Value]) {
        for expected in events {
            assert_eq!(self.event().await, *expected, "{what}");
        }
    }

    /// Its connection is lost, and the server has noticed and kept its session.
    async fn lose(&mut self, node: &Io) {
        let socket = node.socket(&self.sid);
        self.client = TestClient::open(node);
        if let Some(socket) = socket {
            tokio::time::timeout(PATIENCE, socket.closed()).await.expect("its end is noticed");
        }
        // What the node asks after it has kept the session arrives after it, whether others answer or not.
        let _ = node.to("nobody").fetch_sockets().await;
    }

    /// Comes to a node. Returns whether it got its socket back, and what it had missed.
    async fn come_to(&mut self, node: &Io) -> (bool, Vec<Value>) {
        let before = (self.sid.clone(), self.pid.clone());
        self.client = TestClient::open(node);
        self.client.send(&format!("0{}", json!({ "pid": self.pid, "offset": self.offset })));
        let events = self.connected().await;
        let socket = node.socket(&self.sid).expect("it is connected");
        let same = before == (self.sid.clone(), self.pid.clone());
        assert_eq!(socket.recovered(), same, "the id goes with the pid");
        (same, events)
    }
}

fn event(n: usize) -> Value {
    json!(["e", n])
}

/// Whatever node an event comes from, all clients get all events in the same order.
async fn order(nodes: &[Io; 3]) {
    let mut clients = [Roamer::join(&nodes[0]).await, Roamer::join(&nodes[1]).await];
    for n in 0..100 {
        nodes[n % 3].emit("e", n).expect("it is sent");
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let (mut seen, mut offsets) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..100 {
        for (at, client) in clients.iter_mut().enumerate() {
            client.offset = None;
            seen[at].push(client.event().await);
            offsets[at].push(client.offset.clone());
        }
    }
    assert!(offsets.iter().flatten().all(Option::is_some), "events have offsets");
    assert_eq!(seen[0], seen[1], "all clients get events in the same order");
    assert_eq!(offsets[0], offsets[1], "an event has the same offset on all nodes");
    for from in 0..3 {
        let of_one: Vec<_> =
            seen[0].iter().filter_map(|event| event[1].as_u64()).filter(|n| n % 3 == from).collect();
        assert!(of_one.is_sorted() && of_one.len() >= 33, "the events of a node keep their order");
    }
}

async fn coming_back(nodes: &[Io; 3]) {
    let [here, there, other] = nodes;
    let mut roamer = Roamer::join(here).await;
    let mut bystander = Roamer::join(there).await;
    let socket = here.socket(&roamer.sid).expect("it is connected");
    let id = socket.id().to_owned();
    socket.join(["a", "b"]).expect("it joins");
    socket.set_data("name", "Ann").expect("it is JSON");
    here.emit("e", 0).expect("it is sent");
    socket.emit("e", 1).expect("it is sent");
    roamer.expect("events of its own node", &[event(0), event(1)]).await;
    roamer.lose(here).await;

    there.emit("e", 2).expect("it is sent");
    there.to("a").emit("e", 3).expect("it is sent");
    here.to("b").to("c").emit("e", 4).expect("it is sent");
    other.to(&*id).emit("e", 5).expect("it is sent");
    socket.emit("e", 6).expect("it is sent");
    there.emit("bytes", Binary::from(&[7, 0][..])).expect("it is sent");
    // None of these is for it.
    there.to("c").emit("e", "another room").expect("it is sent");
    there.except("b").emit("e", "excepted").expect("it is sent");
    there.volatile().emit("e", "volatile").expect("it is sent");
    there.local().emit("e", "local").expect("it is sent");
    there.emit("e", 8).expect("it is sent");
    // What others have got was sent before.
    while bystander.event().await != event(8) {}

    let (recovered, mut missed) = roamer.come_to(there).await;
    assert!(recovered, "a client comes back to another node");
    let mut seen = Vec::new();
    while seen.len() < 7 {
        let event = if missed.is_empty() { roamer.event().await } else { missed.remove(0) };
        if event[0] != "bytes" {
            seen.push(event);
        }
    }
    for of_one in
        [&[event(2), event(3), json!("bytes [7, 0]"), event(8)][..], &[event(4), event(6)], &[event(5)]]
    {
        let got: Vec<_> = seen.iter().filter(|event| of_one.contains(event)).collect();
        let expected: Vec<_> = of_one.iter().collect();
        assert_eq!(got, expected, "it gets exactly what it missed, in order: {seen:?}");
    }
    let socket = there.socket(&id).expect("it has the same id");
    let mut rooms = socket.rooms();
    rooms.sort();
    assert_eq!(rooms, ["a".into(), "b".into()], "it is in the same rooms");
    assert_eq!(socket.data::<Value>().expect("it is JSON"), json!({ "name": "Ann" }), "it has the same data");
    here.to("a").emit("e", 9).expect("it is sent");
    roamer.expect("events go on", &[event(9)]).await;
}

/// Over all nodes, again and again, while events come.
async fn going_round(nodes: &[Io; 3]) {
    let mut roamer = Roamer::join(&nodes[0]).await;
    nodes[0].socket(&roamer.sid).expect("it is connected").join("r").expect("it joins");
    nodes[1].to("r").emit("e", 0).expect("it is sent");
    roamer.expect("the first event", &[event(0)]).await;
    for round in 1..13 {
        let path = [0, 1, 2, 0, 2, 1, 1];
        let (from, to) = (&nodes[path[(round - 1) % 7]], &nodes[path[round % 7]]);
        roamer.lose(from).await;
        for n in 0..3 {
            nodes[(round + n) % 3].to("r").emit("e", 10 * round + n).expect("it is sent");
        }
        let (recovered, missed) = roamer.come_to(to).await;
        assert!(recovered, "round {round}");
        let mut got = missed.clone();
        while got.len() < 3 {
            got.push(roamer.event().await);
        }
        got.sort_by_key(|event| event[1].as_u64());
        assert_eq!(got, (0..3).map(|n| event(10 * round + n)).collect::<Vec<_>>(), "round {round}");
    }
}

/// A node that still has a client's socket gives it out as the client left it: there, or on another node since.
async fn changing_elsewhere(nodes: &[Io; 3]) {
    let [here, there, _] = nodes;
    let mut roamer = Roamer::join(here).await;
    let socket = here.socket(&roamer.sid).expect("it is connected");
    socket.join("old").expect("it joins");
    socket.set_data("n", 0).expect("it is JSON");
    socket.insert("only in the memory of this node");
    here.emit("e", 0).expect("it is sent");
    roamer.expect("an event", &[event(0)]).await;
    roamer.lose(here).await;
    assert!(roamer.come_to(here).await.0, "a client comes back to its node");
    let socket = here.socket(&roamer.sid).expect("it is connected");
    assert!(socket.get::<&str>().is_some(), "it has what its node has kept");

    roamer.lose(here).await;
    assert!(roamer.come_to(there).await.0, "a client comes to another node");
    let socket = there.socket(&roamer.sid).expect("it is connected");
    socket.leave("old");
    socket.join("new").expect("it joins");
    socket.set_data("n", 1).expect("it is JSON");
    roamer.lose(there).await;
    there.to("old").emit("e", 1).expect("it is sent");
    there.to("new").emit("e", 2).expect("it is sent");
    let (recovered, mut missed) = roamer.come_to(here).await;
    assert!(recovered, "a client comes back to the node that it was on before");
    if missed.is_empty() {
        missed.push(roamer.event().await);
    }
    assert_eq!(missed, [event(2)], "it has missed what was for its last rooms");
    let socket = here.socket(&roamer.sid).expect("it is connected");
    assert_eq!(socket.rooms(), ["new".into()], "it is in its last rooms");
    assert_eq!(socket.data::<Value>().expect("it is JSON"), json!({ "n": 1 }), "it has its last data");
    assert!(socket.get::<&str>().is_none(), "what another node had in its memory is gone");
}

/// Of several that come with the same pid, to whichever nodes, one gets the socket.
async fn once(nodes: &[Io; 3]) {
    for round in 0..5 {
        let mut roamer = Roamer::join(&nodes[0]).await;
        nodes[0].emit("e", 0).expect("it is sent");
        roamer.expect("an event", &[event(0)]).await;
        roamer.lose(&nodes[0]).await;
        let connect = format!("0{}", json!({ "pid": roamer.pid, "offset": roamer.offset }));
        let mut clients: Vec<_> = (0..6).map(|at| TestClient::open(&nodes[(at + round) % 3])).collect();
        clients.iter_mut().for_each(|client| client.send(&connect));
        let mut same = 0;
        for client in &mut clients {
            let reply = client.next().await;
            same += usize::from(reply.contains(&roamer.pid));
        }
        assert_eq!(same, 1, "a session is given out once");
        drop(clients);
    }
}

async fn what_is_unknown(nodes: &[Io; 3]) {
    let mut roamer = Roamer::join(&nodes[0]).await;
    nodes[0].emit("e", 0).expect("it is sent");
    roamer.expect("an event", &[event(0)]).await;
    roamer.lose(&nodes[0]).await;
    roamer.offset = Some("1-77".to_owned());
    assert!(!roamer.come_to(&nodes[1]).await.0, "an offset that nobody gave");
    // Whom the application puts out while it is away doesn't come back.
    nodes[1].emit("e", 1).expect("it is sent");
    roamer.expect("an event", &[event(1)]).await;
    let socket = nodes[1].socket(&roamer.sid).expect("it is connected");
    roamer.lose(&nodes[1]).await;
    socket.disconnect(false);
    assert!(!roamer.come_to(&nodes[1]).await.0, "a socket that was put out");
    roamer.client.send("1");
    assert!(!roamer.come_to(&nodes[2]).await.0, "a client that has left");
}

/// What was sent before a disconnection arrives before it. A node that ends leaves its clients to the others.
async fn moving_on(nodes: &[Io; 3]) {
    let mut client = Roamer::join(&nodes[2]).await;
    let socket = nodes[2].socket(&client.sid).expect("it is connected");
    nodes[2].emit("e", 0).expect("it is sent");
    socket.emit("e", 1).expect("it is sent");
    socket.disconnect(false);
    client.expect("what was sent before a disconnection", &[event(0), event(1)]).await;
    client.client.expect("a disconnection", &["1"]).await;

    let mut roamer = Roamer::join(&nodes[2]).await;
    nodes[1].emit("e", 2).expect("it is sent");
    roamer.expect("an event", &[event(2)]).await;
    nodes[2].close();
    roamer.client.close_as_told();
    tokio::time::timeout(PATIENCE, nodes[2].leave_cluster()).await.expect("a node leaves");
    nodes[1].emit("e", 3).expect("it is sent");
    let (recovered, mut missed) = roamer.come_to(&nodes[0]).await;
    assert!(recovered, "the clients of a node that ends come back to another");
    if missed.is_empty() {
        missed.push(roamer.event().await);
    }
    assert_eq!(missed, [event(3)]);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio::Socket;

    use super::*;
    use crate::Loopback;

    fn nodes() -> (Loopback, [Io; 2]) {
        let cluster = Loopback::default();
        let late = cluster.another();
        let config = || IoConfig { recovery: Some(Recovery::default()), ..IoConfig::default() };
        let nodes = [late.clone(), cluster.another()].map(|adapter| Io::with_adapter(config(), adapter));
        (late, nodes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_gets_once_what_its_new_node_hears_late() {
        let (slow, [late, other]) = nodes();
        let mut roamer = Roamer::join(&other).await;
        for missed in [0, 2] {
            slow.set_slow(true);
            other.emit("e", 1).expect("it is sent");
            roamer.expect("what the late node has not heard", &[event(1)]).await;
            roamer.lose(&other).await;
            for n in 0..missed {
                other.emit("e", 10 + n).expect("it is sent");
            }
            let (recovered, got) = roamer.come_to(&late).await;
            assert!(recovered, "a client comes to a node that is late");
            assert_eq!(got, (0..missed).map(|n| event(10 + n)).collect::<Vec<_>>(), "what it missed");
            slow.set_slow(false);
            other.emit("e", 2).expect("it is sent");
            roamer.expect("only what is new", &[event(2)]).await;
            roamer.lose(&late).await;
            assert!(roamer.come_to(&other).await.0, "it goes back");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_gets_once_what_its_new_node_has_sent_and_hears_too_late() {
        let (slow, [late, other]) = nodes();
        let mut roamer = Roamer::join(&other).await;
        other.emit("e", 0).expect("it is sent");
        roamer.expect("an event", &[event(0)]).await;
        roamer.lose(&other).await;
        slow.set_slow(true);
        late.emit("e", 1).expect("it is sent");
        let (recovered, got) = roamer.come_to(&late).await;
        assert!(recovered && got == [event(1)], "it gets from the adapter what the node has sent: {got:?}");
        // By then the node has given up waiting.
        tokio::time::sleep(Duration::from_secs(1)).await;
        slow.set_slow(false);
        other.emit("e", 2).expect("it is sent");
        roamer.expect("only what is new", &[event(2)]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_misses_something_while_it_comes_back_is_a_new_one() {
        let (slow, [late, other]) = nodes();
        let mut roamer = Roamer::join(&other).await;
        other.emit("e", 0).expect("it is sent");
        roamer.expect("an event", &[event(0)]).await;
        roamer.lose(&other).await;
        slow.set_slow(true);
        late.middleware(|socket: Socket| async move {
            // It is after what the client gets from the adapter, and goes to those who are there before its turn.
            socket.namespace().emit("e", 1).expect("it is sent");
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        });
        assert!(!roamer.come_to(&late).await.0, "it has missed an event");
    }
}
