//! JSONP polling, for browsers that can't send requests to other origins but can load scripts from them.
//!
//! A GET is a script that calls `___eio[j]` with the payload as a string; a POST is a form whose field `d` is
//! the payload. This bypasses the browser's same-origin policy, so it is off by default.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;

use crate::{Query, Refusal};

/// A request by JSONP, with the index of the client's function: `j` in the query.
///
/// ```
/// use engineio::{EngineConfig, Jsonp, Method, Open, Query, Route, Transport};
///
/// let config = EngineConfig { jsonp: true, ..EngineConfig::default() };
/// let query = Query::new("EIO=3&transport=polling&j=0");
/// let route = Route::find(&config, Method::Get, query, Transport::Polling, |_| None);
/// let Ok(Route::Open(Open { jsonp: Some(jsonp), .. })) = route else { panic!("a request by JSONP") };
/// assert_eq!(jsonp.script(b"1:6"), "___eio[0](\"1:6\");");
/// assert_eq!(Jsonp::payload(b"d=1:6"), "1:6");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jsonp(u32);

impl Jsonp {
    /// Reads `j`.
    ///
    /// # Errors
    /// If it is not a number. It becomes part of a script, so nothing else is safe.
    pub(crate) fn asked(query: Query<'_>) -> Result<Option<Jsonp>, Refusal> {
        let Some(index) = query.get("j") else { return Ok(None) };
        // `parse` would accept a sign too.
        let digits = index.bytes().all(|byte| byte.is_ascii_digit());
        let index = Some(index).filter(|_| digits).and_then(|index| index.parse().ok());
        index.map(|index| Some(Jsonp(index))).ok_or(Refusal::JsonpUnfit)
    }

    /// The script that passes a payload of text to the client.
    #[must_use]
    pub fn script(self, payload: &[u8]) -> Bytes {
        let payload = String::from_utf8_lossy(payload);
        let mut script = String::with_capacity(payload.len() + payload.len() / 8 + 24);
        let _ = write!(script, "___eio[{}](\"", self.0);
        for character in payload.chars() {
            match character {
                '"' => script.push_str("\\\""),
                '\\' => script.push_str("\\\\"),
                '\n' => script.push_str("\\n"),
                // These two end a line in a script, but not in JSON.
                '\0'..' ' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(script, "\\u{:04x}", u32::from(character));
                }
                _ => script.push(character),
            }
        }
        script.push_str("\");");
        Bytes::from(script)
    }

    /// The payload in a POST's form; empty if the form has none.
    #[must_use]
    pub fn payload(form: &[u8]) -> Bytes {
        let field = form_urlencoded::parse(form).find(|(name, _)| name == "d");
        let field = field.map_or(Cow::Borrowed(""), |(_, payload)| payload);
        Bytes::from(restore_newlines(&field))
    }
}

/// Browsers turn a line feed in a form into CRLF, so clients send `\n` instead, and `\\n` for a `\n` in the payload.
fn restore_newlines(field: &str) -> String {
    let mut payload = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find("\\") {
        payload.push_str(&rest[..at]);
        rest = &rest[at..];
        let (restored, len) = if rest.starts_with("\\\\n") {
            ("\\n", 3)
        } else if rest.starts_with("\\n") {
            ("\n", 2)
        } else {
            ("\\", 1)
        };
        payload.push_str(restored);
        rest = &rest[len..];
    }
    payload + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Option<Jsonp>, Refusal> {
        Jsonp::asked(Query::new(query))
    }

    // proves: protocol/jsonp
    #[test]
    fn the_index_is_a_number_and_nothing_else() {
        assert_eq!(asked("EIO=4"), Ok(None));
        assert_eq!(asked("j=12"), Ok(Some(Jsonp(12))));
        for index in ["", "+1", "-1", "1;alert(1)", "a", "0x1", "%00", "٣", "99999999999"] {
            assert_eq!(asked(&format!("j={index}")), Err(Refusal::JsonpUnfit), "{index}");
        }
    }

    // proves: protocol/jsonp
    #[test]
    fn a_script_is_one_call_whatever_the_payload_has() {
        let payload = "4\"\\\n\r\t\0\u{1e}é😀\u{2028}\u{2029}</script>";
        assert_eq!(
            Jsonp(7).script(payload.as_bytes()),
            "___eio[7](\"4\\\"\\\\\\n\\u000d\\u0009\\u0000\\u001eé😀\\u2028\\u2029</script>\");"
        );
    }

    // proves: protocol/jsonp
    #[test]
    fn a_form_is_read_as_the_client_escaped_it() {
        for (form, payload) in [
            ("d=4hello+w%C3%B6rld", "4hello wörld"),
            ("d=4a%5Cnb", "4a\nb"),
            ("d=4a%5C%5Cnb", "4a\\nb"),
            ("d=4a%5C%5C%5Cnb", "4a\\\\nb"),
            ("d=4a%5Cb%5C", "4a\\b\\"),
            ("x=1&d=4a%1E4b&d=4c", "4a\u{1e}4b"),
            ("", ""),
            ("4hello", ""),
        ] {
            assert_eq!(Jsonp::payload(form.as_bytes()), payload, "{form}");
        }
    }
}
