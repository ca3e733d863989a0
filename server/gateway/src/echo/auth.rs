//! Whether a client may join a channel: a POST to the application, with the client's cookies.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy;
use serde_json::Value;
use socketio::Socket;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::hooks::LIMIT;
use crate::web::{Answered, Authorities, BodyError, UrlError, WebClient, answered, chain};

/// How long the application may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer, in bytes.
const MAX_ANSWER: usize = 1_000_000;

/// The header fields that a client may choose. Others could be a proxy's words, which the application believes.
const USUAL_HEADERS: [&str; 6] =
    ["accept", "accept-language", "authorization", "cookie", "x-csrf-token", "x-xsrf-token"];

/// Those that say how the request itself is sent.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "transfer-encoding", "upgrade"];

/// The application refuses a client, or can't be asked. The client is told the status; 0 if there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
}

/// There is no answer that says yes or no.
#[derive(Debug)]
pub(super) struct NoAnswer {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) status: u16,
}

fn no_answer(kind: &'static str, message: String) -> NoAnswer {
    NoAnswer { kind, message, status: 0 }
}

impl From<legacy::Error> for NoAnswer {
    fn from(error: legacy::Error) -> NoAnswer {
        no_answer(if error.is_connect() { "unreachable" } else { "cut" }, chain(&error))
    }
}

impl From<BodyError> for NoAnswer {
    fn from(error: BodyError) -> NoAnswer {
        let kind = if matches!(error, BodyError::TooLarge) { "too_large" } else { "cut" };
        no_answer(kind, error.to_string())
    }
}

/// The application.
pub(super) struct Auth {
    client: WebClient,
    headers: Vec<String>,
    turns: Semaphore,
}

/// How many questions about one socket are asked at once. Others wait in its own line, and not before other sockets'.
const MOST_OF_A_SOCKET: usize = 4;

/// The turns of a socket.
pub(super) struct OwnTurns(Semaphore);

impl Default for OwnTurns {
    fn default() -> OwnTurns {
        OwnTurns(Semaphore::new(MOST_OF_A_SOCKET))
    }
}

impl Auth {
    pub(super) fn new(
        url: &str,
        authorities: &Authorities,
        mut headers: Vec<String>,
    ) -> Result<Auth, UrlError> {
        headers.extend(USUAL_HEADERS.map(str::to_owned));
        headers.retain(|name| !OWN_HEADERS.contains(&name.as_str()));
        let client = WebClient::new(url, authorities, LIMIT)?;
        Ok(Auth { client, headers, turns: Semaphore::new(LIMIT) })
    }

