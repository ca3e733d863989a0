//! Checks and repairs on JSON text, made before serde_json sees it.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// How deep arrays and objects may nest. serde_json's own limit is the same, but it does not count while it
/// skips a value, so a deep value would only be found out by the handler that deserialises it.
pub(crate) const MAX_DEPTH: usize = 127;

/// Whether arrays and objects nest deeper than [`MAX_DEPTH`]. It looks at brackets outside of strings and
/// nothing else; it neither recurses nor allocates.
pub(crate) fn too_deep(json: &str) -> bool {
    let bytes = json.as_bytes();
    if bytes.len() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at += string_len(&bytes[at..]),
            _ => {}
        }
    }
    false
}

/// The length of a string's rest, with its closing quote.
fn string_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = rest.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if rest[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    rest.len()
}

/// Replaces escapes of lone surrogates by `\ufffd`.
///
/// A JavaScript string is a sequence of UTF-16 units, and `JSON.stringify` writes a surrogate without its
/// partner as an escape, `"\ud83d"`. That is legal JSON (RFC 8259, section 8.2) which no UTF-8 string can
/// hold. The replacement has the same length, so everything stays where it was.
pub(crate) fn replace_lone_surrogates(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut repaired: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += found;
        at += match escaped_unit(bytes, at) {
            None => 2,
            Some(0xd800..=0xdbff) if matches!(escaped_unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                let repaired = repaired.get_or_insert_with(|| bytes.to_vec());
                repaired[at..at + 6].copy_from_slice(br"\ufffd");
                6
            }
            Some(_) => 6,
        };
    }
    match repaired.map(String::from_utf8) {
        Some(Ok(repaired)) => Cow::Owned(repaired),
        // ASCII was replaced by ASCII, so the error can't happen.
        Some(Err(_)) | None => Cow::Borrowed(json),
    }
}

/// The UTF-16 unit of the escape `\uXXXX` at `at`.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        assert!(!too_deep(&format!("{}{}", "[".repeat(127), "]".repeat(127))));
        assert!(too_deep(&format!("{}{}", "[".repeat(128), "]".repeat(128))));
        assert!(too_deep(&r#"{"a":"#.repeat(100_000)));
        assert!(!too_deep(&format!("[\"{}\"]", "[".repeat(200))));
        assert!(!too_deep(&format!(r#"["\"{}"]"#, "[".repeat(200))));
        assert!(too_deep(&format!(r#"["\\"{}"#, "[".repeat(200))));
        assert!(!too_deep(&"[],".repeat(200)));
    }

    #[test]
    fn a_string_that_never_ends_is_no_panic() {
        assert!(!too_deep(&format!("\"{}\\", "a".repeat(200))));
        assert!(!too_deep(&format!("{}\"", " ".repeat(200))));
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        for (json, repaired) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\uD83D\u0041""#, r#""\ufffd\u0041""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\udc00x\udc00""#, r#""\ufffdx\ufffd""#),
        ] {
            assert_eq!(replace_lone_surrogates(json), repaired);
            assert!(serde_json::from_str::<String>(repaired).is_ok());
        }
    }

    #[test]
    fn what_only_looks_like_a_lone_surrogate_stays() {
        for json in [r#""\ud83d\ude00""#, r#""\\ud800""#, r#""a\nb""#, r#""\u00e9""#, r#""\"#, r#""\ud8"#] {
            assert!(matches!(replace_lone_surrogates(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }
}
