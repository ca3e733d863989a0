//! How a request passes through an endpoint: route, rules, body, session, answer.
//!
//! ```text
//!          allowed?   route, rules        door           body, session             answer
//!  call ─▶ CORS ────▶ begin, with find ─┬──────────────▶ open ───────────────────┬▶ answered
//!          hooks                        ├▶ claim_poll ─▶ await_poll ─────────────┤
//!                                       ├▶ claim_post ─▶ answer_post ─▶ read ────┤
//!                                       ├▶ open_probe ───────────────────────────┤
//!                                       └▶ refuse ───────────────────────────────┘
//! ```
//!
//! `begin` has `find` decide, and claims the door. `call` awaits the answer; with hooks, `answer_with_hooks` does.

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use engineio::observe::What;
use engineio::session::OpenError;
use engineio::{Application, Method, Open, Query, Refusal, Route, Sid, Transport};
use http::header::UPGRADE;
use http::request::Parts;
use http::{Response, StatusCode};

use super::Endpoint;
use super::poll::Polling;
use super::post::{Posting, claim_post};
use crate::http::answers::{self, not_allowed, status};
use crate::http::body::Body;
use crate::http::cors::{Verdict, foreign_origin};
use crate::http::exchange::Exchange;
use crate::http::hooks::{Next, RequestHead};
use crate::http::http_rules::is_websocket;
use crate::http::mount::Answering;
use crate::http::refused::{Refused, merge};
use crate::net::peer::Peer;
use crate::session::arrived::Arrived;
use crate::session::wires::SessionHandle;

/// The transport that a request is, changes to, or came with.
fn carried_by(parts: &Parts) -> Transport {
    if parts.extensions.get::<Arrived>().is_some() {
        Transport::WebTransport
    } else if is_websocket(&parts.headers) {
        Transport::WebSocket
    } else {
        Transport::Polling
    }
}

/// How a request goes on, once its route is known. A poll and a POST have claimed their doors.
enum Begun<B> {
    Handshake(Open),
    Poll(Polling),
    Post(Posting<B>),
    Answered(Response<Body>),
}

impl<A: Application> Endpoint<A> {
    /// Answers one request. What it asks for is found out at once, so that a waiting request, such as a poll, doesn't
    /// keep its head and the buffer that it was read into.
    pub(crate) fn call<B>(self: Arc<Self>, mut parts: Parts, body: B, peer: Peer) -> Answering
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    {
        let exchange = Exchange::begin(&self.engine.observers, &mut parts, peer);
        let verdict = self.http.cors.as_ref().map(|cors| cors.judge(&parts));
        if let Some((cors, verdict)) = self.http.cors.as_ref().zip(verdict.as_ref())
            && parts.method == http::Method::OPTIONS
        {
            let response = cors.preflight(verdict.clone(), &parts.headers).map(Body::from);
            return Box::pin(ready(Ok(self.answered(response, None, exchange))));
        }
        let foreign = verdict.as_ref().is_some_and(|verdict| verdict.refused);
        if let Some(head) = self.http.hooks.head(&parts, peer) {
            return Box::pin(async move {
                let response = self.hooked(&mut parts, body, peer, foreign, &head).await;
                Ok(self.answered(response, verdict, exchange))
            });
        }
        let number = Exchange::number(&parts);
        match self.begin(&mut parts, body, peer, foreign, None) {
            // Each kind of request has a future of its own, so that the one of a poll, which waits long, is small.
            Ok(Begun::Handshake(open)) => Box::pin(async move {
                let answer = self.open(&mut parts, peer, open, None).await;
                let response = answer.unwrap_or_else(|refused| self.refuse(&parts, peer, refused, None));
                Ok(self.answered(response, verdict, exchange))
            }),
            Ok(Begun::Poll(poll)) => Box::pin(async move {
                let answer = self.await_poll(poll).await;
                let response = answer.unwrap_or_else(|refusal| self.ended(number, refusal));
                Ok(self.answered(response, verdict, exchange))
            }),
            Ok(Begun::Post(post)) => Box::pin(async move {
                let answer = self.answer_post(post).await;
                let response = answer.unwrap_or_else(|refusal| self.ended(number, refusal));
                Ok(self.answered(response, verdict, exchange))
            }),
            Ok(Begun::Answered(response)) => Box::pin(ready(Ok(self.answered(response, verdict, exchange)))),
            Err(refusal) => {
                let response = self.refuse(&parts, peer, refusal.into(), None);
                Box::pin(ready(Ok(self.answered(response, verdict, exchange))))
            }
        }
    }

    /// Adds the CORS fields to an answer, and shows it to observers.
    fn answered(
        &self,
        mut response: Response<Body>,
        verdict: Option<Verdict>,
        exchange: Option<Exchange>,
    ) -> Response<Body> {
        if let Some((cors, verdict)) = self.http.cors.as_ref().zip(verdict) {
            cors.grant(verdict, response.headers_mut());
        }
        if let Some(exchange) = exchange {
            exchange.end(&response);
        }
        response
    }

    /// Answers a request that the application's hooks decide about.
    async fn hooked<B>(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
        foreign: bool,
        head: &RequestHead,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (fields, stop) = self.http.hooks.pass(head, &self.admission).await;
        let answer = match stop {
            Ok(None | Some(Next::Pass(_))) => self.answer_with_hooks(parts, body, peer, foreign, head).await,
            Ok(Some(Next::Answer(response))) => Ok(response.map(Body::from)),
            Ok(Some(Next::Fail)) => Err(Refusal::MiddlewareFailed.into()),
            Err(too_slow) => Err(too_slow.into()),
        };
        let mut response = answer.unwrap_or_else(|refused| self.refuse(parts, peer, refused, Some(head)));
        merge(response.headers_mut(), fields);
        response
    }

