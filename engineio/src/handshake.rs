//! From a request's method and query to what it asks for, or to the refusal that it gets.
//!
//! (Engine.IO protocol, "Handshake" and "Error handling"; the order of the checks is the reference's.)

use bytestring::ByteString;

use crate::packet::Packet;
use crate::payload::PayloadFormat;
use crate::{Config, Query, Revision, Sid};

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long polling: a GET waits for packets, a POST sends some.
    Polling,
    /// A WebSocket: a frame for each packet.
    WebSocket,
}

impl Transport {
    /// The transport's name, as the `transport` parameter has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        }
    }

    fn parse(name: &str) -> Option<Transport> {
        [Transport::Polling, Transport::WebSocket].into_iter().find(|transport| transport.as_str() == name)
    }
}

/// Why a request is refused. Its code and message are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 0: no transport was named, or one that is not offered.
    TransportUnknown,
    /// 1: no session has that id, or it has ended.
    SessionUnknown,
    /// 2: a handshake by another method than GET.
    HandshakeMethod,
    /// 3: the request does not fit the session, or is no WebSocket handshake where it should be one.
    BadRequest,
    /// 4: the request's origin, or the application, forbids it.
    Forbidden,
    /// 5: a revision that is not spoken, or none.
    RevisionUnsupported,
}

impl Refusal {
    /// The error's number, `code` in the body.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Refusal::TransportUnknown => 0,
            Refusal::SessionUnknown => 1,
            Refusal::HandshakeMethod => 2,
            Refusal::BadRequest => 3,
            Refusal::Forbidden => 4,
            Refusal::RevisionUnsupported => 5,
        }
    }

    /// The HTTP status: 403 for [`Forbidden`](Refusal::Forbidden), 400 otherwise.
    #[must_use]
    pub fn status(self) -> u16 {
        if self == Refusal::Forbidden { 403 } else { 400 }
    }

    /// The error in words, `message` in the body.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Refusal::TransportUnknown => "Transport unknown",
            Refusal::SessionUnknown => "Session ID unknown",
            Refusal::HandshakeMethod => "Bad handshake method",
            Refusal::BadRequest => "Bad request",
            Refusal::Forbidden => "Forbidden",
            Refusal::RevisionUnsupported => "Unsupported protocol version",
        }
    }

    /// The body of the answer, `application/json`.
    #[must_use]
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{}"}}"#, self.code(), self.message())
    }
}

/// The methods that the protocol tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// Any other
    Other,
}

/// What the checks need to know of a session that a request names.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The session's revision.
    pub revision: Revision,
    /// The transport that it uses now.
    pub transport: Transport,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A new session.
    Open {
        /// The transport that it begins with.
        transport: Transport,
        /// How its polls are encoded; its revision.
        format: PayloadFormat,
    },
    /// Packets from the server: a GET on the session that was looked up, which polls.
    Poll,
    /// Packets from the client: a POST on it.
    Post,
    /// A WebSocket that may take it over.
    Probe,
    /// Another method on a known session: 405.
    MethodNotAllowed,
}

impl Route {
    /// Finds out what a request asks for. `upgrade` says whether it is a WebSocket handshake, `known` looks a
    /// session up.
    ///
    /// # Errors
    /// The first check that fails, in this order: transport, session, method, revision.
    pub fn find(
        config: &Config,
        method: Method,
        query: Query<'_>,
        upgrade: bool,
        known: impl FnOnce(&Sid) -> Option<Known>,
    ) -> Result<Route, Refusal> {
        let transport = query
            .get("transport")
            .and_then(|name| Transport::parse(&name))
            .filter(|transport| config.offers(*transport))
            .ok_or(Refusal::TransportUnknown)?;
        let revision = match query.get("EIO").as_deref() {
            Some("3") => Some(Revision::V3),
            Some("4") => Some(Revision::V4),
            _ => None,
        };
        // Only `transport=websocket` can be a WebSocket handshake, and it can be nothing else.
        let matching = upgrade == (transport == Transport::WebSocket);

        match query.get("sid").filter(|sid| !sid.is_empty()) {
            Some(sid) => {
                let sid = Sid::parse(&sid).ok_or(Refusal::SessionUnknown)?;
                let session = known(&sid).ok_or(Refusal::SessionUnknown)?;
                if !matching || revision != Some(session.revision) {
                    return Err(Refusal::BadRequest);
                }
                match (transport, session.transport, method) {
                    (Transport::WebSocket, _, _) if !config.allow_upgrades => Err(Refusal::BadRequest),
                    (Transport::WebSocket, _, Method::Get) => Ok(Route::Probe),
                    (Transport::Polling, Transport::WebSocket, _) => Err(Refusal::BadRequest),
                    (Transport::Polling, Transport::Polling, Method::Get) => Ok(Route::Poll),
                    (Transport::Polling, Transport::Polling, Method::Post) => Ok(Route::Post),
                    (_, _, _) => Ok(Route::MethodNotAllowed),
                }
            }
            None => {
                if method != Method::Get {
                    return Err(Refusal::HandshakeMethod);
                }
                if !matching {
                    return Err(Refusal::BadRequest);
                }
                let revision = revision
                    .filter(|revision| config.speaks(*revision))
                    .ok_or(Refusal::RevisionUnsupported)?;
                let base64 = query.get("b64").is_some_and(|value| !value.is_empty());
                Ok(Route::Open { transport, format: PayloadFormat { revision, base64 } })
            }
        }
    }
}

