use socketio::{Args, Binary, Event, Flags, RequestId, Room, Selection};

use super::*;

fn streams() -> Streams {
    Streams::new("socket.io", 1, 10_000, "socket.io")
}

fn message(body: MessageBody) -> NodeMessage {
    NodeMessage::new(Some("ab7c27e05df2fb95".into()), None, "/".into(), body)
}

fn broadcast(args: impl socketio::ToArgs) -> MessageBody {
    let (event, selection) = (Event::outgoing("e", args).unwrap(), Selection::default());
    MessageBody::Broadcast { event, selection, flags: Flags::default(), request: None }
}

/// The stream that a message is appended to, and its fields as text.
fn appended(streams: &Streams, message: &NodeMessage) -> (Arc<str>, String) {
    let Command::Append { stream, max_len: 10_000, fields } = streams.encode(message).unwrap() else {
        panic!("it is not appended")
    };
    let text = fields.iter().map(|(name, value)| format!("{name} {}", String::from_utf8_lossy(value)));
    (stream, text.collect::<Vec<_>>().join(" "))
}

fn entry(fields: &[(&'static str, &str)]) -> Entry {
    let fields = fields.iter().map(|(name, value)| ((*name).into(), value.to_string().into())).collect();
    Entry { stream: "socket.io".into(), id: "1-0".into(), fields }
}

fn read(data: &str) -> Result<Heard, Garbage> {
    streams().decode_entry(&entry(&[("uid", "them"), ("nsp", "/"), ("type", "3"), ("data", data)]))
}

/// The data of `io.emit("e", Buffer.from([1, 2, 3]), undefined, new Date(0))`, as npm's adapter writes it.
const PACKED: &str = "gqZwYWNrZXSCpHR5cGUCpGRhdGGUoWXEAwECA8DW/wAAAACkb3B0c4Olcm9vbXOQpmV4Y2VwdJClZmxhZ3OA";

#[test]
fn broadcasts_joins_and_disconnections_are_entries_as_node_writes_them() {
    let (stream, fields) = appended(&streams(), &message(broadcast(("x", 1))));
    assert_eq!(&*stream, "socket.io");
    assert_eq!(
        fields,
        r#"uid ab7c27e05df2fb95 nsp / type 3 data {"packet":{"type":2,"data":["e","x",1]},"opts":{"rooms":[],"except":[],"flags":{}}}"#
    );
    let selection = Selection { rooms: vec![Room::from("nobody")], except: Vec::new() };
    let end = message(MessageBody::DisconnectSockets { selection, close: true });
    assert_eq!(
        appended(&streams(), &end).1,
        r#"uid ab7c27e05df2fb95 nsp / type 6 data {"opts":{"rooms":["nobody"],"except":[],"flags":{}},"close":true}"#
    );
    let bytes = message(broadcast((Binary::from(&b"\x01\x02\x03"[..]), None::<u8>)));
    let packed = "gqZwYWNrZXSCpHR5cGUCpGRhdGGToWXEAwECA8Ckb3B0c4Olcm9vbXOQpmV4Y2VwdJClZmxhZ3OA";
    assert_eq!(appended(&streams(), &bytes).1, format!("uid ab7c27e05df2fb95 nsp / type 3 data {packed}"));
}

// proves: features/adapters
#[test]
fn entries_of_node_are_read() {
    let Ok(Heard::Message(message)) = read(PACKED) else { panic!("it is not read") };
    let NodeMessage { from, body: MessageBody::Broadcast { event, .. }, .. } = *message else {
        panic!("it is no broadcast")
    };
    assert_eq!((from.as_deref(), event.name()), (Some("them"), "e"));
    assert_eq!(event.args().attachments(), [Bytes::from_static(b"\x01\x02\x03")]);
    assert!(event.args().json().ends_with(r#"},null,"1970-01-01T00:00:00.000Z""#), "{}", event.args().json());
    // Of an emitter, with a namespace in its packet as well.
    let json =
        r#"{"packet":{"type":2,"data":["e"],"nsp":"/"},"opts":{"rooms":["r"],"except":[],"flags":{}}}"#;
    assert!(matches!(read(json), Ok(Heard::Message(_))));
}

#[test]
fn what_is_to_be_answered_and_answers_go_by_pub_sub() {
    let request: RequestId = "r".into();
    let mut question = broadcast(1);
    if let MessageBody::Broadcast { request: id, .. } = &mut question {
        *id = Some(request.clone());
    }
    let asked = message(question);
    let Command::Publish { channel, payload } = streams().encode(&asked).unwrap() else {
        panic!("{asked:?}")
    };
    assert_eq!(channel, Channel::Exact("socket.io#/#".into()));
    assert_eq!(payload[..6], *b"\x84\xa4type");
    let Ok(Heard::Message(again)) = streams().decode("socket.io#/#", &payload) else {
        panic!("it is not read")
    };
    assert_eq!(format!("{again:?}"), format!("{asked:?}"));
    let answer = MessageBody::ClientAnswer { request, answer: Args::new("a").unwrap() };
    let answer = NodeMessage::new(Some("own".into()), Some("them".into()), "/n".into(), answer);
    let Command::Publish { channel, .. } = streams().encode(&answer).unwrap() else { panic!("{answer:?}") };
    assert_eq!(channel, Channel::Exact("socket.io#/n#them#".into()));
    let hello = MessageBody::ServerSideEmit { event: Event::outgoing("hey", ()).unwrap(), request: None };
    assert!(matches!(streams().encode(&message(hello.clone())).unwrap(), Command::Publish { .. }));
    // An emitter has no one who would answer it, and uses the stream for everything.
    let emitted = NodeMessage::new(Some("emitter".into()), None, "/".into(), hello);
    assert_eq!(appended(&streams(), &emitted).1, r#"uid emitter nsp / type 9 data {"packet":["hey"]}"#);
}

#[test]
fn several_streams_are_shared_out_by_namespace_and_those_that_node_names_wrongly_are_read() {
    let streams = Streams::new("s", 4, 10_000, "socket.io");
    let names = streams.streams();
    assert_eq!(
        names.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["s--3", "s--2", "s--1", "s-0", "s-1", "s-2", "s-3"]
    );
    // npm's adapter writes to `s--3`.
    assert_eq!(hash("/notifications") % 4, -3);
    let to = |namespace: &str| {
        appended(&streams, &NodeMessage::new(Some("u".into()), None, namespace.into(), broadcast(()))).0
    };
    assert_eq!((&*to("/notifications"), &*to("/")), ("s-1", "s-3"));
}

#[test]
fn what_is_no_entry_is_garbage_and_no_panic() {
    for data in ["", "text", " {}", "{", "{}", "null", "====", "gqZwYWNrZXSC", &"[".repeat(1000)] {
        assert!(read(data).is_err(), "{data}");
    }
    for fields in [
        &[("nsp", "/"), ("data", "{}")][..],
        &[("nsp", "/"), ("type", "x")],
        &[("type", "3"), ("data", PACKED)],
        &[],
    ] {
        assert!(streams().decode_entry(&entry(fields)).is_err(), "{fields:?}");
    }
    let heartbeat = entry(&[("uid", "a"), ("nsp", "/"), ("type", "1")]);
    assert!(matches!(streams().decode_entry(&heartbeat), Ok(Heard::Nothing)));
}
