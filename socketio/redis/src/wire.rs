//! Pieces of messages that the formats have in common.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::publisher::PublishError;
use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use socketio::{Args, Event, Flags, MessageBody, PacketViolation, RawJson, Room, Selection, SocketDetails};

/// The bytes of JSON that a message may have.
pub(crate) const LIMIT: usize = 256_000_000;

/// A message that can't be understood, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbage(pub(crate) Box<str>);

impl From<PacketViolation> for Garbage {
    fn from(error: PacketViolation) -> Garbage {
        Garbage(error.to_string().into())
    }
}

impl From<serde_json::Error> for Garbage {
    fn from(error: serde_json::Error) -> Garbage {
        Garbage(error.to_string().into())
    }
}

impl From<&str> for Garbage {
    fn from(what: &str) -> Garbage {
        Garbage(what.into())
    }
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads JSON, or else MessagePack. "If it begins with `{`, it is JSON."
pub(crate) fn read(payload: &Bytes) -> Result<RawJson, Garbage> {
    if payload.first() == Some(&b'{') {
        let text = std::str::from_utf8(payload).map_err(|_| "it is not UTF-8")?;
        return Ok(RawJson::new(text, Vec::new())?);
    }
    Ok(RawJson::from_msgpack(payload, LIMIT)?)
}

/// The packet of an event.
#[derive(serde::Deserialize)]
pub(crate) struct Packet<'a> {
    #[serde(rename = "type")]
    kind: Option<u8>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) nsp: Option<Cow<'a, str>>,
}

impl Packet<'_> {
    /// The event. EVENT is 2 whether it has bytes or not; the emitters of old wrote BINARY_EVENT, 5, if it had.
    pub(crate) fn event(&self, whole: &RawJson) -> Result<Event, Garbage> {
        match (self.kind, self.data) {
            (Some(2 | 5), Some(data)) => Ok(Event::from_raw(whole.part(data.get()))?),
            _ => Err("the packet is no event".into()),
        }
    }
}

/// Who gets something, and how.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Opts {
    pub(crate) rooms: Rooms,
    pub(crate) except: Rooms,
    flags: Value,
}

impl Opts {
    pub(crate) fn into_parts(self) -> (Selection, Flags) {
        let mut flags = Flags::default();
        flags.volatile = self.flags["volatile"].as_bool().unwrap_or(false);
        flags.compress = self.flags["compress"].as_bool();
        let timeout = self.flags["timeout"].as_f64().filter(|millis| *millis >= 0.0);
        flags.timeout = timeout.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
        (Selection { rooms: self.rooms.0, except: self.except.0 }, flags)
    }
}

/// Names of rooms. Servers in JavaScript may have numbers among them. None at all is an empty list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rooms(pub(crate) Vec<Room>);

impl<'de> Deserialize<'de> for Rooms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rooms, D::Error> {
        struct RoomsVisitor;

        impl<'de> Visitor<'de> for RoomsVisitor {
            type Value = Rooms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rooms")
            }

            fn visit_unit<E>(self) -> Result<Rooms, E> {
                Ok(Rooms::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rooms, A::Error> {
                let mut rooms = Vec::new();
                while let Some(room) = seq.next_element::<Value>()? {
                    rooms.push(match room {
                        Value::String(room) => room.into(),
                        Value::Number(room) => room.to_string().into(),
                        _ => return Err(de::Error::custom("a room is neither text nor a number")),
                    });
                }
                Ok(Rooms(rooms))
            }
        }

        deserializer.deserialize_any(RoomsVisitor)
    }
}

/// The arguments of an answer: one, or none.
pub(crate) fn answer(argument: Option<&RawValue>, whole: &RawJson) -> Result<Args, Garbage> {
    match argument {
        None => Ok(Args::none()),
        Some(argument) => {
            let array = RawJson::new(format!("[{}]", argument.get()), whole.attachments().to_vec())?;
            Ok(Args::from_raw(array)?)
        }
    }
}

/// The answer to a request for sockets.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fetched<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    sockets: Vec<SocketDetails>,
}

