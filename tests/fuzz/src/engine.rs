//! The decoders of Engine.IO.

use std::collections::VecDeque;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{
    EngineConfig, Frame, Jsonp, Known, Message, Method, Open, Packet, PayloadFormat, Query, Revision, Route,
    Transport,
};

use crate::Choices;

fn revision(choices: &mut Choices<'_>) -> Revision {
    if choices.byte().is_multiple_of(2) { Revision::V4 } else { Revision::V3 }
}

/// One packet as text and as binary, of either revision: what is read and written again reads the same.
pub fn packets(input: &[u8]) {
    let mut choices = Choices(input);
    let revision = revision(&mut choices);
    if let Ok(packet) = Packet::decode_binary(&Bytes::copy_from_slice(choices.0), revision) {
        let Packet::Message(Message::Binary(bytes)) = &packet else { panic!("{packet:?} is not binary") };
        assert_eq!(Frame::from(&packet).packet(), bytes);
    }
    let Ok(text) = std::str::from_utf8(choices.0) else { return };
    let Ok(packet) = Packet::decode_text(&ByteString::from(text), revision) else { return };
    let frame = Frame::from(&packet);
    if frame.is_binary() {
        return;
    }
    let written = ByteString::from(std::str::from_utf8(frame.packet()).expect("text is UTF-8"));
    assert_eq!(Packet::decode_text(&written, revision), Ok(packet));
}

/// A POST's body, of each form: what is read and written again reads the same, and an error is the last.
pub fn payloads(input: &[u8]) {
    /// Packets that a body may have.
    const MOST: usize = 40;
    let mut choices = Choices(input);
    let form = choices.byte();
    let (revision, binary) = match form % 3 {
        0 => (Revision::V4, false),
        1 => (Revision::V3, false),
        _ => (Revision::V3, true),
    };
    let format = PayloadFormat { revision, base64: form & 4 > 0 };
    let body = Bytes::copy_from_slice(choices.0);
    let items: Vec<_> = format.reader(body.clone(), binary, MOST).collect();
    assert!(items.len() <= MOST + 1, "{} packets", items.len());
    assert!(items.iter().rev().skip(1).all(Result::is_ok), "something came behind an error");
    assert!(!items.is_empty(), "an empty body is an error");
    let packets: Vec<Packet> = items.into_iter().flatten().collect();
    if packets.is_empty() {
        return;
    }
    let mut frames: VecDeque<Frame> = packets.iter().map(Frame::from).collect();
    let (payload, _) = format.encode(&mut frames, usize::MAX);
    assert!(frames.is_empty());
    let again: Result<Vec<Packet>, _> =
        format.reader(payload.to_bytes(), payload.is_binary(), MOST).collect();
    assert_eq!(again, Ok(packets));
}

/// A request's method and query: whatever it says, one answer. A session is named only if its id was asked for.
pub fn routes(input: &[u8]) {
    let mut choices = Choices(input);
    let method = [Method::Get, Method::Post, Method::Other][usize::from(choices.byte() % 3)];
    let flags = choices.byte();
    let config = EngineConfig {
        jsonp: flags & 1 > 0,
        revision_3: flags & 2 > 0,
        allow_upgrades: flags & 4 > 0,
        ..EngineConfig::default()
    };
    let transport = if flags & 8 > 0 { Transport::WebSocket } else { Transport::Polling };
    let known = (flags & 16 > 0).then(|| {
        let revision = if flags & 32 > 0 { Revision::V3 } else { Revision::V4 };
        Known { format: PayloadFormat { revision, base64: false }, transport }
    });
    let query = String::from_utf8_lossy(choices.0);
    let mut asked = false;
    let lookup = |_: &engineio::Sid| {
        asked = true;
        known
    };
    let by = if flags & 64 > 0 { Transport::WebSocket } else { Transport::Polling };
    let route = Route::find(&config, method, Query::new(&query), by, lookup);
    match route {
        Ok(Route::Open(_)) => assert!(!asked && method == Method::Get, "a handshake names no session"),
        Ok(_) => assert!(asked && flags & 16 > 0, "a session was found that was not looked up"),
        Err(fault) => assert!((400..=405).contains(&fault.error_code().status())),
    }
}

/// A JSONP body and its answer.
pub fn jsonp(input: &[u8]) {
    let payload = Jsonp::payload(input);
    // A byte that is not UTF-8 becomes a character of three.
    assert!(payload.len() <= 3 * input.len());
    let query = String::from_utf8_lossy(input);
    let config = EngineConfig { jsonp: true, ..EngineConfig::default() };
    let query = format!("EIO=4&transport=polling&j={query}");
    if let Ok(Route::Open(Open { jsonp: Some(jsonp), .. })) =
        Route::find(&config, Method::Get, Query::new(&query), Transport::Polling, |_| None)
    {
        let script = jsonp.script(&payload);
        let script = String::from_utf8_lossy(&script);
        let index = script.strip_prefix("___eio[").and_then(|rest| rest.split_once(']'));
        assert!(index.is_some_and(|(index, _)| index.bytes().all(|byte| byte.is_ascii_digit())), "{script}");
        assert!(!script.contains(['\u{2028}', '\u{2029}', '\n', '\r']), "{script}");
    }
}
