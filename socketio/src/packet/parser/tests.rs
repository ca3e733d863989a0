//! Packets in MessagePack, and in a parser of one's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use engineio::CloseReason;
use serde_json::{Value, json};

use super::*;
use crate::args::Args;
use crate::args::binary::Binary;
use crate::io::Io;
use crate::io::config::IoConfig;
use crate::socket::Socket;
use crate::testing::Peer;

fn io(parser: Parser) -> Io {
    Io::with_config(IoConfig { parser, ..IoConfig::default() })
}

/// A client that speaks MessagePack.
struct Packed(Peer);

impl Packed {
    fn open(io: &Io, revision: Revision) -> Packed {
        Packed(Peer::open_with(io, revision))
    }

    fn join(io: &Io) -> Packed {
        let mut peer = Packed::open(io, Revision::V4);
        peer.send(RawPacketType::Connect, "/", None, "", &[]);
        assert_eq!(peer.next().kind, RawPacketType::Connect);
        peer
    }

    fn send(
        &mut self,
        kind: RawPacketType,
        nsp: &str,
        id: Option<u64>,
        payload: &str,
        bytes: &[&'static [u8]],
    ) {
        let attachments = bytes.iter().map(|bytes| Bytes::from_static(bytes)).collect();
        let raw = RawPacket { kind, nsp: nsp.into(), id, payload: payload.into(), attachments };
        self.0.send_message(Message::Binary(msgpack::encode(&raw).unwrap().into()));
    }

    fn event(&mut self, id: Option<u64>, payload: &str, bytes: &[&'static [u8]]) {
        self.send(RawPacketType::Event, "/", id, payload, bytes);
    }

    fn next(&mut self) -> RawPacket {
        let frames = self.0.take_frames();
        assert!(frames.len() == 1 && frames[0].is_binary(), "one binary message: {frames:?}");
        msgpack::decode(&Bytes::copy_from_slice(frames[0].packet()), 1_000_000).unwrap()
    }
}

// proves: features/parsers
#[tokio::test]
async fn messagepack_has_packets_of_one_message_and_the_same_handlers() {
    let io = io(Parser::MsgPack);
    io.of("/")
        .on_sync("echo", |_, args: Args| args)
        .on_sync("sizes", |_, (a, b): (Binary, Vec<Binary>)| (a.len(), b.len()))
        .on_sync("tell", |socket: Socket, args: Args| socket.emit("told", &args));
    let mut peer = Packed::join(&io);
    let id = io.of("/").sockets()[0].id().to_owned();

    let nested = r#"["echo",1,{"a":[{"_placeholder":true,"num":0},"é"]}]"#;
    peer.event(Some(7), nested, &[b"xy"]);
    let ack = peer.next();
    assert_eq!((ack.kind, ack.id, &*ack.nsp), (RawPacketType::Ack, Some(7), "/"));
    assert_eq!(
        (&*ack.payload, &ack.attachments[..]),
        (&*nested.replace(r#""echo","#, ""), &["xy".into()][..])
    );

    let two = r#"["sizes",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]"#;
    peer.event(Some(8), two, &[b"a", b"bcd"]);
    assert_eq!(peer.next().payload, "[3,1]");

    peer.event(None, r#"["tell",[null]]"#, &[]);
    let told = peer.next();
    assert_eq!((told.kind, told.id, &*told.payload), (RawPacketType::Event, None, r#"["told",[null]]"#));

    io.of("/").socket(&id).unwrap().disconnect(false);
    peer.0.poll();
    assert_eq!(peer.next().kind, RawPacketType::Disconnect);
}

#[tokio::test]
async fn a_refusal_follows_the_revision_in_messagepack_as_well() {
    let io = io(Parser::MsgPack);
    io.of("/mw").middleware(|_| async { Err(ConnectError::new("nope").with_data(json!({"a": 1}))) });
    for (revision, refusal) in
        [(Revision::V4, r#"{"message":"nope","data":{"a":1}}"#), (Revision::V3, r#"{"a":1}"#)]
    {
        let mut peer = Packed::open(&io, revision);
        peer.0.take_frames();
        peer.send(RawPacketType::Connect, "/mw", None, "", &[]);
        let answer = peer.next();
        assert_eq!(
            (answer.kind, &*answer.nsp, &*answer.payload),
            (RawPacketType::ConnectError, "/mw", refusal)
        );
    }
}

#[tokio::test]
async fn data_of_a_refusal_that_nests_too_deep_is_left_out() {
    let io = io(Parser::MsgPack);
    let deep = (0..200).fold(Value::Null, |inside, _| json!([inside]));
    io.of("/mw").middleware(move |_| {
        let deep = deep.clone();
        async { Err(ConnectError::new("nope").with_data(deep)) }
    });
    let mut peer = Packed::open(&io, Revision::V4);
    peer.send(RawPacketType::Connect, "/mw", None, "", &[]);
    assert_eq!(peer.next().payload, r#"{"message":"Internal error"}"#);
}

// proves: protocol/msgpack
#[tokio::test]
async fn what_is_no_packet_ends_the_session_with_parse_error() {
    let event = |payload: &[u8]| [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"[..], payload].concat();
    for bytes in [
        b"\x93".to_vec(),
        event(b"\x90"),
        event(b"\xc0"),
        event(b"\x91\xc0"),
        event(b"\x91\xaadisconnect"),
        event(&b"\x91".repeat(100_000)),
        event(b"\x93\xa1e\xc4\x01x\x82\xac_placeholder\xc3\xa3num\x07"),
        b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xc0".to_vec(),
        b"\x83\xa4type\x01\xa3nsp\xa1/\xa4data\x80".to_vec(),
    ] {
        let mut peer = Packed::join(&io(Parser::MsgPack));
        peer.0.send_message(Message::Binary(bytes.clone().into()));
        assert_eq!(peer.0.close_requested(), Some(CloseReason::ParseError), "{bytes:x?}");
    }
    let mut peer = Packed::join(&io(Parser::MsgPack));
    assert_eq!(peer.0.sending_closes(r#"2["e"]"#), Some(CloseReason::ParseError), "text");
}

/// JSON of the fields, and a count of the packets written.
#[derive(Debug, Default)]
struct Lines(AtomicUsize);

impl PacketParser for Lines {
    fn encode(&self, packet: &RawPacket) -> Message {
        self.0.fetch_add(1, Ordering::Relaxed);
        let RawPacket { kind, nsp, payload, .. } = packet;
        Message::Text(format!("{} {nsp} {payload}", kind.number()).into())
    }

    fn decode(&self, message: Message) -> Result<RawPacket, ParserError> {
        let Message::Text(text) = message else { return Err(ParserError::new("binary")) };
        let [kind, nsp, payload] = *text.splitn(3, ' ').collect::<Vec<_>>() else {
            return Err(ParserError::new("too few words"));
        };
        let kind = kind.parse().ok().and_then(RawPacketType::from_number);
        let kind = kind.ok_or_else(|| ParserError::new("no type"))?;
        let (nsp, payload) = (text.slice_ref(nsp), text.slice_ref(payload));
        Ok(RawPacket { kind, nsp, id: Some(u64::MAX), payload, attachments: Vec::new() })
    }
}

// proves: features/parsers
#[tokio::test]
async fn a_parser_of_ones_own_is_held_to_the_rules() {
    let parser = Arc::new(Lines::default());
    let io = io(Parser::Custom(Arc::clone(&parser) as Arc<dyn PacketParser>));
    let mut peer = Peer::open(&io);
    assert_eq!(peer.sending_closes("nothing"), Some(CloseReason::ParseError));
    let mut peer = Peer::open(&io);
    assert_eq!(peer.sending_closes("0 / "), Some(CloseReason::ParseError), "an id above 2^53 - 1");
    assert_eq!(parser.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_broadcast_is_written_once_for_all() {
    let parser = Arc::new(Lines::default());
    let io = io(Parser::Custom(Arc::clone(&parser) as Arc<dyn PacketParser>));
    let mut peers = [(); 3].map(|()| Peer::open_with(&io, Revision::V3));
    for peer in &mut peers {
        assert_eq!(peer.take(), ["0 / "]);
    }
    io.emit("e", 1).unwrap();
    assert_eq!(peers.each_mut().map(Peer::next), [r#"2 / ["e",1]"#; 3]);
    assert_eq!(parser.0.load(Ordering::Relaxed), 4);
}
