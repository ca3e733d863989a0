//! Why requests are refused: what the client learns, and what the operator should know.
//!
//! (Engine.IO protocol, "Error handling".)

use crate::{Revision, Transport};

/// The code of a refused request, which is all that its client learns. Codes and messages are part of the protocol.
///
/// ```
/// use engineio::ErrorCode;
///
/// let code = ErrorCode::SessionUnknown;
/// assert_eq!((code.status(), code.number()), (400, 1));
/// assert_eq!(code.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 0: no transport was named, or one that is not offered.
    TransportUnknown,
    /// 1: no session has that id, or it has ended.
    SessionUnknown,
    /// 2: a handshake by another method than GET.
    HandshakeMethod,
    /// 3: the request does not fit the session, or is not the WebSocket handshake that it should be.
    BadRequest,
    /// 4: the request's origin, or the application, forbids it.
    Forbidden,
    /// 5: a revision that is not spoken, or none.
    RevisionUnsupported,
}

impl ErrorCode {
    /// The error's number, `code` in the body.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            ErrorCode::TransportUnknown => 0,
            ErrorCode::SessionUnknown => 1,
            ErrorCode::HandshakeMethod => 2,
            ErrorCode::BadRequest => 3,
            ErrorCode::Forbidden => 4,
            ErrorCode::RevisionUnsupported => 5,
        }
    }

    /// The HTTP status: 403 for [`Forbidden`](ErrorCode::Forbidden), 400 otherwise.
    #[must_use]
    pub fn status(self) -> u16 {
        if self == ErrorCode::Forbidden { 403 } else { 400 }
    }

    /// The error in words, `message` in the body.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            ErrorCode::TransportUnknown => "Transport unknown",
            ErrorCode::SessionUnknown => "Session ID unknown",
            ErrorCode::HandshakeMethod => "Bad handshake method",
            ErrorCode::BadRequest => "Bad request",
            ErrorCode::Forbidden => "Forbidden",
            ErrorCode::RevisionUnsupported => "Unsupported protocol version",
        }
    }

    /// The body of the answer, `application/json`.
    #[must_use]
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{}"}}"#, self.number(), self.message())
    }
}

crate::rules! {
    /// Why a request is refused. Its client only learns the [code](Refusal::error_code); logs and hooks learn this.
    ///
    /// ```
    /// use engineio::{ErrorCode, Refusal};
    ///
    /// assert_eq!(Refusal::UpgradesOff.error_code(), ErrorCode::BadRequest);
    /// println!("{}", Refusal::UpgradesOff);
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Refusal {
        /// `transport` is missing, or names none that is offered.
        TransportUnknown => "UNKNOWN_TRANSPORT",
            "`transport` is missing, or names a transport that is not offered",
            "Engine.IO protocol 4, \"Query parameters\"";
        /// `j` asks for JSONP, which is off.
        JsonpOff => "JSONP_OFF",
            "JSONP is off: the setting `jsonp` turns it on",
            "docs/protocol.md, \"Compression and JSONP\"";
        /// No session has the id that `sid` names: it has ended, or never existed.
        SessionUnknown => "UNKNOWN_SID",
            "no session has this id: it has ended, or never existed",
            "Engine.IO protocol 4, \"Query parameters\"";
        /// A handshake by another method than GET.
        HandshakeMethod => "BAD_HANDSHAKE_METHOD",
            "a handshake must be a GET request",
            "Engine.IO protocol 4, \"Handshake\"";
        /// `transport` says WebSocket and the request does not ask for one, or the other way round; or the
        /// request for a WebSocket is incomplete (RFC 6455, section 4.2.1).
        TransportHandshake => "TRANSPORT_HANDSHAKE_ERROR",
            "`transport` and the request disagree: one of them asks for a WebSocket, the other does not",
            "Engine.IO protocol 4, \"WebSocket\"";
        /// The subprotocols of a WebSocket request are not a list of different names.
        Subprotocols => "BAD_SUBPROTOCOLS",
            "Sec-WebSocket-Protocol is not a list of different names",
            "RFC 6455, section 4.1";
        /// The session uses another transport, `session`.
        TransportMismatch {
            /// The session's.
            session: Transport = Transport::WebSocket
        } => "TRANSPORT_MISMATCH",
            "the session uses {}, and the request names another transport" (session.as_str()),
            "Engine.IO protocol 4, \"Upgrade\"";
        /// The session has another revision, `session`.
        RevisionMismatch {
            /// The session's.
            session: Revision = Revision::V4
        } => "PROTOCOL_MISMATCH",
            "the session uses Engine.IO {}, and the request names another revision" (session.number()),
            "docs/protocol.md, \"Handshake and HTTP\"";
        /// A WebSocket for a session that polls, where upgrades are off.
        UpgradesOff => "UPGRADES_OFF",
            "upgrades are off",
            "Engine.IO protocol 4, \"Upgrade\"";
        /// `j` is not a number, or its session sends binary, which a script can't hold.
        JsonpUnfit => "JSONP_UNFIT",
            "`j` is not a number, or the session sends binary, which JSONP can't carry",
            "docs/protocol.md, \"Compression and JSONP\"";
        /// The request comes from a page of an origin that is not allowed.
        OriginForbidden => "ORIGIN_FORBIDDEN",
            "the page's origin is not allowed",
            "docs/protocol.md, \"Origins\"";
        /// The application forbids it.
        Forbidden => "FORBIDDEN",
            "the application refused the request",
            "docs/protocol.md, \"What the application decides by HTTP\"";
        /// `EIO` names a revision that the server doesn't accept, or is not a number.
        RevisionUnsupported => "UNSUPPORTED_PROTOCOL_VERSION",
            "`EIO` is not a revision that this server accepts",
            "Engine.IO protocol 4, \"Query parameters\"";
        /// What the application has put before the endpoint failed.
        MiddlewareFailed => "MIDDLEWARE_FAILURE",
            "a middleware failed",
            "docs/protocol.md, \"What the application decides by HTTP\"";
        /// The application made no id for the session, or one that another session has.
        NoId => "ID_GENERATION_ERROR",
            "the application gave no session id, or one that is in use",
            "docs/protocol.md, \"What the application decides by HTTP\"";
    }
}

impl Refusal {
    /// The code that the client gets.
    #[must_use]
    pub fn error_code(self) -> ErrorCode {
        match self {
            Refusal::TransportUnknown | Refusal::JsonpOff => ErrorCode::TransportUnknown,
            Refusal::SessionUnknown => ErrorCode::SessionUnknown,
            Refusal::HandshakeMethod => ErrorCode::HandshakeMethod,
            Refusal::TransportHandshake
            | Refusal::Subprotocols
            | Refusal::TransportMismatch { .. }
            | Refusal::RevisionMismatch { .. }
            | Refusal::UpgradesOff
            | Refusal::JsonpUnfit
            | Refusal::MiddlewareFailed
            | Refusal::NoId => ErrorCode::BadRequest,
            Refusal::OriginForbidden | Refusal::Forbidden => ErrorCode::Forbidden,
            Refusal::RevisionUnsupported => ErrorCode::RevisionUnsupported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: protocol/error-bodies
    #[test]
    fn a_refusal_has_a_number_and_a_status() {
        assert_eq!(ErrorCode::SessionUnknown.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!((ErrorCode::Forbidden.status(), ErrorCode::BadRequest.status()), (403, 400));
    }
}
