//! A POST: it claims its session's door, reads its body, passes that on, and waits until its packets are accepted.

use std::sync::Arc;

use bytes::Bytes;
use engineio::observe::What;
use engineio::session::OpenError;
use engineio::{Application, Jsonp, Limit, PayloadFormat, Refusal, Sid};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};

use super::Endpoint;
use super::post_body::{self, BodyError};
use crate::http::answers::{accepted, closing, refused_by, status};
use crate::http::body::Body;
use crate::http::exchange::Exchange;
use crate::session::wires::{OpenPost, SessionHandle, reply_channel};

/// A POST whose body is to be read.
pub(super) struct Posting<B> {
    post: OpenPost,
    body: B,
    sid: Sid,
    format: PayloadFormat,
    binary: bool,
    jsonp: Option<Jsonp>,
    exchange: u64,
}

/// Claims the door for a POST.
pub(super) fn claim_post<B>(
    parts: &Parts,
    body: B,
    handle: Arc<SessionHandle>,
    jsonp: Option<Jsonp>,
) -> Result<Posting<B>, OpenError> {
    let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let binary = jsonp.is_none() && content_type.eq_ignore_ascii_case(b"application/octet-stream");
    let (sid, format) = (handle.sid, handle.format);
    let exchange = Exchange::number(parts);
    Ok(Posting { post: handle.open_post()?, body, sid, format, binary, jsonp, exchange })
}

impl<A: Application> Endpoint<A> {
    /// Reads a POST, passes it to its session, and answers once its packets are accepted.
    pub(super) async fn answer_post<B>(&self, posting: Posting<B>) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let Posting { post, body, sid, format, binary, jsonp, exchange } = posting;
        if let Err(violation) = format.check_form(binary) {
            post.refuse(violation);
            return Ok(status(StatusCode::BAD_REQUEST));
        }
        let limits = post_body::BodyLimits {
            length: self.engine.config.max_payload,
            memory: self.engine.memory(),
            timeout: self.admission.limits.body_timeout,
        };
        let (body, held) = match post_body::read(body, limits, &post).await {
            Ok(read) => read,
            Err(BodyError::TooLarge) => {
                post.release();
                self.engine.hits.count(Limit::Payload);
                tracing::info!(limit = self.engine.config.max_payload, "a POST is over the payload limit");
                return Ok(closing(status(StatusCode::PAYLOAD_TOO_LARGE)));
            }
            Err(BodyError::Crowded) => {
                post.release();
                self.engine.hits.count(Limit::Memory);
                return Ok(closing(refused_by(Limit::Memory)));
            }
            Err(BodyError::Ended) => return Err(Refusal::SessionUnknown),
            Err(BodyError::Broken) => return Ok(closing(status(StatusCode::BAD_REQUEST))),
            Err(BodyError::Slow) => {
                self.engine.hits.count(Limit::BodyTimeout);
                return Ok(closing(status(StatusCode::REQUEST_TIMEOUT)));
            }
        };
        let body = if jsonp.is_some() { Jsonp::payload(&body) } else { body };
        self.engine.observers.see(Some(&sid), || What::RequestBody { exchange, body: &body });
        let (reply, acceptance) = reply_channel();
        post.submit(body, binary, held, reply);
        match acceptance.await {
            Ok(()) => Ok(accepted()),
            Err(_) => Err(Refusal::SessionUnknown),
        }
    }
}