/// The open packet, with which the server accepts a handshake.
#[must_use]
pub fn open_packet(config: &Config, sid: &Sid, transport: Transport) -> Packet {
    let upgrades = if config.upgrades(transport) { r#"["websocket"]"# } else { "[]" };
    Packet::Open(ByteString::from(format!(
        r#"{{"sid":"{sid}","upgrades":{upgrades},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        config.ping_interval.as_millis(),
        config.ping_timeout.as_millis(),
        config.max_payload,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "abcdefghijklmnopqrst";

    fn sid() -> Sid {
        Sid::parse(SID).unwrap()
    }

    /// One session exists: `SID`, of revision 4, on the given transport.
    fn find_on(session: Transport, method: Method, query: &str, upgrade: bool) -> Result<Route, Refusal> {
        Route::find(&Config::default(), method, Query::new(query), upgrade, |asked| {
            (*asked == sid()).then_some(Known { revision: Revision::V4, transport: session })
        })
    }

    fn find(method: Method, query: &str, upgrade: bool) -> Result<Route, Refusal> {
        find_on(Transport::Polling, method, query, upgrade)
    }

    #[test]
    fn the_transport_is_checked_first() {
        assert_eq!(find(Method::Get, "EIO=9", false), Err(Refusal::TransportUnknown));
        assert_eq!(find(Method::Post, "transport=constructor&sid=x", false), Err(Refusal::TransportUnknown));
        assert_eq!(find(Method::Get, "transport=__proto__&EIO=4", true), Err(Refusal::TransportUnknown));
    }

    #[test]
    fn the_last_transport_wins() {
        let query = "EIO=4&transport=polling&transport=websocket";
        assert_eq!(find(Method::Get, query, false), Err(Refusal::BadRequest));
    }

    #[test]
    fn an_unknown_or_malformed_sid_is_code_1() {
        for sid in ["zzz", "__proto__", "abcdefghijklmnopqrsT", &"a".repeat(10_000)] {
            let query = format!("EIO=4&transport=polling&sid={sid}");
            assert_eq!(find(Method::Get, &query, false), Err(Refusal::SessionUnknown));
        }
    }

    #[test]
    fn an_empty_sid_is_a_handshake() {
        assert_eq!(
            find(Method::Get, "EIO=4&transport=polling&sid=", false),
            Ok(Route::Open {
                transport: Transport::Polling,
                format: PayloadFormat { revision: Revision::V4, base64: false }
            })
        );
    }

    #[test]
    fn a_revision_other_than_the_sessions_is_code_3() {
        for eio in ["", "&EIO=3", "&EIO=5"] {
            let query = format!("transport=polling&sid={SID}{eio}");
            assert_eq!(find(Method::Get, &query, false), Err(Refusal::BadRequest));
        }
    }

    #[test]
    fn a_handshake_is_a_get_of_a_spoken_revision() {
        for method in [Method::Post, Method::Other] {
            assert_eq!(find(method, "transport=polling&EIO=5", false), Err(Refusal::HandshakeMethod));
        }
        for eio in ["", "&EIO=", "&EIO=5", "&EIO=04", "&EIO=2"] {
            let query = format!("transport=polling{eio}");
            assert_eq!(find(Method::Get, &query, false), Err(Refusal::RevisionUnsupported));
        }
        let config = Config { revision_3: false, ..Config::default() };
        let query = Query::new("transport=polling&EIO=3");
        assert_eq!(
            Route::find(&config, Method::Get, query, false, |_| None),
            Err(Refusal::RevisionUnsupported)
        );
    }

    #[test]
    fn a_websocket_needs_its_upgrade_and_polling_has_none() {
        assert_eq!(find(Method::Get, "transport=websocket&EIO=4", false), Err(Refusal::BadRequest));
        assert_eq!(find(Method::Get, "transport=polling&EIO=4", true), Err(Refusal::BadRequest));
    }

    #[test]
    fn a_session_is_polled_posted_to_and_probed() {
        let polling = format!("EIO=4&transport=polling&sid={SID}");
        let websocket = format!("EIO=4&transport=websocket&sid={SID}");
        assert_eq!(find(Method::Get, &polling, false), Ok(Route::Poll));
        assert_eq!(find(Method::Post, &polling, false), Ok(Route::Post));
        assert_eq!(find(Method::Other, &polling, false), Ok(Route::MethodNotAllowed));
        assert_eq!(find(Method::Get, &websocket, true), Ok(Route::Probe));
        assert_eq!(find(Method::Get, &websocket, false), Err(Refusal::BadRequest));
    }

    #[test]
    fn polling_on_an_upgraded_session_is_code_3() {
        let query = format!("EIO=4&transport=polling&sid={SID}");
        for method in [Method::Get, Method::Post] {
            assert_eq!(find_on(Transport::WebSocket, method, &query, false), Err(Refusal::BadRequest));
        }
    }

    #[test]
    fn any_value_of_b64_but_the_empty_one_asks_for_base64() {
        for (query, asked) in [("b64=1", true), ("b64=0", true), ("b64=", false), ("", false)] {
            let query = format!("EIO=3&transport=polling&{query}");
            let Ok(Route::Open { format, .. }) = find(Method::Get, &query, false) else {
                panic!("{query} is a handshake");
            };
            assert_eq!(format, PayloadFormat { revision: Revision::V3, base64: asked });
        }
    }

    #[test]
    fn a_refusal_has_a_number_and_a_status() {
        assert_eq!(Refusal::SessionUnknown.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!((Refusal::Forbidden.status(), Refusal::BadRequest.status()), (403, 400));
    }

    #[test]
    fn the_open_packet_offers_upgrades_on_polling_alone() {
        let open = |transport| match open_packet(&Config::default(), &sid(), transport) {
            Packet::Open(json) => json,
            other => panic!("not an open packet: {other:?}"),
        };
        assert_eq!(
            open(Transport::Polling),
            r#"{"sid":"abcdefghijklmnopqrst","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
        assert!(open(Transport::WebSocket).contains(r#""upgrades":[]"#));
    }
}
