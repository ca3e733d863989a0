//! Nodes that are asked and don't answer, and namespaces that come and go.

use std::future::IntoFuture as _;

use super::*;
use crate::FetchedSocket;
use crate::cluster::adapter::Adapter;
use crate::cluster::node::Node;

/// Three nodes, of which the last hears nothing, with a client each.
fn three() -> (Bus, [Io; 3], [(Peer, Socket); 3]) {
    let bus = Bus::default();
    let nodes = [(); 3].map(|()| Io::with_adapter(IoConfig::default(), bus.clone()));
    *bus.0.deaf.lock() = Some(2);
    let clients = nodes.each_ref().map(joined);
    (bus, nodes, clients)
}

// proves: features/adapters
#[tokio::test(start_paused = true)]
async fn what_came_is_kept_when_a_node_is_missing() {
    let (_bus, [here, _there, _deaf], [(_one, one), (_two, two), _third]) = three();
    let FetchError { found, error } = here.fetch_sockets().await.unwrap_err();
    assert_eq!(error.to_string(), "one other node did not answer in time");
    assert_eq!(found.iter().map(FetchedSocket::id).collect::<Vec<_>>(), [one.id(), two.id()]);
}

// proves: features/adapters
#[tokio::test(start_paused = true)]
async fn who_is_missing_is_named_if_the_adapter_can_tell() {
    let (bus, [here, there, deaf], [(_one, _), (mut two, _), (_third, third)]) = three();
    bus.0.tells_names.store(true, Ordering::Relaxed);
    let expected = [deaf.node_id().unwrap().clone()];
    match here.fetch_sockets().await.unwrap_err().error {
        ClusterError::Timeout { missing: 1, nodes } => assert_eq!(nodes, expected),
        other => panic!("{other}"),
    }
    let error = here.timeout(Duration::from_millis(100)).fetch_sockets().await.unwrap_err();
    assert_eq!(error.to_string(), format!("one other node did not answer in time: {}", expected[0]));
    there.on_server_side("q", |()| async {});
    let answers = here.server_side_emit_with_ack::<()>("q", ()).await.unwrap();
    assert_eq!((answers.silent_nodes, answers.silent_ids), (1, expected.to_vec()));
    let mut asking = here.emit_with_ack::<i32>("q", ()).unwrap();
    settle().await;
    two.send("30[2]");
    while asking.next().await.is_some() {}
    assert_eq!((asking.silent_nodes(), asking.silent_ids()), (1, &expected[..]));
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_after_it_has_answered_does_not_stand_for_one_that_has_not() {
    let (bus, [here, there, _deaf], _clients) = three();
    bus.0.tells_names.store(true, Ordering::Relaxed);
    let io = here.clone();
    let asking = tokio::spawn(async move { io.fetch_sockets().await });
    tokio::time::sleep(Duration::from_millis(600)).await;
    *bus.0.left.lock() = there.node_id().cloned();
    let FetchError { found, error } = asking.await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::Timeout { missing: 1, .. }));
    assert_eq!(found.len(), 2);
}

// proves: features/adapters
#[tokio::test(start_paused = true)]
async fn a_node_that_goes_while_it_is_asked_costs_no_timeout() {
    let (bus, [here, _there, _deaf], _clients) = three();
    let start = Instant::now();
    let io = here.clone();
    let asking = tokio::spawn(async move { io.fetch_sockets().await });
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!asking.is_finished());
    bus.0.gone.store(1, Ordering::Relaxed);
    assert_eq!(asking.await.unwrap().unwrap().len(), 2);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_do_not_wait_for_a_node_that_has_gone() {
    let (bus, [here, _there, _deaf], [(mut one, _), (mut two, _), _third]) = three();
    let start = Instant::now();
    let asking = here.emit_with_ack::<i32>("q", ()).unwrap();
    let asking = tokio::spawn(asking.into_future());
    settle().await;
    one.send("30[1]");
    two.send("30[2]");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!asking.is_finished());
    bus.0.gone.store(1, Ordering::Relaxed);
    assert_eq!(asking.await.unwrap().all().unwrap(), [1, 2]);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_cannot_be_counted_are_told_from_nodes_that_are_silent() {
    struct Uncounted;

    impl Adapter for Uncounted {
        fn start(&self, _: Node) {}

        fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
            Box::pin(std::future::pending())
        }

        fn publish(&self, _: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
            Box::pin(ready(Ok(())))
        }
    }

    let io = Io::with_adapter(IoConfig::default(), Uncounted);
    let (_peer, socket) = joined(&io);
    let FetchError { found, error } = io.fetch_sockets().await.unwrap_err();
    assert!(matches!(error, ClusterError::NotCounted));
    assert_eq!(found[0].socket(), Some(&socket));
}

#[tokio::test]
async fn an_adapter_is_told_of_namespaces_as_they_come_and_go() {
    let bus = Bus::default();
    let config = IoConfig { cleanup_empty_child_namespaces: true, ..IoConfig::default() };
    let io = Io::with_adapter(config, bus.clone());
    let _parent = io.of_pattern("^/n").unwrap();
    let _ = (io.of("/x"), io.of("/x"));
    let mut peer = Peer::open(&io);
    peer.send("0/n1,");
    peer.send("1/n1,");
    io.of("/x").close();
    let _ = io.of("/x");
    assert_eq!(*bus.0.namespaces.lock(), ["+/", "+/x", "+/n1", "-/n1", "-/x", "+/x"]);
}

#[tokio::test]
async fn who_does_not_sign_is_answered_along_with_all_others() {
    let (bus, [here, _]) = nodes();
    let node = here.node(Arc::clone(&here.cluster().unwrap().id));
    let body = MessageBody::FetchSockets { selection: Selection::default(), request: "r".into() };
    node.receive(NodeMessage::new(None, None, "/".into(), body));
    match &bus.0.log.lock()[..] {
        [NodeMessage { to: None, body: MessageBody::FetchedSockets { request, .. }, .. }] => {
            assert_eq!(&**request, "r");
        }
        other => panic!("{other:?}"),
    }
}
