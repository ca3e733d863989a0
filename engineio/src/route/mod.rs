//! Determines from a request's method and query what it asks for, or what is wrong with it: for all requests, not only
//! handshakes.
//!
//! (Engine.IO protocol, "Handshake"; the order of the checks is the reference's.)

use bytestring::ByteString;

use crate::jsonp::Jsonp;
use crate::packet::Packet;
use crate::payload::PayloadFormat;
use crate::transport::Transport;
use crate::{EngineConfig, Query, Refusal, Revision, Sid};

/// The methods that the protocol tells apart.
///
/// ```
/// use engineio::{EngineConfig, Refusal, Method, Query, Route, Transport};
///
/// let query = Query::new("EIO=4&transport=polling");
/// let route = Route::find(&EngineConfig::default(), Method::Post, query, Transport::Polling, |_| None);
/// assert_eq!(route, Err(Refusal::HandshakeMethod));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// Any other
    Other,
}

/// What the checks need to know about the session that a request names.
///
/// ```
/// use engineio::{EngineConfig, Known, Method, PayloadFormat, Query, Revision, Route, Transport};
///
/// let format = PayloadFormat { revision: Revision::V4, base64: false };
/// let known = Known { format, transport: Transport::Polling };
/// let query = Query::new("EIO=4&transport=polling&sid=abc");
/// let route = Route::find(&EngineConfig::default(), Method::Get, query, Transport::Polling, |_| Some(known));
/// assert_eq!(route, Ok(Route::Poll { jsonp: None }));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How its polls are encoded; its revision.
    pub format: PayloadFormat,
    /// The transport that it uses now.
    pub transport: Transport,
}

/// What a request asks for.
///
/// ```
/// use engineio::{EngineConfig, Refusal, Method, Query, Route, Transport};
///
/// let config = EngineConfig::default();
/// let find =
///     |query| Route::find(&config, Method::Get, Query::new(query), Transport::Polling, |_| None);
/// assert!(matches!(find("EIO=4&transport=polling"), Ok(Route::Open(_))));
/// assert_eq!(find("EIO=4&transport=polling&sid=gone"), Err(Refusal::SessionUnknown));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A new session.
    Open(Open),
    /// Packets from the server: a GET on the session that was looked up, which polls.
    Poll {
        /// Whether the answer is to be a script.
        jsonp: Option<Jsonp>,
    },
    /// Packets from the client: a POST on it.
    Post {
        /// Whether the body is a form.
        jsonp: Option<Jsonp>,
    },
    /// Another transport that probes, to become the session's.
    Probe,
    /// Another method on a known session: 405.
    MethodNotAllowed,
}

/// A handshake that asks for a new session. Its revision has not been checked.
///
/// ```
/// use engineio::{EngineConfig, Method, Query, Refusal, Route, Transport};
///
/// let config = EngineConfig { revision_3: false, ..EngineConfig::default() };
/// let query = Query::new("EIO=3&transport=polling");
/// let Ok(Route::Open(open)) = Route::find(&config, Method::Get, query, Transport::Polling, |_| None)
/// else {
///     panic!("a handshake");
/// };
/// assert_eq!(open.format(&config), Err(Refusal::RevisionUnsupported));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The transport that the session begins with.
    pub transport: Transport,
    /// Whether the answer is to be a script.
    pub jsonp: Option<Jsonp>,
    /// `None` if there is no such revision.
    revision: Option<Revision>,
    base64: bool,
}

impl Open {
    /// How the session's polls and POSTs are encoded; its revision. This is the last check of a handshake: it comes
    /// after the application was asked whether it allows the handshake.
    ///
    /// # Errors
    /// If the server does not speak the revision.
    pub fn format(&self, config: &EngineConfig) -> Result<PayloadFormat, Refusal> {
        let revision = self.revision.filter(|revision| config.speaks(*revision));
        let revision = revision.filter(|revision| self.transport.has(*revision));
        let revision = revision.ok_or(Refusal::RevisionUnsupported)?;
        Ok(PayloadFormat { revision, base64: self.base64 })
    }
}

