//! A connector on the wire, in either revision.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::args::binary::Binary;

fn joined(revision: Revision) -> Connector {
    let mut connector = Connector::new(&IoConfig::default(), revision);
    connector.connect("/", None);
    read(&mut connector, if revision == Revision::V3 { "0" } else { r#"0{"sid":"a","pid":"b"}"# });
    connector
}

fn read(connector: &mut Connector, message: &str) -> ServerPacket {
    connector.read(message.into(), Instant::now()).unwrap().expect("a whole packet")
}

fn text(frame: &Frame) -> &str {
    std::str::from_utf8(frame.packet()).unwrap()
}

#[test]
fn revision_4_says_connect_with_auth_and_is_told_its_id() {
    let mut connector = Connector::new(&IoConfig::default(), Revision::V4);
    let connect = connector.connect("/admin?a=b", Some(r#"{"token":1}"#)).unwrap();
    assert_eq!(text(&connect), r#"40/admin?a=b,{"token":1}"#);
    assert!(!connector.is_joined("/admin?a=b") && connector.is_asked("/admin?a=b"));
    assert!(matches!(connector.emit("/admin?a=b", "e", 1), Err(SendError::Closed)));
    let packet = read(&mut connector, r#"0/admin?a=b,{"sid":"x","pid":"y"}"#);
    assert!(connector.is_joined("/admin?a=b") && !connector.is_asked("/admin?a=b"));
    let ServerPacket::Connected { nsp, id, pid } = packet else { panic!("{packet:?}") };
    assert_eq!((&*nsp, id.as_deref(), pid.as_deref()), ("/admin?a=b", Some("x"), Some("y")));
    assert_eq!(text(&connector.emit("/admin?a=b", "e", 1).unwrap()[0]), r#"42/admin?a=b,["e",1]"#);
    assert_eq!(text(&connector.disconnect("/admin?a=b").unwrap()), "41/admin?a=b,");
    assert!(connector.disconnect("/admin?a=b").is_none());

    let without = connector.connect("/", None);
    assert_eq!(text(&without.unwrap()), "40");
    assert!(matches!(connector.read("0".into(), Instant::now()), Err(PacketViolation::MissingPayload)));
}

#[test]
fn revision_3_is_in_the_main_namespace_at_once_and_cuts_queries_off() {
    let mut connector = Connector::new(&IoConfig::default(), Revision::V3);
    assert!(connector.connect("/", None).is_none());
    assert!(matches!(read(&mut connector, "0"), ServerPacket::Connected { id: None, .. }));
    assert_eq!(text(&connector.connect("/x?a=b", Some("{}")).unwrap()), "40/x?a=b,");
    assert!(matches!(read(&mut connector, "0/x,"), ServerPacket::Connected { nsp, .. } if nsp == "/x"));
    assert_eq!(text(&connector.emit("/x?a=b", "e", ()).unwrap()[0]), r#"42/x,["e"]"#);
}

#[test]
fn a_refusal_has_a_message_and_may_have_data() {
    for (revision, payload, message, data) in [
        (Revision::V4, r#"{"message":"no"}"#, "no", None),
        (Revision::V4, r#"{"message":"no","data":{"a":1}}"#, "no", Some(json!({"a": 1}))),
        (Revision::V3, r#""no""#, "no", None),
        (Revision::V3, r#"{"a":1}"#, r#"{"a":1}"#, None),
        (Revision::V3, "", "", None),
    ] {
        let mut connector = Connector::new(&IoConfig::default(), revision);
        connector.connect("/x", None);
        let packet = read(&mut connector, &format!("4/x,{payload}"));
        let ServerPacket::Refused { error, .. } = packet else { panic!("{packet:?}") };
        assert_eq!((&*error.message, error.data), (message, data), "{payload}");
        assert!(connector.disconnect("/x").is_none(), "it is in no namespace");
    }
}

#[test]
fn answers_find_the_event_that_asked_for_them_once() {
    let mut connector = joined(Revision::V4);
    let (first, frames) = connector.emit_with_ack("/", "a", ()).unwrap();
    assert_eq!(text(&frames[0]), r#"420["a"]"#);
    let (second, _) = connector.emit_with_ack("/", "b", ()).unwrap();
    let packet = read(&mut connector, "31[2]");
    assert!(matches!(packet, ServerPacket::Ack { id, args, .. } if id == second && args.json() == "2"));
    assert!(matches!(read(&mut connector, "31[2]"), ServerPacket::Stray { .. }), "a second time");
    connector.forget("/", first);
    assert!(matches!(read(&mut connector, "30[]"), ServerPacket::Stray { .. }), "nobody waits");
}

#[test]
fn events_are_acknowledged_with_their_id() {
    let mut connector = joined(Revision::V4);
    let packet = read(&mut connector, r#"27["ask",{"a":[1]}]"#);
    let ServerPacket::Event { event, ack: Some(7), .. } = packet else { panic!("{packet:?}") };
    assert_eq!((event.name(), event.args().json()), ("ask", r#"{"a":[1]}"#));
    assert_eq!(text(&connector.ack("/", 7, "yes").unwrap()[0]), r#"437["yes"]"#);
}

#[test]
fn bytes_go_and_come_as_attachments() {
    let mut connector = joined(Revision::V4);
    let frames = connector.emit("/", "e", Binary::from(vec![1, 2])).unwrap();
    assert_eq!(text(&frames[0]), r#"451-["e",{"_placeholder":true,"num":0}]"#);
    assert_eq!((frames.len(), frames[1].packet()), (2, &[1, 2][..]));

    let now = Instant::now();
    let head = r#"51-["e",{"_placeholder":true,"num":0}]"#;
    assert!(connector.read(head.into(), now).unwrap().is_none());
    let packet = connector.read(vec![3, 4].into(), now).unwrap();
    let Some(ServerPacket::Event { event, .. }) = packet else { panic!("{packet:?}") };
    assert_eq!(event.args().read::<Binary>().unwrap(), Binary::from(vec![3, 4]));
}

#[test]
fn messagepack_goes_both_ways() {
    let config = IoConfig { parser: Parser::MsgPack, ..IoConfig::default() };
    let mut connector = Connector::new(&config, Revision::V4);
    let connect = connector.connect("/", Some(r#"{"a":1}"#)).unwrap();
    assert_eq!(connect.packet(), b"\x83\xa4type\x00\xa4data\x81\xa1a\x01\xa3nsp\xa1/");
    let answer = Bytes::from_static(b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa3sid\xa1x");
    let packet = connector.read(answer.into(), Instant::now()).unwrap();
    assert!(matches!(packet, Some(ServerPacket::Connected { id: Some(id), .. }) if id == "x"));
}

#[test]
fn what_the_server_may_not_send_is_an_error() {
    let mut connector = joined(Revision::V4);
    for packet in ["9", "2{}", r#"2["connect"]"#, "51-[]"] {
        let read = connector.read(packet.into(), Instant::now());
        assert!(matches!(read, Err(_) | Ok(None)), "{packet}");
    }
    let mut connector = joined(Revision::V4);
    let stray = read(&mut connector, r#"2/other,["e"]"#);
    assert!(matches!(stray, ServerPacket::Stray { nsp } if nsp == "/other"));
    assert!(matches!(read(&mut connector, "1"), ServerPacket::Disconnected { .. }));
    assert!(matches!(read(&mut connector, r#"2["e"]"#), ServerPacket::Stray { .. }));
}
