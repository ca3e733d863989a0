use socketio::{Args, Binary, Event, Flags, RequestId, Room, Selection};

use super::*;

fn sharded(subscriptions: Subscriptions) -> Sharded {
    Sharded::new("socket.io", subscriptions)
}

fn message(body: MessageBody) -> NodeMessage {
    NodeMessage::new(Some("cc1fcaa263f40c82".into()), None, "/".into(), body)
}

fn broadcast(rooms: &[&str], args: impl socketio::ToArgs) -> NodeMessage {
    let event = Event::outgoing("e", args).unwrap();
    let selection =
        Selection { rooms: rooms.iter().map(|room| Room::from(*room)).collect(), except: Vec::new() };
    message(MessageBody::Broadcast { event, selection, flags: Flags::default(), request: None })
}

fn written(sharded: &Sharded, message: &NodeMessage) -> (String, Bytes) {
    match sharded.encode(message).unwrap() {
        Command::Publish { channel: Channel::Sharded(name), payload } => (name.to_string(), payload),
        other => panic!("{other:?}"),
    }
}

fn read(payload: impl Into<Bytes>) -> NodeMessage {
    match sharded(Subscriptions::Dynamic).decode("socket.io#/#", &payload.into()) {
        Ok(Heard::Message(message)) => *message,
        Ok(_) => panic!("it is no message"),
        Err(garbage) => panic!("{garbage}"),
    }
}

#[test]
fn a_broadcast_is_written_as_node_writes_it_and_read_again() {
    let (channel, payload) = written(&sharded(Subscriptions::Dynamic), &broadcast(&["r"], "x"));
    let json = r#"{"type":3,"data":{"packet":{"type":2,"data":["e","x"]},"opts":{"rooms":["r"],"except":[],"flags":{}}},"uid":"cc1fcaa263f40c82","nsp":"/"}"#;
    assert_eq!((&*channel, std::str::from_utf8(&payload).unwrap()), ("socket.io#/#r#", json));
    assert_eq!(format!("{:?}", read(payload)), format!("{:?}", broadcast(&["r"], "x")));
}

#[test]
fn bytes_make_it_messagepack() {
    let (_, payload) =
        written(&sharded(Subscriptions::Static), &broadcast(&[], Binary::from(&b"\x01\x02\x03"[..])));
    let packed =
        b"\x84\xa4type\x03\xa4data\x82\xa6packet\x82\xa4type\x02\xa4data\x92\xa1e\xc4\x03\x01\x02\x03\
        \xa4opts\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80\xa3uid\xb0cc1fcaa263f40c82\xa3nsp\xa1/";
    assert_eq!(&payload[..], packed);
    let MessageBody::Broadcast { event, .. } = read(payload).body else { panic!("it is no broadcast") };
    assert_eq!(event.args().attachments(), [Bytes::from_static(b"\x01\x02\x03")]);
    // A join can hold none.
    let join = MessageBody::SocketsJoin { selection: Selection::default(), rooms: vec!["a".into()] };
    let (_, payload) = written(&sharded(Subscriptions::Static), &message(join));
    assert_eq!(
        std::str::from_utf8(&payload).unwrap(),
        r#"{"type":4,"data":{"opts":{"rooms":[],"except":[],"flags":{}},"rooms":["a"]},"uid":"cc1fcaa263f40c82","nsp":"/"}"#
    );
}

// proves: features/adapters
#[tokio::test(start_paused = true)]
async fn the_channel_depends_on_the_mode_and_the_room() {
    use Subscriptions::{Dynamic, DynamicPrivate, Static};
    let common = "socket.io#/#";
    for (subscriptions, rooms, channel) in [
        (Static, &["r"][..], common),
        (Dynamic, &["r"], "socket.io#/#r#"),
        (Dynamic, &["r", "q"], common),
        (Dynamic, &[], common),
        (Dynamic, &["of exactly twenty ch"], common),
        (DynamicPrivate, &["of exactly twenty ch"], "socket.io#/#of exactly twenty ch#"),
    ] {
        assert_eq!(
            written(&sharded(subscriptions), &broadcast(rooms, ())).0,
            channel,
            "{subscriptions:?} {rooms:?}"
        );
    }
    let request: RequestId = "dd1dd462bfd20090".into();
    let count = MessageBody::ClientCount { request: request.clone(), clients: 1 };
    let count = NodeMessage::new(Some("b25e".into()), Some("cc1f".into()), "/".into(), count);
    let (channel, payload) = written(&sharded(Dynamic), &count);
    assert_eq!(channel, "socket.io#/#cc1f#");
    assert_eq!(
        payload,
        r#"{"type":11,"data":{"requestId":"dd1dd462bfd20090","clientCount":1},"uid":"b25e","nsp":"/"}"#
    );
    let mut asked = broadcast(&["r"], ());
    if let MessageBody::Broadcast { request: id, .. } = &mut asked.body {
        *id = Some(request);
    }
    assert_eq!(written(&sharded(Dynamic), &asked).0, common, "what is to be acknowledged");
}