    /// Refuses a request, and tells the hooks and observers.
    fn refuse(
        &self,
        parts: &Parts,
        peer: Peer,
        refused: Refused,
        head: Option<&RequestHead>,
    ) -> Response<Body> {
        let refusal = refused.refusal();
        let query = |name| Query::new(parts.uri.query().unwrap_or_default()).get(name).map(Cow::into_owned);
        tracing::info!(
            code = refusal.error_code().number(),
            reason = refused.reason().unwrap_or(refusal.error_code().message()),
            rule = refusal.name(),
            section = refusal.section(),
            %refusal,
            method = %parts.method,
            transport = query("transport"),
            revision = query("EIO"),
            address = peer.address.map(tracing::field::display),
            "request refused"
        );
        self.refused(Exchange::number(parts), refused, parts.headers.contains_key(UPGRADE), head)
    }

    /// Refuses a request whose session ended while it waited.
    fn ended(&self, exchange: u64, refusal: Refusal) -> Response<Body> {
        tracing::info!(%refusal, "a session ended while a request waited for it");
        self.refused(exchange, refusal.into(), false, None)
    }

    fn refused(
        &self,
        exchange: u64,
        refused: Refused,
        websocket: bool,
        head: Option<&RequestHead>,
    ) -> Response<Body> {
        let (refusal, reason) = (refused.refusal(), refused.reason());
        self.engine.observers.see(None, || What::Refused { exchange, refusal, reason });
        if let Some(head) = head {
            self.http.hooks.refused(head, refusal, reason);
        }
        answers::refusal(refused, websocket)
    }

    /// What a request asks for, and its session. `foreign` says whether it comes from a page that is not allowed.
    fn find(&self, parts: &Parts, foreign: bool) -> Result<(Route, Option<Arc<SessionHandle>>), Refusal> {
        let method = match parts.method {
            http::Method::GET => Method::Get,
            http::Method::POST => Method::Post,
            http::Method::OPTIONS => {
                self.http.strangers.answered(&parts.headers);
                return Ok((Route::MethodNotAllowed, None));
            }
            _ => Method::Other,
        };
        let query = Query::new(parts.uri.query().unwrap_or_default());
        let by = carried_by(parts);
        let mut named = None;
        let known = |sid: &Sid| {
            named = self.registry.get(sid);
            named.as_deref().map(SessionHandle::known)
        };
        let route = Route::find(&self.engine.config, method, query, by, known)?;
        let strange = named.as_ref().is_some_and(|handle| handle.origin.as_deref() != self.origin(parts));
        if foreign {
            self.http.strangers.refused(&parts.headers);
        } else if self.http.cors.is_none() && by == Transport::Polling && matches!(route, Route::Open(_)) {
            // Browsers let any page open a WebSocket.
            self.http.strangers.answered(&parts.headers);
        }
        if foreign || strange {
            return Err(Refusal::OriginForbidden);
        }
        Ok((route, named))
    }

    /// The origin that a session is bound to, if sessions are bound.
    pub(super) fn origin<'a>(&self, parts: &'a Parts) -> Option<&'a [u8]> {
        self.http.bind_origin.then(|| foreign_origin(&parts.headers)).flatten()
    }

    /// Begins a request: claims the door that it needs.
    fn begin<B>(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
        foreign: bool,
        head: Option<&RequestHead>,
    ) -> Result<Begun<B>, Refusal> {
        let (route, session) = self.find(parts, foreign)?;
        let session = session.ok_or(Refusal::SessionUnknown);
        let begun = match route {
            Route::Open(open) => return Ok(Begun::Handshake(open)),
            Route::Poll { jsonp } => self.claim_poll(parts, session?, jsonp).map(Begun::Poll),
            Route::Post { jsonp } => claim_post(parts, body, session?, jsonp).map(Begun::Post),
            Route::Probe => {
                return Ok(Begun::Answered(self.clone().open_probe(parts, peer, session?, head)?));
            }
            Route::MethodNotAllowed => return Ok(Begun::Answered(not_allowed())),
        };
        match begun {
            Err(OpenError::Taken) => Ok(Begun::Answered(status(StatusCode::BAD_REQUEST))),
            Err(OpenError::Ended) => Err(Refusal::SessionUnknown),
            Ok(begun) => Ok(begun),
        }
    }

    /// Answers a request, with the application's hooks.
    async fn answer_with_hooks<B>(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: B,
        peer: Peer,
        foreign: bool,
        head: &RequestHead,
    ) -> Result<Response<Body>, Refused>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let begun = self.begin(parts, body, peer, foreign, Some(head))?;
        let initial = matches!(begun, Begun::Handshake(_));
        let mut response = match begun {
            Begun::Handshake(open) => self.open(parts, peer, open, Some(head)).await?,
            Begun::Poll(poll) => self.await_poll(poll).await?,
            Begun::Post(post) => self.answer_post(post).await?,
            Begun::Answered(response) => response,
        };
        if matches!(response.status(), StatusCode::OK | StatusCode::SWITCHING_PROTOCOLS) {
            self.http.hooks.answer(response.headers_mut(), head, initial);
        }
        Ok(response)
    }
}
