//! JSON to MessagePack, each value in its shortest form.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Writes the value of a JSON text. A placeholder becomes its attachment.
pub(super) fn json(out: &mut Vec<u8>, json: &str, attachments: &[Bytes]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Json { out, attachments }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Writes the head of a map.
pub(super) fn map_of(out: &mut Vec<u8>, len: usize) {
    let start = out.len();
    out.push(0);
    head(out, start, len, MAP);
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        len @ 0..32 => out.push(0xa0 | len as u8),
        len => length(out, len, [0xd9, 0xda, 0xdb]),
    }
    out.extend_from_slice(text.as_bytes());
}

fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len(), [0xc4, 0xc5, 0xc6]);
    out.extend_from_slice(bytes);
}

pub(super) fn unsigned(out: &mut Vec<u8>, number: u64) {
    if let Ok(small @ 0..0x80) = u8::try_from(number) {
        out.push(small);
    } else if let Ok(number) = u8::try_from(number) {
        out.extend_from_slice(&[0xcc, number]);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(0xcd);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(0xce);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn signed(out: &mut Vec<u8>, number: i64) {
    if let Ok(number) = u64::try_from(number) {
        unsigned(out, number);
    } else if let Ok(small @ -32..0) = i8::try_from(number) {
        out.push(small.cast_unsigned());
    } else if let Ok(number) = i8::try_from(number) {
        out.extend_from_slice(&[0xd0, number.cast_unsigned()]);
    } else if let Ok(number) = i16::try_from(number) {
        out.push(0xd1);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(0xd2);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Writes a length after the marker for its width: 1, 2 or 4 bytes.
fn length(out: &mut Vec<u8>, len: usize, [narrow, middle, wide]: [u8; 3]) {
    if let Ok(len) = u8::try_from(len) {
        out.extend_from_slice(&[narrow, len]);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(middle);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(wide);
        // `encode` takes no packet that is larger.
        out.extend_from_slice(&(len as u32).to_be_bytes());
    }
}

/// The markers of an array or a map: with a length below 16 in it, of 2 bytes, and of 4.
type Markers = [u8; 3];

const ARRAY: Markers = [0x90, 0xdc, 0xdd];
const MAP: Markers = [0x80, 0xde, 0xdf];

/// Writes the header of an array or a map where one byte was reserved for it. The number of elements is known after
/// them; only if there are more than 15, they have to move.
fn head(out: &mut Vec<u8>, start: usize, len: usize, [fixed, narrow, wide]: Markers) {
    if let Ok(len @ 0..16) = u8::try_from(len) {
        out[start] = fixed | len;
    } else if let Ok(len) = u16::try_from(len) {
        let [a, b] = len.to_be_bytes();
        out.splice(start..=start, [narrow, a, b]);
    } else {
        let [a, b, c, d] = (len as u32).to_be_bytes();
        out.splice(start..=start, [wide, a, b, c, d]);
    }
}

/// Writes one JSON value.
struct Json<'a> {
    out: &'a mut Vec<u8>,
    attachments: &'a [Bytes],
}

impl Json<'_> {
    fn again(&mut self) -> Json<'_> {
        Json { out: self.out, attachments: self.attachments }
    }
}

/// What the surrounding object needs to know about a value.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    True,
    Index(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Seen, A::Error> {
        let start = self.out.len();
        self.out.push(0);
        let mut len = 0;
        while seq.next_element_seed(self.again())?.is_some() {
            len += 1;
        }
        head(self.out, start, len, ARRAY);
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Seen, A::Error> {
        let start = self.out.len();
        self.out.push(0);
        let (mut len, mut placeholder, mut num) = (0, Seen::Other, Seen::Other);
        while let Some(key) = map.next_key::<Key<'_>>()? {
            text(self.out, &key.0);
            let value = map.next_value_seed(self.again())?;
            len += 1;
            match &*key.0 {
                "_placeholder" => placeholder = value,
                "num" => num = value,
                _ => {}
            }
        }
        if let (2, Seen::True, Seen::Index(num)) = (len, placeholder, num)
            && let Some(bytes) = usize::try_from(num).ok().and_then(|num| self.attachments.get(num))
        {
            self.out.truncate(start);
            binary(self.out, bytes);
        } else {
            head(self.out, start, len, MAP);
        }
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        self.out.push(0xc0);
        Ok(Seen::Other)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        self.out.push(if value { 0xc3 } else { 0xc2 });
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Seen, E> {
        unsigned(self.out, number);
        Ok(Seen::Index(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Seen, E> {
        signed(self.out, number);
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Seen, E> {
        self.out.push(0xcb);
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<Seen, E> {
        text(self.out, value);
        Ok(Seen::Other)
    }
}

/// An object's key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
