//! The parts of an HTTP request that are kept.

use std::net::SocketAddr;
use std::time::SystemTime;

use memchr::memchr;

use crate::{Attached, Query};

/// The HTTP request that opened a session, or the one that upgraded it. It is kept for as long as the session, so it
/// has compact copies and no reference to the HTTP server's buffers.
///
/// ```
/// use engineio::HandshakeRequest;
///
/// fn language(handshake: &HandshakeRequest) -> Option<&str> {
///     handshake.headers.get("accept-language")
/// }
///
/// fn room(handshake: &HandshakeRequest) -> Option<String> {
///     handshake.query().get("room").map(|room| room.into_owned())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct HandshakeRequest {
    /// When the request arrived.
    pub time: SystemTime,
    /// The peer's address; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// Path and query of the request, as sent.
    pub url: Box<str>,
    /// The request's header fields.
    pub headers: Headers,
    /// Values that hooks have attached to the request.
    pub attached: Attached,
}

impl HandshakeRequest {
    /// The query parameters, percent-decoded, in the order sent.
    #[must_use]
    pub fn query(&self) -> Query<'_> {
        Query::new(self.url.split_once('?').map_or("", |(_, query)| query))
    }
}

/// Enough bytes for the fields of most requests.
const USUAL_HEAD: usize = 512;

/// Header fields in one allocation. Names are in lower case; bytes that are not UTF-8 are replaced.
///
/// ```
/// use engineio::Headers;
///
/// let headers = Headers::new([("Host", &b"example.com"[..])].into_iter());
/// assert_eq!(headers.get("host"), Some("example.com"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Headers(Box<str>);

impl Headers {
    /// Copies the given fields.
    pub fn new<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Headers {
        let mut lines = String::with_capacity(USUAL_HEAD);
        for (name, value) in fields {
            let begin = lines.len();
            lines.push_str(name);
            lines[begin..].make_ascii_lowercase();
            lines.push(':');
            // A field value holds no line break (RFC 9110, section 5.5), so one can end the line.
            match std::str::from_utf8(value) {
                Ok(value) if memchr(b'\n', value.as_bytes()).is_none() => lines.push_str(value),
                _ => lines.extend(String::from_utf8_lossy(value).chars().filter(|c| *c != '\n')),
            }
            lines.push('\n');
        }
        Headers(lines.into_boxed_str())
    }

    /// The first field of that name, without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields as names and values, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once(':'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_without_regard_to_case() {
        let headers =
            Headers::new([("Host", &b"a:1"[..]), ("X-Odd", b"\xff"), ("x", b"a\nb: c")].into_iter());
        assert_eq!(headers.get("HOST"), Some("a:1"));
        assert_eq!(headers.get("x-odd"), Some("\u{fffd}"));
        assert_eq!(headers.get("x-none"), None);
        assert_eq!(headers.iter().last(), Some(("x", "ab: c")));
        assert_eq!(headers.iter().count(), 3);
    }
}
