//! JSON from a backend: read, or what is wrong with it and where.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};

/// Why a text can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no JSON.
    Syntax(String),
    /// A value is not what is wanted there: a path such as `emit[1].event`, which is empty for the whole.
    Field { at: String, message: String },
}

/// Reads all of a text.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unread> {
    let deserializer = &mut serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return Unread::Syntax(error.to_string());
        }
        let message = without_place(&error.to_string()).to_owned();
        let outer = if path == "." { "" } else { &path };
        let at = match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
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

/// A list of strings. The error says so; serde's says "a sequence".
pub(crate) fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::deserialize(deserializer).map_err(|_| D::Error::custom("must be a list of strings"))
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
        assert_eq!(wrong("7").0, "");
        for text in ["", "{", "{\"list\":[]} x"] {
            assert!(matches!(read::<Outer>(text.as_bytes()), Err(Unread::Syntax(_))), "{text}");
        }
    }
}
