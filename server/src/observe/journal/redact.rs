//! Hides secrets in a journal by default: auth, cookies, and parameters that are not the protocol's. Lengths stay the
//! same, so that positions in the rest are still right.

use bytes::Bytes;
use engineio::{Message, Packet, PayloadFormat};
use socketio::observe::read_text;

/// Header fields that identify somebody.
const FIELDS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// The parameters of the protocol itself.
const PARAMETERS: [&str; 6] = ["EIO", "transport", "sid", "t", "b64", "j"];

/// A header field's value.
pub(super) fn field(name: &str, value: &str) -> String {
    if FIELDS.contains(&name) { stars(value) } else { value.to_owned() }
}

/// A request's target, with the values of the application's parameters hidden.
pub(super) fn target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    format!("{path}?{}", parameters(query, &PARAMETERS))
}

fn parameters(query: &str, known: &[&str]) -> String {
    let each = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, value)) if !known.contains(&name) => format!("{name}={}", stars(value)),
        _ => parameter.to_owned(),
    });
    each.collect::<Vec<_>>().join("&")
}

/// An Engine.IO packet as text; `None` if nothing in it has to be hidden.
pub(super) fn text_packet(packet: &str) -> Option<String> {
    let text = packet.strip_prefix('4')?;
    Some(format!("4{}", connect(text)?))
}

/// A Socket.IO CONNECT as text; `None` for everything else.
fn connect(text: &str) -> Option<String> {
    let packet = read_text(text).filter(|packet| packet.kind == 0)?;
    let header = &text[..text.len() - packet.payload.len()];
    Some(format!("{}{}", namespace(header), json(packet.payload)))
}

/// A namespace, with the parameters after its name in revision 3.
pub(super) fn namespace(nsp: &str) -> String {
    match nsp.split_once('?') {
        Some((name, query)) => {
            let (query, end) = query.split_once(',').map_or((query, ""), |(query, _)| (query, ","));
            format!("{name}?{}{end}", parameters(query, &[]))
        }
        None => nsp.to_owned(),
    }
}

/// JSON with its keys, but with strings and numbers hidden.
pub(super) fn json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find(|char: char| char == '"' || char.is_ascii_digit()) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        if rest.starts_with('"') {
            let end = string_end(rest);
            let (string, tail) = rest.split_at(end);
            if tail.trim_start().starts_with(':') || string.len() < 2 {
                out.push_str(string);
            } else {
                out.push('"');
                out.push_str(&stars(&string[1..string.len() - 1]));
                out.push('"');
            }
            rest = tail;
        } else {
            // Any digit but 0 may stand anywhere.
            out.push('1');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The position after the closing quote of the string that `text` begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A replacement with the same number of UTF-16 units, which revision 3 counts.
fn stars(text: &str) -> String {
    "*".repeat(text.encode_utf16().count())
}

/// Whether a binary message is a CONNECT of `socket.io-msgpack-parser`.
pub(super) fn is_packed_connect(bytes: &[u8]) -> bool {
    // A map whose `type` is 0.
    matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf))
        && bytes.windows(6).any(|six| six == b"\xa4type\0")
}

/// The body of a POST; `None` if it can't be shown even in part.
pub(super) fn body(body: &[u8], format: PayloadFormat) -> Option<Vec<u8>> {
    let bytes = Bytes::copy_from_slice(body);
    let text = std::str::from_utf8(body);
    let is_binary = text.is_err() || matches!(body.first(), Some(0 | 1));
    let mut shown = text.unwrap_or_default().to_owned();
    for packet in format.reader(bytes, is_binary, usize::MAX).map_while(Result::ok) {
        match packet {
            Packet::Message(Message::Text(text)) => {
                let Some(redacted) = connect(&text) else { continue };
                if is_binary {
                    return None;
                }
                shown = shown.replacen(&*text, &redacted, 1);
            }
            Packet::Message(Message::Binary(bytes)) if is_packed_connect(&bytes) => return None,
            _ => {}
        }
    }
    Some(if is_binary { body.to_vec() } else { shown.into_bytes() })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use engineio::Revision;

    use super::*;

    #[test]
    fn json_keeps_its_keys_and_its_length() {
        let auth = r#"{"token":"s\"é€\u0041","n":[-10.5e3,true,null],"":{"k" : "v"}}"#;
        let redacted = json(auth);
        assert_eq!(redacted, r#"{"token":"***********","n":[-11.1e1,true,null],"":{"k" : "*"}}"#);
        assert_eq!(redacted.encode_utf16().count(), auth.encode_utf16().count());
        assert!(serde_json::from_str::<serde_json::Value>(&redacted).is_ok());
        assert_eq!(json("{\"cut\":\"off"), "{\"cut\":\"**\"");
    }

    #[test]
    fn only_connects_are_touched() {
        assert_eq!(text_packet(r#"40/a,{"t":"x"}"#).as_deref(), Some(r#"40/a,{"t":"*"}"#));
        assert_eq!(text_packet("40/a?token=x&b=yz,").as_deref(), Some("40/a?token=*&b=**,"));
        assert_eq!(text_packet(r#"42["token","x"]"#), None);
        assert_eq!(text_packet("2probe"), None);
    }

    #[test]
    fn a_bodys_connects_are_found_among_its_packets() {
        let format = |revision| PayloadFormat { revision, base64: true };
        let v4 = "42[\"a\"]\u{1e}40{\"t\":\"xé\"}\u{1e}42[\"b\"]";
        let shown = body(v4.as_bytes(), format(Revision::V4)).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "42[\"a\"]\u{1e}40{\"t\":\"**\"}\u{1e}42[\"b\"]");
        let shown = body(b"9:40/a?t=xy1:2", format(Revision::V3)).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "9:40/a?t=**1:2");
        assert_eq!(body(b"\x00\x09\xff40/a?t=xy", format(Revision::V3)), None);
        assert_eq!(
            body(b"\x01\x03\xff\x04\x01\x02", format(Revision::V3)).unwrap(),
            b"\x01\x03\xff\x04\x01\x02"
        );
        let packed = format!("b{}", STANDARD.encode(b"\x82\xa4type\0\xa3nsp\xa1/"));
        assert_eq!(body(packed.as_bytes(), format(Revision::V4)), None);
    }

    #[test]
    fn parameters_of_the_protocol_and_harmless_fields_stay() {
        let shown = target("/socket.io/?EIO=4&transport=polling&token=secret&sid=a&x");
        assert_eq!(shown, "/socket.io/?EIO=4&transport=polling&token=******&sid=a&x");
        assert_eq!(field("cookie", "a=b"), "***");
        assert_eq!(field("host", "a"), "a");
    }
}
