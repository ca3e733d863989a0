//! Binary values inside JSON: bytes on this side, a placeholder and an attachment on the wire.
//!
//! JSON can't hold bytes. In a binary packet, each value is `{"_placeholder":true,"num":n}`, and the bytes
//! follow the packet as its n-th attachment. (Socket.IO protocol, "Binary event".)
//!
//! [`Binary`] takes and gives its attachment while it is (de)serialised, at any depth of the user's own types. serde
//! has no context, so the packet's attachments are in a thread-local during one call to serde.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// Bytes in an event's or an acknowledgement's arguments, anywhere in them. The client sees a `Buffer` or an
/// `ArrayBuffer`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use socketio::Binary;
///
/// #[derive(Serialize, Deserialize)]
/// struct Picture {
///     name: String,
///     pixels: Binary,
/// }
/// ```
///
/// Outside of a packet it serialises as serde's bytes, which JSON writes as an array of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binary(pub Bytes);

thread_local! {
    /// The attachments of the arguments that this thread is deserialising.
    static READING: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
    /// The attachments so far of the arguments that this thread is serialising.
    static WRITING: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
}

/// Runs `read` with the given attachments in the thread-local.
pub(crate) fn with_attachments<R>(attachments: Vec<Bytes>, read: impl FnOnce() -> R) -> R {
    let _restore = Restore(&READING, READING.replace(Some(attachments)));
    read()
}

/// The attachments of the arguments that this thread is deserialising.
pub(crate) fn attachments_at_hand() -> Vec<Bytes> {
    READING.with_borrow(Clone::clone).unwrap_or_default()
}

/// Runs `write`, and appends the attachments that it asked for.
pub(crate) fn collect_attachments<R>(attachments: &mut Vec<Bytes>, write: impl FnOnce() -> R) -> R {
    let _restore = Restore(&WRITING, WRITING.replace(Some(std::mem::take(attachments))));
    let written = write();
    *attachments = WRITING.take().unwrap_or_default();
    written
}

