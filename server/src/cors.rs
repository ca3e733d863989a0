//! Cross-origin requests: which foreign pages may use the server, and the headers that tell a browser so.
//!
//! Off by default: without a [`Cors`] no `Access-Control-*` header is ever sent. With one, the list is an
//! allowlist for reading *and* for connecting: browsers don't apply CORS to WebSocket, so a handshake from
//! an origin that is not on it is refused on both transports.

use std::fmt;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");

/// The origins whose pages may use the server from a browser.
///
/// Requests without an `Origin`, and those from the server's own origin, need no permission.
///
/// ```
/// use socketio_server::Cors;
///
/// let cors = Cors::new(["https://example.com", "http://localhost:8080"])?.credentials()?;
/// # Ok::<(), socketio_server::CorsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origins {
    Any,
    Listed(Box<[HeaderValue]>),
}

impl Cors {
    /// Pages of any origin, without credentials: `Access-Control-Allow-Origin: *`.
    #[must_use]
    pub fn any() -> Cors {
        Cors { origins: Origins::Any, credentials: false }
    }

    /// Pages of these origins, each written as a browser sends it: `https://example.com`,
    /// `http://localhost:8080`. A single `*` is the same as [`Cors::any`].
    ///
    /// # Errors
    /// If the list is empty, or an entry can't be an origin.
    pub fn new<I>(origins: I) -> Result<Cors, CorsError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut listed = Vec::new();
        let mut any = false;
        for origin in origins {
            match origin.as_ref() {
                "*" => any = true,
                text => listed.push(parse(text)?),
            }
        }
        match (any, listed.is_empty()) {
            (true, true) => Ok(Cors::any()),
            (true, false) => Err(CorsError::AnyAmongOthers),
            (false, true) => Err(CorsError::NoOrigin),
            (false, false) => Ok(Cors { origins: Origins::Listed(listed.into()), credentials: false }),
        }
    }

    /// Lets those pages send cookies and HTTP authentication: `Access-Control-Allow-Credentials: true`.
    ///
    /// # Errors
    /// If every origin is allowed: any page that a user visits could then act in the user's name.
    pub fn credentials(self) -> Result<Cors, CorsError> {
        match self.origins {
            Origins::Any => Err(CorsError::CredentialsForAny),
            Origins::Listed(_) => Ok(Cors { credentials: true, ..self }),
        }
    }

    /// Whether a request is to be refused (403, code 4), because it comes from a page of an origin that is
    /// neither on the list nor the server's own.
    ///
    /// The own origin is the one that `Host` names. That leaves a page whose name was rebound to this
    /// server's address: a server that must withstand it has to check `Host` itself.
    pub(crate) fn refuses(&self, request: &HeaderMap) -> bool {
        let mut origins = request.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => false,
            (Some(origin), None) => !self.lists(origin) && !is_own(origin, request),
            (Some(_), Some(_)) => true,
        }
    }

    /// Adds to a response what lets the page behind `request` read it.
    pub(crate) fn grant(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let Origins::Listed(_) = self.origins else {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return;
        };
        // "Vary: Origin" also where nothing is granted, so that no cache gives one origin another's answer.
        response.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.listed_origin(request) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.credentials {
                response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
    }

    /// The answer to an OPTIONS request: 204, and what the page may send. A foreign origin gets the 204
    /// without any permission, which makes its browser give up.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.grant(request, headers);
        headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
        response
    }

    fn listed_origin<'a>(&self, request: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let mut origins = request.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|origin| self.lists(origin))?;
        origins.next().is_none().then_some(origin)
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::Listed(listed) => listed.contains(origin),
        }
    }
}

/// Whether an origin is the one that the request was sent to. The scheme is not compared: a proxy may have
/// taken TLS off.
fn is_own(origin: &HeaderValue, request: &HeaderMap) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), request.get(HOST).map(HeaderValue::to_str)) else {
        return false;
    };
    let (default_port, authority) = match origin.split_once("://") {
        Some(("http", authority)) => (":80", authority),
        Some(("https", authority)) => (":443", authority),
        _ => return false,
    };
    let without_default = |authority| str::strip_suffix(authority, default_port).unwrap_or(authority);
    !authority.is_empty() && without_default(authority).eq_ignore_ascii_case(without_default(host))
}

