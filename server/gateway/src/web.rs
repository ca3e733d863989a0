//! Requests to other servers, by HTTP or HTTPS. Certificates are checked, and redirects are not followed.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::RwLock;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may be idle before it is closed. It must be closed here before the other side does that: a
/// request that is on its way then would be lost. Node and uvicorn close theirs after 5 s, gunicorn after 2 s.
const IDLE: Duration = Duration::from_millis(1500);

/// The certificate authorities that servers' certificates may come from: the system's, unless others are named.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Option<Arc<RootCertStore>>);

impl Authorities {
    /// Those in a PEM file, and no others.
    ///
    /// # Errors
    /// See [`AuthoritiesError`].
    pub fn from_file(path: &Path) -> Result<Authorities, AuthoritiesError> {
        let failed = |problem: &dyn fmt::Display| AuthoritiesError(path.to_owned(), problem.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots.add(certificate).map_err(|error| failed(&error))?;
        }
        match roots.is_empty() {
            true => Err(failed(&"there is no certificate in it")),
            false => Ok(Authorities(Some(Arc::new(roots)))),
        }
    }
}

/// Why a file has no authorities: the file, and what is wrong with it.
#[derive(Debug)]
pub struct AuthoritiesError(PathBuf, String);

impl fmt::Display for AuthoritiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't read certificates from {}: {}", self.0.display(), self.1)
    }
}

impl Error for AuthoritiesError {}

/// Why a URL can't be called.
#[derive(Debug)]
#[non_exhaustive]
pub enum UrlError {
    /// It is no URL that begins with `http://` or `https://`.
    Url,
    /// The system's certificates of authorities can't be read.
    Certificates(std::io::Error),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Url => {
                f.write_str("must be a URL that begins with http:// or https://, without a password")
            }
            UrlError::Certificates(error) => write!(
                f,
                "can't read the system's certificates of authorities, which https:// needs: {error}; install ca-certificates, or name a file in ca-file"
            ),
        }
    }
}

impl Error for UrlError {}

/// Calls one URL.
pub(crate) struct WebClient {
    url: Uri,
    connections: usize,
    http: RwLock<Http>,
}

/// HTTP alone needs no certificates of authorities, which a small container may lack.
#[derive(Clone)]
enum Http {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    Tls(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl WebClient {
    /// At most so many connections are kept open for the next request.
    pub(crate) fn new(
        url: &str,
        authorities: &Authorities,
        connections: usize,
    ) -> Result<WebClient, UrlError> {
        let url: Uri = url.parse().map_err(|_| UrlError::Url)?;
        let authority = url.authority().ok_or(UrlError::Url)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(UrlError::Url);
        }
        let http = RwLock::new(Http::new(&url, authorities, connections)?);
        Ok(WebClient { url, connections, http })
    }

    /// Trusts these authorities from now on. Requests on their way go on.
    pub(crate) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        *self.http.write() = Http::new(&self.url, authorities, self.connections)?;
        Ok(())
    }

    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    /// The URL for the log: without its query, which may have a secret in it.
    pub(crate) fn place(&self) -> String {
        let text = self.url.to_string();
        text.split('?').next().unwrap_or_default().to_owned()
    }

    /// Whether what is sent and answered can be read and changed on its way.
    pub(crate) fn is_exposed(&self) -> bool {
        let host = self.url.authority().map_or("", Authority::host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let local =
            host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback());
        matches!(*self.http.read(), Http::Plain(_)) && !local
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        let http = self.http.read().clone();
        match http {
            Http::Plain(client) => client.request(request).await,
            Http::Tls(client) => client.request(request).await,
        }
    }
}

impl Http {
    fn new(url: &Uri, authorities: &Authorities, connections: usize) -> Result<Http, UrlError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).pool_max_idle_per_host(connections);
        match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => Ok(Http::Plain(builder.build(tcp))),
            Some(scheme) if *scheme == Scheme::HTTPS => {
                tcp.enforce_http(false);
                let https = match &authorities.0 {
                    Some(roots) => HttpsConnectorBuilder::new().with_tls_config(trusting(roots)?),
                    None => {
                        HttpsConnectorBuilder::new().with_native_roots().map_err(UrlError::Certificates)?
                    }
                };
                Ok(Http::Tls(builder.build(https.https_only().enable_http1().wrap_connector(tcp))))
            }
            _ => Err(UrlError::Url),
        }
    }
}

/// How many characters of an answer the log shows.
const EXCERPT: usize = 60;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
}

impl fmt::Display for Answered {
    /// Says what came: the status, the type, the first characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(kind) = &self.content_type {
            write!(f, " {}", kind.escape_debug())?;
        }
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(4 * EXCERPT)]);
        match start.trim_start() {
            "" => f.write_str(" without a body"),
            text if text.chars().nth(EXCERPT).is_none() => write!(f, " {text:?}"),
            text => write!(f, " {:?}…", text.chars().take(EXCERPT).collect::<String>()),
        }
    }
}

/// Why the body of an answer can't be had.
#[derive(Debug)]
pub(crate) enum BodyError {
    TooLarge,
    Cut(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => f.write_str("the answer is too large"),
            BodyError::Cut(error) => write!(f, "the answer ended too early: {error}"),
        }
    }
}

/// Reads an answer, of at most so many bytes.
pub(crate) async fn answered(response: Response<Incoming>, limit: usize) -> Result<Answered, BodyError> {
    let (head, body) = response.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Answered { status: head.status, content_type, body: body.to_bytes() }),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) => Err(BodyError::Cut(error.to_string())),
    }
}

/// Reads no more of an answer than the log shows, and not for longer than that.
pub(crate) async fn beginning(response: Response<Incoming>, limit: Duration) -> Answered {
    let (head, mut incoming) = response.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    let reading = async {
        while body.len() < 4 * EXCERPT
            && let Some(Ok(frame)) = incoming.frame().await
        {
            body.extend(frame.into_data().unwrap_or_default());
        }
    };
    // What has come until then will do.
    let _ = tokio::time::timeout(limit, reading).await;
    Answered { status: head.status, content_type, body: body.into() }
}

fn trusting(roots: &Arc<RootCertStore>) -> Result<ClientConfig, UrlError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| UrlError::Certificates(std::io::Error::other(error)))?;
    Ok(builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth())
}

/// An error with its causes: hyper tells the interesting one last, and first what it calls its own step.
pub(crate) fn chain(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    if let Some(cause) = source.filter(|_| text.starts_with("client error (")) {
        (text, source) = (cause.to_string(), cause.source());
    }
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_and_has_no_password() {
        let client = |url: &str| WebClient::new(url, &Authorities::default(), 1);
        let php = client("http://127.0.0.1:8000/hook.php?x=1").unwrap();
        assert_eq!(php.place(), "http://127.0.0.1:8000/hook.php");
        for wrong in ["", "/hook", "ftp://a.test/", "http://", "http://user:secret@a.test/", "a.test/hook"] {
            assert!(client(wrong).is_err(), "{wrong}");
        }
        let exposed = |url: &str| client(url).unwrap().is_exposed();
        assert!(exposed("http://a.test/") && exposed("http://192.0.2.1:80/"));
        assert!(!exposed("http://localhost:80/") && !exposed("http://[::1]:80/") && !php.is_exposed());
    }
}
