//! The names that requests may use for the server.

use std::fmt;

use http::HeaderValue;
use http::header::HOST;
use http::request::Parts;

/// The hosts that a server answers for: the valid values of a request's `Host`.
///
/// An attacker can make the name of a page resolve to this server's address for a moment (DNS rebinding). The
/// browser then takes this server for the page's own, so no request has a foreign origin. Only the name in
/// `Host` shows it.
///
/// ```
/// use socketio_server::AllowedHosts;
///
/// let hosts = AllowedHosts::new(["example.com", "*.example.com", "localhost:3000"])?;
/// # Ok::<(), socketio_server::AllowedHostsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Box<[Host]>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: Box<str>,
    /// Whether `name`, which begins with a dot, matches names that end with it.
    under: bool,
    /// Any, unless it is given.
    port: Option<Box<str>>,
}

impl AllowedHosts {
    /// These hosts, each a name or an address, with or without a port: `example.com`, `[::1]:3000`. The star in
    /// `*.example.com` matches one or more labels.
    ///
    /// # Errors
    /// If the list is empty, or an entry can't be a host.
    pub fn new<I>(hosts: I) -> Result<AllowedHosts, AllowedHostsError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let hosts: Box<[Host]> =
            hosts.into_iter().map(|host| Host::parse(host.as_ref())).collect::<Result<_, _>>()?;
        if hosts.is_empty() { Err(AllowedHostsError::NoHost) } else { Ok(AllowedHosts(hosts)) }
    }

    /// Whether a request asks for one of these hosts, by its `Host` and by its target, if that names one too.
    pub(crate) fn allow(&self, request: &Parts) -> bool {
        let field = request.headers.get(HOST).map(HeaderValue::to_str);
        let target = request.uri.authority().map(http::uri::Authority::as_str);
        match (field, target) {
            (Some(Ok(field)), Some(target)) => self.has(field) && self.has(target),
            (Some(Ok(host)), None) | (None, Some(host)) => self.has(host),
            (Some(Err(_)), _) | (None, None) => false,
        }
    }

    fn has(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = split(&host);
        // "example.com." is the same name, fully qualified.
        let name = name.strip_suffix('.').unwrap_or(name);
        self.0.iter().any(|allowed| {
            let named = if allowed.under {
                name.strip_suffix(&*allowed.name).is_some_and(|before| !before.is_empty())
            } else {
                *name == *allowed.name
            };
            named && allowed.port.as_deref().is_none_or(|allowed| port == Some(allowed))
        })
    }
}

impl Host {
    fn parse(text: &str) -> Result<Host, AllowedHostsError> {
        let invalid = || AllowedHostsError::Invalid(text.into());
        let lower = text.to_ascii_lowercase();
        let (name, port) = split(&lower);
        let port = port.map(|port| port.parse::<u16>().map(|port| port.to_string().into())).transpose();
        let port = port.map_err(|_| invalid())?;
        let (name, under) = match name.strip_prefix('*') {
            Some(end) => (end, true),
            None => (name, false),
        };
        let names = if under { name.strip_prefix('.').ok_or_else(invalid)? } else { name };
        let character = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let valid = match names.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => !under && address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !names.is_empty() && !names.starts_with('.') && names.bytes().all(character),
        };
        if valid { Ok(Host { name: name.into(), under, port }) } else { Err(invalid()) }
    }
}

/// Name and port.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address don't begin a port.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// Why [`AllowedHosts`] can't be built.
///
/// ```
/// use socketio_server::{AllowedHosts, AllowedHostsError};
///
/// assert!(matches!(AllowedHosts::new(["https://example.com"]), Err(AllowedHostsError::Invalid(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHostsError {
    /// A list without a host.
    NoHost,
    /// Not a host, such as `example.com`, `*.example.com` or `localhost:3000`.
    Invalid(Box<str>),
}

impl fmt::Display for AllowedHostsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowedHostsError::NoHost => f.write_str("the list of hosts is empty: name at least one"),
            AllowedHostsError::Invalid(text) => {
                write!(f, "{text:?} is not a host, such as example.com, *.example.com or localhost:3000")
            }
        }
    }
}

impl std::error::Error for AllowedHostsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &[&str], target: &str, host: Option<&str>) -> bool {
        let mut request = http::Request::get(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        AllowedHosts::new(list).unwrap().allow(&request.body(()).unwrap().into_parts().0)
    }

    // proves: protocol/allowed-hosts
    #[test]
    fn a_request_asks_for_one_of_the_hosts() {
        let list = ["example.com", "*.example.org", "localhost:3000", "[::1]", "192.0.2.1"];
        for host in [
            "example.com",
            "Example.COM:8080",
            "example.com.",
            "a.example.org",
            "a.b.example.org:1",
            "localhost:3000",
            "[::1]:3000",
            "192.0.2.1:3000",
        ] {
            assert!(allows(&list, "/", Some(host)), "{host}");
        }
        for host in [
            "evil.example",
            "xexample.com",
            "example.org",
            ".example.org",
            "localhost",
            "localhost:80",
            "",
            "::1",
        ] {
            assert!(!allows(&list, "/", Some(host)), "{host}");
        }
        assert!(!allows(&list, "/", None));
        assert!(
            !allows(&list, "http://evil.example/", Some("example.com")),
            "nor may its target say another"
        );
        assert!(!allows(&list, "http://example.com/", Some("evil.example")));
        assert!(allows(&list, "http://example.com/", Some("example.com")));
    }

    // proves: protocol/allowed-hosts
    #[test]
    fn what_can_not_be_a_host_is_an_error() {
        for text in [
            "",
            "*",
            "*.",
            "*example.com",
            "a.*.example",
            "http://a.example",
            "a.example/",
            "a b",
            "a:port",
            "*.[::1]",
            "[x]",
        ] {
            assert_eq!(AllowedHosts::new([text]), Err(AllowedHostsError::Invalid(text.into())), "{text}");
        }
        assert_eq!(AllowedHosts::new([""; 0]), Err(AllowedHostsError::NoHost));
    }
}
