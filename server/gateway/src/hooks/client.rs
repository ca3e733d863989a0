//! One call of the backend: a signed POST, and its answer.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::LIMIT;
use super::sign::Secrets;
use crate::time::millis;

/// The largest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 1_000_000;

/// How long a connection may be idle before it is closed. Servers in front of backends often close them after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// How a backend answered: 2xx, or 4xx as its refusal.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no answer that can be used.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    pub(super) retry_after: Option<Duration>,
}

/// The kinds of failures, by which they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FailureKind {
    /// No connection: nobody listens, the name is not known, the certificate is wrong.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The answer ended too early.
    Cut,
    /// The answer has too many bytes.
    TooLarge,
    /// The answer sends elsewhere.
    Redirect,
    /// 5xx, 408, 429, and what else is no answer.
    Status,
    /// The answer is no JSON, or says what can't be done.
    BadAnswer,
    /// The backend is left alone after failures.
    CircuitOpen,
    /// Too many calls wait.
    QueueFull,
    /// The call has waited for its turn for too long.
    Waited,
}

impl FailureKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FailureKind::Unreachable => "unreachable",
            FailureKind::Timeout => "timeout",
            FailureKind::Cut => "cut",
            FailureKind::TooLarge => "too_large",
            FailureKind::Redirect => "redirect",
            FailureKind::Status => "status",
            FailureKind::BadAnswer => "bad_answer",
            FailureKind::CircuitOpen => "circuit_open",
            FailureKind::QueueFull => "queue_full",
            FailureKind::Waited => "waited",
        }
    }
}

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Calls one URL.
pub(super) struct Client {
    http: Http,
    url: Uri,
    secrets: Secrets,
}

/// HTTP alone needs no certificates of authorities, which a small container may lack.
enum Http {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    Tls(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// Why a URL can't be called.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebhookError {
    /// It is no URL that begins with `http://` or `https://`.
    Url,
    /// The system's certificates of authorities can't be read.
    Certificates(std::io::Error),
}

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebhookError::Url => {
                f.write_str("must be a URL that begins with http:// or https://, without a password")
            }
            WebhookError::Certificates(error) => write!(
                f,
                "can't read the system's certificates of authorities, which https:// needs: {error}; install ca-certificates, or name a file in SSL_CERT_FILE"
            ),
        }
    }
}

impl Error for WebhookError {}

impl Client {
    pub(super) fn new(url: &str, secrets: Secrets) -> Result<Client, WebhookError> {
        let url: Uri = url.parse().map_err(|_| WebhookError::Url)?;
        let authority = url.authority().ok_or(WebhookError::Url)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(WebhookError::Url);
        }
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).pool_max_idle_per_host(LIMIT);
        let http = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => Http::Plain(builder.build(tcp)),
            Some(scheme) if *scheme == Scheme::HTTPS => {
                tcp.enforce_http(false);
                let https =
                    HttpsConnectorBuilder::new().with_native_roots().map_err(WebhookError::Certificates)?;
                Http::Tls(builder.build(https.https_only().enable_http1().wrap_connector(tcp)))
            }
            _ => return Err(WebhookError::Url),
        };
        Ok(Client { http, url, secrets })
    }

    /// The host, for the log. The path may have a secret in it.
    pub(super) fn host(&self) -> &str {
        self.url.authority().map_or("", http::uri::Authority::as_str)
    }

    /// Sends a hook, with a timestamp and a signature of this moment.
    pub(super) async fn post(&self, id: &str, body: Bytes, limit: Duration) -> Result<Answered, Failure> {
        let sending = self.send(id, body);
        tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureKind::Timeout,
                format!("no answer within {}", humantime::format_duration(limit)),
            ))
        })
    }

    async fn send(&self, id: &str, body: Bytes) -> Result<Answered, Failure> {
        let timestamp = millis(SystemTime::now()) / 1000;
        let signature = self.secrets.sign(id, timestamp, &body);
        let mut request = Request::post(self.url.clone()).body(Full::from(body)).map_err(unreachable)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("socketio-server/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert("webhook-id", HeaderValue::from_str(id).map_err(unreachable)?);
        headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
        if !signature.is_empty() {
            headers.insert("webhook-signature", HeaderValue::from_str(&signature).map_err(unreachable)?);
        }
        let sent = match &self.http {
            Http::Plain(client) => client.request(request).await,
            Http::Tls(client) => client.request(request).await,
        };
        let (head, body) = sent
            .map_err(|error| match error.is_connect() {
                true => unreachable(&error),
                false => Failure::new(FailureKind::Cut, chain(&error)),
            })?
            .into_parts();
        let retry_after = retry_after(&head.headers, SystemTime::now());
        match head.status {
            status if status.is_redirection() => {
                return Err(Failure::new(
                    FailureKind::Redirect,
                    format!("{status}: redirects are not followed"),
                ));
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                let message = head.status.to_string();
                return Err(Failure { retry_after, ..Failure::new(FailureKind::Status, message) });
            }
            status if status.is_success() || status.is_client_error() => {}
            status => {
                return Err(Failure { retry_after, ..Failure::new(FailureKind::Status, status.to_string()) });
            }
        }
        match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(body) => Ok(Answered { status: head.status, body: body.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Failure::new(FailureKind::TooLarge, format!("the answer has over {MAX_ANSWER} bytes")))
            }
            Err(error) => Err(Failure::new(FailureKind::Cut, format!("the answer ended too early: {error}"))),
        }
    }
}

fn unreachable(error: impl Error) -> Failure {
    Failure::new(FailureKind::Unreachable, chain(&error))
}

/// An error with its causes: hyper tells the interesting one last.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// How long the backend asks to be left alone.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers, now)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:40 GMT"), Some(Duration::from_secs(3)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_url_is_http_and_has_no_password() {
        let fits = |url: &str| Client::new(url, Secrets::default()).is_ok();
        assert!(fits("http://127.0.0.1:8000/hook.php?x=1"));
        for wrong in ["", "/hook", "ftp://a.test/", "http://", "http://user:secret@a.test/", "a.test/hook"] {
            assert!(!fits(wrong), "{wrong}");
        }
    }
}
