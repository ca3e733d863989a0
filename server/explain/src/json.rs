//! The positions of the parts of JSON. Nothing here decides whether the JSON is legal.

use std::ops::Range;

use serde_json::Value;

/// A placeholder of an attachment.
pub(crate) struct Placeholder {
    pub(crate) range: Range<usize>,
    /// Its `num`, if that is an index.
    pub(crate) num: Option<u64>,
}

/// The elements of an array or object, as far as it goes.
pub(crate) fn elements(json: &str) -> Vec<Range<usize>> {
    let mut elements = Vec::new();
    let mut depth = 0;
    let mut element: Option<Range<usize>> = None;
    for (token, range) in tokens(json) {
        match token {
            b'[' | b'{' => {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            }
            b']' | b'}' => {
                depth -= 1;
                if depth <= 0 {
                    break;
                }
            }
            b',' if depth == 1 => {
                elements.extend(element.take());
                continue;
            }
            _ => {}
        }
        element.get_or_insert(range.clone()).end = range.end;
    }
    elements.extend(element);
    elements
}

/// The placeholders at any depth.
pub(crate) fn placeholders(json: &str) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    for (token, range) in tokens(json) {
        match token {
            b'{' => open.push(range.start),
            b'}' => {
                let Some(start) = open.pop() else { break };
                let object = &json[start..range.end];
                if !object.contains("_placeholder") || object.len() > LONGEST_PLACEHOLDER {
                    continue;
                }
                if let Ok(Value::Object(fields)) = serde_json::from_str(object)
                    && fields.get("_placeholder") == Some(&Value::Bool(true))
                {
                    let num = fields.get("num").and_then(index);
                    found.push(Placeholder { range: start..range.end, num });
                }
            }
            _ => {}
        }
    }
    found
}

/// Longer objects are skipped: a real placeholder has 28 characters or a few more.
const LONGEST_PLACEHOLDER: usize = 256;

/// JSON knows one kind of number, so `0.0` is 0 as well.
fn index(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|num| num.fract() == 0.0 && *num >= 0.0).map(|num| num as u64))
}

/// The opening bracket of the first array or object that is inside more than `most` others.
pub(crate) fn too_deep(json: &str, most: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (token, range) in tokens(json) {
        match token {
            b'[' | b'{' if depth == most => return Some(range.start),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// An element of an object: its key without quotes, and its value.
pub(crate) fn key(element: &str) -> (&str, &str) {
    let mut tokens = tokens(element);
    match (tokens.next(), tokens.next()) {
        (Some((b'"', key)), Some((b':', colon))) => {
            let inside = key.start + 1..key.end.saturating_sub(1);
            (element.get(inside).unwrap_or_default(), element[colon.end..].trim())
        }
        _ => ("", element),
    }
}

/// What kind of value this is.
pub(crate) fn kind(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Strings as a whole, and everything else but white space character by character, each with its first byte.
fn tokens(json: &str) -> impl Iterator<Item = (u8, Range<usize>)> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = at;
        let first = *bytes.get(at)?;
        at += json[at..].chars().next().map_or(1, char::len_utf8);
        if first == b'"' {
            while let Some(byte) = bytes.get(at) {
                at += if *byte == b'\\' { 2 } else { 1 };
                if *byte == b'"' {
                    break;
                }
            }
            at = at.min(bytes.len());
        }
        Some((first, start..at))
    })
}

/// The byte at which serde_json stopped.
pub(crate) fn error_at(json: &str, error: &serde_json::Error) -> usize {
    let line: usize = json.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // A column is the number of bytes up to and including the last one read.
    let at = line + error.column().saturating_sub(1);
    if error.is_eof() { json.len() } else { at.min(json.len()) }
}
