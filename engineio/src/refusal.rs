//! Why requests are refused: what the client is told, and what operators see.
//!
//! (Engine.IO protocol, "Error handling".)

use crate::{Revision, Transport};

/// Declares the codes from one table: those of the protocol, in order from 0 on.
macro_rules! error_codes {
    (
        $(#[$attribute:meta])*
        pub enum $Code:ident {$( $(#[doc = $doc:literal])+ $variant:ident => $message:literal, )+}
    ) => {
        $(#[$attribute])*
        pub enum $Code {$( $(#[doc = $doc])+ $variant, )+}

        impl $Code {
            /// All codes, each at the place of its [number](Self::number).
            pub const ALL: &[$Code] = &[$($Code::$variant,)+];

            /// What the client is told: `message` in the body.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self {$($Code::$variant => $message,)+}
            }
        }
    };
}

error_codes! {
    /// The code of a refused request: all that its client is told. Codes and messages are part of the protocol.
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
        /// 0: the transport is missing, or the server doesn't offer it.
        TransportUnknown => "Transport unknown",
        /// 1: no session has that id, or it has ended.
        SessionUnknown => "Session ID unknown",
        /// 2: a handshake that is not a GET.
        HandshakeMethod => "Bad handshake method",
        /// 3: the request does not fit the session, or is not the WebSocket handshake that it should be.
        BadRequest => "Bad request",
        /// 4: the request's origin, or the application, forbids it.
        Forbidden => "Forbidden",
        /// 5: the revision is missing, or the server doesn't accept it.
        RevisionUnsupported => "Unsupported protocol version",
    }
}

impl ErrorCode {
    /// The error's number: `code` in the body.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The HTTP status: 403 for [`Forbidden`](ErrorCode::Forbidden), 400 otherwise.
    #[must_use]
    pub fn status(self) -> u16 {
        if self == ErrorCode::Forbidden { 403 } else { 400 }
    }

    /// The body of the answer, `application/json`.
    #[must_use]
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{}"}}"#, self.number(), self.message())
    }
}

crate::rules! {
    /// Why a request is refused. Its client is only told the [code](Refusal::error_code); logs and hooks get this.
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
        /// `transport` is missing, or the server doesn't offer it.
        TransportUnknown => "UNKNOWN_TRANSPORT",
            "`transport` is missing, or names a transport that is not offered",
            "Engine.IO protocol 4, \"Query parameters\"";
        /// `j` asks for JSONP, which is off.
        JsonpOff => "JSONP_OFF",
            "JSONP is off: the setting `jsonp` turns it on",
            "docs/protocol.md, \"Compression and JSONP\"";
        /// There is no session with the id `sid`: it has ended, or never existed.
        SessionUnknown => "UNKNOWN_SID",
            "no session has this id: it has ended, or never existed",
            "Engine.IO protocol 4, \"Query parameters\"";
        /// A handshake that is not a GET.
        HandshakeMethod => "BAD_HANDSHAKE_METHOD",
            "a handshake must be a GET request",
            "Engine.IO protocol 4, \"Handshake\"";
        /// `transport` is `websocket` but the request is not a WebSocket handshake, or the other way round; or the
        /// handshake is incomplete (RFC 6455, section 4.2.1).
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
        /// A WebSocket for a polling session, and upgrades are off.
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
            "docs/protocol.md, \"What the application decides over HTTP\"";
        /// `EIO` names a revision that the server doesn't accept, or is not a number.
        RevisionUnsupported => "UNSUPPORTED_PROTOCOL_VERSION",
            "`EIO` is not a revision that this server accepts",
            "Engine.IO protocol 4, \"Query parameters\"";
        /// A middleware of the application failed.
        MiddlewareFailed => "MIDDLEWARE_FAILURE",
            "a middleware failed",
            "docs/protocol.md, \"What the application decides over HTTP\"";
        /// The application returned no id for the session, or one that is in use.
        NoId => "ID_GENERATION_ERROR",
            "the application gave no session id, or one that is in use",
            "docs/protocol.md, \"What the application decides over HTTP\"";
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
        let bodies = [
            r#"{"code":0,"message":"Transport unknown"}"#,
            r#"{"code":1,"message":"Session ID unknown"}"#,
            r#"{"code":2,"message":"Bad handshake method"}"#,
            r#"{"code":3,"message":"Bad request"}"#,
            r#"{"code":4,"message":"Forbidden"}"#,
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
        ];
        assert!(ErrorCode::ALL.iter().map(|code| code.body()).eq(bodies));
        assert_eq!((ErrorCode::Forbidden.status(), ErrorCode::BadRequest.status()), (403, 400));
    }
}
