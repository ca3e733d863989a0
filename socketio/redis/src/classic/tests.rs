use std::sync::OnceLock;
use std::time::Duration;

use socketio::{
    Adapter, AdapterError, AdapterFuture, Args, Binary, Flags, Io, IoConfig, Selection, SocketDetails,
};

use super::*;

const REQUEST: &str = "socket.io-request#/#";
const ANSWER: &str = "socket.io-response#/#";

fn classic() -> Classic {
    Classic::new("socket.io")
}

fn message(body: MessageBody) -> NodeMessage {
    NodeMessage::new(Some("PdAV7L".into()), None, "/".into(), body)
}

fn chosen(rooms: &[&str], except: &[&str]) -> Selection {
    let names = |names: &[&str]| names.iter().map(|name| Room::from(*name)).collect();
    Selection { rooms: names(rooms), except: names(except) }
}

fn event(name: &str, args: impl socketio::ToArgs) -> Event {
    Event::outgoing(name, args).unwrap()
}

/// What a message is written as: the channel's name and the payload.
fn written(message: &NodeMessage) -> (String, Bytes) {
    match classic().encode(message).unwrap() {
        Command::Publish { channel: Channel::Exact(name), payload } => (name.to_string(), payload),
        other => panic!("{other:?}"),
    }
}

fn read(channel: &str, payload: impl Into<Bytes>) -> NodeMessage {
    match classic().decode(channel, &payload.into()) {
        Ok(Heard::Message(message)) => *message,
        Ok(_) => panic!("it is no message"),
        Err(garbage) => panic!("{garbage}"),
    }
}

/// `io.emit("e", "x", 1)` of `@socket.io/redis-adapter` 8.3.
const BROADCAST: &[u8] = b"\x93\xa6PdAV7L\x83\xa4type\x02\xa4data\x93\xa1e\xa1x\x01\xa3nsp\xa1/\
    \x83\xa5rooms\x90\xa6except\x90\xa5flags\x80";

/// `io.to("r").to("q").except("z").volatile.compress(false).emit("e", 1)`.
const FLAGGED: &[u8] = b"\x93\xa6PdAV7L\x83\xa4type\x02\xa4data\x92\xa1e\x01\xa3nsp\xa1/\
    \x83\xa5rooms\x92\xa1r\xa1q\xa6except\x91\xa1z\xa5flags\x82\xa8volatile\xc3\xa8compress\xc2";

// proves: features/adapters
#[test]
fn a_broadcast_is_written_as_node_writes_it() {
    let broadcast =
        |selection, flags, event| message(MessageBody::Broadcast { event, selection, flags, request: None });
    let (channel, payload) =
        written(&broadcast(Selection::default(), Flags::default(), event("e", ("x", 1))));
    assert_eq!((&*channel, &payload[..]), ("socket.io#/#", BROADCAST));
    let mut flags = Flags::default();
    (flags.volatile, flags.compress) = (true, Some(false));
    let (channel, payload) = written(&broadcast(chosen(&["r", "q"], &["z"]), flags, event("e", 1)));
    assert_eq!((&*channel, &payload[..]), ("socket.io#/#", FLAGGED));
    // One room is named by the channel, whatever is excepted.
    let (channel, _) = written(&broadcast(chosen(&["a#b"], &["z"]), flags, event("e", 1)));
    assert_eq!(channel, "socket.io#/#a#b#");
    let (_, payload) = written(&broadcast(Selection::default(), flags, event("e", Binary::from(&b"zz"[..]))));
    assert!(payload.windows(9).any(|bytes| bytes == b"\x92\xa1e\xc4\x02zz\xa3n"));
}

#[test]
fn a_broadcast_of_node_is_read() {
    let NodeMessage { from, to, namespace, body, .. } = read("socket.io#/#", FLAGGED);
    assert_eq!((from.as_deref(), to, &*namespace), (Some("PdAV7L"), None, "/"));
    let MessageBody::Broadcast { event, selection, flags, request: None } = body else { panic!("{body:?}") };
    assert_eq!((event.name(), event.args().json()), ("e", "1"));
    assert_eq!(selection, chosen(&["r", "q"], &["z"]));
    assert_eq!((flags.volatile, flags.compress, flags.timeout), (true, Some(false), None));
}

