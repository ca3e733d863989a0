use std::sync::Mutex;

use engineio::Revision;
use serde_json::Value;
use tokio::sync::Notify;

use super::*;
use crate::io::Io;
use crate::io::config::IoConfig;
use crate::socket::Socket;
use crate::testing::Peer;
use crate::{ConnectError, DisconnectReason};

fn names(io: &Io) -> Vec<String> {
    let mut names: Vec<_> = io.namespaces().iter().map(|namespace| namespace.name().to_owned()).collect();
    names.sort();
    names
}

// proves: features/namespaces
#[tokio::test]
async fn a_name_that_a_pattern_matches_comes_into_being() {
    let io = Io::new();
    io.of_pattern(r"^/orders-\d+$")
        .unwrap()
        .on_sync("where", |socket: Socket, ()| socket.namespace().name().to_owned());
    let mut peer = Peer::open(&io);
    peer.send("0/orders-x,");
    assert_eq!(peer.next(), r#"4/orders-x,{"message":"Invalid namespace"}"#);
    peer.send("0/orders-1,");
    assert!(peer.next().starts_with(r#"0/orders-1,{"sid":""#));
    peer.send(r#"2/orders-1,7["where"]"#);
    assert_eq!(peer.next(), r#"3/orders-1,7["/orders-1"]"#);
    assert_eq!(names(&io), ["/", "/orders-1"]);
    assert!(io.of_pattern("(").is_err());
}

// proves: features/namespaces
#[tokio::test]
async fn no_client_comes_before_a_parent_is_prepared() {
    fn by_pattern(io: &Io, prepare: &mut dyn FnMut(&Namespace)) {
        io.of_pattern_with("^/n", prepare).unwrap();
    }
    fn by_function(io: &Io, prepare: &mut dyn FnMut(&Namespace)) {
        io.of_dynamic_with(|_, _: Value| async { true }, prepare);
    }
    for add in [by_pattern as fn(&Io, &mut dyn FnMut(&Namespace)), by_function] {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        add(&io, &mut |parent| {
            // It serves already, and a client comes before the middleware.
            peer.send("0/n1,");
            assert_eq!(peer.next(), r#"4/n1,{"message":"Invalid namespace"}"#);
            parent.middleware(|_| async { Err("not you".into()) });
        });
        peer.send("0/n1,");
        assert_eq!(peer.next(), r#"4/n1,{"message":"not you"}"#);
        // One that is closed while it is prepared is not kept.
        add(&io, &mut Namespace::close);
        assert_eq!(io.parents().len(), 1);
    }
}

// proves: features/namespaces
#[tokio::test]
async fn children_have_the_parents_handlers_and_their_own_before_them() {
    let io = Io::new();
    let parent = io.of_pattern("^/n").unwrap();
    parent.middleware(|socket: Socket| async move {
        match socket.handshake().auth_json() {
            "{}" => Err(ConnectError::new("no auth")),
            _ => Ok(()),
        }
    });
    // `of` attaches to the parent as well.
    io.of("/n1").on_sync("who", |_, ()| "own").middleware(|socket: Socket| async move {
        match socket.handshake().auth_json() {
            "[]" => Ok(()),
            auth if auth.contains("child") => Ok(()),
            _ => Err(ConnectError::new("not for children")),
        }
    });
    parent.on_sync("who", |_, ()| "parent");
    let mut peer = Peer::open(&io);
    peer.send("0/n1,");
    assert_eq!(peer.next(), r#"4/n1,{"message":"no auth"}"#);
    peer.send(r#"0/n1,{"a":1}"#);
    assert_eq!(peer.next(), r#"4/n1,{"message":"not for children"}"#);
    peer.send(r#"0/n1,{"child":1}"#);
    peer.send(r#"0/n2,{"a":1}"#);
    peer.take();
    peer.send(r#"2/n1,1["who"]"#);
    peer.send(r#"2/n2,2["who"]"#);
    assert_eq!(peer.take(), [r#"3/n1,1["own"]"#, r#"3/n2,2["parent"]"#]);
}

/// A parent of all names, and what its function waits for before it allows one.
fn waiting_parent(io: &Io) -> (Namespace, Arc<Notify>) {
    let permit = Arc::new(Notify::new());
    let wait = Arc::clone(&permit);
    let parent = io.of_dynamic(move |_, _: Value| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            true
        }
    });
    (parent, permit)
}

// proves: features/namespaces
#[tokio::test]
async fn a_function_decides_by_name_and_auth_and_packets_wait_for_it() {
    let io = Io::new();
    let permit = Arc::new(Notify::new());
    let wait = Arc::clone(&permit);
    let parent = io.of_dynamic(move |name: String, auth: Value| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            name == "/secret" && auth["token"] == "x"
        }
    });
    parent.on_sync("e", |_, n: i32| n);
    let mut peer = Peer::open(&io);
    for (auth, answer) in [(r#"{"token":"y"}"#, "4/secret,{"), (r#"{"token":"x"}"#, "0/secret,{")] {
        peer.send(&format!("0/secret,{auth}"));
        peer.send(r#"2/secret,1["e",5]"#);
        assert!(peer.take().is_empty());
        permit.notify_one();
        let sent = peer.receive().await;
        assert!(sent[0].starts_with(answer), "{sent:?}");
        assert_eq!(sent.get(1).map(String::as_str), answer.starts_with('0').then_some(r#"3/secret,1[5]"#));
        assert_eq!(peer.client.link().backlog(), 0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_a_function_decides_joins_nothing() {
    let io = Io::new();
    let (_, permit) = waiting_parent(&io);
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    peer.send("1/x,");
    permit.notify_one();
    peer.woken().await;
    assert!(peer.take().is_empty());
    assert_eq!(names(&io), ["/"]);
    // A second CONNECT replaces the first, which is decided on all the same.
    peer.send(r#"0/x,{"n":1}"#);
    peer.send(r#"0/x,{"n":2}"#);
    permit.notify_one();
    permit.notify_one();
    let sent = peer.receive().await;
    assert!(sent.len() == 1 && sent[0].starts_with("0/x,{"), "{sent:?}");
    assert_eq!(io.of("/x").sockets()[0].handshake().auth_json(), r#"{"n":2}"#);
}

#[tokio::test]
async fn the_first_parent_that_allows_a_name_is_its_parent() {
    let io = Io::new();
    io.of_dynamic(|_, (): ()| async { panic!("never asked: `{{}}` is no unit") });
    io.of_dynamic(|name: String, _: Value| async move { name == "/b" }).on_sync("who", |_, ()| "function");
    io.of_pattern("^/[ab]$").unwrap().on_sync("who", |_, ()| "pattern");
    let mut peer = Peer::open(&io);
    for (nsp, who) in [("/a", "pattern"), ("/b", "function")] {
        peer.send(&format!("0{nsp},"));
        peer.take();
        peer.send(&format!(r#"2{nsp},1["who"]"#));
        assert_eq!(peer.next(), format!(r#"3{nsp},1["{who}"]"#));
    }
}

#[tokio::test]
async fn a_function_that_panics_allows_nothing() {
    let io = Io::new();
    io.of_dynamic(|_, _: Value| async { panic!("on purpose") });
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    assert_eq!(peer.next(), r#"4/x,{"message":"Invalid namespace"}"#);
}

// proves: features/namespaces, limit/dynamic-namespaces, protocol/dynamic-namespaces
#[tokio::test]
async fn what_clients_bring_into_being_is_bounded_and_told_to_listeners() {
    let io = Io::with_config(IoConfig { max_dynamic_namespaces: 2, ..IoConfig::default() });
    let created = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&created);
    io.on_new_namespace(move |namespace| log.lock().unwrap().push(namespace.name().to_owned()));
    let _ = io.of_pattern("^/n").unwrap();
    let mut peer = Peer::open(&io);
    for n in 0..3 {
        peer.send(&format!("0/n{n},"));
    }
    assert_eq!(peer.take()[2], r#"4/n2,{"message":"Too many namespaces"}"#);
    let _ = (io.of("/other"), io.of("/other"));
    assert_eq!(*created.lock().unwrap(), ["/n0", "/n1", "/other"]);
}

#[tokio::test]
async fn the_bound_is_on_the_children_of_all_parents_together() {
    let config =
        IoConfig { max_dynamic_namespaces: 3, cleanup_empty_child_namespaces: true, ..IoConfig::default() };
    let io = Io::with_config(config);
    let _ = (io.of_pattern("^/n").unwrap(), io.of_pattern("^/m").unwrap());
    // The server's own don't count, whoever joins them.
    let _ = (io.of("/n-own"), io.of("/m-own"));
    let mut peer = Peer::open(&io);
    for (nsp, answer) in [
        ("/n-own", '0'),
        ("/n1", '0'),
        ("/m1", '0'),
        ("/m2", '0'),
        ("/n2", '4'),
        ("/m-own", '0'),
        ("/n1", '0'),
    ] {
        peer.send(&format!("0{nsp},"));
        assert!(peer.next().starts_with(answer), "{nsp}");
    }
    // One that goes makes room, once.
    peer.send("1/m1,");
    for (nsp, answer) in [("/n2", '0'), ("/n3", '4')] {
        peer.send(&format!("0{nsp},"));
        assert!(peer.next().starts_with(answer), "{nsp}");
    }
    io.of("/n2").close();
    io.of("/m2").close();
    peer.poll();
    peer.take();
    for (nsp, answer) in [("/n3", '0'), ("/n4", '0'), ("/n5", '4')] {
        peer.send(&format!("0{nsp},"));
        assert!(peer.next().starts_with(answer), "{nsp}");
    }
}

#[tokio::test]
async fn clients_that_join_at_once_do_not_pass_the_bound() {
    for _ in 0..20 {
        let io = Io::with_config(IoConfig { max_dynamic_namespaces: 5, ..IoConfig::default() });
        let parent = io.of_pattern("^/n").unwrap();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (io, parent, start) = (&io, &parent, &start);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..10 {
                        drop(io.enter_child(&format!("/n{thread}-{n}"), parent));
                    }
                });
            }
        });
        assert_eq!(parent.children().len(), 5);
    }
}

// proves: protocol/dynamic-namespaces
#[tokio::test]
async fn the_names_that_clients_choose_are_bounded() {
    let io = Io::new();
    let _ = io.of_pattern("^/n").unwrap();
    let mut peer = Peer::open(&io);
    for (len, answer) in [(255, "0"), (256, "4")] {
        peer.send(&format!("0/{},", "n".repeat(len - 1)));
        assert_eq!(&peer.next()[..1], answer);
    }
    assert_eq!(names(&io).len(), 2);
}

// proves: features/cleanup-empty-child-namespaces, protocol/dynamic-namespaces
// proves: protocol/removed-namespaces
#[tokio::test]
async fn empty_children_are_let_go_if_that_is_asked_for() {
    for cleanup in [false, true] {
        let io = Io::with_config(IoConfig { cleanup_empty_child_namespaces: cleanup, ..IoConfig::default() });
        let _ = (io.of("/static"), io.of_pattern("^/n").unwrap());
        io.of("/n2").middleware(|_| async { Err("no".into()) });
        let mut peers = [Peer::open(&io), Peer::open(&io)];
        for peer in &mut peers {
            peer.send("0/n1,");
            peer.send("0/static,");
        }
        for peer in &mut peers {
            assert!(names(&io).contains(&"/n1".to_owned()));
            peer.send("1/n1,");
            peer.send("1/static,");
        }
        // Who was never let in counts as well.
        peers[0].send("0/n2,");
        let left: &[&str] = if cleanup { &["/", "/static"] } else { &["/", "/n1", "/n2", "/static"] };
        assert_eq!(names(&io), left);
    }
}

// proves: features/closed-namespaces
#[tokio::test]
async fn a_namespace_is_closed_if_it_is_empty() {
    let io = Io::new();
    let _ = (io.of("/x"), io.of("/y"));
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    assert!(peer.next().starts_with("0/x,{"));
    io.namespaces().iter().for_each(Namespace::close_if_empty);
    assert_eq!(names(&io), ["/", "/x"]);
    peer.send("1/x,");
    io.of("/x").close_if_empty();
    assert_eq!(names(&io), ["/"]);
}

// proves: features/closed-namespaces, protocol/removed-namespaces
#[tokio::test]
async fn a_namespace_taken_out_of_service_puts_its_clients_out() {
    let io = Io::new();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ended);
    let handle = io.clone();
    io.of("/x")
        // Not even in a handler of its own does it wait for anything.
        .on_sync("close", move |_, ()| handle.remove_namespace("/x"))
        .on_disconnect(move |_, reason: DisconnectReason| {
            log.lock().unwrap().push(reason);
            async {}
        });
    let mut peers = [Peer::open(&io), Peer::open(&io)];
    for peer in &mut peers {
        peer.send("0/x,");
        peer.take();
    }
    peers[0].send(r#"2/x,1["close"]"#);
    for peer in &mut peers {
        peer.poll();
        assert_eq!(peer.take(), ["1/x,"]);
        peer.send(r#"2/x,["crossed"]"#);
        assert_eq!(peer.close_requested(), None);
        peer.send("0/x,");
        assert_eq!(peer.next(), r#"4/x,{"message":"Invalid namespace"}"#);
    }
    assert_eq!(*ended.lock().unwrap(), [DisconnectReason::ServerNamespaceDisconnect; 2]);
    assert!(!io.remove_namespace("/x"));
    let _ = io.of("/x");
    peers[0].send("0/x,");
    assert!(peers[0].next().starts_with("0/x,{"));
}

// proves: features/closed-namespaces, protocol/removed-namespaces
#[tokio::test]
async fn a_client_that_is_being_let_in_is_refused_when_the_namespace_goes() {
    let io = Io::new();
    let permit = Arc::new(Notify::new());
    let wait = Arc::clone(&permit);
    io.of("/x").middleware(move |_| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Ok(())
        }
    });
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    io.of("/x").close();
    permit.notify_one();
    assert_eq!(peer.receive().await, [r#"4/x,{"message":"Invalid namespace"}"#]);
}

#[tokio::test]
async fn a_parent_takes_its_children_with_it() {
    let io = Io::new();
    let parent = io.of_pattern("^/n").unwrap();
    let mut peer = Peer::join(&io);
    peer.send("0/n1,");
    peer.take();
    parent.close();
    peer.poll();
    assert_eq!(peer.take(), ["1/n1,"]);
    peer.send("0/n1,");
    assert_eq!(peer.next(), r#"4/n1,{"message":"Invalid namespace"}"#);
    assert_eq!(names(&io), ["/"]);
}

#[tokio::test]
async fn a_name_that_is_allowed_while_its_parent_goes_is_not_kept() {
    let io = Io::new();
    let (parent, permit) = waiting_parent(&io);
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    parent.close();
    permit.notify_one();
    assert_eq!(peer.receive().await, [r#"4/x,{"message":"Invalid namespace"}"#]);
    assert_eq!(names(&io), ["/"]);
}

// proves: features/clients-count, ws/clients
#[tokio::test]
async fn sessions_are_counted() {
    let io = Io::new();
    let peers = [Peer::open(&io), Peer::join(&io), Peer::open_with(&io, Revision::V3)];
    assert_eq!(io.session_count(), 3);
    drop(peers);
    assert_eq!(io.session_count(), 0);
}
