//! The offers in `Sec-WebSocket-Extensions`.

/// What a client offers: one way to compress messages (RFC 7692, section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    /// The largest window that the client can inflate.
    pub(super) server_max_window_bits: Option<u8>,
    /// The client can be told to use a smaller window. It may use the largest, which is always inflated.
    pub(super) client_max_window_bits: bool,
}

/// The offers of permessage-deflate in a field, the one that the client likes best first. Those that this server must
/// decline are left out, and so is what is no list of extensions.
pub(super) fn offers(field: &str) -> Vec<Offer> {
    let extensions = split(field, ',');
    extensions.into_iter().flatten().filter_map(Offer::read).collect()
}

impl Offer {
    /// "A server MUST decline an extension negotiation offer for this extension if any of the following conditions are
    /// met": a parameter that is not defined, an invalid value, two parameters of the same name (RFC 7692, section 7).
    fn read(extension: &str) -> Option<Offer> {
        let parts = split(extension, ';')?;
        let (name, parameters) = parts.split_first()?;
        if !name.trim().eq_ignore_ascii_case("permessage-deflate") {
            return None;
        }
        let mut offer = Offer::default();
        for parameter in parameters {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquoted(value.trim())?)),
                None => (parameter.trim(), None),
            };
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !std::mem::replace(&mut offer.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !std::mem::replace(&mut offer.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(bits)) => {
                    offer.server_max_window_bits.replace(window_bits(bits)?).is_none()
                }
                ("client_max_window_bits", bits) => {
                    if let Some(bits) = bits {
                        window_bits(bits)?;
                    }
                    !std::mem::replace(&mut offer.client_max_window_bits, true)
                }
                _ => return None,
            };
            if !is_new {
                return None;
            }
        }
        Some(offer)
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (RFC 7692, section 7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    value.parse().ok().filter(|bits| is_decimal && matches!(bits, 8..=15))
}

/// A token, or what is in a quoted string: it must be a token itself (RFC 6455, section 9.1).
fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// The parts between separators that are in no quoted string; `None` if such a string has no end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    });
    let parts = parts.collect();
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Offer = Offer {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: None,
        client_max_window_bits: false,
    };

    #[test]
    fn offers_are_read_in_order() {
        let field = "permessage-deflate; server_max_window_bits=10; client_max_window_bits, \
                     x-webkit-deflate-frame, permessage-deflate;client_no_context_takeover , \
                     Permessage-Deflate ; server_no_context_takeover";
        let expected = [
            Offer { server_max_window_bits: Some(10), client_max_window_bits: true, ..NONE },
            Offer { client_no_context_takeover: true, ..NONE },
            Offer { server_no_context_takeover: true, ..NONE },
        ];
        assert_eq!(offers(field), expected);
    }

    #[test]
    fn a_value_may_be_quoted() {
        let expected = Offer { server_max_window_bits: Some(9), ..NONE };
        assert_eq!(offers("permessage-deflate; server_max_window_bits=\"9\""), [expected]);
        // What a quoted string has of commas and semicolons separates nothing.
        let field = r#"other; a="x, permessage-deflate; \", y", permessage-deflate"#;
        assert_eq!(offers(field), [NONE]);
    }

    #[test]
    fn an_offer_with_an_odd_parameter_is_none() {
        for parameters in [
            "server_no_context_takeover=true",
            "client_no_context_takeover=1",
            "server_max_window_bits",
            "server_max_window_bits=",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=+10",
            "server_max_window_bits=99999999999999999999",
            "server_max_window_bits=1e1",
            "server_max_window_bits=\"10",
            "client_max_window_bits=0",
            "client_max_window_bits=abc",
            "client_max_window_bits=",
            "client_max_window_bits; client_max_window_bits=15",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits=10; server_max_window_bits=10",
            "constructor",
            "__proto__=1",
            "",
            ";",
            "=",
            "server_max_window_bits=10=10",
            "SERVER_NO_CONTEXT_TAKEOVER",
            "é",
        ] {
            assert_eq!(offers(&format!("permessage-deflate; {parameters}")), [], "{parameters}");
            // The next one counts.
            let next = format!("permessage-deflate; {parameters}, permessage-deflate");
            let expected: &[Offer] = if parameters.contains('"') { &[] } else { &[NONE] };
            assert_eq!(offers(&next), expected, "{parameters}");
        }
    }

    #[test]
    fn what_is_no_list_has_no_offers() {
        for field in
            ["", ",", ",,,", "\"", "permessage-deflate\"", "permessage-deflate2", "deflate", ";;;,=,\\"]
        {
            assert_eq!(offers(field), [], "{field}");
        }
    }
}
