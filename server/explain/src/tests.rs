//! Each rule's first wrong byte, and the same verdicts as the decoders', over the corpus of the fuzzer and all
//! that is one byte away from it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use engineio::websocket::FrameEvent;
use engineio::{EngineConfig, Packet, PayloadFormat, Revision};
use socketio::{PacketReader, PacketViolation};

use super::*;
use crate::walk::websocket_reader;

const V4: Settings = Settings { revision: Revision::V4, kind: None, sender: None, socketio: true };
const V3: Settings = Settings { revision: Revision::V3, ..V4 };

fn only(message: &[u8], settings: Settings) -> Explanation {
    explain(&[message], &settings).pop().expect("an explanation")
}

fn by(kind: Kind, settings: Settings) -> Settings {
    Settings { kind: Some(kind), ..settings }
}

/// A client's frame, with a mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x1f, 0x2e, 0x3d, 0x4c];
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn an_attachment_that_is_awaited_is_taken_for_bytes() {
    let event = r#"451-["e",{"_placeholder":true,"num":0}]"#.as_bytes();
    for bytes in [&[1, 2, 3][..], b"text", b"x\x1ey", b""] {
        let explained = explain(&[event, bytes], &V4);
        assert_eq!((explained[1].kind, &explained[1].broken), (Kind::Binary, &None), "{bytes:?}");
    }
    // What begins as a packet is one, and has no place there.
    let explained = explain(&[event, br#"42["e"]"#], &V4);
    let broken = explained[1].broken.as_ref().expect("a broken");
    assert_eq!(broken.rule.id, PacketViolation::TextAmongAttachments.name());
    assert_eq!(explain(&[event, b"bAQID"], &V4)[1].kind, Kind::Text);
}

/// `offset..end meaning` for each part.
fn lines(message: &[u8], settings: Settings) -> Vec<String> {
    let explanation = only(message, settings);
    assert_eq!(explanation.broken, None);
    explanation
        .parts
        .iter()
        .map(|part| format!("{}..{} {}", part.range.start, part.range.end, part.meaning))
        .collect()
}

#[test]
fn a_binary_event_is_explained_to_its_attachment() {
    let event = br#"451-/admin,12["picture",{"_placeholder":true,"num":0}]"#;
    let payload = [&event[..], b"\x1ebAQID"].concat();
    assert_eq!(
        lines(&payload, V4),
        [
            "0..1 type 4, message: the rest is for the layer above",
            "1..2 type 5, BINARY_EVENT: an event with attachments",
            "2..4 1 attachment follows in its own message",
            "4..11 the namespace /admin, up to the comma",
            "11..13 acknowledgement id: the sender waits for an answer with this id",
            "13..54 payload: an array of the event's name and arguments",
            "14..23 the event's name",
            "24..53 argument 1: an object",
            "24..53 placeholder: attachment 0 goes here",
            "54..55 record separator: another packet follows",
            "55..56 a binary message in base64",
            "56..60 attachment 0 (1 of 1): 3 bytes",
        ]
    );
    assert_eq!(only(event, V4).notes, ["1 attachment must still follow."]);
    // As two messages of a WebSocket.
    let messages = explain(&[&event[..], &[1, 2, 3]], &by(Kind::Text, V4));
    assert_eq!((messages.len(), messages[1].notes.len()), (2, 0));
}

#[test]
fn what_jsonp_puts_around_a_payload_is_taken_off() {
    let packets = ["0..1 type 2, ping: sent by the server", "1..2 record separator: another packet follows"];
    let payload = b"2\x1e42[\"a b\"]";
    for wrapped in [&b"d=2%1E42%5B%22a+b%22%5D"[..], br#"___eio[7]("2\u001e42[\"a b\"]");"#] {
        let explanation = only(wrapped, V4);
        assert_eq!((&explanation.bytes[..], explanation.kind), (&payload[..], Kind::Payload));
        assert_eq!(lines(wrapped, V4)[..2], packets);
        assert_eq!(explanation.notes, ["It was inside a JSONP form or script, which is not shown."]);
    }
    // By WebSocket it is only a packet that there is none of.
    assert_eq!(only(b"d=2", by(Kind::Text, V4)).broken.map(|broken| broken.at), Some(0));
}

#[test]
fn the_open_packet_is_explained_field_by_field() {
    let open =
        br#"0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let meanings = lines(open, V4);
    assert_eq!(meanings[2], "2..13 the session's id, which every later request must contain: \"abc\"");
    assert_eq!(meanings[4], "28..48 time between two heartbeats: 25000 ms");
    assert_eq!(meanings.len(), 7);
}

#[test]
fn payloads_of_revision_3_are_explained_with_their_lengths() {
    assert_eq!(
        lines("2:406:4hé😀o6:b4AQID".as_bytes(), Settings { socketio: false, ..V3 }),
        [
            "0..2 length of the next packet: 2 UTF-16 units",
            "2..3 type 4, message: the rest is for the layer above",
            "3..4 the message: 1 byte of text",
            "4..6 length of the next packet: 6 UTF-16 units",
            "6..7 type 4, message: the rest is for the layer above",
            "7..15 the message: 8 bytes of text",
            "15..17 length of the next packet: 6 UTF-16 units",
            "17..18 a binary message in base64",
            "18..19 type 4, message",
            "19..23 the message: 3 bytes",
        ]
    );
    assert_eq!(
        lines(b"\x00\x02\xff40\x01\x01\x02\xff\x04abcdefghijk", Settings { socketio: false, ..V3 }),
        [
            "0..1 a text packet follows",
            "1..2 length of the packet, one byte for each digit: 2 bytes",
            "2..3 end of the length",
            "3..4 type 4, message: the rest is for the layer above",
            "4..5 the message: 1 byte of text",
            "5..6 a binary packet follows",
            "6..8 length of the packet, one byte for each digit: 12 bytes",
            "8..9 end of the length",
            "9..10 type 4, message, as one byte",
            "10..21 the message: 11 bytes",
        ]
    );
}

#[test]
fn frames_are_explained_unmasked_and_in_fragments() {
    let bytes = [frame(0x01, b"42["), frame(0x89, b"hi"), frame(0x80, b"\"e\"]")].concat();
    let explanation = only(&bytes, V4);
    assert_eq!((explanation.kind, explanation.broken), (Kind::Frames, None));
    assert_eq!(explanation.bytes[6..9], *b"42[");
    let found = |meaning: &str| {
        let part = explanation.parts.iter().find(|part| part.meaning.starts_with(meaning));
        part.unwrap_or_else(|| panic!("{meaning}")).range.clone()
    };
    assert_eq!(found("opcode 1: a text message, more"), 0..1);
    assert_eq!(found("opcode 9: ping"), 9..10);
    assert_eq!(found("type 2, EVENT"), 7..8);
    assert_eq!(found("the event's name"), 23..26);
    assert_eq!(only(b"\x81\x0240", V4).notes.len(), 2, "a server's, and `/`");
}

#[test]
fn what_only_servers_send_is_a_servers_unless_a_client_is_said_to_have_sent_it() {
    let client = Settings { sender: Some(Side::Client), ..V4 };
    for message in [&b"44{\"message\":\"no\"}"[..], b"\x81\x0240"] {
        assert_eq!(only(message, V4).broken, None);
        assert_eq!(only(message, Settings { sender: Some(Side::Server), ..V4 }).broken, None);
        assert!(only(message, client).broken.is_some());
    }
}

#[test]
fn a_heartbeat_in_the_wrong_direction_is_noted() {
    let by_client = |settings| Settings { sender: Some(Side::Client), ..settings };
    for (message, settings, notes) in [(b"2", V4, 1), (b"3", V4, 0), (b"2", V3, 0), (b"3", V3, 1)] {
        assert_eq!(only(message, by_client(settings)).notes.len(), notes, "{settings:?}");
    }
    assert!(only(b"2probe", by_client(V4)).notes.is_empty());
}

#[test]
fn a_client_that_forgets_the_engine_packet_is_told() {
    assert!(only(b"2[\"chat\"]", V4).notes[0].contains("write a `4` before it"));
}

/// The first wrong byte of each rule that bytes alone can break, and what breaks it.
#[test]
fn the_first_wrong_byte_is_found_for_each_rule() {
    let deep = format!("42[{}", "[".repeat(127));
    let polling = by(Kind::Payload, V4);
    let frames = |settings| by(Kind::Frames, settings);
    let clients = Settings { sender: Some(Side::Client), ..V4 };
    let rows: &[(Settings, &[u8], usize, &str)] = &[
        (V4, b"", 0, "EMPTY_PAYLOAD"),
        (V4, b"4\x1e", 1, "UNKNOWN_TYPE"),
        (V4, b"2\x1e", 2, "EMPTY_PACKET"),
        (V4, b"2\x1e9", 2, "UNKNOWN_PACKET_TYPE"),
        (V4, "é".as_bytes(), 0, "UNKNOWN_PACKET_TYPE"),
        (V3, b"b3AQID", 1, "UNKNOWN_PACKET_TYPE"),
        (V3, b"\x02\x01\xff4", 0, "UNKNOWN_PACKET_TYPE"),
        (polling, b"2\x1e42[\"\xff\"]", 6, "UTF8"),
        (by(Kind::Payload, V3), b"x:4a", 0, "PAYLOAD_LENGTH"),
        (V3, b"2:2a24a", 6, "PAYLOAD_LENGTH"),
        (V3, b"12345678901:4", 10, "PAYLOAD_LENGTH"),
        (V3, b"5:2a", 4, "PAYLOAD_TRUNCATED"),
        (V3, "2:2😀".as_bytes(), 3, "PAYLOAD_TRUNCATED"),
        (V3, b"\x01\x05\xff\x04\x01", 5, "PAYLOAD_TRUNCATED"),
        (V4, b"49", 1, "UNKNOWN_TYPE"),
        (V4, b"45[\"e\"]", 2, "ATTACHMENT_COUNT"),
        (V4, b"451[\"e\"]", 3, "ATTACHMENT_COUNT"),
        (V4, b"450-[\"e\"]", 2, "ATTACHMENT_COUNT"),
        (V4, b"451e1-[\"e\"]", 3, "ATTACHMENT_COUNT"),
        (V4, b"4511-[\"e\"]", 2, "TOO_MANY_ATTACHMENTS"),
        (V4, b"42/a,99999999999999999[\"e\"]", 5, "ACK_ID"),
        (V4, b"42 [\"e\"]", 2, "JSON"),
        (V4, b"42[\"e\",\n x]", 9, "JSON"),
        (V4, b"42[\"e\"", 6, "JSON"),
        (V4, b"42[\"e\"]]", 7, "JSON"),
        (V4, b"40{", 3, "JSON"),
        (V4, deep.as_bytes(), 2 + 127, "TOO_DEEP"),
        (V4, b"42/a,", 5, "MISSING_PAYLOAD"),
        (V4, b"42{}", 2, "NOT_AN_ARRAY"),
        (V4, b"42[]", 3, "EVENT_NAME"),
        (V4, b"42[null]", 3, "EVENT_NAME"),
        (V4, b"421[\"connect\"]", 4, "RESERVED_EVENT"),
        (V4, b"40[1]", 2, "AUTH_NOT_AN_OBJECT"),
        (V4, b"41/a,{}", 5, "DISCONNECT_PAYLOAD"),
        (clients, b"44{}", 1, "CONNECT_ERROR_FROM_CLIENT"),
        (V4, b"451-[\"e\",[{\"_placeholder\":true,\"num\":1}]]", 37, "PLACEHOLDER"),
        (V4, b"451-[\"e\",{\"_placeholder\":true}]", 9, "PLACEHOLDER"),
        (V4, b"451-[\"e\"]\x1e42[\"e\"]", 11, "TEXT_AMONG_ATTACHMENTS"),
        (V4, b"bAQID", 1, "UNEXPECTED_ATTACHMENT"),
        (frames(V4), b"\xc1\x80\0\0\0\0", 0, "WEBSOCKET_RESERVED_BIT"),
        (frames(V4), b"\x83\x80\0\0\0\0", 0, "WEBSOCKET_OPCODE"),
        (frames(clients), b"\x81\x0240", 1, "WEBSOCKET_UNMASKED"),
        (frames(V4), b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 2, "WEBSOCKET_LENGTH"),
        (frames(V4), b"\x09\x80\0\0\0\0", 0, "WEBSOCKET_FRAGMENTED_CONTROL"),
        (frames(V4), b"\x89\xfe\0\x80\0\0\0\0", 1, "WEBSOCKET_LONG_CONTROL"),
        (frames(V4), b"\x80\x80\0\0\0\0", 0, "WEBSOCKET_LONE_CONTINUATION"),
        (frames(V4), b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 6, "WEBSOCKET_INTERLEAVED"),
        (frames(V4), b"\x88\x81\0\0\0\0\x03", 6, "WEBSOCKET_CLOSE_LENGTH"),
        (frames(V4), b"\x88\x82\0\0\0\0\x03\xed", 6, "WEBSOCKET_CLOSE_CODE"),
        (frames(V4), b"\x88\x84\0\0\0\0\x03\xe8a\xff", 9, "WEBSOCKET_UTF8"),
        (frames(V4), b"\x01\x83\0\0\0\x004a\xff\x80\x81\0\0\0\0b", 8, "WEBSOCKET_UTF8"),
        (frames(V4), b"\x82\xff\0\0\0\0\0\x1e\x84\x80\0\0\0\0", 1, "WEBSOCKET_TOO_LONG"),
        (by(Kind::Text, V4), b"4\xff", 1, "WEBSOCKET_UTF8"),
        (frames(V4), b"\x81\x82\0\0\0\x0049", 7, "UNKNOWN_TYPE"),
    ];
    let mut wrong = Vec::new();
    for (settings, message, at, id) in rows {
        let broken = only(message, *settings).broken.map(|broken| (broken.at, broken.rule.id));
        if broken != Some((*at, *id)) {
            wrong.push(format!("{}: {broken:?} and not {at} {id}", message.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let shown: BTreeSet<&str> = rows.iter().map(|(.., id)| *id).collect();
    let rules = crate::rules::all();
    let all = rules[1..].iter().flat_map(|(_, rules)| rules).map(|rule| rule.id);
    // Limits that take long inputs, what takes time, a session or an agreement, and other parsers.
    let others = [
        "WEBSOCKET_TOO_MANY_FRAGMENTS",
        "WEBSOCKET_TOO_MANY_PINGS",
        "WEBSOCKET_DEFLATE",
        "TOO_MANY_PACKETS",
        "BINARY_PAYLOAD",
        "OVERLAPPING_REQUEST",
        "ABORTED_REQUEST",
        "HEARTBEAT_DIRECTION",
        "BROKEN_PROBE",
        "EVENT_NAME_TOO_LONG",
        "ATTACHMENTS_TOO_LARGE",
        "ATTACHMENT_TIMEOUT",
        "NOT_JOINED",
        "MSGPACK",
        "UNREADABLE",
    ];
    let missing: Vec<&str> = all.filter(|id| !shown.contains(id) && !others.contains(id)).collect();
    assert!(missing.is_empty(), "each of these needs a row above, or a place in `others`: {missing:?}");
}

#[test]
fn limits_of_length_are_found_as_well() {
    let long = format!("42[\"{}\"]", "a".repeat(1025));
    let broken = only(long.as_bytes(), V4).broken.expect("a long name");
    assert_eq!((broken.rule.id, broken.at), ("EVENT_NAME_TOO_LONG", 3));
    let many = "6\x1e".repeat(125_001);
    let broken = only(many.as_bytes(), V4).broken.expect("many packets");
    assert_eq!((broken.rule.id, broken.at), ("TOO_MANY_PACKETS", 250_000));
}

/// What the decoders say of bytes that came by `kind`, without any walk.
fn verdict(bytes: &[u8], kind: Kind, revision: Revision) -> Option<&'static str> {
    let mut packets = PacketReader::new(&socketio::IoConfig::default(), revision);
    let mut packet = |packet: Packet| match packet {
        Packet::Message(message) => packets.read(message).err().map(PacketViolation::name),
        _ => None,
    };
    match kind {
        Kind::Payload => {
            let binary = revision == Revision::V3 && engine::is_binary_payload(bytes);
            let format = PayloadFormat { revision, base64: false };
            format.reader(Bytes::copy_from_slice(bytes), binary, 125_000).find_map(|read| match read {
                Ok(read) => packet(read),
                Err(violation) => Some(violation.name()),
            })
        }
        Kind::Text => match std::str::from_utf8(bytes) {
            Ok(text) => match Packet::decode_text(&text.into(), revision) {
                Ok(read) => packet(read),
                Err(violation) => Some(violation.name()),
            },
            Err(_) => Some("WEBSOCKET_UTF8"),
        },
        Kind::Binary => match Packet::decode_binary(&Bytes::copy_from_slice(bytes), revision) {
            Ok(read) => packet(read),
            Err(violation) => Some(violation.name()),
        },
        Kind::Frames => {
            let mut reader = websocket_reader(&EngineConfig::default());
            reader.feed(bytes);
            loop {
                let read = match reader.next() {
                    Err(breach) => return Some(breach.name()),
                    Ok(None | Some(FrameEvent::Close { .. })) => return None,
                    Ok(Some(FrameEvent::Text(text))) => Packet::decode_text(&text, revision),
                    Ok(Some(FrameEvent::Binary(bytes))) => Packet::decode_binary(&bytes, revision),
                    Ok(Some(FrameEvent::Ping(_) | FrameEvent::Pong(_))) => continue,
                };
                let wrong = read.map_or_else(|violation| Some(violation.name()), &mut packet);
                if wrong.is_some() {
                    return wrong;
                }
            }
        }
    }
}

/// What does not hold of one input, as everything that it may be.
fn disagreements(bytes: &[u8], found: &mut BTreeSet<String>) {
    for kind in [Kind::Payload, Kind::Text, Kind::Binary, Kind::Frames] {
        for revision in [V4, V3] {
            let settings = Settings { sender: Some(Side::Client), ..by(kind, revision) };
            let shown = || format!("{kind:?} {:?} {}", settings.revision, bytes.escape_ascii());
            let Explanation { broken, parts, .. } = &only(bytes, settings);
            let wrong = broken.as_ref().map(|broken| broken.rule.id);
            let verdict = verdict(bytes, kind, settings.revision);
            if wrong != verdict {
                found.insert(format!("{}: {wrong:?} and not {verdict:?}", shown()));
            }
            let end = broken.as_ref().map_or(bytes.len(), |broken| broken.at);
            if end > bytes.len() || parts.iter().any(|part| part.range.end > bytes.len()) {
                found.insert(format!("{}: something is after the end", shown()));
            }
            // Each byte in front of the first wrong one means something.
            if let Some(dark) = (0..end).find(|at| !parts.iter().any(|part| part.range.contains(at))) {
                found.insert(format!("{}: what is byte {dark}?", shown()));
            }
        }
    }
}

/// The corpus of the decoders' fuzzing, without the byte in front that chooses a revision.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut inputs = Vec::new();
    for target in ["packets", "payloads", "attachments"] {
        for file in fs::read_dir(folder.join(target)).expect("the corpus") {
            let bytes = fs::read(file.expect("a file").path()).expect("its bytes");
            inputs.push(bytes[1..].to_vec());
        }
    }
    inputs
}

#[test]
fn no_verdict_differs_from_the_decoders() {
    const TELLING: &[u8] = b"04569[]{}\",:-/b=\x1e\x00\x01\x04\x80\xff";
    let mut inputs = corpus();
    assert!(inputs.len() > 20, "{}", inputs.len());
    inputs.extend([
        br#"451-/a,12["e",{"_placeholder":true,"num":0}]"#.to_vec(),
        br#"40{"token":"x"}"#.to_vec(),
        "7:42[\"e\"]6:b4AQID".into(),
        [frame(1, b"42["), frame(0x89, b"x"), frame(0x80, b"\"e\"]")].concat(),
        [frame(0x81, br#"451-["e"]"#), frame(0x82, b"ab"), frame(0x88, &[3, 232])].concat(),
    ]);
    let mut found = BTreeSet::new();
    for input in inputs {
        disagreements(&input, &mut found);
        for at in 0..input.len().min(60) {
            disagreements(&input[..at], &mut found);
            for byte in TELLING {
                let mut changed = input.clone();
                changed[at] = *byte;
                disagreements(&changed, &mut found);
            }
            disagreements(&[&input[..at], &input[at + 1..]].concat(), &mut found);
        }
    }
    let some: Vec<_> = found.iter().take(20).collect();
    assert!(some.is_empty(), "{} disagreements, among them {some:#?}", found.len());
}
