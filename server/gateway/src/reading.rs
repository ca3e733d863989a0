//! JSON from a backend: read, or what is wrong with it and where.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::objects::Strict;

/// Why a text can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no JSON.
    Syntax(String),
    /// A value is not what is wanted there: a path such as `emit[1].event`, which is empty for the whole.
    Field { at: String, message: String },
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Syntax(error) => f.write_str(error),
            Unread::Field { at, message } if at.is_empty() => f.write_str(message),
            Unread::Field { at, message } => write!(f, "{at}: {message}"),
        }
    }
}

/// Reads all of a text.
pub(crate) fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Unread> {
    let deserializer = &mut serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(Strict(&mut *deserializer)).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return Unread::Syntax(error.to_string());
        }
        let message = in_words_of_json(without_place(&error.to_string()));
        let outer = if path == "." { "" } else { &path };
        let named = ["missing field `", "duplicate field `"]
            .iter()
            .find_map(|start| message.strip_prefix(start)?.strip_suffix('`'));
        let at = match named {
            Some(name) if outer.is_empty() => name.to_owned(),
            Some(name) => format!("{outer}.{name}"),
            None => outer.to_owned(),
        };
        Unread::Field { at, message }
    })?;
    deserializer.end().map_err(|error| Unread::Syntax(error.to_string()))?;
    Ok(read)
}

/// Without the line and column, which say nothing about a body of one line.
fn without_place(error: &str) -> &str {
    error.rfind(" at line ").map_or(error, |at| &error[..at])
}

/// What serde says of a value of a wrong type, in the words of JSON. The value itself is not repeated.
fn in_words_of_json(message: &str) -> String {
    let is_of_type = ["invalid type: ", "invalid value: ", "invalid length "];
    if !is_of_type.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    let Some((_, wanted)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let wanted = match wanted {
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "true or false",
        other => other,
    };
    format!("must be {wanted}")
}

/// A list of strings. The error says so; serde's says "a sequence".
pub(crate) fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::deserialize(deserializer).map_err(|_| D::Error::custom("must be a list of strings"))
}

/// A list; `of` says of what.
pub(crate) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    of: &'static str,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(&'static str, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of {}", self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = seq.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_seq(List(of, PhantomData))
}

/// An object. PHP writes an empty one as an empty list.
pub(crate) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<String, Value>, A::Error> {
            let mut all = Map::new();
            while let Some((key, value)) = map.next_entry()? {
                all.insert(key, value);
            }
            Ok(all)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Map<String, Value>, A::Error> {
            match seq.next_element::<Value>()? {
                None => Ok(Map::new()),
                Some(_) => Err(A::Error::custom("must be an object")),
            }
        }
    }

    deserializer.deserialize_any(Object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "list")]
        _list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "to", deserialize_with = "strings")]
        _to: Vec<String>,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text: &str| match read::<Outer>(text.as_bytes()).unwrap_err() {
            Unread::Field { at, message } => (at, message),
            Unread::Syntax(error) => panic!("{error}"),
        };
        let told = |at: &str, message: &str| (at.to_owned(), message.to_owned());
        assert_eq!(wrong("{}"), told("list", "missing field `list`"));
        assert_eq!(wrong(r#"{"list":[{"to":[]}]}"#), told("list[0].name", "missing field `name`"));
        let strings = "must be a list of strings";
        assert_eq!(wrong(r#"{"list":[{"name":"a","to":"r"}]}"#), told("list[0].to", strings));
        assert_eq!(wrong(r#"{"list":[{"name":"a","to":["r",1]}]}"#), told("list[0].to[1]", strings));
        assert_eq!(wrong(r#"{"lst":1}"#).0, "lst");
        assert_eq!(wrong("7"), told("", "must be an object"));
        assert_eq!(wrong("[[]]"), told("", "must be an object"));
        assert_eq!(wrong(r#"{"list":[["a",[]]]}"#), told("list[0]", "must be an object"));
        assert_eq!(wrong(r#"{"list":null}"#), told("list", "must be a list"));
        assert_eq!(wrong(r#"{"list":[{"name":7,"to":[]}]}"#), told("list[0].name", "must be a string"));
        assert_eq!(wrong(r#"{"list":[],"list":[]}"#), told("list", "duplicate field `list`"));
        for text in ["", "{", "{\"list\":[]} x"] {
            assert!(matches!(read::<Outer>(text.as_bytes()), Err(Unread::Syntax(_))), "{text}");
        }
    }
}
