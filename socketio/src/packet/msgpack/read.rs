//! MessagePack to JSON. It trusts no length, and nests no deeper than JSON may.

use std::io::Write as _;

use bytes::Bytes;

use crate::packet::date::iso_date;
use crate::packet::error::PacketViolation;
use crate::packet::json::MAX_DEPTH;

const TRUNCATED: PacketViolation = PacketViolation::MsgPack("it ends too early");

/// One value, or the header of an array or map.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Nil,
    /// JavaScript's `undefined`, which MessagePack lacks: an extension of one byte and type 0.
    Undefined,
    Bool(bool),
    /// From -2^63 to 2^64 - 1.
    Integer(i128),
    Float(f64),
    /// UTF-8, or what the sender takes for it.
    Text(&'a [u8]),
    Binary(&'a [u8]),
    /// Milliseconds since 1970: an extension of eight bytes and type 0.
    Date(i64),
    /// An extension that has no meaning here.
    Extension(i8, &'a [u8]),
    Array(usize),
    Map(usize),
}

/// Reads values of a message, and writes one of them as JSON.
pub(super) struct Reader<'a> {
    message: &'a Bytes,
    rest: &'a [u8],
    json: Vec<u8>,
    attachments: Vec<Bytes>,
    limit: usize,
    dates: Dates,
}

/// How a `Date` is written, besides the extension of type 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// Nothing. An extension of type -1 has no meaning, as in notepack.io 2, which clients use.
    Old,
    /// MessagePack's own timestamp, an extension of type -1, as in notepack.io 3 and @msgpack/msgpack.
    Timestamps,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a Bytes, limit: usize, dates: Dates) -> Reader<'a> {
        Reader { message, rest: message, json: Vec::new(), attachments: Vec::new(), limit, dates }
    }

    /// Reads the next value. For an array or a map, it is the length, and the elements follow.
    pub(super) fn value(&mut self) -> Result<Value<'a>, PacketViolation> {
        Ok(match self.byte()? {
            byte @ 0x00..=0x7f => Value::Integer(byte.into()),
            byte @ 0x80..=0x8f => Value::Map(usize::from(byte & 0x0f)),
            byte @ 0x90..=0x9f => Value::Array(usize::from(byte & 0x0f)),
            byte @ 0xa0..=0xbf => Value::Text(self.take(usize::from(byte & 0x1f))?),
            0xc0 => Value::Nil,
            0xc1 => return Err(PacketViolation::MsgPack("0xc1 is not a value")),
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            width @ 0xc4..=0xc6 => {
                let len = self.len(width - 0xc4)?;
                Value::Binary(self.take(len)?)
            }
            width @ 0xc7..=0xc9 => {
                let len = self.len(width - 0xc7)?;
                match (self.byte()?.cast_signed(), self.take(len)?) {
                    // An `ArrayBuffer`.
                    (0, bytes) => Value::Binary(bytes),
                    (kind, bytes) => Value::Extension(kind, bytes),
                }
            }
            0xca => Value::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Integer(u8::from_be_bytes(self.array()?).into()),
            0xcd => Value::Integer(u16::from_be_bytes(self.array()?).into()),
            0xce => Value::Integer(u32::from_be_bytes(self.array()?).into()),
            0xcf => Value::Integer(u64::from_be_bytes(self.array()?).into()),
            0xd0 => Value::Integer(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Integer(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Integer(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Value::Integer(i64::from_be_bytes(self.array()?).into()),
            width @ 0xd4..=0xd8 => {
                let kind = self.byte()?.cast_signed();
                let bytes = self.take(1 << (width - 0xd4))?;
                match (kind, bytes) {
                    (0, [_]) => Value::Undefined,
                    (0, [a, b, c, d, e, f, g, h]) => {
                        Value::Date(i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
                    }
                    (kind, bytes) => Value::Extension(kind, bytes),
                }
            }
            width @ 0xd9..=0xdb => {
                let len = self.len(width - 0xd9)?;
                Value::Text(self.take(len)?)
            }
            width @ 0xdc..=0xdd => Value::Array(self.len(width - 0xdc + 1)?),
            width @ 0xde..=0xdf => Value::Map(self.len(width - 0xde + 1)?),
            byte @ 0xe0..=0xff => Value::Integer(byte.cast_signed().into()),
        })
    }

    /// Writes the next value as the payload; nothing for undefined.
    pub(super) fn payload(&mut self) -> Result<(), PacketViolation> {
        self.json.clear();
        self.attachments.clear();
        match self.value()? {
            Value::Undefined => Ok(()),
            value => self.write(value, 0),
        }
    }

    /// Passes the next value.
    pub(super) fn skip(&mut self) -> Result<(), PacketViolation> {
        let before = (self.json.len(), self.attachments.len());
        let value = self.value()?;
        self.write(value, 0)?;
        self.json.truncate(before.0);
        self.attachments.truncate(before.1);
        Ok(())
    }

    /// The payload, once the message has been read to its end.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<Bytes>), PacketViolation> {
        match self.rest {
            [] => Ok((self.json, self.attachments)),
            _ => Err(PacketViolation::MsgPack("bytes follow it")),
        }
    }

    /// Writes a value that is nested in `depth` others.
    fn write(&mut self, value: Value<'a>, depth: usize) -> Result<(), PacketViolation> {
        match value {
            Value::Nil | Value::Undefined => self.json.extend_from_slice(b"null"),
            Value::Bool(true) => self.json.extend_from_slice(b"true"),
            Value::Bool(false) => self.json.extend_from_slice(b"false"),
            Value::Integer(number) => self.format(format_args!("{number}")),
            Value::Float(number) => {
                // NaN and the infinities become null.
                serde_json::to_writer(&mut self.json, &number).map_err(|_| PacketViolation::Json)?;
            }
            Value::Text(text) => self.write_text(text)?,
            Value::Binary(bytes) => self.write_binary(bytes),
            Value::Date(millis) => self.write_date(Some(millis)),
            Value::Extension(-1, bytes) if self.dates == Dates::Timestamps => self.write_date(millis(bytes)),
            // The npm package returns such a value as a pair.
            Value::Extension(kind, bytes) => {
                self.format(format_args!("[{kind},"));
                self.write_binary(bytes);
                self.json.push(b']');
            }
            Value::Array(_) | Value::Map(_) if depth >= MAX_DEPTH => return Err(PacketViolation::TooDeep),
            Value::Array(len) => self.write_array(len, depth)?,
            Value::Map(len) => self.write_map(len, depth)?,
        }
        if self.json.len() + self.attachments.len() * size_of::<Bytes>() > self.limit {
            return Err(PacketViolation::MsgPack("it is too large as JSON"));
        }
        Ok(())
    }

    /// An invalid date becomes null, as in `JSON.stringify`.
    fn write_date(&mut self, millis: Option<i64>) {
        match millis.and_then(iso_date) {
            Some(date) => self.format(format_args!("\"{date}\"")),
            None => self.json.extend_from_slice(b"null"),
        }
    }

    fn write_array(&mut self, len: usize, depth: usize) -> Result<(), PacketViolation> {
        self.json.push(b'[');
        for index in 0..len {
            if index > 0 {
                self.json.push(b',');
            }
            let value = self.value()?;
            self.write(value, depth + 1)?;
        }
        self.json.push(b']');
        Ok(())
    }

    fn write_map(&mut self, len: usize, depth: usize) -> Result<(), PacketViolation> {
        self.json.push(b'{');
        let start = self.json.len();
        for _ in 0..len {
            let (key, value) = (self.value()?, self.value()?);
            if let Value::Undefined = value {
                continue;
            }
            if self.json.len() > start {
                self.json.push(b',');
            }
            match key {
                Value::Text(key) => self.write_text(key)?,
                // A key of a JavaScript object is text.
                Value::Integer(key) => self.format(format_args!("\"{key}\"")),
                _ => return Err(PacketViolation::MsgPack("a key is neither text nor an integer")),
            }
            self.json.push(b':');
            self.write(value, depth + 1)?;
        }
        self.json.push(b'}');
        Ok(())
    }

    /// Bytes that are not UTF-8 are replaced, as JavaScript's decoders do.
    fn write_text(&mut self, text: &[u8]) -> Result<(), PacketViolation> {
        let text = String::from_utf8_lossy(text);
        serde_json::to_writer(&mut self.json, &text).map_err(|_| PacketViolation::Json)
    }

    fn write_binary(&mut self, bytes: &'a [u8]) {
        self.format(format_args!(r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len()));
        self.attachments.push(self.message.slice_ref(bytes));
    }

    fn format(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.json.write_fmt(text);
    }

    fn byte(&mut self) -> Result<u8, PacketViolation> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PacketViolation> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*array)
    }

    /// A length of 1, 2 or 4 bytes: 2 to the power of `width`.
    fn len(&mut self, width: u8) -> Result<usize, PacketViolation> {
        match width {
            0 => Ok(self.byte()?.into()),
            1 => Ok(u16::from_be_bytes(self.array()?).into()),
            _ => usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| TRUNCATED),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], PacketViolation> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Milliseconds since 1970 of a timestamp: 32 bits of seconds; 30 bits of nanoseconds and 34 of seconds; or 32
/// of nanoseconds and 64 of seconds. ("Timestamp extension type")
fn millis(timestamp: &[u8]) -> Option<i64> {
    let (seconds, nanos) = if let Ok(seconds) = timestamp.try_into().map(u32::from_be_bytes) {
        (seconds.into(), 0)
    } else if let Ok(both) = timestamp.try_into().map(u64::from_be_bytes) {
        ((both & ((1 << 34) - 1)).cast_signed(), (both >> 34) as u32)
    } else {
        let (nanos, seconds) = timestamp.split_first_chunk()?;
        (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanos))
    };
    seconds.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))
}
