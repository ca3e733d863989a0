//! Requests, one after the other on a connection that is kept.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::stream::Connected;
use super::target::Target;

/// The longest body of an answer, in bytes.
const LONGEST: usize = 200_000_000;

/// A connection that the server closed while it was idle fails within a round trip. What fails later was cut while the
/// server had the request.
const SOON: Duration = Duration::from_millis(500);

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
            let began = Instant::now();
            match send(&mut sender, request(target, &method, query, more, &body)?, target).await {
                Ok(reply) => {
                    self.0 = Some(sender);
                    return Ok(reply);
                }
                // A server may close a connection that it has kept for a while, just when the next request goes out.
                // Only then may it be sent again: a POST must not come twice, and what the answer to a GET had is gone.
                Err(Unanswered { came: Came::NotSent, .. }) => {}
                Err(Unanswered { came: Came::Nothing, .. })
                    if method == Method::GET && began.elapsed() < SOON => {}
                Err(problem) => return Err(problem.told(target)),
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
    let body = Limited::new(body, LONGEST)
        .collect()
        .await
        .map_err(|error| Unanswered { came: Came::Head, words: words(&*error) })?;
    Ok(Reply { status: head.status.as_u16(), fields: head.headers, body: body.to_bytes() })
}

/// Why a request has no answer.
struct Unanswered {
    came: Came,
    words: String,
}

/// How far a request and its answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// The request was not sent.
    NotSent,
    /// It was, and nothing came back.
    Nothing,
    /// Something else than HTTP.
    NoHttp,
    /// The answer's head, but not all of its body.
    Head,
}

impl From<hyper::Error> for Unanswered {
    fn from(error: hyper::Error) -> Unanswered {
        let words = if error.is_incomplete_message() {
            "the server closed the connection before its answer was complete".to_owned()
        } else {
            words(&error)
        };
        let came = match () {
            () if error.is_canceled() => Came::NotSent,
            () if error.is_parse() => Came::NoHttp,
            () => Came::Nothing,
        };
        Unanswered { came, words }
    }
}

impl Unanswered {
    fn told(self, target: &Target) -> io::Error {
        let Unanswered { came, words } = self;
        let no_http = came == Came::NoHttp;
        io::Error::other(if no_http && !target.url.secure {
            format!("the answer is not HTTP ({words}). Does the server speak TLS? Then write https://")
        } else if no_http {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::target::TargetOptions;
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    async fn server() -> (TcpListener, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = Target::new(&TargetOptions {
            url: listener.local_addr().expect("an address").to_string(),
            path: "/".to_owned(),
            headers: Vec::new(),
            ca: None,
            timeout: Duration::from_secs(30),
        });
        (listener, target.expect("a target"))
    }

    /// Reads a request, which has no body.
    async fn hear(stream: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut request).await.expect("a request"), 0, "the client has gone");
        }
    }

    /// A second GET on a connection, on which `then` is done once it has come. Whoever connects once more gets an answer.
    async fn second_get(then: impl AsyncFnOnce(TcpStream)) -> io::Result<Reply> {
        let (listener, target) = server().await;
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            hear(&mut stream).await;
            stream.write_all(ANSWER).await.expect("it is sent");
            hear(&mut stream).await;
            then(stream).await;
            let (mut again, _) = listener.accept().await.expect("another connection");
            hear(&mut again).await;
            again.write_all(ANSWER).await.expect("it is sent");
            std::future::pending::<()>().await;
        };
        let mut lane = Lane::default();
        let ask = async {
            lane.get(&target, "a=b").await.expect("an answer");
            lane.get(&target, "a=b").await
        };
        tokio::select! {
            () = serve => unreachable!("it goes on"),
            reply = ask => reply,
        }
    }

    #[tokio::test]
    async fn a_get_is_sent_again_if_the_server_closed_the_connection_that_was_idle() {
        assert_eq!(second_get(async |stream| drop(stream)).await.expect("an answer").body, "ok");
    }

    #[tokio::test]
    async fn a_get_whose_answer_breaks_off_is_not_sent_again() {
        let bodies = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n4mess";
        for part in [bodies, "nonsense\r\n\r\n"] {
            let reply = second_get(async |mut stream: TcpStream| {
                stream.write_all(part.as_bytes()).await.expect("it is sent");
            });
            reply.await.expect_err("what came is lost");
        }
    }

    #[tokio::test]
    async fn a_get_that_has_waited_is_not_sent_again() {
        let reply = second_get(async |stream| {
            tokio::time::pause();
            tokio::time::advance(SOON).await;
            tokio::time::resume();
            drop(stream);
        });
        let error = reply.await.expect_err("the server had it");
        assert_eq!(error.to_string(), "the server closed the connection before its answer was complete");
    }
}