/// An origin as a browser serialises it: scheme and host in lower case, no default port, no path.
fn parse(text: &str) -> Result<HeaderValue, CorsError> {
    match text {
        "" => return Err(CorsError::Empty),
        "null" => return Err(CorsError::Null),
        _ => {}
    }
    let invalid = || CorsError::Invalid(text.to_owned());
    let origin = text.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").ok_or_else(invalid)?;
    let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(scheme_char) {
        return Err(invalid());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    let port_ok = port
        .is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port));
    if !host_ok || !port_ok {
        return Err(invalid());
    }
    let serialised = match (scheme, port) {
        ("http", Some("80")) | ("https", Some("443")) => format!("{scheme}://{host}"),
        _ => origin.clone(),
    };
    HeaderValue::try_from(serialised).map_err(|_| invalid())
}

/// Why a [`Cors`] can't be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsError {
    /// A list without an origin.
    NoOrigin,
    /// An empty origin.
    Empty,
    /// `null`, which is what the sandboxed frames of every page send.
    Null,
    /// Not of the form `scheme://host` or `scheme://host:port`.
    Invalid(String),
    /// `*` in a list with others.
    AnyAmongOthers,
    /// Credentials for every origin.
    CredentialsForAny,
}

impl fmt::Display for CorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CorsError::NoOrigin => f.write_str("no origin is given"),
            CorsError::Empty => f.write_str("an origin can't be empty"),
            CorsError::Null => f.write_str(
                "`null` is the origin of every sandboxed page and can't be told apart; `*` allows them all",
            ),
            CorsError::Invalid(text) => {
                write!(f, "{text:?} is not an origin, such as https://example.com or http://localhost:8080")
            }
            CorsError::AnyAmongOthers => f.write_str("`*` allows every origin; give it alone"),
            CorsError::CredentialsForAny => f.write_str("credentials can't be allowed to every origin (`*`)"),
        }
    }
}