impl Fetched<'_> {
    pub(crate) fn into_body(self) -> MessageBody {
        MessageBody::FetchedSockets { request: (&*self.request_id).into(), sockets: self.sockets }
    }
}

/// Reads a message that begins like this, if it is JSON and just what is expected. That takes one look at each byte: answers
/// with sockets are large. Everything else is left to [`read`].
pub(crate) fn read_at_once<'a, T: Deserialize<'a>>(payload: &'a [u8], beginning: &str) -> Option<T> {
    let text = payload.starts_with(beginning.as_bytes()).then(|| std::str::from_utf8(payload).ok())?;
    serde_json::from_str(text?).ok()
}

/// Sockets as another node tells them, without bytes. What is no socket is left out.
pub(crate) fn sockets(list: Vec<&RawValue>) -> Vec<SocketDetails> {
    list.into_iter().filter_map(|socket| serde_json::from_str(socket.get()).ok()).collect()
}

/// How many clients a node says that it asks. Nobody has more than four million, and a place is kept for each.
pub(crate) fn clients(count: Option<usize>) -> Result<usize, Garbage> {
    const MOST: usize = 1 << 22;
    let count = count.ok_or("a count is missing")?;
    if count > MOST { Err("nobody has so many clients".into()) } else { Ok(count) }
}

/// A pattern of Redis that matches this text alone.
pub(crate) fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

/// Text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// About the bytes of a socket's JSON.
const SOCKET_LEN: usize = 512;

/// Sockets as JSON, in the answer to the request of that id.
pub(crate) fn fetched(request: &str, sockets: &[SocketDetails]) -> Result<String, PublishError> {
    let unwritable = |error: &dyn fmt::Display| PublishError::Unwritable(error.to_string().into());
    let mut json = Vec::with_capacity(SOCKET_LEN * (sockets.len() + 1));
    json.extend_from_slice(format!(r#"{{"requestId":{},"sockets":"#, quoted(request)).as_bytes());
    serde_json::to_writer(&mut json, sockets).map_err(|error| unwritable(&error))?;
    json.push(b'}');
    String::from_utf8(json).map_err(|error| unwritable(&error))
}

/// A list of rooms as JSON.
pub(crate) fn rooms(rooms: &[Room]) -> String {
    let names: Vec<&str> = rooms.iter().map(|room| &**room).collect();
    serde_json::json!(names).to_string()
}

/// `{"rooms":[],"except":[],"flags":{}}`. A flag is written only where it is set: a server in JavaScript takes
/// `volatile: false` for volatile.
pub(crate) fn opts(selection: &Selection, flags: Flags) -> String {
    let mut written = String::new();
    let mut flag = |name: &str, value: &dyn fmt::Display| {
        let comma = if written.is_empty() { "" } else { "," };
        written.push_str(&format!("{comma}\"{name}\":{value}"));
    };
    if flags.volatile {
        flag("volatile", &true);
    }
    if let Some(compress) = flags.compress {
        flag("compress", &compress);
    }
    if let Some(timeout) = flags.timeout {
        flag("timeout", &millis(timeout));
    }
    format!(
        r#"{{"rooms":{},"except":{},"flags":{{{written}}}}}"#,
        rooms(&selection.rooms),
        rooms(&selection.except)
    )
}

/// The longest time that JavaScript's timers wait, in milliseconds. They take a longer one for none.
const MAX_TIMEOUT: u32 = i32::MAX as u32;

/// A time as JavaScript's timers take it.
pub(crate) fn millis(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(MAX_TIMEOUT).min(MAX_TIMEOUT)
}

/// A node's or a request's id.
pub(crate) fn id(id: Option<Cow<'_, str>>) -> Option<Arc<str>> {
    id.map(|id| Arc::from(&*id))
}

pub(crate) fn to_msgpack(json: String, attachments: Vec<Bytes>) -> Result<Bytes, PublishError> {
    let unwritable = |error: &dyn fmt::Display| PublishError::Unwritable(error.to_string().into());
    let raw = RawJson::new(json, attachments).map_err(|error| unwritable(&error))?;
    Ok(raw.to_msgpack().map_err(|error| unwritable(&error))?.into())
}
