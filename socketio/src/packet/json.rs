//! Checks and repairs on JSON text, made before serde_json sees it.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// How deep arrays and objects may nest. serde_json's own limit is the same, but it does not count while it skips a
/// value, so a deep value would only be noticed by the handler that deserialises it.
pub(crate) const MAX_DEPTH: usize = 127;

/// What a scan of JSON finds, without parsing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonScan {
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    pub(crate) too_deep: bool,
    /// There may be a number that no double holds.
    pub(crate) may_overflow: bool,
    /// There may be a backslash.
    pub(crate) may_escape: bool,
}

impl JsonScan {
    /// Looks for brackets and exponents outside of strings, and for escapes. Short JSON can't be too deep: there it
    /// looks for exponents anywhere, and doesn't distinguish them from escapes. It neither recurses nor allocates.
    pub(crate) fn of(json: &str) -> JsonScan {
        let bytes = json.as_bytes();
        if bytes.len() <= MAX_DEPTH {
            let found = has_exponent_or_escape(bytes);
            return JsonScan { too_deep: false, may_overflow: found, may_escape: found };
        }
        let (mut depth, mut at) = (0usize, 0);
        let mut looks = JsonScan { too_deep: false, may_overflow: false, may_escape: false };
        while let Some(byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'[' | b'{' => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        looks.too_deep = true;
                        return looks;
                    }
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b'"' => {
                    let string = string_rest(&bytes[at..]);
                    at += string.len;
                    looks.may_escape |= string.has_escape;
                }
                b'e' | b'E' => looks.may_overflow |= at > 1 && bytes[at - 2].is_ascii_digit(),
                _ => {}
            }
        }
        looks.may_overflow |= has_many_digits(bytes);
        looks
    }
}

/// Whether arrays and objects nest deeper than [`MAX_DEPTH`].
pub(crate) fn too_deep(json: &str) -> bool {
    JsonScan::of(json).too_deep
}

/// The bytes that are looked at in one step.
const STEP: usize = 16;

/// Whether an `e` follows a digit, or a backslash anything.
fn has_exponent_or_escape(bytes: &[u8]) -> bool {
    let mut found = [false; STEP];
    let mut rest = bytes;
    while let Some(step) = rest.first_chunk() {
        look(step, &mut found);
        rest = &rest[STEP..];
    }
    match bytes.last_chunk() {
        // The last step overlaps the one before.
        Some(step) => look(step, &mut found),
        None => return bytes.windows(2).any(|pair| is_exponent_or_escape(pair[0], pair[1])),
    }
    found != [false; STEP]
}

/// There is no branch for each byte, so that the compiler can vectorise the loop.
#[inline(always)]
fn look(step: &[u8; STEP + 1], found: &mut [bool; STEP]) {
    for at in 0..STEP {
        found[at] |= is_exponent_or_escape(step[at], step[at + 1]);
    }
}

#[inline(always)]
fn is_exponent_or_escape(before: u8, byte: u8) -> bool {
    (before.is_ascii_digit() & (byte | 0x20 == b'e')) | (byte == b'\\')
}

/// Whether there are as many digits in a row as the largest double has, even within a string.
fn has_many_digits(bytes: &[u8]) -> bool {
    const DIGITS: usize = 309;
    (DIGITS..=bytes.len()).step_by(DIGITS).any(|end| {
        if !bytes[end - 1].is_ascii_digit() {
            return false;
        }
        let before = bytes[..end].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let after = bytes[end..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        before + after >= DIGITS
    })
}

/// The rest of a string, with its closing quote.
struct StringRest {
    len: usize,
    has_escape: bool,
}

fn string_rest(rest: &[u8]) -> StringRest {
    let (mut at, mut has_escape) = (0, false);
    while let Some(found) = rest.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if rest[at] == b'"' {
            return StringRest { len: at + 1, has_escape };
        }
        has_escape = true;
        at += 2;
    }
    StringRest { len: rest.len(), has_escape }
}