impl std::error::Error for CorsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    /// The headers as sorted `name: value` lines.
    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    fn granted(cors: &Cors, origin: &[(&'static str, &str)]) -> Vec<String> {
        let mut response = HeaderMap::new();
        cors.grant(&request(origin), &mut response);
        lines(&response)
    }

    fn listed() -> Cors {
        Cors::new(["https://a.example", "http://b.example:8080"]).unwrap()
    }

    #[test]
    fn any_origin_is_a_star_and_does_not_vary() {
        let cors = Cors::new(["*"]).unwrap();
        assert_eq!(cors, Cors::any());
        for origin in ["https://a.example", "null"] {
            assert!(!cors.refuses(&request(&[("origin", origin)])));
            assert_eq!(granted(&cors, &[("origin", origin)]), ["access-control-allow-origin: *"]);
        }
    }

    #[test]
    fn a_listed_origin_is_named_and_the_answer_varies() {
        let headers = [("origin", "http://b.example:8080")];
        assert!(!listed().refuses(&request(&headers)));
        assert_eq!(
            granted(&listed(), &headers),
            ["access-control-allow-origin: http://b.example:8080", "vary: Origin"]
        );
        let with_credentials = listed().credentials().unwrap();
        assert_eq!(
            granted(&with_credentials, &headers),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: http://b.example:8080",
                "vary: Origin"
            ]
        );
    }

    #[test]
    fn a_foreign_origin_is_refused_and_granted_nothing() {
        let cors = listed().credentials().unwrap();
        for origin in [
            "https://evil.example",
            "http://a.example",
            "https://a.example.evil.example",
            "https://a.example:444",
            "https://A.example",
            "https://a.example/",
            "null",
            "",
            "https://a.example, https://evil.example",
        ] {
            let headers = [("origin", origin), ("host", "chat.example")];
            assert!(cors.refuses(&request(&headers)), "{origin}");
            assert_eq!(granted(&cors, &headers), ["vary: Origin"], "{origin}");
        }
    }

    #[test]
    fn two_origins_are_refused() {
        let headers = [("origin", "https://a.example"), ("origin", "https://a.example")];
        assert!(listed().refuses(&request(&headers)));
        assert_eq!(granted(&listed(), &headers), ["vary: Origin"]);
    }

    #[test]
    fn an_origin_of_other_bytes_than_text_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_bytes(b"http://\xff").unwrap());
        assert!(listed().refuses(&headers));
    }

    #[test]
    fn an_absent_origin_passes() {
        assert!(!listed().refuses(&request(&[("host", "chat.example")])));
        assert_eq!(granted(&listed(), &[]), ["vary: Origin"]);
    }

    #[test]
    fn the_servers_own_origin_passes() {
        for (origin, host) in [
            ("http://chat.example:3000", "chat.example:3000"),
            ("http://chat.example", "chat.example"),
            ("http://chat.example:80", "chat.example"),
            ("https://chat.example", "chat.example:443"),
            ("https://Chat.example", "chat.EXAMPLE"),
            ("http://[::1]:3000", "[::1]:3000"),
        ] {
            assert!(!listed().refuses(&request(&[("origin", origin), ("host", host)])), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://chat.example:3001", "chat.example:3000"),
            ("http://chat.example:443", "chat.example"),
            ("ftp://chat.example", "chat.example"),
            ("chat.example", "chat.example"),
            ("http://", ""),
        ] {
            assert!(listed().refuses(&request(&[("origin", origin), ("host", host)])), "{origin} {host}");
        }
    }

    #[test]
    fn a_preflight_echoes_the_headers_asked_for() {
        let headers = [
            ("origin", "https://a.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-a, content-type"),
        ];
        let response = listed().preflight(&request(&headers));
        assert_eq!(response.status(), 204);
        assert!(response.body().is_empty());
        assert_eq!(
            lines(response.headers()),
            [
                "access-control-allow-headers: x-a, content-type",
                "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE",
                "access-control-allow-origin: https://a.example",
                "vary: Access-Control-Request-Headers",
                "vary: Origin",
            ]
        );
        assert_eq!(
            lines(Cors::any().preflight(&request(&headers)).headers()),
            [
                "access-control-allow-headers: x-a, content-type",
                "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE",
                "access-control-allow-origin: *",
                "vary: Access-Control-Request-Headers",
            ]
        );
    }

    #[test]
    fn a_foreign_preflight_is_answered_without_permission() {
        let headers = [("origin", "https://evil.example"), ("access-control-request-headers", "x-a")];
        let response = listed().credentials().unwrap().preflight(&request(&headers));
        assert_eq!(response.status(), 204);
        assert_eq!(lines(response.headers()), ["vary: Access-Control-Request-Headers", "vary: Origin"]);
    }

    #[test]
    fn credentials_for_every_origin_are_refused() {
        assert_eq!(Cors::any().credentials(), Err(CorsError::CredentialsForAny));
    }

    #[test]
    fn origins_are_stored_as_a_browser_sends_them() {
        for (given, sent) in [
            ("HTTPS://Example.COM", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert!(!Cors::new([given]).unwrap().refuses(&request(&[("origin", sent)])), "{given}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for text in [
            "example.com",
            "https://",
            "://a",
            "https://example.com/",
            "https://example.com/app",
            "https://user@example.com",
            "https://*.example.com",
            "https://example.com:",
            "https://example.com:0",
            "https://example.com:080",
            "https://example.com:70000",
            "https://exa mple.com",
            "https://a\r\nx: y",
            "https://bücher.example",
            "https://[::1",
            "https://[zz]",
        ] {
            assert_eq!(Cors::new([text]), Err(CorsError::Invalid(text.to_owned())));
        }
        assert_eq!(Cors::new([""]), Err(CorsError::Empty));
        assert_eq!(Cors::new(["null"]), Err(CorsError::Null));
        assert_eq!(Cors::new(["https://a.example", "*"]), Err(CorsError::AnyAmongOthers));
        assert_eq!(Cors::new([] as [&str; 0]), Err(CorsError::NoOrigin));
    }
}
