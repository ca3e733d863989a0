//! The handshake of a plain WebSocket, and the application's answer to it.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use engineio::plain::{self, Keepalive};
use engineio::websocket::deflate::PerMessageDeflate;
use engineio::{Engine, HandshakeRequest};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::Denied;
use crate::plain::WebSocket;

/// A client that asks for a WebSocket, in a handshake that breaks no rule.
#[derive(Debug)]
pub struct WebSocketRequest {
    handshake: HandshakeRequest,
    terms: plain::Terms,
}

impl WebSocketRequest {
    pub(super) fn new(
        handshake: HandshakeRequest,
        engine: &Engine,
        server: &crate::Limits,
    ) -> WebSocketRequest {
        WebSocketRequest {
            handshake,
            terms: plain::Terms::new(engine, server.message_timeout, server.write_timeout),
        }
    }

    /// The HTTP request: its URL, query and header fields, and who sent it.
    #[must_use]
    pub fn handshake(&self) -> &HandshakeRequest {
        &self.handshake
    }

    /// The origin of the page that the client runs in. Browsers always send it. Other programs rarely do, and may
    /// send anything.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.handshake.headers.get("origin")
    }

    /// The subprotocols that the client offers, in order of preference (RFC 6455, section 1.9).
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        let fields = self.handshake.headers.iter();
        fields
            .filter(|(name, _)| *name == SEC_WEBSOCKET_PROTOCOL.as_str())
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    /// A cookie's value, as it was sent.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let fields = self.handshake.headers.iter().filter(|(field, _)| *field == "cookie");
        let mut pairs =
            fields.flat_map(|(_, value)| value.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.find(|(cookie, _)| cookie.trim() == name).map(|(_, value)| value.trim())
    }

    /// Accepts the client. [`Accept::run`] completes it.
    pub fn accept(self) -> Accept {
        Accept { request: self, protocol: None, headers: HeaderMap::new() }
    }
}

/// An accepted client, and its settings.
#[derive(Debug)]
#[must_use = "the client is let in by what `run` returns"]
pub struct Accept {
    request: WebSocketRequest,
    protocol: Option<Box<str>>,
    headers: HeaderMap,
}

impl Accept {
    /// Chooses one of the subprotocols that the client offers. Without this, none is chosen, and a browser that
    /// offers some closes the connection.
    ///
    /// # Errors
    /// If the client doesn't offer it. With `?`, the client is refused with 400.
    pub fn protocol(mut self, name: &str) -> Result<Accept, NotOffered> {
        // "the value chosen MUST be derived from the client's handshake" (RFC 6455, section 4.2.2).
        if !self.request.protocols().any(|offered| offered == name) {
            return Err(NotOffered { name: name.into() });
        }
        self.protocol = Some(name.into());
        Ok(self)
    }

    /// Adds a header field to the answer, such as a `Set-Cookie`. It can't set the fields of the handshake itself.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Accept {
        if !name.as_str().starts_with("sec-websocket-") {
            self.headers.append(name, value);
        }
        self
    }

    /// The longest message that is accepted, in bytes, in one frame or many; the server's
    /// [`max_payload`](crate::EngineConfig::max_payload) unless set. A longer one ends the connection with 1009.
    pub fn max_payload(mut self, bytes: usize) -> Accept {
        self.request.terms.frames.message = bytes;
        self
    }

    /// The most fragments of one message; the server's [`max_fragments`](crate::EngineConfig::max_fragments) unless set. More end the
    /// connection with 1008.
    pub fn max_fragments(mut self, fragments: usize) -> Accept {
        self.request.terms.frames.fragments = fragments;
        self
    }

    /// Whether and how messages are compressed, if the peer offers it; the server's
    /// [`per_message_deflate`](crate::EngineConfig::per_message_deflate) unless set.
    pub fn per_message_deflate(mut self, deflate: Option<PerMessageDeflate>) -> Accept {
        self.request.terms.per_message_deflate = deflate;
        self
    }

    /// Sends messages over that many bytes in fragments of that length; without this, each is one frame. A peer can then
    /// have a pong between two of them. Messages in fragments are not compressed.
    pub fn fragment(mut self, bytes: usize) -> Accept {
        self.request.terms.fragment = Some(bytes);
        self
    }

    /// Leaves pings unanswered, although "an endpoint MUST send a Pong frame in response" (RFC 6455, section 5.5.2):
    /// to test how a client reacts.
    pub fn no_pong(mut self) -> Accept {
        self.request.terms.auto_pong = false;
        self
    }

    /// The bytes that may wait to be sent. Each message counts its length plus 64; the server's
    /// [`send_budget`](crate::EngineConfig::send_budget) unless set.
    pub fn send_budget(mut self, bytes: usize) -> Accept {
        self.request.terms.send_budget = bytes;
        self
    }

    /// How long a close may take, including everything queued before it, until the connection is cut; the server's
    /// [`close_timeout`](crate::EngineConfig::close_timeout) unless set.
    pub fn close_timeout(mut self, timeout: Duration) -> Accept {
        self.request.terms.close_timeout = timeout;
        self
    }

    /// How long a message may take from its first byte to its last; the server's
    /// [`message_timeout`](crate::Limits::message_timeout) unless set. One that takes longer ends the connection with
    /// 1008.
    pub fn message_timeout(mut self, timeout: Duration) -> Accept {
        self.request.terms.message_timeout = timeout;
        self
    }

    /// Pings a peer that has sent nothing for `interval`, and cuts the connection if nothing comes for `grace` after
    /// that; 20 s and 10 s unless set.
    pub fn keepalive(mut self, interval: Duration, grace: Duration) -> Accept {
        self.request.terms.keepalive = Some(Keepalive { interval, grace });
        self
    }

    /// Never pings. A peer that has vanished is then only noticed when something is sent to it.
    pub fn no_keepalive(mut self) -> Accept {
        self.request.terms.keepalive = None;
        self
    }

    /// Sets what runs on the connection, in a task of its own. When the [`WebSocket`] is dropped, the connection is
    /// closed.
    pub fn run<F, R>(self, run: F) -> Accepted
    where
        F: FnOnce(WebSocket) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Accepted { accept: self, run: Box::new(|websocket| Box::pin(run(websocket))) }
    }
}

