//! Requests, one after the other on a connection that is kept.

use std::error::Error;
use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use super::stream::Connected;
use super::target::Target;

/// The longest body of an answer, in bytes.
const LONGEST: usize = 200_000_000;

/// A connection for one request after the other. It is opened when the first comes.
#[derive(Default)]
pub(crate) struct Lane(Option<SendRequest<Full<Bytes>>>);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A header field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }

    /// Whether its body is a binary payload.
    pub(crate) fn is_binary(&self) -> bool {
        self.field("content-type") == Some("application/octet-stream")
    }
}

impl Lane {
    /// Sends a request, and waits for all of its answer.
    ///
    /// # Errors
    /// If there is no connection, or it ends before the answer does.
    pub(crate) async fn request(
        &mut self,
        target: &Target,
        method: Method,
        query: &str,
        more: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> io::Result<Reply> {
        if let Some(mut sender) = self.0.take().filter(|sender| !sender.is_closed())
            && sender.ready().await.is_ok()
        {
            match send(&mut sender, request(target, &method, query, more, &body)?, target).await {
                Ok(reply) => {
                    self.0 = Some(sender);
                    return Ok(reply);
                }
                // A server may close a connection that it has kept for a while, just when the next request goes out.
                // A POST must not come twice.
                Err(problem) if method == Method::POST && !problem.was_not_sent => {
                    return Err(problem.told(target));
                }
                Err(_) => {}
            }
        }
        let Connected { stream, .. } = Connected::open(target).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let reply = send(&mut sender, request(target, &method, query, more, &body)?, target).await;
        let reply = reply.map_err(|problem| problem.told(target))?;
        self.0 = Some(sender);
        Ok(reply)
    }

    /// A GET without further fields.
    ///
    /// # Errors
    /// As [`request`](Lane::request).
    pub(crate) async fn get(&mut self, target: &Target, query: &str) -> io::Result<Reply> {
        self.request(target, Method::GET, query, &[], Bytes::new()).await
    }

    /// A POST of text.
    ///
    /// # Errors
    /// As [`request`](Lane::request).
    pub(crate) async fn post(&mut self, target: &Target, query: &str, body: Bytes) -> io::Result<Reply> {
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        self.request(target, Method::POST, query, &[(header::CONTENT_TYPE, text)], body).await
    }
}

fn request(
    target: &Target,
    method: &Method,
    query: &str,
    more: &[(HeaderName, HeaderValue)],
    body: &Bytes,
) -> io::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(method.clone())
        .uri(target.request_target(query))
        .header(header::HOST, target.url.authority())
        .header(header::ACCEPT, "*/*");
    for (name, value) in target.fields().iter().chain(more) {
        request = request.header(name, value);
    }
    request.body(Full::new(body.clone())).map_err(io::Error::other)
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    target: &Target,
) -> Result<Reply, Unanswered> {
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    target.cookies.keep(&head.headers);
    let body = Limited::new(body, LONGEST).collect().await.map_err(|error| Unanswered {
        was_not_sent: false,
        was_no_http: false,
        words: words(&*error),
    })?;
    Ok(Reply { status: head.status.as_u16(), fields: head.headers, body: body.to_bytes() })
}

/// Why a request has no answer.
struct Unanswered {
    was_not_sent: bool,
    was_no_http: bool,
    words: String,
}

impl From<hyper::Error> for Unanswered {
    fn from(error: hyper::Error) -> Unanswered {
        let words = if error.is_incomplete_message() {
            "the server closed the connection before its answer was complete".to_owned()
        } else {
            words(&error)
        };
        Unanswered { was_not_sent: error.is_canceled(), was_no_http: error.is_parse(), words }
    }
}

impl Unanswered {
    fn told(self, target: &Target) -> io::Error {
        let Unanswered { was_no_http, words, .. } = self;
        io::Error::other(if was_no_http && !target.url.secure {
            format!("the answer is not HTTP ({words}). Does the server speak TLS? Then write https://")
        } else if was_no_http {
            format!("the answer is not HTTP ({words})")
        } else {
            words
        })
    }
}

/// An error with its causes: hyper's own words don't say what happened.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = next.source();
    }
    words
}
