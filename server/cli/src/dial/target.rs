//! Where a server is, and what goes with each request to it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};
use tokio_rustls::rustls::ClientConfig;

use super::cookies::Cookies;
use super::trust::tls;
use crate::server_url::{ServerUrl, ServerUrlError};

/// What the command line says of a server.
#[derive(Clone, Debug)]
pub(crate) struct TargetOptions {
    /// The URL, whose path is a namespace, as `socket.io-client` takes it.
    pub(crate) url: String,
    /// The path of its endpoint.
    pub(crate) path: String,
    /// Header fields, `Name: value`.
    pub(crate) headers: Vec<String>,
    /// Certificates to trust instead of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// How long a connection may take, and the answer to a handshake; for `check`, every answer.
    pub(crate) timeout: Duration,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its path is a namespace.
    pub(crate) url: ServerUrl,
    /// The path of the endpoint.
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) cookies: Cookies,
    /// Its addresses, if they are not to be looked up for each connection.
    pub(crate) addresses: Vec<SocketAddr>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a server can't be reached like that. What was given is not told: it may hold a password or a token, and end in a
/// log.
#[derive(Debug)]
pub(crate) enum TargetError {
    Url(ServerUrlError),
    Path,
    /// Which header field, counted from 1, and what is wrong with it.
    Header(usize, &'static str),
    /// There is nothing to trust.
    Tls(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Url(problem) => write!(f, "URL: {problem}"),
            TargetError::Path => f.write_str("--path: not a path: it begins with a slash, and has no query"),
            TargetError::Header(number, problem) => {
                write!(f, "--header: number {number} {problem}: write 'Name: value'")
            }
            TargetError::Tls(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// # Errors
    /// If the URL or a header field can't be read, or if there are no certificates to trust.
    pub(crate) fn new(options: &TargetOptions) -> Result<Target, TargetError> {
        let url: ServerUrl = options.url.parse().map_err(TargetError::Url)?;
        let path: Result<PathAndQuery, _> = options.path.parse();
        if !options.path.starts_with('/') || path.is_err() || options.path.contains(['?', '#']) {
            return Err(TargetError::Path);
        }
        Ok(Target {
            path: options.path.clone(),
            timeout: options.timeout,
            tls: url.secure.then(|| tls(options.ca.as_deref())).transpose().map_err(TargetError::Tls)?,
            cookies: Cookies::default(),
            addresses: Vec::new(),
            headers: headers(&options.headers)?,
            url,
        })
    }

    /// The same server for another client, who shares no cookies.
    pub(crate) fn anew(&self) -> Target {
        Target {
            url: self.url.clone(),
            path: self.path.clone(),
            timeout: self.timeout,
            tls: self.tls.clone(),
            cookies: Cookies::default(),
            addresses: self.addresses.clone(),
            headers: self.headers.clone(),
        }
    }

    /// What to ask for, with these parameters of the protocol before the URL's own.
    pub(crate) fn request_target(&self, query: &str) -> String {
        let own = &self.url.query;
        let and = if own.is_empty() { "" } else { "&" };
        format!("{}?{query}{and}{own}", self.path)
    }

    /// The header fields that go with every request.
    pub(crate) fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = self.headers.clone();
        if let Some(cookie) = self.cookies.field()
            && !fields.iter().any(|(name, _)| *name == http::header::COOKIE)
        {
            fields.push((http::header::COOKIE, cookie));
        }
        fields
    }
}

fn headers(fields: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, TargetError> {
    let read = |(at, field): (usize, &String)| header(field).map_err(|why| TargetError::Header(at + 1, why));
    fields.iter().enumerate().map(read).collect()
}

fn header(field: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = field.split_once(':').ok_or("has no colon")?;
    let name = name.trim().parse().map_err(|_| "has no name that can be one")?;
    let mut value: HeaderValue = value.trim().parse().map_err(|_| "has a value that can't be sent")?;
    // Nor does it come into what is printed for debugging.
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, TargetError> {
        Target::new(&TargetOptions {
            url: url.to_owned(),
            path: "/socket.io/".to_owned(),
            headers: vec!["X-A: b".to_owned()],
            ca: None,
            timeout: Duration::from_secs(1),
        })
    }

    #[test]
    fn the_urls_query_goes_with_each_request_and_its_path_is_a_namespace() {
        let at = target("ws://a.example/admin?token=1").unwrap();
        assert_eq!((&*at.url.path, &*at.path), ("/admin", "/socket.io/"));
        assert_eq!(at.request_target("EIO=4"), "/socket.io/?EIO=4&token=1");
        assert_eq!(at.fields().len(), 1);
        let error = target("ftp://a").unwrap_err();
        assert_eq!(error.to_string(), "URL: write http://HOST:PORT or https://HOST");
    }

    #[test]
    fn what_is_wrong_is_told_without_what_was_given() {
        let with = |url: &str, path: &str, field: &str| {
            let (url, path) = (url.to_owned(), path.to_owned());
            let headers = vec!["X-A: b".to_owned(), field.to_owned()];
            let options = TargetOptions { url, path, headers, ca: None, timeout: Duration::from_secs(1) };
            Target::new(&options).expect_err("something is wrong").to_string()
        };
        let path = "--path: not a path: it begins with a slash, and has no query";
        for (url, wrong, field, problem) in [
            (
                "http://ada:secret@a",
                "/",
                "A: b",
                "URL: a name and a password in it would not be sent: leave them out",
            ),
            ("http://a:secret?token=secret", "/", "A: b", "URL: its port is not a number from 1 to 65535"),
            ("a", "secret", "A: b", path),
            ("a", "", "A: b", path),
            ("a", "/a?token=secret", "A: b", path),
            ("a", "/a secret", "A: b", path),
            ("a", "/", "Authorization Bearer secret", "--header: number 2 has no colon: write 'Name: value'"),
            (
                "a",
                "/",
                "Bearer secret: a",
                "--header: number 2 has no name that can be one: write 'Name: value'",
            ),
            (
                "a",
                "/",
                "A: secret\u{1}",
                "--header: number 2 has a value that can't be sent: write 'Name: value'",
            ),
        ] {
            assert_eq!(with(url, wrong, field), problem, "{url} {wrong} {field}");
        }
    }
}
