//! Values that travel between nodes, for adapters.

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::packet::error::PacketViolation;
use crate::packet::{json, msgpack};

/// JSON, and separately the bytes that JSON can't hold: what an adapter reads and writes.
///
/// In the JSON, a binary value is `{"_placeholder":true,"num":n}`, and its bytes are the n-th attachment. It is
/// checked once, on creation: the JSON is valid, and nests no deeper than 127.
/// [`Event::from_raw`](crate::Event::from_raw) and [`Args::from_raw`](crate::Args::from_raw) turn it into what
/// applications get.
///
/// ```
/// use socketio::RawJson;
///
/// let value = RawJson::new(r#"{"a":1}"#, Vec::new())?;
/// assert_eq!(value.json(), r#"{"a":1}"#);
/// let copy = RawJson::from_msgpack(&value.to_msgpack()?.into(), 1_000)?;
/// assert_eq!(copy.json(), value.json());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawJson {
    json: ByteString,
    attachments: Vec<Bytes>,
}

impl RawJson {
    /// Takes JSON and its attachments. Lone surrogates, which JavaScript's strings can have, are replaced.
    ///
    /// # Errors
    /// [`PacketViolation::Json`] and [`PacketViolation::TooDeep`].
    pub fn new(json: impl Into<ByteString>, attachments: Vec<Bytes>) -> Result<RawJson, PacketViolation> {
        let json = json.into();
        if json::too_deep(&json) {
            return Err(PacketViolation::TooDeep);
        }
        let json = match json::replace_lone_surrogates(&json) {
            Cow::Borrowed(_) => json,
            Cow::Owned(repaired) => repaired.into(),
        };
        serde_json::from_str::<IgnoredAny>(&json).map_err(|_| PacketViolation::Json)?;
        Ok(RawJson { json, attachments })
    }

    /// Reads MessagePack, with dates as timestamps (notepack.io 3, @msgpack/msgpack) or in the older form of
    /// notepack.io 2. They become the text that `JSON.stringify` makes of them. `limit` bounds the bytes of the
    /// JSON. The attachments share the memory of `message`.
    ///
    /// # Errors
    /// [`PacketViolation::MsgPack`] and [`PacketViolation::TooDeep`].
    pub fn from_msgpack(message: &Bytes, limit: usize) -> Result<RawJson, PacketViolation> {
        let (json, attachments) = msgpack::decode_value(message, limit)?;
        Ok(RawJson { json: json.into(), attachments })
    }

    /// Writes MessagePack, each value in its shortest form.
    ///
    /// # Errors
    /// If it is over 4 GiB.
    pub fn to_msgpack(&self) -> Result<Vec<u8>, serde_json::Error> {
        msgpack::encode_value(&self.json, &self.attachments)
    }

    /// A part of this: a slice of [`json`](RawJson::json), such as a value that serde_json found there. It shares the
    /// memory, and has all the attachments.
    ///
    /// # Panics
    /// If it lies somewhere else.
    #[must_use]
    pub fn part(&self, json: &str) -> RawJson {
        RawJson { json: self.json.slice_ref(json), attachments: self.attachments.clone() }
    }

    /// The JSON, with placeholders where bytes were.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The bytes.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// The JSON as `JSON.stringify` writes it, where bytes become `{"type":"Buffer","data":[1,2]}`.
    #[must_use]
    pub fn stringified(&self) -> Cow<'_, str> {
        if self.attachments.is_empty() {
            return Cow::Borrowed(&self.json);
        }
        let value = serde_json::from_str(&self.json).unwrap_or_default();
        Cow::Owned(with_buffers(value, &self.attachments).to_string())
    }

    pub(crate) fn trusted(json: ByteString, attachments: Vec<Bytes>) -> RawJson {
        RawJson { json, attachments }
    }

    pub(crate) fn into_parts(self) -> (ByteString, Vec<Bytes>) {
        (self.json, self.attachments)
    }
}

