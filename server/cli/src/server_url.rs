//! Where a server is, as people write it: `http://HOST:PORT`, `https://HOST`, or `HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// The parts of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    pub(crate) secure: bool,
    /// A name, or an address, which stands without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
    /// What is behind the question mark.
    pub(crate) query: String,
}

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerUrlError {
    NotAUrl,
    Port,
    /// There is a name and a password in front of the host.
    Credentials,
}

impl fmt::Display for ServerUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerUrlError::NotAUrl => "write http://HOST:PORT or https://HOST",
            ServerUrlError::Port => "its port is not a number from 1 to 65535",
            ServerUrlError::Credentials => "a name and a password in it would not be sent: leave them out",
        })
    }
}

impl std::error::Error for ServerUrlError {}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<ServerUrl, ServerUrlError> {
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        if ["http:", "https:", "ws:", "wss:"].iter().any(|scheme| text.starts_with(scheme)) && url != text {
            // A slash is missing: these are no hosts.
            return Err(ServerUrlError::NotAUrl);
        }
        let uri: Uri = url.parse().map_err(|_| ServerUrlError::NotAUrl)?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(ServerUrlError::NotAUrl),
        };
        let authority = uri.authority().ok_or(ServerUrlError::NotAUrl)?.as_str();
        if authority.contains('@') {
            return Err(ServerUrlError::Credentials);
        }
        let host = uri.host().unwrap_or_default();
        // `Uri` takes any text for a port.
        let port = match authority[host.len()..].strip_prefix(':') {
            None => usual_port(secure),
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port > 0).ok_or(ServerUrlError::Port)?
            }
            Some(_) => return Err(ServerUrlError::Port),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(ServerUrlError::NotAUrl);
        }
        let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
        Ok(ServerUrl { secure, host, port, path, query })
    }
}

impl ServerUrl {
    /// Host and port, as the `Host` field names them: without the usual port.
    pub(crate) fn authority(&self) -> String {
        let host = self.bracketed();
        if self.port == usual_port(self.secure) { host } else { format!("{host}:{}", self.port) }
    }

    /// Host and port, to connect to.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

fn usual_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServerUrl, ServerUrlError> {
        text.parse()
    }

    #[test]
    fn a_url_names_host_and_port_with_a_scheme_or_without() {
        for (text, secure, host, port, authority) in [
            ("localhost:3000", false, "localhost", 3000, "localhost:3000"),
            ("http://a.example", false, "a.example", 80, "a.example"),
            ("ws://a.example:80/x", false, "a.example", 80, "a.example"),
            ("https://a.example", true, "a.example", 443, "a.example"),
            ("wss://[::1]:3000", true, "::1", 3000, "[::1]:3000"),
        ] {
            let url = read(text).unwrap();
            assert_eq!((url.secure, &*url.host, url.port), (secure, host, port), "{text}");
            assert_eq!(url.authority(), authority, "{text}");
            assert_eq!(url.host_and_port(), format!("{}:{port}", url.bracketed()), "{text}");
        }
        let url = read("http://a/admin?token=1").unwrap();
        assert_eq!(
            (&*url.path, &*url.query, &*url.to_string()),
            ("/admin", "token=1", "http://a/admin?token=1")
        );
    }

    #[test]
    fn a_slip_is_told_and_never_another_server() {
        for (text, error) in [
            ("ftp://a", ServerUrlError::NotAUrl),
            ("http://", ServerUrlError::NotAUrl),
            ("", ServerUrlError::NotAUrl),
            ("::", ServerUrlError::NotAUrl),
            ("http://a b", ServerUrlError::NotAUrl),
            ("http:/localhost:3000", ServerUrlError::NotAUrl),
            ("localhost:300o", ServerUrlError::Port),
            ("localhost:", ServerUrlError::Port),
            ("localhost:0", ServerUrlError::Port),
            ("localhost:99999", ServerUrlError::Port),
            ("http://ada:secret@a", ServerUrlError::Credentials),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
    }
}
