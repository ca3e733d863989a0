//! Why requests are refused: what the client is told, and what the server's owner should know.
//!
//! (Engine.IO protocol, "Error handling".)

use std::fmt;

use crate::{Revision, Transport};

/// What a client is told about a refused request. Code and message are part of the protocol.
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

/// What was wrong with a refused request. A client learns no more of it than its [`refusal`](Fault::refusal);
/// logs and hooks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// `transport` is missing, or names none that is offered.
    TransportUnknown,
    /// `j` asks for JSONP, which is off.
    JsonpOff,
    /// No session has the id that `sid` names, or not any more.
    SessionUnknown,
    /// A handshake by another method than GET.
    HandshakeMethod,
    /// `transport` says WebSocket and the request does not ask for one, or the other way round; or the
    /// request for a WebSocket is incomplete (RFC 6455, section 4.2.1).
    TransportHandshake,
    /// The session uses another transport, `session`.
    TransportMismatch {
        /// The session's.
        session: Transport,
    },
    /// The session has another revision, `session`.
    RevisionMismatch {
        /// The session's.
        session: Revision,
    },
    /// A WebSocket for a session that polls, where upgrades are off.
    UpgradesOff,
    /// `j` is no number, or its session sends binary, which a script can't hold.
    JsonpUnfit,
    /// The request comes from a page of an origin that is not allowed.
    OriginForbidden,
    /// The application forbids it.
    Forbidden,
    /// `EIO` names a revision that is not spoken, or is no number.
    RevisionUnsupported,
    /// What the application has put before the endpoint failed.
    MiddlewareFailed,
    /// The application made no id for the session, or one that another session has.
    NoId,
}

impl Fault {
    /// One of each.
    pub const ALL: [Fault; 14] = [
        Fault::TransportUnknown,
        Fault::JsonpOff,
        Fault::SessionUnknown,
        Fault::HandshakeMethod,
        Fault::TransportHandshake,
        Fault::TransportMismatch { session: Transport::WebSocket },
        Fault::RevisionMismatch { session: Revision::V4 },
        Fault::UpgradesOff,
        Fault::JsonpUnfit,
        Fault::OriginForbidden,
        Fault::Forbidden,
        Fault::RevisionUnsupported,
        Fault::MiddlewareFailed,
        Fault::NoId,
    ];

    /// What the client is told.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Fault::TransportUnknown | Fault::JsonpOff => Refusal::TransportUnknown,
            Fault::SessionUnknown => Refusal::SessionUnknown,
            Fault::HandshakeMethod => Refusal::HandshakeMethod,
            Fault::TransportHandshake
            | Fault::TransportMismatch { .. }
            | Fault::RevisionMismatch { .. }
            | Fault::UpgradesOff
            | Fault::JsonpUnfit
            | Fault::MiddlewareFailed
            | Fault::NoId => Refusal::BadRequest,
            Fault::OriginForbidden | Fault::Forbidden => Refusal::Forbidden,
            Fault::RevisionUnsupported => Refusal::RevisionUnsupported,
        }
    }

    /// The fault's name: where the reference gives it one, the reference's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::TransportUnknown => "UNKNOWN_TRANSPORT",
            Fault::JsonpOff => "JSONP_OFF",
            Fault::SessionUnknown => "UNKNOWN_SID",
            Fault::HandshakeMethod => "BAD_HANDSHAKE_METHOD",
            Fault::TransportHandshake => "TRANSPORT_HANDSHAKE_ERROR",
            Fault::TransportMismatch { .. } => "TRANSPORT_MISMATCH",
            Fault::RevisionMismatch { .. } => "PROTOCOL_MISMATCH",
            Fault::UpgradesOff => "UPGRADES_OFF",
            Fault::JsonpUnfit => "JSONP_UNFIT",
            Fault::OriginForbidden => "ORIGIN_FORBIDDEN",
            Fault::Forbidden => "FORBIDDEN",
            Fault::RevisionUnsupported => "UNSUPPORTED_PROTOCOL_VERSION",
            Fault::MiddlewareFailed => "MIDDLEWARE_FAILURE",
            Fault::NoId => "ID_GENERATION_ERROR",
        }
    }
}

impl Fault {
    /// Where the rule stands: in the protocol, or among this server's own decisions.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Fault::TransportUnknown | Fault::SessionUnknown | Fault::RevisionUnsupported => {
                "Engine.IO protocol 4, \"Query parameters\""
            }
            Fault::RevisionMismatch { .. } => "docs/protocol.md, \"Handshake and HTTP\"",
            Fault::HandshakeMethod => "Engine.IO protocol 4, \"Handshake\"",
            Fault::TransportHandshake => "Engine.IO protocol 4, \"WebSocket\"",
            Fault::TransportMismatch { .. } | Fault::UpgradesOff => "Engine.IO protocol 4, \"Upgrade\"",
            Fault::JsonpOff | Fault::JsonpUnfit => "docs/protocol.md, \"Compression and JSONP\"",
            Fault::OriginForbidden => "docs/protocol.md, \"Origins\"",
            Fault::Forbidden | Fault::MiddlewareFailed | Fault::NoId => {
                "docs/protocol.md, \"What the application decides by HTTP\""
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::TransportUnknown => "no transport that is offered is named",
            Fault::JsonpOff => "JSONP is off",
            Fault::SessionUnknown => "no session has this id, or not any more",
            Fault::HandshakeMethod => "a handshake is a GET",
            Fault::TransportHandshake => "the named transport and the request's form don't agree",
            Fault::TransportMismatch { session } => {
                return write!(f, "the session uses {}", session.as_str());
            }
            Fault::RevisionMismatch { session } => {
                return write!(f, "the session is of revision {}", session.number());
            }
            Fault::UpgradesOff => "upgrades are off",
            Fault::JsonpUnfit => "the session can't be polled by JSONP, or not with this index",
            Fault::OriginForbidden => "the page's origin is not allowed",
            Fault::Forbidden => "the application forbids it",
            Fault::RevisionUnsupported => "no revision that is spoken is named",
            Fault::MiddlewareFailed => "a middleware failed",
            Fault::NoId => "the application made no id that is free",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_number_and_a_status() {
        assert_eq!(Refusal::SessionUnknown.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!((Refusal::Forbidden.status(), Refusal::BadRequest.status()), (403, 400));
    }
}