#[test]
fn the_emitters_messages_are_read_also_those_of_old_and_numbers_are_rooms() {
    // `new Emitter(redis).of("/n").to(7).emit("e")`: another order of keys.
    let emitter = b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\xa2/n\
        \x83\xa5rooms\x91\x07\xa5flags\x80\xa6except\x90";
    let NodeMessage { from, namespace, body, .. } = read("socket.io#/n#7#", &emitter[..]);
    assert_eq!((from.as_deref(), &*namespace), (Some("emitter"), "/n"));
    assert!(matches!(body, MessageBody::Broadcast { selection, .. } if selection == chosen(&["7"], &[])));
    // BINARY_EVENT, no `nsp`, and neither exceptions nor flags.
    let old = b"\x93\xa7emitter\x82\xa4type\x05\xa4data\x92\xa1e\xc4\x01x\x81\xa5rooms\x90";
    let NodeMessage { namespace, body, .. } = read("socket.io#/#", &old[..]);
    let MessageBody::Broadcast { event, .. } = body else { panic!("{body:?}") };
    assert_eq!((&*namespace, event.args().attachments()), ("/", &[Bytes::from_static(b"x")][..]));
    let join = read(REQUEST, r#"{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["k"]}"#);
    assert_eq!(join.from, None);
    let end = read(REQUEST, r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":null}"#);
    assert!(matches!(end.body, MessageBody::DisconnectSockets { close: false, .. }));
    let hello = read(REQUEST, r#"{"uid":"emitter","type":6,"data":["hey",1]}"#);
    assert!(matches!(hello.body, MessageBody::ServerSideEmit { request: None, .. }));
}

#[test]
fn requests_are_written_as_node_writes_them_and_read_again() {
    let both = chosen(&["r"], &["z"]);
    let request: RequestId = "VSu5eE".into();
    for (body, json) in [
        (
            MessageBody::SocketsJoin { selection: both.clone(), rooms: vec!["a".into(), "b".into()] },
            r#"{"uid":"PdAV7L","type":2,"opts":{"rooms":["r"],"except":["z"]},"rooms":["a","b"]}"#,
        ),
        (
            MessageBody::SocketsLeave { selection: both.clone(), rooms: vec!["a".into()] },
            r#"{"uid":"PdAV7L","type":3,"opts":{"rooms":["r"],"except":["z"]},"rooms":["a"]}"#,
        ),
        (
            MessageBody::DisconnectSockets { selection: both.clone(), close: true },
            r#"{"uid":"PdAV7L","type":4,"opts":{"rooms":["r"],"except":["z"]},"close":true}"#,
        ),
        (
            MessageBody::FetchSockets { selection: both.clone(), request: request.clone() },
            r#"{"uid":"PdAV7L","requestId":"VSu5eE","type":5,"opts":{"rooms":["r"],"except":["z"]}}"#,
        ),
        (
            MessageBody::ServerSideEmit { event: event("hey", (1, "x")), request: None },
            r#"{"uid":"PdAV7L","type":6,"data":["hey",1,"x"]}"#,
        ),
        (
            MessageBody::ServerSideEmit { event: event("hey", ()), request: Some(request.clone()) },
            r#"{"uid":"PdAV7L","requestId":"VSu5eE","type":6,"data":["hey"]}"#,
        ),
    ] {
        let original = message(body);
        let (channel, payload) = written(&original);
        assert_eq!((&*channel, std::str::from_utf8(&payload).unwrap()), (REQUEST, json));
        let again = read(REQUEST, payload);
        assert_eq!(format!("{again:?}"), format!("{original:?}"));
    }
}

/// `io.timeout(1000).emitWithAck("q", "x")`.
const QUESTION: &[u8] = b"\x85\xa3uid\xa6PdAV7L\xa9requestId\xa6VSu5eE\xa4type\x07\
    \xa6packet\x83\xa4type\x02\xa4data\x92\xa1q\xa1x\xa3nsp\xa1/\
    \xa4opts\x83\xa5rooms\x90\xa6except\x90\xa5flags\x81\xa7timeout\xcd\x03\xe8";

#[test]
fn an_event_that_clients_acknowledge_is_written_and_read_as_node_does() {
    let mut flags = Flags::default();
    flags.timeout = Some(Duration::from_secs(1));
    let body = MessageBody::Broadcast {
        event: event("q", "x"),
        selection: Selection::default(),
        flags,
        request: Some("VSu5eE".into()),
    };
    let original = message(body);
    let (channel, payload) = written(&original);
    assert_eq!((&*channel, &payload[..]), (REQUEST, QUESTION));
    let MessageBody::Broadcast { event, flags, request, .. } = read(REQUEST, payload).body else {
        panic!("it is no broadcast")
    };
    assert_eq!((event.name(), flags.timeout), ("q", Some(Duration::from_secs(1))));
    assert_eq!(request.as_deref(), Some("VSu5eE"));
}

#[test]
fn answers_go_to_the_one_who_asked_as_node_writes_them() {
    let request: RequestId = "VSu5eE".into();
    let answer =
        |body| written(&NodeMessage::new(Some("own".into()), Some("PdAV7L".into()), "/".into(), body));
    let bytes =
        Args::new((std::collections::BTreeMap::from([("bin", Binary::from(&b"zz"[..]))]), 2)).unwrap();
    for (body, payload) in [
        (
            MessageBody::ClientCount { request: request.clone(), clients: 1 },
            &br#"{"type":8,"requestId":"VSu5eE","clientCount":1}"#[..],
        ),
        (
            MessageBody::ClientAnswer { request: request.clone(), answer: bytes },
            b"\x83\xa4type\x09\xa9requestId\xa6VSu5eE\xa6packet\x81\xa3bin\xc4\x02zz",
        ),
        (
            MessageBody::ClientAnswer { request: request.clone(), answer: Args::none() },
            b"\x82\xa4type\x09\xa9requestId\xa6VSu5eE",
        ),
        (
            MessageBody::ServerSideAnswer {
                request: request.clone(),
                answer: Args::new(("a", "b")).unwrap(),
            },
            br#"{"type":6,"requestId":"VSu5eE","data":"a"}"#,
        ),
        (
            MessageBody::ServerSideAnswer { request: request.clone(), answer: Args::none() },
            br#"{"type":6,"requestId":"VSu5eE"}"#,
        ),
        (
            MessageBody::FetchedSockets { request: request.clone(), sockets: Vec::new() },
            br#"{"requestId":"VSu5eE","sockets":[]}"#,
        ),
    ] {
        let (channel, written) = answer(body);
        assert_eq!((&*channel, &written[..]), ("socket.io-response#/#PdAV7L#", payload));
    }
    let everybody =
        NodeMessage::new(None, None, "/".into(), MessageBody::ClientCount { request, clients: 0 });
    assert_eq!(written(&everybody).0, ANSWER);
}

#[test]
fn answers_of_node_are_read_on_either_channel() {
    for channel in [ANSWER, "socket.io-response#/#PdAV7L#"] {
        let count = read(channel, r#"{"type":8,"requestId":"a","clientCount":3}"#).body;
        assert!(matches!(count, MessageBody::ClientCount { clients: 3, .. }));
        let answer = read(channel, r#"{"type":6,"requestId":"a","data":{"type":"Buffer","data":[1]}}"#).body;
        let MessageBody::ServerSideAnswer { answer, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(answer.json(), r#"{"type":"Buffer","data":[1]}"#);
    }
    let answer = read(ANSWER, &b"\x83\xa4type\x09\xa9requestId\xa1a\xa6packet\x81\xa3bin\xc4\x02zz"[..]).body;
    let MessageBody::ClientAnswer { answer, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((answer.len(), answer.attachments()), (1, &[Bytes::from_static(b"zz")][..]));
    let none = read(ANSWER, r#"{"type":6,"requestId":"a"}"#).body;
    assert!(matches!(none, MessageBody::ServerSideAnswer { answer, .. } if answer.is_empty()));
    let json =
        r#"{"requestId":"a","sockets":[{"id":"x","handshake":{},"rooms":["x",7],"data":{}},"no socket"]}"#;
    let MessageBody::FetchedSockets { sockets, .. } = read(ANSWER, json).body else { panic!("other") };
    let rooms = sockets.iter().map(|SocketDetails { rooms, .. }| rooms.clone()).collect::<Vec<_>>();
    assert_eq!(rooms, [["x", "7"]]);
    // The other order of members takes another way.
    let json =
        r#"{"sockets":[{"id":"x","handshake":{"url":"/?a"},"rooms":["x"],"data":{"k":1}}],"requestId":"a"}"#;
    let in_order = json.replace(r#","requestId":"a"}"#, "}").replacen('{', r#"{"requestId":"a","#, 1);
    let both = [json, &*in_order].map(|json| read(ANSWER, json.to_owned()).body);
    let [
        MessageBody::FetchedSockets { sockets: one, .. },
        MessageBody::FetchedSockets { sockets: other, .. },
    ] = &both
    else {
        panic!("{both:?}")
    };
    assert_eq!(one, other);
    assert_eq!((&*one[0].handshake.url, &one[0].data["k"]), ("/?a", &json!(1)));
    // MessagePack with bytes, which nobody is known to write.
    let packed = b"\x82\xa9requestId\xa1a\xa7sockets\x92\x82\xa2id\xa1x\xa4data\x81\xa1b\xc4\x01\x07\x07";
    let MessageBody::FetchedSockets { sockets, .. } = read(ANSWER, &packed[..]).body else { panic!("other") };
    assert_eq!(sockets[0].data, json!({ "b": { "type": "Buffer", "data": [7] } }));
    // Of a question that we don't ask.
    assert!(matches!(
        classic().decode(ANSWER, &r#"{"requestId":"a","rooms":[]}"#.into()),
        Ok(Heard::Nothing)
    ));
}

#[test]
fn the_request_that_an_answer_is_for_is_found_without_decoding_it() {
    let request: RequestId = "VSu5eE".into();
    let bodies = [
        MessageBody::ClientCount { request: request.clone(), clients: 1 },
        MessageBody::ClientAnswer { request: request.clone(), answer: Args::new(1).unwrap() },
        MessageBody::ClientAnswer { request: request.clone(), answer: Args::none() },
        MessageBody::ServerSideAnswer { request: request.clone(), answer: Args::none() },
        MessageBody::FetchedSockets { request: request.clone(), sockets: Vec::new() },
    ];
    for body in bodies {
        let (channel, payload) = written(&message(body));
        assert_eq!(classic().answered(&channel, &payload), Some("VSu5eE"), "{payload:?}");
        // No part of it says otherwise, or makes it panic.
        for end in 0..payload.len() {
            assert!(matches!(classic().answered(&channel, &payload[..end]), None | Some("VSu5eE")));
        }
    }
    let answers = |payload: &'static str| classic().answered(ANSWER, payload.as_bytes());
    assert_eq!(answers(r#"{"requestId":"a","rooms":[]}"#), Some("a"));
    for unknown in
        [r#"{"rooms":[],"requestId":"a"}"#, r#"{"requestId":"\u0061"}"#, r#"{"type":12,"requestId":"a"}"#]
    {
        assert_eq!(answers(unknown), None);
    }
    assert_eq!(classic().answered(REQUEST, br#"{"requestId":"a"}"#), None, "a request is no answer");
}

#[test]
fn channels_are_those_of_node_and_a_pattern_matches_its_prefix_alone() {
    let classic = Classic::new("a*[b]?\\");
    assert_eq!(classic.always(), [Channel::Pattern(r"a\*\[b\]\?\\#*".into())]);
    let names: Vec<_> = self::classic().of_namespace("/n", &"own".into());
    let names: Vec<_> = names.iter().map(Channel::name).collect();
    let expected = ["socket.io-request#/n#", "socket.io-response#/n#", "socket.io-response#/n#own#"];
    assert_eq!(names, expected);
    assert_eq!(self::classic().counted("/n").name(), expected[0]);
}

/// Tells which node it is of.
struct Tap(Arc<OnceLock<Node>>);

impl Adapter for Tap {
    fn start(&self, node: Node) {
        let _ = self.0.set(node);
    }

    fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
        Box::pin(std::future::ready(1))
    }

    fn publish(&self, _: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A client that chooses the names of rooms must not have each node look for a namespace at as many places as it likes.
#[tokio::test]
async fn where_a_room_is_cut_from_its_namespace_is_looked_for_at_few_places() {
    let node = Arc::new(OnceLock::new());
    let io = Io::with_adapter(IoConfig::default(), Tap(Arc::clone(&node)));
    let _ = io.of("/a#b");
    let node = node.get().unwrap();
    let wanted = |channel: String| classic().is_wanted(&channel, node);
    assert!(wanted("socket.io#/#".into()) && wanted("socket.io#/a#b#".into()));
    assert!(
        !wanted("socket.io#/a#b#r#".into()) && !wanted(format!("socket.io#/#{}r#", "#".repeat(SPLITS - 2)))
    );
    // The message itself tells.
    assert!(wanted(format!("socket.io#/#{}#", "#".repeat(SPLITS))));
}

#[test]
fn what_is_no_message_is_garbage_and_no_panic() {
    let deep = [&[0x93, 0xa1, b'u'][..], &[0x91; 10_000], &[0xc0]].concat();
    let broadcasts: [&[u8]; 12] = [
        b"",
        b"text",
        b"{}",
        b"null",
        b"\x92\xa1u\x80",
        b"\x93\xa1u\xc0\x80",
        b"\x93\xa1u\x80\x80",
        b"\x93\xa1u\x83\xa4type\x63\xa4data\x91\xa1e\xa3nsp\xa1/\x80",
        b"\x93\xa1u\x83\xa4type\x02\xa4data\xa1e\xa3nsp\xa1/\x80",
        b"\x93\xa1u\x83\xa4type\x02\xa4data\x91\x80\xa3nsp\xa1/\x80",
        b"\x93\xa1u\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\xa1/\x81\xa5rooms\xa1r",
        &deep,
    ];
    for payload in broadcasts {
        assert!(classic().decode("socket.io#/#", &Bytes::copy_from_slice(payload)).is_err(), "{payload:?}");
    }
    for payload in [
        "",
        "text",
        "{}",
        "null",
        "{",
        r#"{"type":99}"#,
        r#"{"type":"2"}"#,
        r#"{"type":5,"opts":{"rooms":[],"except":[]}}"#,
        r#"{"type":2,"opts":{"rooms":"r"},"rooms":["k"]}"#,
        r#"{"type":6,"data":"e"}"#,
        r#"{"type":6,"data":[]}"#,
        r#"{"type":8,"requestId":"a","clientCount":5000000}"#,
        "\u{feff}{}",
    ] {
        for channel in [REQUEST, ANSWER] {
            assert!(classic().decode(channel, &payload.to_owned().into()).is_err(), "{channel} {payload}");
        }
    }
    for request in [r#"{"type":5,"uid":"a","requestId":"b"}"#, r#"{"type":7,"requestId":"a","opts":{}}"#] {
        assert!(classic().decode(REQUEST, &request.into()).is_err(), "{request}");
    }
    assert!(classic().decode("other#/#", &Bytes::from_static(BROADCAST)).is_err());
    assert!(classic().decode("socket.io-else#/#", &Bytes::from_static(BROADCAST)).is_err());
}