/// An accepted client, and what runs on its connection.
#[must_use]
pub struct Accepted {
    accept: Accept,
    run: Run,
}

/// What runs on a connection.
pub(super) type Run = Box<dyn FnOnce(WebSocket) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// [`Accepted`] in its parts.
pub(super) struct Terms {
    pub(super) handshake: HandshakeRequest,
    pub(super) terms: plain::Terms,
    pub(super) protocol: Option<Box<str>>,
    pub(super) headers: HeaderMap,
    pub(super) run: Run,
}

impl Accepted {
    pub(super) fn terms(self) -> Terms {
        let Accepted { accept: Accept { request, protocol, headers }, run } = self;
        let WebSocketRequest { handshake, terms } = request;
        Terms { handshake, terms, protocol, headers, run }
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accepted").field(&self.accept).finish()
    }
}

/// The chosen subprotocol is not among those that the client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOffered {
    name: Box<str>,
}

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client did not offer the subprotocol {}", self.name)
    }
}

impl std::error::Error for NotOffered {}

/// 400, with the reason.
impl From<NotOffered> for Denied {
    fn from(error: NotOffered) -> Denied {
        Denied::new(error.to_string()).status(StatusCode::BAD_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use engineio::{Attached, Headers};

    use super::*;

    fn request(fields: &[(&str, &str)]) -> WebSocketRequest {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        let handshake = HandshakeRequest {
            time: SystemTime::now(),
            address: None,
            secure: false,
            url: "/ws?room=tea".into(),
            headers: Headers::new(fields),
            attached: Attached::default(),
        };
        WebSocketRequest::new(handshake, &Engine::default(), &crate::Limits::default())
    }

    // proves: ws/protocols
    #[test]
    fn subprotocols_are_read_in_order_from_all_fields() {
        let request =
            request(&[("Sec-WebSocket-Protocol", "chat, ,superchat"), ("Sec-WebSocket-Protocol", "echo")]);
        assert_eq!(request.protocols().collect::<Vec<_>>(), ["chat", "superchat", "echo"]);
    }

    // proves: websocket-node/accept-reject
    #[test]
    fn only_a_subprotocol_that_is_offered_can_be_chosen() {
        let offer = [("Sec-WebSocket-Protocol", "chat, echo")];
        let accept = request(&offer).accept().protocol("echo").unwrap();
        assert_eq!(accept.protocol.as_deref(), Some("echo"));
        for name in ["Echo", "ech", "chat, echo", ""] {
            let error = request(&offer).accept().protocol(name).unwrap_err();
            assert_eq!(error.to_string(), format!("the client did not offer the subprotocol {name}"));
        }
    }

    // proves: websocket-node/cookies
    #[test]
    fn cookies_are_read_as_they_were_sent() {
        let request = request(&[("Cookie", r#"a=1; b="x=y" ;odd;c="#)]);
        let cookies = ["a", "b", "c", "d", "odd"].map(|name| request.cookie(name));
        assert_eq!(cookies, [Some("1"), Some(r#""x=y""#), Some(""), None, None]);
    }

    #[test]
    fn the_handshakes_own_fields_are_out_of_reach() {
        let accept = request(&[]).accept();
        let value = || HeaderValue::from_static("x");
        let accept = accept.header(SEC_WEBSOCKET_PROTOCOL, value()).header(http::header::SERVER, value());
        assert_eq!(accept.headers.keys().collect::<Vec<_>>(), ["server"]);
    }
}
