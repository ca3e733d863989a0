//! Names and other texts.

use super::{Form, Reader};

/// Names of which a `*` at the end stands for anything.
pub(crate) const PATTERNS: Reader<Vec<String>> = Reader::new("NAME", Form::List, |words| {
    let names: Vec<_> = words.iter().map(|word| word.trim().to_owned()).collect();
    names.iter().try_for_each(|name| star_at_the_end(name)).map(|()| names)
});

/// A `*` stands for anything at the end of a name, and nowhere else.
pub(super) fn star_at_the_end(name: &str) -> Result<(), String> {
    match name.strip_suffix('*').unwrap_or(name).contains('*') {
        true => Err(format!("{name:?} has a * that is not at its end: only there it stands for anything")),
        false => Ok(()),
    }
}

pub(crate) const NAMESPACES: Reader<Vec<String>> = Reader::new("NAME", Form::List, |words| {
    match words.iter().find(|word| !word.starts_with('/') || word.contains([',', '?'])) {
        Some(other) => {
            Err(format!("{other:?} is not a namespace: it begins with a slash, and has no comma and no ?"))
        }
        None if words.is_empty() => Err("must name at least one namespace".to_owned()),
        None => words.iter().try_for_each(|word| star_at_the_end(word)).map(|()| words.to_vec()),
    }
});

/// A name of letters, digits and a few signs.
pub(crate) const NODE: Reader<Option<String>> =
    Reader::new("NAME", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(name) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~".contains(&byte);
            match (1..=100).contains(&name.len()) && name.bytes().all(allowed) {
                true => Ok(Some(name.clone())),
                false => Err(format!("{name:?} is not 1 to 100 letters, digits and -._:~")),
            }
        }
    });

/// A text that is there.
pub(crate) const WORD: Reader<Option<String>> =
    Reader::new("NAME", Form::Text, |words| match words.first() {
        Some(word) if word.trim().is_empty() => Err("can't be empty".to_owned()),
        word => Ok(word.cloned()),
    });

/// Names of header fields. What can be one is settled where they are used.
pub(crate) const NAMES: Reader<Vec<String>> =
    Reader::new("NAME", Form::List, |words| Ok(words.iter().map(|word| word.trim().to_owned()).collect()));

/// A text that is not repeated where it may be logged.
pub(crate) const TEXT_OR_NONE: Reader<Option<String>> =
    Reader::new("TEXT", Form::Text, |words| match words.first() {
        Some(text) if text.trim().is_empty() => Err("must not be empty".to_owned()),
        text => Ok(text.cloned()),
    });