#[tokio::test(start_paused = true)]
async fn those_who_were_told_to_join_a_room_get_time_to_listen_to_it() {
    let sharded = sharded(Subscriptions::Dynamic);
    let join = MessageBody::SocketsJoin { selection: Selection::default(), rooms: vec!["r".into()] };
    written(&sharded, &message(join));
    assert_eq!(written(&sharded, &broadcast(&["r"], ())).0, "socket.io#/#");
    tokio::time::advance(SUBSCRIBING + Duration::from_millis(1)).await;
    assert_eq!(written(&sharded, &broadcast(&["r"], ())).0, "socket.io#/#r#");
}

#[test]
fn which_rooms_are_listened_to_depends_on_the_mode() {
    let room = |subscriptions, is_own: bool| {
        let channel = sharded(subscriptions).of_room("/n", "r", &|| is_own);
        channel.map(|channel| channel.name().to_owned())
    };
    let channel = Some("socket.io#/n#r#".to_owned());
    assert_eq!((room(Subscriptions::Static, false), room(Subscriptions::Static, true)), (None, None));
    assert_eq!(
        (room(Subscriptions::Dynamic, false), room(Subscriptions::Dynamic, true)),
        (channel.clone(), None)
    );
    assert_eq!(room(Subscriptions::DynamicPrivate, true), channel);
}

#[test]
fn every_message_is_read_as_it_was_written() {
    let (request, selection): (RequestId, _) = ("r".into(), Selection::default());
    let answer = Args::new((1, 2)).unwrap();
    for (body, first) in [
        (MessageBody::SocketsLeave { selection: selection.clone(), rooms: vec!["a".into()] }, None),
        (MessageBody::DisconnectSockets { selection: selection.clone(), close: true }, None),
        (MessageBody::FetchSockets { selection, request: request.clone() }, None),
        (MessageBody::FetchedSockets { request: request.clone(), sockets: Vec::new() }, None),
        (MessageBody::ServerSideEmit { event: Event::outgoing("e", 1).unwrap(), request: None }, None),
        (
            MessageBody::ServerSideEmit {
                event: Event::outgoing("e", ()).unwrap(),
                request: Some(request.clone()),
            },
            None,
        ),
        (MessageBody::ClientCount { request: request.clone(), clients: 5 }, None),
        // Of an answer the first argument alone.
        (
            MessageBody::ServerSideAnswer { request: request.clone(), answer: answer.clone() },
            Some(MessageBody::ServerSideAnswer { request: request.clone(), answer: Args::new(1).unwrap() }),
        ),
        (
            MessageBody::ClientAnswer { request: request.clone(), answer },
            Some(MessageBody::ClientAnswer { request: request.clone(), answer: Args::new(1).unwrap() }),
        ),
        (MessageBody::ClientAnswer { request, answer: Args::none() }, None),
    ] {
        let expected = message(first.unwrap_or_else(|| body.clone()));
        let (_, payload) = written(&sharded(Subscriptions::Static), &message(body));
        assert_eq!(format!("{:?}", read(payload)), format!("{expected:?}"));
    }
}

#[test]
fn what_is_no_message_is_garbage_and_no_panic() {
    for payload in [
        "",
        "text",
        "{}",
        "null",
        "{",
        r#"{"type":3,"uid":"a","nsp":"/"}"#,
        r#"{"type":3,"data":{},"uid":"a","nsp":"/"}"#,
        r#"{"type":3,"data":{"packet":{"type":99,"data":["e"]},"opts":{}},"uid":"a","nsp":"/"}"#,
        r#"{"type":3,"data":{"packet":{"type":2,"data":"e"},"opts":{}},"uid":"a","nsp":"/"}"#,
        r#"{"type":99,"data":{},"uid":"a","nsp":"/"}"#,
        r#"{"type":8,"data":{"requestId":"a"},"uid":"a","nsp":"/"}"#,
        r#"{"type":4,"data":{"opts":null,"rooms":[]},"nsp":"/"}"#,
    ] {
        let decoded = sharded(Subscriptions::Static).decode("socket.io#/#", &payload.to_owned().into());
        assert!(decoded.is_err(), "{payload}");
    }
    let heartbeat = r#"{"type":1,"uid":"a","nsp":"/"}"#.into();
    assert!(matches!(sharded(Subscriptions::Static).decode("", &heartbeat), Ok(Heard::Nothing)));
}

#[test]
fn a_nodes_own_messages_are_known_without_decoding_them() {
    let sharded = sharded(Subscriptions::Dynamic);
    let [own, other] = ["cc1fcaa263f40c82", "ab7c27e05df2fb95"].map(NodeId::from);
    let mut messages = vec![broadcast(&["r"], "x"), broadcast(&[], r#","uid":"ab7c27e05df2fb95""#)];
    let mut named = broadcast(&[], ());
    named.namespace = r#"/"uid":"ab7c27e05df2fb95""#.into();
    messages.push(named);
    for message in &messages {
        let (_, payload) = written(&sharded, message);
        assert!(sharded.is_own(&payload, &own) && !sharded.is_own(&payload, &other), "{payload:?}");
    }
    assert!(!sharded.is_own(b"", &own) && !sharded.is_own(br#"{"uid":""#, &own));
}
