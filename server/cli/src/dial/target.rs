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

/// Why a server can't be reached like that.
#[derive(Debug)]
pub(crate) enum TargetError {
    Url(String, ServerUrlError),
    Path(String),
    Header(String),
    /// There is nothing to trust.
    Tls(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Url(url, problem) => write!(f, "{url:?} is not the URL of a server: {problem}"),
            TargetError::Path(path) => {
                write!(f, "--path {path:?} is not a path: it begins with a slash, and has no query")
            }
            TargetError::Header(field) => write!(f, "{field:?} is not a header field: write 'Name: value'"),
            TargetError::Tls(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// # Errors
    /// If the URL or a header field can't be read, or if there are no certificates to trust.
    pub(crate) fn new(options: &TargetOptions) -> Result<Target, TargetError> {
        let url: ServerUrl =
            options.url.parse().map_err(|problem| TargetError::Url(options.url.clone(), problem))?;
        let path: Result<PathAndQuery, _> = options.path.parse();
        if !options.path.starts_with('/') || path.is_err() || options.path.contains(['?', '#']) {
            return Err(TargetError::Path(options.path.clone()));
        }
        Ok(Target {
            path: options.path.clone(),
            timeout: options.timeout,
            tls: url.secure.then(|| tls(options.ca.as_deref())).transpose().map_err(TargetError::Tls)?,
            cookies: Cookies::default(),
            addresses: Vec::new(),
            headers: options.headers.iter().map(|field| header(field)).collect::<Result<_, _>>()?,
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

fn header(field: &str) -> Result<(HeaderName, HeaderValue), TargetError> {
    let wrong = || TargetError::Header(field.to_owned());
    let (name, value) = field.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().parse().map_err(|_| wrong())?, value.trim().parse().map_err(|_| wrong())?))
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
        assert_eq!(
            error.to_string(),
            "\"ftp://a\" is not the URL of a server: write http://HOST:PORT or https://HOST"
        );
    }

    #[test]
    fn a_path_and_a_field_that_are_none_are_told() {
        let with = |path: &str, field: &str| {
            let (path, headers) = (path.to_owned(), vec![field.to_owned()]);
            let url = "localhost".to_owned();
            Target::new(&TargetOptions { url, path, headers, ca: None, timeout: Duration::from_secs(1) })
        };
        for path in ["socket.io", "", "/a?b", "/a b"] {
            assert!(matches!(with(path, "A: b"), Err(TargetError::Path(_))), "{path}");
        }
        for field in ["A", "A b: c", "A: \u{1}"] {
            assert!(matches!(with("/", field), Err(TargetError::Header(_))), "{field}");
        }
    }
}
