use super::*;

fn open(io: &Io) -> Peer {
    Peer::open_with(io, Revision::V3)
}

#[tokio::test]
async fn a_session_is_in_the_main_namespace_from_the_start() {
    let (io, log) = logging();
    let mut peer = open(&io);
    assert_eq!(peer.next(), "0");
    assert_eq!(log.take(), ["connect"]);
    let socket = socket(&io, "/");
    assert_eq!(socket.id(), peer.sid.as_str());
    assert_eq!(socket.handshake().auth_json(), "{}");
    peer.send(r#"2["e",1]"#);
    assert_eq!(log.take(), ["e 1"]);
}

// proves: protocol/revision-3-namespaces
#[tokio::test]
async fn a_connect_to_the_main_namespace_is_ignored() {
    let (io, log) = logging();
    let mut peer = open(&io);
    peer.take();
    peer.send("0");
    assert!(peer.take().is_empty());
    assert_eq!(peer.close_requested(), None);
    assert_eq!(log.take(), ["connect"]);
}

// proves: protocol/ids, protocol/revision-3-namespaces
#[tokio::test]
async fn other_namespaces_have_ids_with_their_name_and_auth_from_the_query() {
    let io = Io::new();
    let _ = io.of("/x");
    let mut peer = open(&io);
    peer.take();
    peer.send("0/x?token=a%20b&n=1,");
    assert_eq!(peer.next(), "0/x,");
    let socket = socket(&io, "/x");
    assert_eq!(socket.id(), format!("/x#{}", peer.sid));
    assert_eq!(socket.handshake().auth::<Value>().unwrap(), json!({"token": "a b", "n": "1"}));
}

#[tokio::test]
async fn a_refusal_is_the_data_or_the_message() {
    let io = Io::new();
    io.of("/data").middleware(|_| async { Err(ConnectError::new("nope").with_data(json!({"a": 1}))) });
    io.of("/mw").middleware(|_| async { Err("nope".into()) });
    let mut peer = open(&io);
    peer.take();
    for nsp in ["/data", "/mw", "/unknown"] {
        peer.send(&format!("0{nsp},"));
    }
    assert_eq!(
        peer.take(),
        [r#"4/data,{"a":1}"#, r#"4/mw,"nope""#, r#"4/unknown,{"message":"Invalid namespace"}"#]
    );
}

#[tokio::test]
async fn events_wait_for_the_main_namespaces_middleware() {
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
    let mut peer = open(&io);
    peer.send(r#"2["e",1]"#);
    peer.send("0");
    assert!(peer.take().is_empty());
    permit.notify_one();
    assert_eq!(peer.receive().await, ["0"]);
    assert_eq!(log.take(), ["connect", "e 1"]);
}

#[tokio::test]
async fn a_socket_that_ended_cannot_touch_the_rooms_of_its_successor() {
    let io = Io::new();
    let _ = io.of("/x");
    let mut peer = open(&io);
    peer.send("0/x,");
    let old = socket(&io, "/x");
    peer.send("0/x,");
    let new = socket(&io, "/x");
    assert_eq!(old.id(), new.id());
    new.join("r").unwrap();
    assert_eq!(old.join("s"), Err(JoinError::Closed));
    old.leave("r");
    assert_eq!(*new.rooms(), ["r".into()]);
    assert!(old.rooms().is_empty());
}
