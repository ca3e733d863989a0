//! What is done with the nodes, and what has to come of it.

use std::time::Duration;

use serde_json::{Value, json};
use socketio::{Binary, Io, Namespace};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::client::PATIENCE;
use crate::node::Node;

/// Waits until a namespace has that many servers.
async fn servers_become(namespace: &Namespace, count: usize, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counted = timeout(PATIENCE, namespace.server_count()).await.expect("the nodes can't be counted");
        if counted == count {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {counted} servers are counted instead of {count}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// All clients get an event that is sent after others, and nothing before it.
async fn nothing_more(nodes: &mut [Node], what: &str) {
    for node in nodes.iter() {
        node.io.emit("end", ()).expect("it is sent");
    }
    for node in nodes.iter_mut() {
        for _ in 0..3 {
            node.client.expect(what, &[r#"2["end"]"#]).await;
        }
    }
}

pub(crate) async fn counting(nodes: &[Node; 3]) {
    for node in nodes {
        servers_become(&node.io, 3, "three nodes are there").await;
    }
}

pub(crate) async fn broadcasts(nodes: &mut [Node; 3]) {
    let args = json!({ "a": [1.5, null, "\u{2028}🦀"], "big": 9_007_199_254_740_991_u64, "less": -1 });
    let text = format!("2{}", json!(["e", args, "x"]));
    for from in 0..3 {
        nodes[from].io.emit("e", (&args, "x")).expect("it is sent");
        for node in nodes.iter_mut() {
            let packet = node.client.next().await;
            let read = |text: &str| serde_json::from_str::<Value>(text.get(1..)?).ok();
            assert_eq!(read(&packet), read(&text), "a broadcast to all, and {packet} came");
        }
    }
    nodes[0].io.compress(false).emit("flags", ()).expect("it is sent");
    nodes[0]
        .io
        .emit("bytes", (Binary::from(&[0, 255][..]), json!({}), Binary::from(&b""[..])))
        .expect("it is sent");
    let bytes = r#"52-["bytes",{"_placeholder":true,"num":0},{},{"_placeholder":true,"num":1}]"#;
    for node in nodes.iter_mut() {
        node.client.expect("a broadcast with a flag", &[r#"2["flags"]"#]).await;
        node.client.expect("a broadcast with bytes", &[bytes, "bytes [0, 255]", "bytes []"]).await;
    }
    nodes[0].io.local().emit("local", ()).expect("it is sent");
    nodes[0].client.expect("a local broadcast", &[r#"2["local"]"#]).await;
    nothing_more(nodes, "broadcasts come once, and local ones stay").await;
}

pub(crate) async fn order(nodes: &mut [Node; 3]) {
    const EVENTS: usize = 500;
    for n in 0..EVENTS {
        nodes[0].io.emit("n", n).expect("it is sent");
        if n % 100 == 0 {
            // Others get a turn, as between the events of an application.
            tokio::task::yield_now().await;
        }
    }
    for node in nodes.iter_mut() {
        for n in 0..EVENTS {
            node.client.expect("events keep their order", &[&format!(r#"2["n",{n}]"#)]).await;
        }
    }
}

pub(crate) async fn rooms_of_others(nodes: &mut [Node; 3]) {
    let ids = nodes.each_ref().map(|node| node.client.socket().id().to_owned());
    let [here, ..] = nodes.each_ref().map(|node| node.io.clone());
    // What follows a join is for those who have joined.
    here.to(&*ids[1]).sockets_join("one");
    here.except(&*ids[0]).sockets_join("both");
    here.to("one").emit("to one", ()).expect("it is sent");
    here.to("both").to("one").emit("to both", ()).expect("it is sent");
    here.to("both").except("one").emit("to the other", ()).expect("it is sent");
    here.to(&*ids[2]).emit("by id", ()).expect("it is sent");
    nodes[1].client.expect("rooms of another node", &[r#"2["to one"]"#, r#"2["to both"]"#]).await;
    let other = [r#"2["to both"]"#, r#"2["to the other"]"#, r#"2["by id"]"#];
    nodes[2].client.expect("rooms of another node", &other).await;
    for room in ["7", "a#b", "ö", "of exactly twenty ch", "*", "[x]"] {
        here.to(&*ids[1]).sockets_join(room);
        here.to(room).emit("in", room).expect("it is sent");
        nodes[1].client.expect("a room's name may be anything", &[&format!(r#"2["in","{room}"]"#)]).await;
    }
    here.sockets_leave("one");
    here.to("one").emit("nobody", ()).expect("it is sent");
    nothing_more(nodes, "rooms that were left").await;
}

pub(crate) async fn fetching(nodes: &[Node; 3]) {
    let socket = nodes[1].client.socket();
    socket.set_data("name", "Ada").expect("it is JSON");
    socket.join("fetched").expect("it joins");
    let all = nodes[0].io.fetch_sockets().await.expect("all answer");
    let mut ids: Vec<_> = all.iter().map(socketio::FetchedSocket::id).collect();
    let mut expected = nodes.each_ref().map(|node| node.client.socket().id());
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected, "the sockets of all nodes");
    let found = nodes[0].io.to("fetched").fetch_sockets().await.expect("all answer");
    let [found] = &found[..] else { panic!("one socket is in the room, and {} were found", found.len()) };
    assert!(found.rooms().any(|room| room == "fetched"));
    assert_eq!(found.data::<Value>().expect("it is JSON"), json!({ "name": "Ada" }));
    let handshake = found.handshake();
    assert_eq!((handshake.address.as_str(), handshake.secure), ("127.0.0.1", false));
    assert_eq!(handshake.headers["user-agent"], "contract");
    assert!(handshake.time.ends_with("GMT+0000 (Coordinated Universal Time)"));
    socket.leave("fetched");
}

pub(crate) async fn acknowledgements(nodes: &mut [Node; 3]) {
    let asking = nodes[0].io.timeout(PATIENCE).emit_with_ack::<Value>("q", 1).expect("it is sent");
    for (at, node) in nodes.iter_mut().enumerate() {
        let question = node.client.next().await;
        let id = question.strip_prefix('2').and_then(|rest| rest.strip_suffix(r#"["q",1]"#));
        let id = id.unwrap_or_else(|| panic!("the question is {question}"));
        node.client.send(&format!(r#"3{id}[{{"from":{at}}}]"#));
    }
    let answers = asking.await.all().expect("all have answered");
    let mut answers: Vec<_> = answers.iter().map(|answer| answer["from"].as_u64()).collect();
    answers.sort_unstable();
    assert_eq!(answers, [Some(0), Some(1), Some(2)], "acknowledgements of a broadcast");
    let nobody = nodes[0].io.to("nobody").emit_with_ack::<()>("q", ()).expect("it is sent").await;
    assert_eq!((nobody.answers.len(), nobody.silent_nodes), (0, 0));
}

pub(crate) async fn servers(nodes: &[Node; 3]) {
    let (heard, mut log) = mpsc::unbounded_channel();
    for (at, node) in nodes.iter().enumerate() {
        let heard = heard.clone();
        node.io.on_server_side("hello", move |text: String| {
            let _ = heard.send((at, text));
            async move { json!({ "server": at }) }
        });
    }
    nodes[1].io.server_side_emit("hello", "a").expect("it is sent");
    let mut both = Vec::new();
    for _ in 0..2 {
        both.push(timeout(PATIENCE, log.recv()).await.expect("servers get an event").expect("it is open"));
    }
    both.sort_unstable();
    assert_eq!(both, [(0, "a".to_owned()), (2, "a".to_owned())], "an event for the other servers");
    let answers = nodes[1].io.server_side_emit_with_ack::<Value>("hello", "b").await.expect("it is sent");
    let mut answers: Vec<_> =
        answers.all().expect("all answer").iter().map(|answer| answer["server"].as_u64()).collect();
    answers.sort_unstable();
    assert_eq!(answers, [Some(0), Some(2)], "answers of the other servers");
}

pub(crate) async fn namespaces(nodes: &[Node; 3]) {
    let [one, two, _] = nodes.each_ref().map(|node| node.io.of("/contract#[x]"));
    servers_become(&one, 3, "all nodes have the namespace").await;
    let only_here = nodes[0].io.of("/only-here");
    servers_become(&only_here, 1, "no other node has the namespace").await;
    assert_eq!(only_here.fetch_sockets().await.expect("nobody is asked").len(), 0);
    let (heard, mut log) = mpsc::unbounded_channel();
    two.on_server_side("in", move |()| {
        let _ = heard.send(());
        async {}
    });
    nodes[0].io.server_side_emit("in", ()).expect("it is sent");
    one.server_side_emit("in", ()).expect("it is sent");
    timeout(PATIENCE, log.recv()).await.expect("a namespace's event arrives");
    two.close();
    servers_become(&one, 2, "a node has closed the namespace").await;
    assert!(log.try_recv().is_err(), "an event of another namespace arrives");
    let again: Io = nodes[1].io.clone();
    servers_become(&again.of("/contract#[x]"), 3, "a namespace is opened again").await;
}

pub(crate) async fn disconnecting(nodes: &mut [Node; 3]) {
    let id = nodes[2].client.socket().id().to_owned();
    nodes[0].io.to(&*id).emit("bye", ()).expect("it is sent");
    nodes[0].io.to(&*id).disconnect_sockets(false);
    nodes[2].client.expect("an event goes before a disconnection behind it", &[r#"2["bye"]"#, "1"]).await;
}

pub(crate) async fn leaving(nodes: &mut [Node; 3]) {
    nodes[2].io.close();
    timeout(PATIENCE, nodes[2].io.leave_cluster()).await.expect("a node leaves");
    // It has left when it says so.
    let counted = nodes[0].io.server_count().await;
    assert_eq!(counted, 2, "servers are counted behind one that has left");
    let before = Instant::now();
    assert_eq!(nodes[0].io.fetch_sockets().await.expect("all answer").len(), 2);
    assert!(before.elapsed() < Duration::from_secs(2), "nobody waits for a node that has left");
    // What a node says while it leaves still arrives.
    nodes[2].io.emit("last", ()).expect("it is sent");
    for node in &mut nodes[..2] {
        node.client.expect("a node that leaves can still send", &[r#"2["last"]"#]).await;
    }
}
