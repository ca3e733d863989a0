//! Requests that name a session: polls, POSTs and probes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::memory::Budget;
use engineio::observe::What;
use engineio::session::OpenError;
use engineio::{Application, Jsonp, Limit, Payload, PayloadFormat, Refusal, Sid};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use tokio::sync::oneshot;

use super::Endpoint;
use super::opening::agreed;
use crate::http::answers::{Packed, accepted, closing, refused_by, status};
use crate::http::body::Body;
use crate::http::compression::Encoding;
use crate::http::exchange::Exchange;
use crate::http::switch::switch;
use crate::session::post_body::{self, BodyError};
use crate::session::wires::{OpenGet, OpenPost, OpenProbe, SessionHandle, reply_channel};

/// A GET that is parked.
pub(super) struct Parked {
    get: OpenGet,
    answer: oneshot::Receiver<Payload>,
    jsonp: Option<Jsonp>,
    /// How its answer may be compressed.
    encoding: Option<Encoding>,
}

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

impl<A: Application> Endpoint<A> {
    /// Claims the door for a GET.
    pub(super) fn claim_poll(
        &self,
        parts: &Parts,
        handle: Arc<SessionHandle>,
        jsonp: Option<Jsonp>,
    ) -> Result<Parked, OpenError> {
        let (waiting, answer) = reply_channel();
        let get = handle.open_get(waiting)?;
        let compresses = self.http.compression.is_some();
        let encoding = if compresses { Encoding::accepted(&parts.headers) } else { None };
        Ok(Parked { get, answer, jsonp, encoding })
    }

    /// Waits until the session has something for a GET.
    pub(super) async fn answer_poll(&self, parked: Parked) -> Result<Response<Body>, Refusal> {
        let Parked { get, answer, jsonp, encoding } = parked;
        let payload = answer.await.map_err(|_| Refusal::SessionUnknown)?;
        let memory = self.config.memory_budget;
        // A script is a copy, and a payload and all of its escapes may be there at once.
        let most = payload.len() * if jsonp.is_some() { 3 } else { 1 };
        let long = get.begin(payload.len(), most);
        let is_cut = || long.as_ref().is_some_and(|long| long.is_cut());
        if jsonp.is_some() {
            until_admitted(most, &self.config.memory(), is_cut).await;
        }
        if is_cut() {
            return Err(Refusal::SessionUnknown);
        }
        // The guard moves into the body with the answer. If this future is dropped before, parked or while it
        // compresses, the client went away.
        let packed = Packed::new(payload, jsonp);
        let packed = match encoding {
            Some(_) => packed.compress(encoding, self.http.compression, &self.http.compressors, memory).await,
            None => packed,
        };
        Ok(packed.response(|payload, held| Body::poll(payload, held, get, long)))
    }

    /// Reads a POST and hands it to its session.
    pub(super) async fn take_post<B>(&self, posting: Posting<B>) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let Posting { post, body, sid, format, binary, jsonp, exchange } = posting;
        if let Err(violation) = format.check_form(binary) {
            post.refuse(violation);
            return Ok(status(StatusCode::BAD_REQUEST));
        }
        let limits = post_body::BodyLimits {
            length: self.config.max_payload,
            memory: self.config.memory(),
            timeout: self.admission.limits.body_timeout,
        };
        let (body, held) = match post_body::read(body, limits, &post).await {
            Ok(read) => read,
            Err(BodyError::TooLarge) => {
                post.release();
                self.config.hits.count(Limit::Payload);
                tracing::info!(limit = self.config.max_payload, "a POST is over the payload limit");
                return Ok(closing(status(StatusCode::PAYLOAD_TOO_LARGE)));
            }
            Err(BodyError::Crowded) => {
                post.release();
                self.config.hits.count(Limit::Memory);
                return Ok(closing(refused_by(Limit::Memory)));
            }
            Err(BodyError::Ended) => return Err(Refusal::SessionUnknown),
            Err(BodyError::Broken) => return Ok(closing(status(StatusCode::BAD_REQUEST))),
            Err(BodyError::Slow) => {
                self.config.hits.count(Limit::BodyTimeout);
                return Ok(closing(status(StatusCode::REQUEST_TIMEOUT)));
            }
        };
        let body = if jsonp.is_some() { Jsonp::payload(&body) } else { body };
        self.config.observers.see(Some(&sid), || What::RequestBody { exchange, body: &body });
        let (accepting, accepted_by) = reply_channel();
        post.submit(body, binary, held, accepting);
        match accepted_by.await {
            Ok(()) => Ok(accepted()),
            Err(_) => Err(Refusal::SessionUnknown),
        }
    }

    /// A WebSocket for a session that polls. One that comes while another is there is opened and closed.
    pub(super) fn open_probe(
        self: Arc<Self>,
        parts: &mut Parts,
        handle: Arc<SessionHandle>,
    ) -> Result<Response<Body>, Refusal> {
        let protocol = agreed(parts)?;
        let format = handle.format;
        let probe: Result<OpenProbe, OpenError> = handle.open_probe();
        switch(parts, protocol, self.config.observers.clone(), move |io, read| {
            let websocket = self.websocket(io, &read, format);
            match probe {
                Ok(probe) => probe.opened(websocket),
                Err(_) => {
                    tokio::spawn(tokio::time::timeout(self.config.close_timeout, websocket.close(None)));
                }
            }
        })
    }
}

/// How often a poll that waits for memory looks whether there is some.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until so many bytes more may be held for a client, or it is put out.
async fn until_admitted(bytes: usize, memory: &Budget, is_put_out: impl Fn() -> bool) {
    while !memory.admits(bytes) && !is_put_out() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
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