/// Puts bytes where their placeholders are, as `Buffer.prototype.toJSON` writes them.
fn with_buffers(value: Value, attachments: &[Bytes]) -> Value {
    match value {
        Value::Array(elements) => {
            elements.into_iter().map(|element| with_buffers(element, attachments)).collect()
        }
        Value::Object(members) => {
            let num = members.get("num").and_then(Value::as_u64).and_then(|num| usize::try_from(num).ok());
            let bytes = num.and_then(|num| attachments.get(num));
            match bytes {
                Some(bytes)
                    if members.len() == 2 && members.get("_placeholder") == Some(&Value::Bool(true)) =>
                {
                    json!({ "type": "Buffer", "data": &bytes[..] })
                }
                _ => {
                    members.into_iter().map(|(key, value)| (key, with_buffers(value, attachments))).collect()
                }
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::args::binary::Binary;
    use crate::args::event::Event;

    fn unpacked(message: &'static [u8]) -> Result<RawJson, PacketViolation> {
        RawJson::from_msgpack(&Bytes::from_static(message), 1000)
    }

    #[test]
    fn messagepack_of_every_version_that_servers_write_is_read() {
        for (message, json) in [
            // Dates: timestamps of 4, 8 and 12 bytes, and the older form.
            (&b"\xd6\xff\0\0\0\x01"[..], r#""1970-01-01T00:00:01.000Z""#),
            (b"\xd7\xff\x1d\xcd\x65\x00\0\0\0\x01", r#""1970-01-01T00:00:01.125Z""#),
            (
                b"\xc7\x0c\xff\x3b\x8b\x87\xc0\xff\xff\xff\xff\xff\xff\xff\xff",
                r#""1969-12-31T23:59:59.999Z""#,
            ),
            (b"\xd7\0\0\0\0\0\0\0\x03\xe8", r#""1970-01-01T00:00:01.000Z""#),
            (b"\xc7\x0c\xff\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "null"),
            // Undefined in an array and as a member.
            (b"\x93\xc0\xd4\0\0\x01", "[null,null,1]"),
            (b"\x82\xa1a\xd4\0\0\xa1b\xc0", r#"{"b":null}"#),
            // An ArrayBuffer in the older form.
            (b"\x91\xc7\x01\0\x07", r#"[{"_placeholder":true,"num":0}]"#),
            (b"\xcb\x7f\xf8\0\0\0\0\0\0", "null"),
        ] {
            assert_eq!(unpacked(message).unwrap().json(), json);
        }
        assert!(unpacked(b"\xd4\0\0").is_err(), "undefined alone");
        assert!(unpacked(b"\x91\x01\x01").is_err(), "something behind it");
        assert!(unpacked(b"").is_err());
    }

    #[test]
    fn what_is_written_is_read_again_and_bytes_are_bytes() {
        let args = Args::new((1, Binary::from(&b"xy"[..]), "text", -1.5)).unwrap();
        let raw = args.to_raw();
        let packed = raw.to_msgpack().unwrap();
        assert_eq!(packed, b"\x94\x01\xc4\x02xy\xa4text\xcb\xbf\xf8\0\0\0\0\0\0");
        let read = RawJson::from_msgpack(&packed.into(), 1000).unwrap();
        assert_eq!(read, raw);
        assert_eq!(read.stringified(), r#"[1,{"data":[120,121],"type":"Buffer"},"text",-1.5]"#);
        assert_eq!(Args::from_raw(read).unwrap().read::<(u8, Binary)>().unwrap().1.as_ref(), b"xy");
    }

    #[test]
    fn an_event_begins_with_its_name() {
        let event = |json: &str| Event::from_raw(RawJson::new(json, Vec::new())?);
        let read = event(r#"["a b", 1, "\ud800"]"#).unwrap();
        assert_eq!((read.name(), read.args().json()), ("a b", r#" 1, "\ufffd""#));
        assert_eq!(read.to_raw().json(), r#"["a b", 1, "\ufffd"]"#);
        assert_eq!(event("[5]").unwrap().name(), "5");
        for wrong in ["[]", "{}", "[{}]", r#""e""#, "[", r#"["disconnect"]"#, "", &"[".repeat(200)] {
            assert!(event(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_names_no_attachment_that_it_does_not_have() {
        let event = |attachments: Vec<Bytes>| {
            Event::from_raw(RawJson::new(r#"["e",{"_placeholder":true,"num":1}]"#, attachments)?)
        };
        assert!(event(vec![Bytes::new()]).is_err());
        assert!(event(vec![Bytes::new(), Bytes::new()]).is_ok());
        // It is an ordinary object then.
        assert!(event(Vec::new()).is_ok());
    }
}
