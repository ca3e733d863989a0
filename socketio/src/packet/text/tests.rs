use serde_json::json;

use super::*;
use crate::args::Args;
use crate::args::binary::Binary;
use crate::packet::array::RESERVED_EVENTS;
use crate::packet::{Body, Event};
use crate::{ConnectError, IoConfig, PacketReader, Parser};

fn decode(text: &str) -> Result<Decoded, PacketViolation> {
    super::decode(&text.into(), Revision::V4, 10)
}

fn error(text: &str) -> Option<PacketViolation> {
    decode(text).err()
}

fn event(text: &str) -> (String, Event) {
    match decode(text) {
        Ok(Decoded { packet: Packet { nsp, body: Body::Event(event) }, .. }) => (nsp.to_string(), event),
        other => panic!("{text} is {other:?}"),
    }
}

fn ack(text: &str) -> (Option<u64>, Args) {
    match decode(text) {
        Ok(Decoded { packet: Packet { body: Body::Ack { id, args }, .. }, .. }) => (id, args),
        other => panic!("{text} is {other:?}"),
    }
}

fn connect(text: &str, revision: Revision) -> (String, Option<String>) {
    match super::decode(&text.into(), revision, 10) {
        Ok(Decoded { packet: Packet { nsp, body: Body::Connect { auth } }, .. }) => {
            (nsp.to_string(), auth.map(|auth| auth.to_string()))
        }
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn an_event_is_a_name_and_arguments() {
    let (nsp, chat) = event(r#"2["chat","hi",{"a":[1]}]"#);
    assert_eq!(
        (&*nsp, &*chat.name, chat.args.json(), chat.args.len()),
        ("/", "chat", r#""hi",{"a":[1]}"#, 2)
    );
    assert_eq!(chat.id, None);
    let (nsp, chat) = event(r#"2/admin,12["chat"]"#);
    assert_eq!((&*nsp, &*chat.name, chat.args.json(), chat.args.len()), ("/admin", "chat", "", 0));
    assert_eq!(chat.id, Some(12));
    let (_, spaced) = event(r#"2[ "a\"b" , 1 , [ ] ] "#);
    assert_eq!((&*spaced.name, spaced.args.json(), spaced.args.len()), ("a\"b", " 1 , [ ]", 2));
    let (_, spaced) = event(r#"2["a" ]"#);
    assert_eq!((&*spaced.name, spaced.args.json(), spaced.args.len()), ("a", "", 0));
    let (_, odd) = event(r#"2["a]","],[",2]"#);
    assert_eq!((&*odd.name, odd.args.json(), odd.args.len()), ("a]", r#""],[",2"#, 2));
}

#[test]
fn an_event_shares_the_messages_memory() {
    let text = ByteString::from(r#"2["chat","a long enough argument"]"#);
    let within = |slice: &str| {
        let start = text.as_ptr().addr();
        (start..start + text.len()).contains(&slice.as_ptr().addr())
    };
    let Body::Event(event) = super::decode(&text, Revision::V4, 10).unwrap().packet.body else { panic!() };
    assert!(within(&event.name) && within(event.args.json()));
}

// proves: protocol/number-names
#[test]
fn a_numeric_event_name_becomes_its_text() {
    assert_eq!(&*event("2[5,1]").1.name, "5");
    assert_eq!(event("2[5,1]").1.args.json(), "1");
    assert_eq!(&*event("2[-1.5]").1.name, "-1.5");
}

// proves: protocol/malformed-packets
#[test]
fn an_event_without_a_usable_name_is_an_error() {
    assert_eq!(error("2"), Some(PacketViolation::MissingPayload));
    assert_eq!(error("2/x,1"), Some(PacketViolation::MissingPayload));
    assert_eq!(error("2{}"), Some(PacketViolation::NotAnArray));
    assert_eq!(error(r#"2"chat""#), Some(PacketViolation::NotAnArray));
    for text in ["2[]", "2[null]", "2[true]", "2[[]]", r#"2[{"a":1}]"#] {
        assert_eq!(error(text), Some(PacketViolation::EventName), "{text}");
    }
}

// proves: features/reserved-names, protocol/reserved-names
#[test]
fn the_six_reserved_names_are_errors_and_others_are_not() {
    for name in RESERVED_EVENTS {
        assert_eq!(error(&format!("2[\"{name}\"]")), Some(PacketViolation::ReservedEvent));
        assert_eq!(error(&format!("3[\"{name}\"]")), None, "an acknowledgement has no name");
    }
    assert_eq!(error(r#"2["connec\u0074"]"#), Some(PacketViolation::ReservedEvent), "escaped");
    for name in ["connection", "error", "__proto__", "constructor", ""] {
        assert_eq!(&*event(&format!("2[\"{name}\"]")).1.name, name);
    }
}

// proves: protocol/no-comma
#[test]
fn the_namespace_ends_at_the_first_comma() {
    assert_eq!(connect("0/x", Revision::V4), ("/x".into(), None));
    assert_eq!(connect("0/x,", Revision::V4), ("/x".into(), None));
    assert_eq!(connect("0", Revision::V4), ("/".into(), None));
    assert_eq!(event(r#"2/a/b?c,["e",","]"#).0, "/a/b?c");
    assert_eq!(error(r#"2/x["e"]"#), Some(PacketViolation::MissingPayload));
}

// proves: protocol/malformed-packets
#[test]
fn an_ack_id_is_digits_up_to_the_largest_exact_number() {
    assert_eq!(ack("3007[]").0, Some(7));
    assert_eq!(ack("39007199254740991[]").0, Some(9_007_199_254_740_991));
    assert_eq!(error("39007199254740992[]"), Some(PacketViolation::AckId));
    assert_eq!(error(&format!("3{}[]", "9".repeat(400))), Some(PacketViolation::AckId));
    assert_eq!(event(r#"20["e"]"#).1.id, Some(0));
    assert_eq!(error("2-1[\"e\"]"), Some(PacketViolation::NotAnArray));
    for text in ["21.5[\"e\"]", "2+1[\"e\"]", "21e3[\"e\"]", "2 [", "2[\"e\"]x", "2[\"e\""] {
        assert_eq!(error(text), Some(PacketViolation::Json), "{text}");
    }
}

#[test]
fn an_ack_is_an_array() {
    assert_eq!(ack(r#"3[]"#).0, None, "without an id it is ignored later");
    let (id, args) = ack(r#"3/x,1[{"a":1},2]"#);
    assert_eq!((id, args.json(), args.len()), (Some(1), r#"{"a":1},2"#, 2));
    let (_, args) = ack("31");
    assert!(args.is_empty());
    assert_eq!(error("31 []"), Some(PacketViolation::Json), "a space stands where an id can");
    for text in ["31{}", "31null", "31\"x\""] {
        assert_eq!(error(text), Some(PacketViolation::NotAnArray), "{text}");
    }
}

// proves: protocol/auth
#[test]
fn auth_is_an_object() {
    assert_eq!(connect(r#"0{"token":"a"}"#, Revision::V4).1.as_deref(), Some(r#"{"token":"a"}"#));
    assert_eq!(connect(r#"0/x,{}"#, Revision::V4).1.as_deref(), Some("{}"));
    for text in ["0[1]", "0\"x\"", "0null", "0/x,true"] {
        assert_eq!(error(text), Some(PacketViolation::AuthNotAnObject), "{text}");
    }
    assert_eq!(error("0{"), Some(PacketViolation::Json));
}

// proves: protocol/revision-3-namespaces
#[test]
fn a_query_in_a_namespace_is_part_of_the_name_in_revision_4_and_auth_in_revision_3() {
    let text = "0/x?token=a%22b&n=1,";
    assert_eq!(connect(text, Revision::V4), ("/x?token=a%22b&n=1".into(), None));
    assert_eq!(connect(text, Revision::V3), ("/x".into(), Some(r#"{"n":"1","token":"a\"b"}"#.into())));
    assert_eq!(connect("0/x,", Revision::V3), ("/x".into(), None));
    assert_eq!(connect("0/x?a=1&a=2", Revision::V3).1.as_deref(), Some(r#"{"a":"2"}"#));
}

#[test]
fn what_only_a_server_sends_or_nobody_is_an_error() {
    assert!(matches!(decode("1").unwrap().packet.body, Body::Disconnect));
    assert!(matches!(decode("1/x,").unwrap().packet.body, Body::Disconnect));
    assert_eq!(error("1{}"), Some(PacketViolation::DisconnectPayload));
    let mut reader = PacketReader::new(&IoConfig::default(), Revision::V4);
    let refusal = reader.read(r#"4{"message":"x"}"#.into());
    assert_eq!(refusal, Err(PacketViolation::ConnectErrorFromClient));
    for text in ["", "7", "9[]", "x", "é", "-1", " 2[\"e\"]"] {
        assert_eq!(error(text), Some(PacketViolation::UnknownType), "{text}");
    }
}

// proves: features/attachments, protocol/malformed-packets
#[test]
fn the_number_of_attachments_is_digits_from_1_to_the_limit() {
    assert_eq!(decode(r#"51-["e",{"_placeholder":true,"num":0}]"#).unwrap().attachments, 1);
    assert_eq!(decode(r#"6010-/x,3[]"#).unwrap().attachments, 10);
    for text in ["5[\"e\"]", "5-[\"e\"]", "50-[\"e\"]", "51e1-[\"e\"]", "50x1-[\"e\"]", "5+1-[\"e\"]"] {
        assert_eq!(error(text), Some(PacketViolation::AttachmentCount), "{text}");
    }
    assert_eq!(error("511-[\"e\"]"), Some(PacketViolation::TooManyAttachments));
    for text in ["5 1-[\"e\"]", "51[\"e\"]", "5", "599999999999999999999-[\"e\"]", "5-1-[\"e\"]"] {
        assert_eq!(error(text), Some(PacketViolation::AttachmentCount), "{text}");
    }
}

// proves: protocol/malformed-packets
#[test]
fn a_placeholder_without_its_attachment_is_an_error() {
    for num in ["1", "-1", r#""0""#, "null", "0.5", r#""splice""#] {
        let text = format!(r#"51-["e",{{"_placeholder":true,"num":{num}}}]"#);
        assert_eq!(error(&text), Some(PacketViolation::Placeholder), "{text}");
    }
    assert_eq!(error(r#"51-["e",[{"a":{"_placeholder":true}}]]"#), Some(PacketViolation::Placeholder));
    assert_eq!(error(r#"61-1[{"_placeholder":true,"num":7}]"#), Some(PacketViolation::Placeholder));
}

// proves: protocol/plain-placeholders
#[test]
fn a_placeholder_in_a_plain_event_is_data() {
    let (_, event) = event(r#"2["e",{"_placeholder":true,"num":7}]"#);
    assert_eq!(event.args.read::<serde_json::Value>().unwrap(), json!({"_placeholder": true, "num": 7}));
    assert!(event.args.read::<Binary>().is_err());
}

// proves: protocol/malformed-packets
#[test]
fn deep_json_is_an_error_without_recursion() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth| format!("2[\"e\",{}1{}]", open.repeat(depth), close.repeat(depth));
        assert_eq!(error(&nested(126)), None);
        assert_eq!(error(&nested(127)), Some(PacketViolation::TooDeep));
        assert_eq!(error(&nested(100_000)), Some(PacketViolation::TooDeep));
    }
    assert_eq!(error(&format!("0{}", r#"{"a":"#.repeat(100_000))), Some(PacketViolation::TooDeep));
    assert_eq!(error(&format!("51-[\"e\",{}", "[".repeat(100_000))), Some(PacketViolation::TooDeep));
}

// proves: protocol/lone-surrogates
#[test]
fn a_lone_surrogate_becomes_the_replacement_character() {
    let (_, event) = event(r#"2["\ud800","x\ud800y"]"#);
    assert_eq!(&*event.name, "\u{fffd}");
    assert_eq!(event.args.read::<String>().unwrap(), "x\u{fffd}y");
}

// proves: protocol/huge-numbers
#[test]
fn a_number_that_no_double_holds_is_null_wherever_it_stands() {
    let (_, plain) = event(r#"2["e",1e400]"#);
    assert_eq!((plain.args.json(), plain.args.read::<Option<f64>>().unwrap()), ("null", None));
    assert!(plain.args.read::<f64>().is_err());
    let (_, binary) = event(r#"51-["e",[-1e400],{"_placeholder":true,"num":0}]"#);
    assert_eq!(binary.args.json(), r#"[null  ],{"_placeholder":true,"num":0}"#);
    assert_eq!(ack("31[1e400]").1.json(), "null");
    assert_eq!(ack(r#"61-1[1e400,{"_placeholder":true,"num":0}]"#).1.read::<Option<f64>>().unwrap(), None);
    assert_eq!(connect(r#"0{"n":1e400}"#, Revision::V4).1.unwrap(), r#"{"n":null }"#);
    assert_eq!(&*event("2[1e400,1e400]").1.name, "1e400");
    assert_eq!(
        error(r#"51-["e",{"_placeholder":true,"num":1e400}]"#),
        Some(PacketViolation::Placeholder),
        "null is no index"
    );
}

// proves: protocol/malformed-packets
#[test]
fn no_cut_or_changed_packet_panics() {
    let packets = [
        r#"51-/é,12["pic\u00e9",{"_placeholder":true,"num":0},[1.5e3,null]]"#,
        r#"0/x?é=1,{"a":"\ud83d\ude00"}"#,
        "39007199254740991[[]]",
    ];
    for text in packets {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for insert in ["", "[", "]", "\"", "\\", ",", "/", "-", "0", "\u{0}", "é"] {
                let (head, tail) = text.split_at(at);
                let _ = decode(&format!("{head}{insert}"));
                let _ = decode(&format!("{head}{insert}{tail}"));
                let _ = super::decode(&format!("{head}{insert}{tail}").into(), Revision::V3, 10);
            }
        }
    }
}

/// What a packet's frames say, without the digit of Engine.IO.
fn written(frames: &Frames) -> Vec<String> {
    let text = |frame: &Frame| String::from_utf8_lossy(frame.packet()).into_owned();
    frames
        .as_slice()
        .iter()
        .map(|frame| if frame.is_binary() { text(frame) } else { text(frame)[1..].into() })
        .collect()
}

fn sent(frame: &Frame) -> &str {
    std::str::from_utf8(&frame.packet()[1..]).unwrap()
}

#[test]
fn events_and_acks_are_written_once_with_their_attachments_behind_them() {
    let event =
        |nsp, id, args: Args| written(&Parser::Default.event(nsp, id, "e", args, Tail::None).unwrap());
    assert_eq!(event("/", None, Args::none()), [r#"2["e"]"#]);
    assert_eq!(
        written(&Parser::Default.event("/x", Some(3), "a\"b", (1, "é"), Tail::None).unwrap()),
        [r#"2/x,3["a\"b",1,"é"]"#]
    );
    assert_eq!(written(&Parser::Default.ack("/", 0, ()).unwrap()), ["30[]"]);
    assert_eq!(written(&Parser::Default.ack("/x", 7, ("a", [1])).unwrap()), [r#"3/x,7["a",[1]]"#]);

    let (a, b) = (Binary::from(&b"a"[..]), Binary::from(&b"b"[..]));
    assert_eq!(
        written(&Parser::Default.event("/x", Some(3), "e", (a.clone(), "t", b), Tail::None).unwrap()),
        [r#"52-/x,3["e",{"_placeholder":true,"num":0},"t",{"_placeholder":true,"num":1}]"#, "a", "b"]
    );
    assert_eq!(
        written(&Parser::Default.ack("/", 7, a).unwrap()),
        [r#"61-7[{"_placeholder":true,"num":0}]"#, "a"]
    );
}

#[test]
fn an_event_is_passed_on_as_it_came() {
    let (_, event) = event(r#"2["message", 1,{"a": "\u00e9"}]"#);
    let frames = Parser::Default.event("/", None, "message-back", &event.args, Tail::None).unwrap();
    assert_eq!(written(&frames), [r#"2["message-back", 1,{"a": "\u00e9"}]"#]);
    assert_eq!(written(&Parser::Default.ack("/", 1, event.args).unwrap()), [r#"31[ 1,{"a": "\u00e9"}]"#]);
}

#[test]
fn a_value_that_json_cannot_hold_is_not_sent() {
    let map = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert!(Parser::Default.event("/", None, "e", map, Tail::None).is_err());
}

// proves: protocol/connect-id
#[test]
fn connect_carries_the_socket_id_in_revision_4_alone() {
    assert_eq!(sent(&Parser::Default.connect(Revision::V4, "/", "abc", None)), r#"0{"sid":"abc"}"#);
    assert_eq!(sent(&Parser::Default.connect(Revision::V4, "/x", "abc", None)), r#"0/x,{"sid":"abc"}"#);
    assert_eq!(sent(&Parser::Default.connect(Revision::V3, "/", "abc", None)), "0");
    assert_eq!(sent(&Parser::Default.connect(Revision::V3, "/x", "abc", None)), "0/x,");
    assert_eq!(sent(&Parser::Default.disconnect("/")), "1");
    assert_eq!(sent(&Parser::Default.disconnect("/x")), "1/x,");
}

// proves: protocol/connect-error-3
#[test]
fn connect_error_is_an_object_in_revision_4_and_data_or_message_in_revision_3() {
    let plain = ConnectError::new("nope");
    let with_data = ConnectError::new("nope").with_data(json!({"a": 1}));
    let text = |revision, error| sent(&Parser::Default.connect_error(revision, "/mw", error)).to_owned();
    assert_eq!(text(Revision::V4, &plain), r#"4/mw,{"message":"nope"}"#);
    assert_eq!(text(Revision::V4, &with_data), r#"4/mw,{"message":"nope","data":{"a":1}}"#);
    assert_eq!(text(Revision::V3, &plain), r#"4/mw,"nope""#);
    assert_eq!(text(Revision::V3, &with_data), r#"4/mw,{"a":1}"#);
    assert_eq!(
        sent(&Parser::Default.invalid_namespace("/nope")),
        r#"4/nope,{"message":"Invalid namespace"}"#
    );
}