/// Restores the slot's previous content, even if the user's code panics.
struct Restore(&'static std::thread::LocalKey<RefCell<Option<Vec<Bytes>>>>, Option<Vec<Bytes>>);

impl Drop for Restore {
    fn drop(&mut self) {
        self.0.set(self.1.take());
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let num = WRITING.with_borrow_mut(|attachments| {
            let attachments = attachments.as_mut()?;
            attachments.push(self.0.clone());
            Some(attachments.len() - 1)
        });
        let Some(num) = num else { return serializer.serialize_bytes(&self.0) };
        let mut placeholder = serializer.serialize_map(Some(2))?;
        placeholder.serialize_entry("_placeholder", &true)?;
        placeholder.serialize_entry("num", &num)?;
        placeholder.end()
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Binary, D::Error> {
        deserializer.deserialize_any(BinaryVisitor)
    }
}

struct BinaryVisitor;

impl<'de> Visitor<'de> for BinaryVisitor {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Binary, A::Error> {
        #[derive(Deserialize)]
        struct Placeholder {
            _placeholder: bool,
            num: Index,
        }
        let placeholder = Placeholder::deserialize(MapAccessDeserializer::new(map))?;
        READING
            .with_borrow(|attachments| attachments.as_ref()?.get(placeholder.num.0).cloned())
            .filter(|_| placeholder._placeholder)
            .map(Binary)
            .ok_or_else(|| A::Error::custom("a placeholder without its attachment"))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Binary, E> {
        Ok(Binary(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Binary, E> {
        Ok(Binary(bytes.into()))
    }
}

/// The attachment of that number, if the arguments that this thread is deserialising have it.
pub(crate) fn attachment(num: &Number) -> Option<Binary> {
    let Index(num) = Index::deserialize(num).ok()?;
    READING.with_borrow(|attachments| attachments.as_ref()?.get(num).cloned()).map(Binary)
}

/// Checks the placeholders of a binary packet: a `num` must be the index of one of `count` attachments. The same
/// index may occur twice.
pub(crate) fn check_placeholders(json: &str, count: usize) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Check { count }.deserialize(&mut deserializer).map(drop)
}

#[derive(Clone, Copy)]
struct Check {
    count: usize,
}

/// What the check needs to know about a value.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    True,
    Index(usize),
    Other,
}

impl<'de> DeserializeSeed<'de> for Check {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut placeholder, mut num) = (Seen::Other, Seen::Other);
        while let Some(key) = map.next_key::<Key>()? {
            let value = map.next_value_seed(self)?;
            match key {
                Key::Placeholder => placeholder = value,
                Key::Num => num = value,
                Key::Other => {}
            }
        }
        match (placeholder, num) {
            (Seen::True, Seen::Index(num)) if num < self.count => Ok(Seen::Other),
            (Seen::True, _) => Err(A::Error::custom("a placeholder without its attachment")),
            _ => Ok(Seen::Other),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Seen, E> {
        Ok(IndexVisitor.visit_u64::<E>(value).map_or(Seen::Other, |Index(index)| Seen::Index(index)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Seen, E> {
        Ok(IndexVisitor.visit_f64::<E>(value).map_or(Seen::Other, |Index(index)| Seen::Index(index)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Key {
    #[serde(rename = "_placeholder")]
    Placeholder,
    #[serde(rename = "num")]
    Num,
    #[serde(other)]
    Other,
}

/// An index of an attachment. JSON knows one kind of number, so `0.0` is 0 as well.
struct Index(usize);

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Index, D::Error> {
        deserializer.deserialize_any(IndexVisitor)
    }
}

struct IndexVisitor;

impl Visitor<'_> for IndexVisitor {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the index of an attachment")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Index, E> {
        usize::try_from(value).map(Index).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Index, E> {
        if value.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&value) {
            Ok(Index(value as usize))
        } else {
            Err(E::custom("not an index"))
        }
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Binary {
        Binary(bytes)
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Binary {
        Binary(bytes.into())
    }
}

impl From<&'static [u8]> for Binary {
    fn from(bytes: &'static [u8]) -> Binary {
        Binary(Bytes::from_static(bytes))
    }
}

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: features/binary
    #[test]
    fn a_placeholder_takes_its_attachment() {
        let attachments = vec![Bytes::from_static(b"zero"), Bytes::from_static(b"one")];
        let json = r#"[{"_placeholder":true,"num":1},{"num":0,"_placeholder":true}]"#;
        let read = with_attachments(attachments, || serde_json::from_str::<Vec<Binary>>(json));
        assert_eq!(read.unwrap(), [Binary::from(&b"one"[..]), Binary::from(&b"zero"[..])]);
    }

    #[test]
    fn an_untagged_enum_may_hold_binary() {
        #[derive(Deserialize, PartialEq, Debug)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Bytes(Binary),
        }
        let json = r#"["a",{"_placeholder":true,"num":0}]"#;
        let read =
            with_attachments(vec![Bytes::from_static(b"b")], || serde_json::from_str::<Vec<Either>>(json));
        assert_eq!(read.unwrap(), [Either::Text("a".into()), Either::Bytes(Binary::from(&b"b"[..]))]);
    }

    #[test]
    fn what_is_no_placeholder_is_no_binary() {
        for json in
            [r#"{"_placeholder":false,"num":0}"#, r#"{"_placeholder":true,"num":1}"#, "{}", "[1]", "1"]
        {
            let read =
                with_attachments(vec![Bytes::from_static(b"b")], || serde_json::from_str::<Binary>(json));
            assert!(read.is_err(), "{json}");
        }
        assert!(serde_json::from_str::<Binary>(r#"{"_placeholder":true,"num":0}"#).is_err());
    }

    #[test]
    fn attachments_are_numbered_in_the_order_of_writing() {
        let mut attachments = vec![Bytes::from_static(b"first")];
        let json = collect_attachments(&mut attachments, || {
            serde_json::to_string(&(Binary::from(&b"a"[..]), [Binary::from(&b"b"[..])]))
        });
        assert_eq!(json.unwrap(), r#"[{"_placeholder":true,"num":1},[{"_placeholder":true,"num":2}]]"#);
        assert_eq!(attachments, ["first", "a", "b"]);
        assert_eq!(serde_json::to_string(&Binary::from(&b"a"[..])).unwrap(), "[97]");
    }

    #[test]
    fn a_panic_leaves_no_attachments_behind() {
        let panicked =
            std::panic::catch_unwind(|| with_attachments(vec![Bytes::new()], || panic!("on purpose")));
        assert!(panicked.is_err());
        assert!(READING.with_borrow(Option::is_none));
    }

    #[test]
    fn a_placeholders_index_must_be_one_of_the_attachments() {
        let check = |json: &str| check_placeholders(json, 2).is_ok();
        assert!(check(r#"["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]"#));
        assert!(check(r#"["a",{"_placeholder":true,"num":0.0}]"#));
        assert!(check(r#"["a",{"_placeholder":1,"num":9},{"_placeholder":"true"},{"num":9}]"#));
        for num in ["2", "-1", "0.5", r#""0""#, r#""splice""#, "null", "[0]", "true", "1e300"] {
            let json = format!(r#"["a",[{{"x":{{"_placeholder":true,"num":{num}}}}}]]"#);
            assert!(!check(&json), "{json}");
        }
        assert!(!check(r#"["a",{"_placeholder":true}]"#));
        assert!(!check(r#"["a",{"_placeholder":true,"num":{"_placeholder":true,"num":0}}]"#));
    }
}
