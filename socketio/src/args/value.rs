//! Any value of an argument, with bytes in it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

use crate::args::binary::{Binary, attachment};

/// Any value that JavaScript can send: what JSON can hold, and bytes, at any depth.
///
/// It is for code that doesn't know what it gets. It can be one argument among others, a part of a type of your own,
/// or what an acknowledgement is read as. In a `serde_json::Value`, bytes would be lost: they read as their
/// placeholder, `{"_placeholder":true,"num":0}`. To pass on all arguments unread, [`Args`](crate::Args) are cheaper.
///
/// ```
/// use socketio::{Binary, Io, Socket, Value};
/// # let io = Io::new();
/// io.on("set", |socket: Socket, (key, value): (String, Value)| async move {
///     if let Some(bytes) = value.get("picture").and_then(Value::as_binary) {
///         println!("a picture of {} bytes", bytes.len());
///     }
///     socket.broadcast().emit("set", (key, value))
/// });
///
/// // JSON becomes a value, and a value without bytes becomes JSON.
/// let value = Value::from(serde_json::json!({ "a": [1, null] }));
/// assert_eq!(value.into_json(), Ok(serde_json::json!({ "a": [1, null] })));
/// let bytes = Value::from(Binary::from(vec![1, 2]));
/// assert_eq!(bytes.clone().into_json(), Err(bytes));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// `null`, and `undefined`, which becomes `null` on its way.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number: an `f64` unless it is an `i64` or a `u64`.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
    /// Bytes: a `Buffer`, an `ArrayBuffer`, a typed array, a `Blob`.
    Binary(Binary),
}

impl Value {
    /// A member of an object; `None` if it has no such member, or if this is not an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The text, if it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one. Beyond 2^53 it may be rounded.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// The bytes, if it is bytes. `as_binary()?.0` shares them instead of copying.
    #[must_use]
    pub fn as_binary(&self) -> Option<&Binary> {
        match self {
            Value::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether bytes are in it, at any depth.
    #[must_use]
    pub fn has_binary(&self) -> bool {
        match self {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            Value::Array(elements) => elements.iter().any(Value::has_binary),
            Value::Object(members) => members.values().any(Value::has_binary),
            Value::Binary(_) => true,
        }
    }

    /// The same value as serde_json has it.
    ///
    /// # Errors
    /// If bytes are in it: the value itself.
    pub fn into_json(self) -> Result<serde_json::Value, Value> {
        if self.has_binary() { Err(self) } else { Ok(self.json()) }
    }

    fn json(self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => value.into(),
            Value::Number(number) => number.into(),
            Value::String(text) => text.into(),
            Value::Array(elements) => elements.into_iter().map(Value::json).collect(),
            Value::Object(members) => members.into_iter().map(|(key, value)| (key, value.json())).collect(),
            Value::Binary(bytes) => bytes.0.to_vec().into(),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => Value::Number(number),
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(elements) => elements.into_iter().map(Value::from).collect(),
            serde_json::Value::Object(members) => members.into_iter().collect(),
        }
    }
}

impl From<Binary> for Value {
    fn from(bytes: Binary) -> Value {
        Value::Binary(bytes)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Value {
        Value::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> FromIterator<(String, T)> for Value {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(members: I) -> Value {
        Value::Object(members.into_iter().map(|(key, value)| (key, value.into())).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(elements) => serializer.collect_seq(elements),
            Value::Object(members) => serializer.collect_map(members),
            Value::Binary(bytes) => bytes.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            members.insert(key, value);
        }
        Ok(placeholder(&members).map_or(Value::Object(members), Value::Binary))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(bytes.to_vec().into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }
}

/// The bytes that an object stands for, if it is the placeholder of an attachment. As for [`Binary`], other members
/// don't matter.
fn placeholder(members: &BTreeMap<String, Value>) -> Option<Binary> {
    match (members.get("_placeholder")?, members.get("num")?) {
        (Value::Bool(true), Value::Number(num)) => attachment(num),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::RawJson;
    use crate::args::Args;

    fn args(json: &str, attachments: &[&'static str]) -> Args {
        let attachments = attachments.iter().map(|bytes| (*bytes).into()).collect();
        Args::from_raw(RawJson::new(json, attachments).unwrap()).unwrap()
    }

    fn bytes(text: &'static str) -> Value {
        Value::Binary(Binary(text.into()))
    }

    // proves: features/binary
    #[test]
    fn any_value_is_one_argument_among_others_with_its_bytes() {
        let came = args(
            r#"[1,{"a":[{"num":1,"_placeholder":true},null],"b":{"_placeholder":true,"num":0.0}},"x"]"#,
            &["zero", "one"],
        );
        let (one, value, text): (u8, Value, String) = came.read().unwrap();
        let expected = [
            ("a".to_owned(), [bytes("one"), Value::Null].into_iter().collect()),
            ("b".to_owned(), bytes("zero")),
        ];
        assert_eq!((one, &value, &*text), (1, &expected.into_iter().collect(), "x"));
        assert_eq!(value.get("b").and_then(Value::as_binary).map(|bytes| &bytes[..]), Some(&b"zero"[..]));
        // When it is written again, attachments are numbered in their new order.
        let sent = Args::new((Binary(bytes::Bytes::from_static(b"first")), &value)).unwrap();
        let placeholder = |num| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
        let [first, a, b] = [0, 1, 2].map(placeholder);
        assert_eq!(sent.json(), format!(r#"{first},{{"a":[{a},null],"b":{b}}}"#));
        assert_eq!(sent.attachments(), ["first", "one", "zero"]);
        assert_eq!(sent.read::<(Binary, Value)>().unwrap().1, value);
    }

    #[test]
    fn json_becomes_a_value_and_back() {
        let json = json!({ "a": [1, -1, 1.5, u64::MAX, true, null, "x"], "b": {}, "c": { "_placeholder": true, "num": 0 } });
        let value = Value::from(json.clone());
        assert_eq!(value.clone().into_json().unwrap(), json);
        assert_eq!(serde_json::to_value(&value).unwrap(), json);
        assert_eq!(serde_json::from_value::<Value>(json).unwrap(), value);
        let nested: Value = [Value::Null, [bytes("b")].into_iter().collect()].into_iter().collect();
        assert!(nested.has_binary());
        assert_eq!(nested.clone().into_json(), Err(nested));
    }

    #[test]
    fn what_only_looks_like_a_placeholder_is_an_object() {
        // Without attachments, it can't be a placeholder.
        let looks = r#"[{"_placeholder":true,"num":0}]"#;
        assert_eq!(
            args(looks, &[]).read::<Value>().unwrap(),
            json!({ "_placeholder": true, "num": 0 }).into()
        );
        let json = r#"[[{"_placeholder":1,"num":0},{"num":0},{"_placeholder":false,"num":0}]]"#;
        assert!(!args(json, &["b"]).read::<Value>().unwrap().has_binary());
    }
}
