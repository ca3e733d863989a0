//! One call of the backend: a signed POST, and its answer.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::RwLock;

use super::LIMIT;
use super::sign::Secrets;
use crate::time::millis;
use crate::web::{Answered, Authorities, BodyError, UrlError, WebClient, answered, beginning, chain};

/// The largest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 1_000_000;

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
    /// 5xx, 408, 429.
    Status,
    /// The answer is not as the hook has it, or says what can't be done.
    BadAnswer,
    /// The backend gets no calls for a while after failures.
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

    /// For those who watch the session.
    pub(super) fn summary(&self) -> String {
        format!("{}: {self}", self.kind.as_str())
    }

    /// Whether the backend seems to be down or overloaded. One that answers, if wrongly, is not: a client whose data
    /// it stumbles over must not cut off all others.
    pub(super) fn is_outage(&self) -> bool {
        use FailureKind::{Cut, Status, Timeout, Unreachable};
        matches!(self.kind, Unreachable | Timeout | Cut | Status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Calls one URL.
pub(super) struct Client {
    web: WebClient,
    place: String,
    secrets: RwLock<Secrets>,
}

impl Client {
    pub(super) fn new(url: &str, secrets: Secrets, authorities: &Authorities) -> Result<Client, UrlError> {
        let web = WebClient::new(url, authorities, LIMIT)?;
        Ok(Client { place: web.place(), web, secrets: RwLock::new(secrets) })
    }

    /// What hooks are signed with from now on.
    pub(super) fn set_secrets(&self, secrets: Secrets) {
        *self.secrets.write() = secrets;
    }

    /// Trusts these authorities from now on.
    pub(super) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.web.trust(authorities)
    }

    /// The URL for the log: without its query, which may have a secret in it.
    pub(super) fn place(&self) -> &str {
        &self.place
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
        let signature = self.secrets.read().sign(id, timestamp, &body);
        let mut request =
            Request::post(self.web.url().clone()).body(Full::from(body)).map_err(unreachable)?;
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
        let response = self.web.send(request).await.map_err(|error| match error.is_connect() {
            true => unreachable(&error),
            false => Failure::new(FailureKind::Cut, chain(&error)),
        })?;
        let retry_after = retry_after(response.headers(), SystemTime::now());
        match response.status() {
            status if status.is_redirection() => {
                return Err(Failure::new(
                    FailureKind::Redirect,
                    format!("{status}: redirects are not followed"),
                ));
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                return Err(refused(response, retry_after, "").await);
            }
            status if status.is_success() || status.is_client_error() => {}
            StatusCode::INTERNAL_SERVER_ERROR if !signature.is_empty() => {
                let advice = ". If it refuses the signature: is its secret the same as webhook-secret?";
                return Err(refused(response, retry_after, advice).await);
            }
            _ => return Err(refused(response, retry_after, "").await),
        }
        match answered(response, MAX_ANSWER).await {
            Ok(answered) => Ok(answered),
            Err(BodyError::TooLarge) => {
                Err(Failure::new(FailureKind::TooLarge, format!("the answer has over {MAX_ANSWER} bytes")))
            }
            Err(error @ BodyError::Cut(_)) => Err(Failure::new(FailureKind::Cut, error.to_string())),
        }
    }
}

/// How long the beginning of a body may take that is only for the log.
const EXCERPT_LIMIT: Duration = Duration::from_secs(1);

/// A status that says that there is no answer, with the beginning of what came.
async fn refused(response: Response<Incoming>, retry_after: Option<Duration>, advice: &str) -> Failure {
    let came = beginning(response, EXCERPT_LIMIT).await;
    Failure { retry_after, ..Failure::new(FailureKind::Status, format!("{came}{advice}")) }
}

fn unreachable(error: impl Error) -> Failure {
    Failure::new(FailureKind::Unreachable, chain(&error))
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
}