impl Route {
    /// Finds out what a request asks for. `by` is the transport that the request itself is, or changes to:
    /// [`WebSocket`](Transport::WebSocket) if it is a WebSocket handshake. `known` looks a session up.
    ///
    /// # Errors
    /// The first check that fails, in this order: transport, session, method, revision. A handshake's revision is
    /// checked by [`Open::format`].
    pub fn find(
        config: &EngineConfig,
        method: Method,
        query: Query<'_>,
        by: Transport,
        known: impl FnOnce(&Sid) -> Option<Known>,
    ) -> Result<Route, Refusal> {
        let [transport, revision, sid] = query.get_all(["transport", "EIO", "sid"]);
        let transport = transport
            .and_then(|name| Transport::parse(&name))
            .filter(|transport| config.offers(*transport))
            .ok_or(Refusal::TransportUnknown)?;
        let polling = transport == Transport::Polling;
        let jsonp = if config.jsonp && polling { Jsonp::asked(query)? } else { None };
        let revision = revision_of(revision.as_deref());

        let Some(sid) = sid.filter(|sid| !sid.is_empty()) else {
            if method != Method::Get {
                return Err(Refusal::HandshakeMethod);
            }
            if by != transport {
                return Err(Refusal::TransportHandshake);
            }
            if polling && !config.jsonp && query.get("j").is_some() {
                // A client that wants JSONP can't use anything else, so tell it now.
                return Err(Refusal::JsonpOff);
            }
            let base64 = jsonp.is_some() || query.get("b64").is_some_and(|value| !value.is_empty());
            return Ok(Route::Open(Open { transport, jsonp, revision, base64 }));
        };
        let session = Sid::parse(&sid).and_then(|sid| known(&sid)).ok_or(Refusal::SessionUnknown)?;
        // A WebSocket handshake has `transport=websocket`, and `transport=websocket` must be one.
        if by != transport {
            return Err(Refusal::TransportHandshake);
        }
        if polling && session.transport != Transport::Polling {
            return Err(Refusal::TransportMismatch { session: session.transport });
        }
        if revision != Some(session.format.revision) {
            return Err(Refusal::RevisionMismatch { session: session.format.revision });
        }
        if !polling && !config.allow_upgrades {
            return Err(Refusal::UpgradesOff);
        }
        if jsonp.is_some() && !session.format.is_text() {
            return Err(Refusal::JsonpUnfit);
        }
        match (transport, method) {
            (Transport::Polling, Method::Get) => Ok(Route::Poll { jsonp }),
            (Transport::Polling, Method::Post) => Ok(Route::Post { jsonp }),
            (Transport::WebSocket | Transport::WebTransport, Method::Get) => Ok(Route::Probe),
            (_, _) => Ok(Route::MethodNotAllowed),
        }
    }
}

/// The revision that `EIO` names. Several values mean revision 3: Swift's client up to 15.2 sends no `EIO` at all,
/// and clients 1.0 to 1.2 and elephant.io 1 send 2.
fn revision_of(eio: Option<&str>) -> Option<Revision> {
    match eio {
        None | Some("" | "0" | "1" | "2" | "3") => Some(Revision::V3),
        Some("4") => Some(Revision::V4),
        Some(_) => None,
    }
}

/// The open packet, with which the server accepts a handshake.
#[must_use]
pub fn open_packet(config: &EngineConfig, sid: &Sid, transport: Transport, revision: Revision) -> Packet {
    let upgrades: Vec<_> =
        config.upgrades(transport, revision).map(|to| format!("\"{}\"", to.as_str())).collect();
    let upgrades = upgrades.join(",");
    Packet::Open(ByteString::from(format!(
        r#"{{"sid":"{sid}","upgrades":[{upgrades}],"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        config.ping_interval.as_millis(),
        config.ping_timeout.as_millis(),
        config.max_payload,
    )))
}

#[cfg(test)]
mod tests;