    /// Trusts these authorities from now on.
    pub(super) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.client.trust(authorities)
    }

    /// The URL, for the log.
    pub(super) fn place(&self) -> String {
        self.client.place()
    }

    /// Asks when its turn comes, which may take long when all clients come back at once. Gives `channel_data` if the
    /// client may join.
    pub(super) async fn ask(
        &self,
        socket: &Socket,
        channel: &str,
        auth: &Value,
    ) -> Result<Result<Option<Value>, Refused>, NoAnswer> {
        let own = socket.get::<OwnTurns>().unwrap_or_default();
        let _turn = self.turn(&own).await;
        let cookie = socket.handshake().headers.get("cookie").map(str::to_owned);
        let form =
            form_urlencoded::Serializer::new(String::new()).append_pair("channel_name", channel).finish();
        let mut request = Request::new(Full::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.client.url().clone();
        *request.headers_mut() = self.headers(cookie.as_deref(), auth);
        let asking = async { Ok(answered(self.client.send(request).await?, MAX_ANSWER).await?) };
        let answered = tokio::time::timeout(TIMEOUT, asking).await.unwrap_or_else(|_| {
            Err(no_answer("timeout", format!("no answer within {}", humantime::format_duration(TIMEOUT))))
        });
        read(&answered?)
    }

    /// Waits for a turn.
    async fn turn<'a>(&'a self, own: &'a OwnTurns) -> (SemaphorePermit<'a>, SemaphorePermit<'a>) {
        let closed = "no semaphore is ever closed";
        (own.0.acquire().await.expect(closed), self.turns.acquire().await.expect(closed))
    }

    /// The client's own header fields, as far as it may choose them.
    fn headers(&self, cookie: Option<&str>, auth: &Value) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // So that an application that knows nobody says 401, and doesn't send a browser to its login.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
            headers.insert(COOKIE, cookie);
        }
        for (name, value) in auth["headers"].as_object().into_iter().flatten() {
            let name = name.to_ascii_lowercase();
            if self.headers.contains(&name)
                && let Ok(name) = HeaderName::try_from(name)
                && let Some(Ok(value)) = value.as_str().map(HeaderValue::from_str)
            {
                headers.insert(name, value);
            }
        }
        let product = concat!("socketio-server/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(product));
        headers.insert("x-requested-with", HeaderValue::from_static("XMLHttpRequest"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers
    }
}

/// Reads the answer. Laravel says `true`, or who the client is: `{"channel_data":{"user_id":..}}`.
fn read(answered: &Answered) -> Result<Result<Option<Value>, Refused>, NoAnswer> {
    let status = answered.status;
    match status {
        StatusCode::OK => match serde_json::from_slice::<Value>(&answered.body) {
            Ok(Value::Bool(false) | Value::Null) => Ok(Err(Refused { status: 403 })),
            Ok(mut answer) => Ok(Ok(answer.get_mut("channel_data").map(Value::take))),
            // A page says nothing about the client, such as that of a wrong URL.
            Err(_) => Err(no_answer("bad_answer", format!("{answered}, which is no JSON"))),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Err(Refused { status: status.as_u16() })),
        _ => {
            let message = format!("{answered}, and not 200, 401 or 403");
            Err(NoAnswer { kind: "status", message, status: status.as_u16() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_chooses_only_headers_that_no_proxy_speaks_by() {
        let auth = Auth::new(
            "http://a.test/",
            &Authorities::default(),
            vec!["x-tenant".to_owned(), "host".to_owned()],
        )
        .unwrap();
        let given = json!({ "headers": {
            "Authorization": "Bearer x", "X-Tenant": "7", "X-CSRF-TOKEN": "t", "X-Forwarded-For": "10.0.0.1",
            "Host": "b.test", "X-Requested-With": "me", "Accept": 7, "Accept-Language": "a\r\nb: c",
        } });
        let headers = auth.headers(Some("a=b"), &given);
        let field = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(
            ["authorization", "x-tenant", "x-csrf-token", "cookie", "accept", "x-requested-with"].map(field),
            ["Bearer x", "7", "t", "a=b", "application/json", "XMLHttpRequest"].map(Some)
        );
        assert_eq!(["x-forwarded-for", "host", "accept-language"].map(field), [None; 3]);
        for nothing in [json!(null), json!({ "headers": [] }), json!("x")] {
            assert_eq!(auth.headers(None, &nothing).len(), 4, "{nothing}");
        }
    }

    fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_client_with_many_channels_leaves_turns_to_others() {
        let auth = Auth::new("http://localhost/", &Authorities::default(), Vec::new()).unwrap();
        let (many, few) = (OwnTurns::default(), OwnTurns::default());
        let mut waiting: Vec<_> = (0..256).map(|_| Box::pin(auth.turn(&many))).collect();
        let mut held: Vec<_> = waiting.iter_mut().filter_map(|turn| now(turn.as_mut())).collect();
        assert_eq!(held.len(), MOST_OF_A_SOCKET);
        assert!(now(pin!(auth.turn(&few))).is_some());
        held.pop();
        assert!(now(waiting[MOST_OF_A_SOCKET].as_mut()).is_some());
    }

    #[test]
    fn only_json_that_says_yes_lets_a_client_in() {
        let read = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            read(&Answered { status, content_type: None, body: body.into() })
        };
        assert_eq!(read(200, "true").unwrap(), Ok(None));
        assert_eq!(read(200, "{}").unwrap(), Ok(None));
        let member = json!({ "user_id": 1 });
        assert_eq!(read(200, r#"{"channel_data":{"user_id":1}}"#).unwrap(), Ok(Some(member)));
        for (status, body, told) in
            [(200, "false", 403), (200, "null", 403), (403, "", 403), (401, "{}", 401)]
        {
            assert_eq!(read(status, body).unwrap(), Err(Refused { status: told }), "{status} {body}");
        }
        for (status, body, told) in
            [(200, "<html>", 0), (200, "", 0), (302, "", 302), (500, "true", 500), (204, "", 204)]
        {
            assert_eq!(read(status, body).unwrap_err().status, told, "{status} {body}");
        }
    }
}
