//! The subprotocols that a client offers with its WebSocket (RFC 6455, section 1.9).

use std::collections::HashSet;

use engineio::Refusal;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

/// The first subprotocol that the client offers, which it prefers; `None` if it offers none.
///
/// "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to U+007E not
/// including separator characters [...] and MUST all be unique strings" (RFC 6455, section 4.1). The chosen one is
/// sent back unchanged, so all of them are checked. Several fields are one list (RFC 9110, section 5.3).
///
/// # Errors
/// If it is not a list of names, or has a name twice.
pub(crate) fn first(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let mut first = None;
    let mut names = HashSet::new();
    let fields = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    for name in fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')) {
        let name = name.trim_ascii();
        if name.is_empty() || !name.iter().all(is_token) || !names.insert(name) {
            return Err(Refusal::Subprotocols);
        }
        if first.is_none() {
            first = Some(HeaderValue::from_bytes(name).map_err(|_| Refusal::Subprotocols)?);
        }
    }
    Ok(first)
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(fields: &[&'static str]) -> Result<Option<String>, Refusal> {
        let fields = fields.iter().map(|field| (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(field)));
        let first = first(&HeaderMap::from_iter(fields))?;
        Ok(first.map(|name| name.to_str().unwrap().to_owned()))
    }

    // proves: protocol/subprotocol
    #[test]
    fn the_first_of_all_fields_is_chosen() {
        assert_eq!(chosen(&[]), Ok(None));
        assert_eq!(chosen(&["arduino"]), Ok(Some("arduino".to_owned())));
        assert_eq!(chosen(&["one ,\ttwo", "three"]), Ok(Some("one".to_owned())));
    }

    // proves: protocol/subprotocol
    #[test]
    fn names_are_tokens_and_unique() {
        for fields in [
            &[""][..],
            &["one,"],
            &[",one"],
            &["one, ,two"],
            &["one", ""],
            &["two words"],
            &["one/two"],
            &["one, two, one"],
            &["one", "one"],
        ] {
            assert_eq!(chosen(fields), Err(Refusal::Subprotocols), "{fields:?}");
        }
    }
}
