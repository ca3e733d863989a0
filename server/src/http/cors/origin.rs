//! One entry of an allowlist: an origin, or a pattern of some.

use super::error::CorsError;

/// An origin as a browser serialises it: scheme and host in lower case, no default port, no path (RFC 6454, section
/// 6.2). A pattern matches any first labels of the host, or any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `null`: what a browser sends for a page without an origin, such as a file or a sandboxed frame.
    Null,
    Of {
        scheme: Box<str>,
        host: Host,
        port: Port,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Exact(Box<str>),
    /// Any labels before this, which begins with a dot.
    Under(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// The scheme's.
    Default,
    Exact(Box<str>),
    Any,
}

impl Origin {
    /// Reads an entry.
    pub(super) fn parse(text: &str) -> Result<Origin, CorsError> {
        match text {
            "" => return Err(CorsError::Empty),
            "null" => return Ok(Origin::Null),
            _ => {}
        }
        let invalid = || CorsError::Invalid(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (scheme, host, port) = split(&lower).ok_or_else(invalid)?;
        let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let scheme_ok =
            scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(scheme_char);
        let own_scheme = !matches!(scheme, "http" | "https" | "ws" | "wss");
        let host = match host {
            // Clients whose page doesn't come from a host send these: `file://` (Cordova, Arduino), `app://.`
            // (Electron).
            "" | "." if own_scheme && port.is_none() => Some(Host::Exact(host.into())),
            host => parse_host(host),
        };
        let host = host.filter(|_| scheme_ok).ok_or_else(invalid)?;
        let port = match (scheme, port) {
            (_, None) | ("http", Some("80")) | ("https", Some("443")) => Port::Default,
            (_, Some("*")) => Port::Any,
            (_, Some(port)) => {
                // As a browser writes it: without leading zeros.
                let number = port.parse::<u16>().ok().filter(|number| *number > 0);
                let number = number.map(|number| number.to_string()).filter(|number| number == port);
                Port::Exact(number.ok_or_else(invalid)?.into())
            }
        };
        Ok(Origin::Of { scheme: scheme.into(), host, port })
    }

    /// Whether an origin that a browser sent is this one, or one of these.
    pub(super) fn matches(&self, origin: &str) -> bool {
        let Origin::Of { scheme: its_scheme, host: its_host, port: its_port } = self else {
            return origin == "null";
        };
        let Some((scheme, host, port)) = split(origin) else { return false };
        let host = match its_host {
            Host::Exact(exact) => **exact == *host,
            Host::Under(end) => host.strip_suffix(&**end).is_some_and(is_name),
        };
        let port = match its_port {
            Port::Default => port.is_none(),
            Port::Exact(exact) => port == Some(exact),
            Port::Any => port.is_none_or(|port| port.parse::<u16>().is_ok()),
        };
        *scheme == **its_scheme && host && port
    }
}

/// Scheme, host and port.
fn split(origin: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, authority) = origin.split_once("://")?;
    Some(match authority.rsplit_once(':') {
        // The colons of an IPv6 address don't begin a port.
        Some((host, port)) if !port.ends_with(']') => (scheme, host, Some(port)),
        _ => (scheme, authority, None),
    })
}

fn parse_host(host: &str) -> Option<Host> {
    if let Some(end) = host.strip_prefix('*') {
        // `*.com` would be everyone's.
        let names = end.strip_prefix('.').filter(|names| is_name(names))?;
        let narrow = names == "localhost" || names.trim_end_matches('.').contains('.');
        return narrow.then(|| Host::Under(end.into()));
    }
    let valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    valid.then(|| Host::Exact(host.into()))
}

/// Whether a text can be a host's name, or the first names of one.
fn is_name(name: &str) -> bool {
    let name_char = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(name_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, origin: &str) -> bool {
        Origin::parse(pattern).unwrap().matches(origin)
    }

    // proves: protocol/origin-patterns
    #[test]
    fn a_star_stands_for_the_first_names_of_a_host() {
        let pattern = "https://*.example.com";
        for origin in ["https://a.example.com", "https://a.b.example.com"] {
            assert!(matches(pattern, origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://evil-example.com",
            "https://a.example.com.evil.example",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://A.example.com",
            "https://evil.example/.example.com",
            "https://evil.example?.example.com",
            "https://evil@a.example.com",
            "https://a.example.com/",
            "null",
        ] {
            assert!(!matches(pattern, origin), "{origin}");
        }
        assert!(matches("http://*.localhost:*", "http://app.localhost:3000"));
    }

    // proves: protocol/origin-patterns
    #[test]
    fn a_star_stands_for_any_port_or_none() {
        for (origin, is) in [
            ("http://localhost", true),
            ("http://localhost:8080", true),
            ("http://localhost:", false),
            ("http://localhost:99999", false),
            ("http://localhost:80:80", false),
            ("http://localhost.evil.example:80", false),
        ] {
            assert_eq!(matches("http://localhost:*", origin), is, "{origin}");
        }
    }

    // proves: protocol/opaque-origins
    #[test]
    fn an_origin_without_a_host_is_itself_alone() {
        for origin in ["file://", "app://.", "null", "capacitor://localhost", "tauri://localhost"] {
            assert!(matches(origin, origin), "{origin}");
            for other in ["file://", "app://.", "null", "http://.", "file://.", "file:///", "app://", ""] {
                assert_eq!(matches(origin, other), origin == other, "{origin} and {other}");
            }
        }
        for text in
            ["http://", "https://.", "http://:80", "file://:80", "app://.:80", "://", "file:", "app://.."]
        {
            assert_eq!(Origin::parse(text), Err(CorsError::Invalid(text.to_owned())));
        }
    }

    // proves: protocol/origin-patterns
    #[test]
    fn a_star_stands_nowhere_else() {
        for text in [
            "https://*",
            "https://*.com",
            "https://*.com.",
            "https://*example.com",
            "https://a.*.example.com",
            "https://*.*.example.com",
            "https://**.example.com",
            "*://example.com",
            "https://example.*",
            "https://*.",
            "https://*..com",
            "https://example.com:8*",
            "https://*.[::1]",
        ] {
            assert_eq!(Origin::parse(text), Err(CorsError::Invalid(text.to_owned())));
        }
    }
}