/// Replaces numbers that no double holds, such as `1e400`, by `null`; not a number that is the array's first
/// element, if `keeps_first`.
///
/// `JSON.parse` makes an infinity of them, and `JSON.stringify` makes `null` of that. A stricter parser would refuse
/// the whole packet. The replacement is padded with spaces, so all positions stay the same.
pub(crate) fn replace_infinities(json: &str, keeps_first: bool) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut repaired: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => at += string_rest(&bytes[at..]).len,
            b'-' | b'0'..=b'9' => {
                at += bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                let is_first = keeps_first && bytes[..start].trim_ascii() == b"[";
                let value = json[start..at].parse::<f64>();
                if !is_first && value.is_ok_and(f64::is_infinite) {
                    let number = &mut repaired.get_or_insert_with(|| bytes.to_vec())[start..at];
                    number.fill(b' ');
                    // The shortest is `1e309`.
                    number[..4].copy_from_slice(b"null");
                }
            }
            _ => {}
        }
    }
    match repaired.map(String::from_utf8) {
        Some(Ok(repaired)) => Cow::Owned(repaired),
        // ASCII was replaced by ASCII, so the error can't happen.
        Some(Err(_)) | None => Cow::Borrowed(json),
    }
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
}

/// Replaces escapes of lone surrogates by `\ufffd`.
///
/// A JavaScript string is a sequence of UTF-16 units, and `JSON.stringify` writes a surrogate without its partner as
/// an escape, `"\ud83d"`. That is legal JSON (RFC 8259, section 8.2), but UTF-8 can't express it. The replacement has
/// the same length, so all positions stay the same.
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

    // proves: protocol/huge-numbers
    #[test]
    fn numbers_that_no_double_holds_become_null() {
        let digits = "9".repeat(309);
        for (json, repaired) in [
            ("[1e400]", "[null ]"),
            ("[-1E+400 ,1]", "[null    ,1]"),
            (r#"{"a":[1.5e309,"1e400"],"b":2e308}"#, r#"{"a":[null   ,"1e400"],"b":null }"#),
            (&format!("[{digits}]"), &format!("[null{}]", " ".repeat(305))),
            (&format!("[{digits}.5,1]"), &format!("[null{},1]", " ".repeat(307))),
        ] {
            for filler in ["", &"[]".repeat(70), &r#","a","#.repeat(40)] {
                assert!(JsonScan::of(&format!("{filler}{json}{filler}")).may_overflow, "{filler}{json}");
            }
            assert_eq!(replace_infinities(json, false), *repaired);
            assert!(serde_json::from_str::<serde_json::Value>(repaired).is_ok());
        }
        assert_eq!(replace_infinities("[1e400,1e400]", true), "[1e400,null ]", "a name stays");
        assert_eq!(replace_infinities(r#"["a",1e400]"#, true), r#"["a",null ]"#);
    }

    #[test]
    fn json_without_exponents_is_not_looked_at_again() {
        let long = format!("[{}]", "true,false,null,123,\"1e400\",".repeat(40));
        for json in [
            "[1,true,\"message\"]",
            r#"["message","the quick brown fox 3, else 4"]"#,
            "[e1e]",
            "",
            "e",
            &long,
        ] {
            assert!(!JsonScan::of(json).may_overflow || json == "[e1e]", "{json}");
        }
        for at in 0..120 {
            let json = format!("{}1e9{}", "x".repeat(at), "x".repeat(120 - at));
            assert!(JsonScan::of(&json).may_overflow, "{json}");
        }
    }

    // proves: protocol/huge-numbers
    #[test]
    fn what_a_double_holds_stays() {
        let digits = "1".repeat(309);
        let (text, fraction) = (format!("[\"{}\"]", "9".repeat(400)), format!("[0.{}]", "9".repeat(400)));
        let pairs = format!("[{}]", vec!["1234567890"; 100].join(","));
        for json in [
            "[1e308,-1.7976931348623157e+308,0e400,1e-400]",
            r#"["1e400","\"1e400"]"#,
            "1e4-00",
            "[1e",
            &digits,
            &text,
            &fraction,
            &pairs,
            "",
        ] {
            assert!(matches!(replace_infinities(json, false), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    // proves: protocol/lone-surrogates
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

    // proves: protocol/lone-surrogates
    #[test]
    fn what_only_looks_like_a_lone_surrogate_stays() {
        for json in [r#""\ud83d\ude00""#, r#""\\ud800""#, r#""a\nb""#, r#""\u00e9""#, r#""\"#, r#""\ud8"#] {
            assert!(matches!(replace_lone_surrogates(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }
}
