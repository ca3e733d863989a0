use super::*;

const LIMIT: usize = 1_000_000;

fn hex(text: &str) -> Bytes {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect::<Vec<_>>().into()
}

fn packet(kind: RawPacketType, nsp: &str, id: Option<u64>, payload: &str) -> RawPacket {
    RawPacket { kind, nsp: nsp.into(), id, payload: payload.into(), attachments: Vec::new() }
}

/// An event in `/` whose payload is the given MessagePack.
fn event(payload: &[u8]) -> Bytes {
    [&b"\x83\xa4type\x02\xa4data"[..], payload, b"\xa3nsp\xa1/"].concat().into()
}

/// The JSON of an event with that payload.
fn json(payload: &[u8]) -> String {
    decode(&event(payload), LIMIT).unwrap().payload.to_string()
}

fn error(payload: &[u8]) -> PacketViolation {
    decode(&event(payload), LIMIT).unwrap_err()
}

/// What is in place of that JSON.
fn written(json: &str, attachments: &[&'static [u8]]) -> Vec<u8> {
    let mut raw = packet(RawPacketType::Event, "/", None, json);
    raw.attachments = attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
    let bytes = encode(&raw).unwrap();
    let inside = bytes.strip_prefix(b"\x83\xa4type\x02\xa4data").unwrap();
    inside.strip_suffix(b"\xa3nsp\xa1/").unwrap().to_vec()
}

// proves: features/parsers, protocol/msgpack
/// As `socket.io-msgpack-parser` 3.0.2 writes them, with the `options` that clients put in.
#[test]
fn what_the_npm_package_writes_is_read() {
    let options = "a76f7074696f6e7381a8636f6d7072657373c3";
    for (written, expected) in [
        (
            "83a47479706500a36e7370a12fa464617461d40000".to_owned(),
            packet(RawPacketType::Connect, "/", None, ""),
        ),
        (
            format!("84a47479706500a46461746181a5746f6b656ea161{options}a36e7370a22f78"),
            packet(RawPacketType::Connect, "/x", None, r#"{"token":"a"}"#),
        ),
        (format!("83a47479706501{options}a36e7370a12f"), packet(RawPacketType::Disconnect, "/", None, "")),
        (
            format!("85a47479706502a46461746195a16501a374776f910381a161c0{options}a269640ca36e7370a12f"),
            packet(RawPacketType::Event, "/", Some(12), r#"["e",1,"two",[3],{"a":null}]"#),
        ),
        (
            format!("85a47479706503a2696400a46461746190{options}a36e7370a12f"),
            packet(RawPacketType::Ack, "/", Some(0), "[]"),
        ),
    ] {
        assert_eq!(decode(&hex(&written), LIMIT), Ok(expected), "{written}");
    }
}

// proves: protocol/msgpack-attachments
#[test]
fn buffers_and_array_buffers_are_attachments_without_a_copy() {
    let message =
        hex("84a47479706502a46461746193a165c402010281a162c70300030405a76f7074696f6e7381a8636f6d7072\
        657373c3a36e7370a12f");
    let raw = decode(&message, LIMIT).unwrap();
    assert_eq!(raw.payload, r#"["e",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]"#);
    assert_eq!(raw.attachments, [&[1, 2][..], &[3, 4, 5]]);
    assert!(message.as_ptr_range().contains(&raw.attachments[0].as_ptr()));
}

// proves: protocol/huge-numbers, protocol/msgpack-values
#[test]
fn what_json_has_no_word_for_becomes_what_javascript_makes_of_it() {
    let message = hex(
        "84a47479706502a464617461dc0013a165d4000082a175d40000a17601d7000000018df4dc5495cb7ff80000\
        00000000cb7ff0000000000000ffd0dfd1ff7fd2ffff63c0d3ffffffff4d2fa200ccc8cd012cce00011170cf000000012a05f200cf\
        0020000000000000cb3ff8000000000000c3c2a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12f",
    );
    assert_eq!(
        decode(&message, LIMIT).unwrap().payload,
        r#"["e",null,{"v":1},"2024-02-29T12:34:56.789Z",null,null,-1,-33,-129,-40000,-3000000000,200,300,70000,5000000000,9007199254740992,1.5,true,false]"#
    );
    assert_eq!(json(b"\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "[18446744073709551615]");
    assert_eq!(json(b"\x91\xca\x3f\x80\x00\x00"), "[1.0]");
    assert_eq!(
        json(b"\x91\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff"),
        "[null]",
        "no date that JavaScript knows"
    );
    assert_eq!(json(b"\x91\xa3a\xff\""), "[\"a\u{fffd}\\\"\"]", "bytes that are no UTF-8 are replaced");
    assert_eq!(json(b"\x91\x82\x01\xc0\xff\xc3"), r#"[{"1":null,"-1":true}]"#);
}

// proves: protocol/msgpack-values
#[test]
fn an_extension_of_another_meaning_is_a_pair() {
    let raw = decode(&event(b"\x94\xd4\x05a\xd6\xff1234\xc7\x02\x07hi\xd5\x00ab"), LIMIT).unwrap();
    let [zero, one, two, three] = [0, 1, 2, 3].map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#));
    assert_eq!(raw.payload, format!("[[5,{zero}],[-1,{one}],[7,{two}],[0,{three}]]"));
    assert_eq!(raw.attachments, ["a", "1234", "hi", "ab"]);
}

// proves: protocol/msgpack
#[test]
fn a_packet_that_ends_too_early_is_an_error_wherever_it_ends() {
    let whole =
        event(b"\x97\xa1e\xc4\x02ab\x81\xa1k\xcb12345678\xd7\x0012345678\xda\x00\x01x\xdc\x00\x01\x01\xc0");
    assert!(decode(&whole, LIMIT).is_ok());
    for len in 0..whole.len() {
        let error = decode(&whole.slice(..len), LIMIT).unwrap_err();
        assert_eq!(error, PacketViolation::MsgPack("it ends too early"), "at {len}");
    }
    let longer = [&whole[..], b"\xc0"].concat().into();
    assert_eq!(decode(&longer, LIMIT).unwrap_err(), PacketViolation::MsgPack("bytes follow it"));
}

// proves: flaw/msgpack-depth, protocol/msgpack
#[test]
fn a_length_is_never_trusted() {
    for claim in [
        &b"\xc6\xff\xff\xff\xff"[..],
        b"\xc9\xff\xff\xff\xff\x00",
        b"\xdb\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdc\xff\xff",
        b"\xde\xff\xff",
    ] {
        let message = [&b"\x81\xa4data\x91"[..], claim].concat().into();
        assert_eq!(
            decode(&message, LIMIT).unwrap_err(),
            PacketViolation::MsgPack("it ends too early"),
            "{claim:x?}"
        );
        let message = [claim, b"\xa4type"].concat().into();
        assert!(decode(&message, LIMIT).is_err());
    }
}

// proves: flaw/msgpack-depth, protocol/msgpack
#[test]
fn values_nest_as_deep_as_in_json_and_no_deeper() {
    let nested = |open: &[u8], times: usize| [&open.repeat(times)[..], b"\xc0"].concat();
    assert_eq!(json(&nested(b"\x91", 127)), format!("{}null{}", "[".repeat(127), "]".repeat(127)));
    assert_eq!(error(&nested(b"\x91", 128)), PacketViolation::TooDeep);
    assert_eq!(error(&nested(b"\x91\x81\xa1a", 64)), PacketViolation::TooDeep);
    assert_eq!(error(&nested(b"\x91", 1_000_000)), PacketViolation::TooDeep);
    // A field that is not read is held to the same.
    let message = [&b"\x81\xa7options"[..], &nested(b"\x91", 1_000_000)].concat().into();
    assert_eq!(decode(&message, LIMIT).unwrap_err(), PacketViolation::TooDeep);
}

// proves: protocol/msgpack-attachments
#[test]
fn what_a_short_message_becomes_is_bounded() {
    let many =
        |len: u16, value: &[u8]| [&b"\xdc"[..], &len.to_be_bytes(), &value.repeat(usize::from(len))].concat();
    assert!(decode(&event(&many(10_000, b"\xc4\x00")), LIMIT).is_ok());
    let too_large = PacketViolation::MsgPack("it is too large as JSON");
    assert_eq!(error(&many(60_000, b"\xc4\x00")), too_large);
    assert_eq!(decode(&event(&many(300, b"\xc0")), 1000).unwrap_err(), too_large);
}

// proves: protocol/msgpack
#[test]
fn a_packet_without_its_fields_is_an_error() {
    use PacketViolation::{AckId, MsgPack, UnknownType};
    for (message, error) in [
        (&b"\x90"[..], MsgPack("it is not a map")),
        (b"\x01", MsgPack("it is not a map")),
        (b"\x80", UnknownType),
        (b"\x81\x01\x01", MsgPack("a field's name is not text")),
        (b"\x82\xa4type\x05\xa3nsp\xa1/", UnknownType),
        (b"\x82\xa4type\xff\xa3nsp\xa1/", UnknownType),
        (b"\x82\xa4type\xa12\xa3nsp\xa1/", UnknownType),
        (b"\x82\xa4type\xc0\xa3nsp\xa1/", UnknownType),
        (b"\x81\xa4type\x01", MsgPack("it has no namespace")),
        (b"\x82\xa4type\x01\xa3nsp\xc0", MsgPack("the namespace is not text")),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa2id\xc0", AckId),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa2id\xff", AckId),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa2id\xa17", AckId),
        (b"\x83\xa4type\x02\xa3nsp\xa1/\xa2id\xcf\x00\x20\x00\x00\x00\x00\x00\x00", AckId),
        (b"\x82\xa4type\xc1\xa3nsp\xa1/", MsgPack("0xc1 is not a value")),
    ] {
        assert_eq!(decode(&Bytes::from_static(message), LIMIT).unwrap_err(), error, "{message:x?}");
    }
    let message = &b"\x83\xa4type\x02\xa3nsp\xa1/\xa2id\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"[..];
    assert_eq!(decode(&Bytes::from_static(message), LIMIT).unwrap().id, Some(MAX_ACK_ID));
    assert_eq!(error(b"\x91\x81\xc0\x01"), MsgPack("a key is neither text nor an integer"));
    assert_eq!(error(b"\x91\x81\x90\x01"), MsgPack("a key is neither text nor an integer"));
}

#[test]
fn a_field_that_comes_twice_counts_once() {
    let message =
        Bytes::from_static(b"\x84\xa4type\x02\xa4data\x91\xc4\x01a\xa4data\x91\xc4\x01b\xa3nsp\xa1/");
    let raw = decode(&message, LIMIT).unwrap();
    assert_eq!(raw.payload, r#"[{"_placeholder":true,"num":0}]"#);
    assert_eq!(raw.attachments, ["b"]);
}

// proves: protocol/msgpack
#[test]
fn a_packet_is_written_with_its_fields() {
    let connect = packet(RawPacketType::Connect, "/x", None, r#"{"sid":"a"}"#);
    assert_eq!(encode(&connect).unwrap(), b"\x83\xa4type\x00\xa4data\x81\xa3sid\xa1a\xa3nsp\xa2/x");
    let ack = packet(RawPacketType::Ack, "/", Some(300), "[]");
    assert_eq!(encode(&ack).unwrap(), b"\x84\xa4type\x03\xa4data\x90\xa2id\xcd\x01\x2c\xa3nsp\xa1/");
    let disconnect = packet(RawPacketType::Disconnect, "/", None, "");
    assert_eq!(encode(&disconnect).unwrap(), b"\x82\xa4type\x01\xa3nsp\xa1/");
}

#[test]
fn each_value_takes_its_shortest_form() {
    for (json, bytes) in [
        ("null", &b"\xc0"[..]),
        ("true", b"\xc3"),
        ("0", b"\x00"),
        ("127", b"\x7f"),
        ("128", b"\xcc\x80"),
        ("256", b"\xcd\x01\x00"),
        ("65536", b"\xce\x00\x01\x00\x00"),
        ("4294967296", b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("-1", b"\xff"),
        ("-32", b"\xe0"),
        ("-33", b"\xd0\xdf"),
        ("-129", b"\xd1\xff\x7f"),
        ("-32769", b"\xd2\xff\xff\x7f\xff"),
        ("-2147483649", b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        ("1.5", b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        (r#""\u00e9""#, b"\xa2\xc3\xa9"),
        (r#"{"a":[]}"#, b"\x81\xa1a\x90"),
    ] {
        assert_eq!(written(json, &[]), bytes, "{json}");
    }
}

#[test]
fn each_length_takes_its_width_at_its_boundary() {
    for (len, head) in
        [(31, &b"\xbf"[..]), (32, b"\xd9\x20"), (256, b"\xda\x01\x00"), (65_536, b"\xdb\x00\x01\x00\x00")]
    {
        assert!(
            written(&format!("\"{}\"", "a".repeat(len)), &[]).starts_with(&[head, b"aa"].concat()),
            "{len}"
        );
    }
    for (len, head) in [(15, &b"\x9f"[..]), (16, b"\xdc\x00\x10"), (65_536, b"\xdd\x00\x01\x00\x00")] {
        let json = format!("[{}0]", "0,".repeat(len - 1));
        assert_eq!(written(&json, &[]), [head, &vec![0; len]].concat(), "{len}");
        let json: Vec<_> = (0..len).map(|key| format!("\"{key}\":0")).collect();
        let map = written(&format!("{{{}}}", json.join(",")), &[]);
        let head =
            [&[[0x8f, 0xde, 0xdf][(len > 15) as usize + (len > 65_535) as usize]], &head[1..]].concat();
        assert!(map.starts_with(&[&head[..], b"\xa10\x00\xa11\x00"].concat()), "{len}");
    }
    for (len, head) in [(255, &b"\xc4\xff"[..]), (256, b"\xc5\x01\x00"), (65_536, b"\xc6\x00\x01\x00\x00")] {
        let bytes: &'static [u8] = vec![7; len].leak();
        assert_eq!(written(r#"{"num":0,"_placeholder":true}"#, &[bytes]), [head, bytes].concat(), "{len}");
    }
}

#[test]
fn only_a_placeholder_with_an_attachment_becomes_one() {
    for json in [
        r#"{"_placeholder":true,"num":1}"#,
        r#"{"_placeholder":false,"num":0}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":0,"x":0}"#,
        r#"{"_placeholder":true}"#,
    ] {
        assert_eq!(written(json, &[b"a"])[0] & 0xf0, 0x80, "{json}");
    }
    assert_eq!(written(r#"["e",{"_placeholder":true,"num":0}]"#, &[b"a"]), b"\x92\xa1e\xc4\x01a");
}

#[test]
fn json_that_nests_too_deep_is_not_written() {
    let raw = packet(RawPacketType::Event, "/", None, &format!("{}{}", "[".repeat(200), "]".repeat(200)));
    assert!(encode(&raw).is_err());
}

/// Numbers from a seed, for tests that must fail again as they failed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        // Most markers are at the ends.
        match self.below(3) {
            0 => self.below(256) as u8,
            1 => 0xc0 + self.below(64) as u8,
            _ => self.below(16) as u8 | 0x80,
        }
    }
}

/// Whatever is read can be written, and is read as the same.
fn assert_stable(message: &Bytes) -> bool {
    let Ok(raw) = decode(message, LIMIT) else { return false };
    assert!(raw.payload.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(&raw.payload).is_ok());
    // What has an attachment, but is not one's place, keeps that from being one: the rules refuse it.
    let Ok(written) = encode(&raw) else { return true };
    assert_eq!(decode(&written.into(), LIMIT).as_ref(), Ok(&raw), "{message:x?}");
    true
}

// proves: flaw/msgpack-depth, protocol/msgpack
#[test]
fn random_bytes_are_an_error_and_never_a_panic() {
    let mut random = Random(0x5eed);
    let valid = event(b"\x97\xa1e\xc4\x02ab\x81\xa1k\xcb12345678\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x09\xda\x00\x01x\xdc\x00\x01\x01\xd4\x05z");
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let len = random.below(60);
        let payload: Vec<_> = (0..len).map(|_| random.byte()).collect();
        let mut mutated = valid.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(mutated.len());
            mutated[at] = random.byte();
        }
        for message in [payload.clone().into(), event(&payload), mutated.into()] {
            if assert_stable(&message) { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
}
