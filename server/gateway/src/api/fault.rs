//! What the API answers when it can't do what was asked: never 200, always the same form.

use http::StatusCode;
use serde::Serialize;

use crate::operations::{Wrong, WrongKind};

/// A request that is answered with an error: `{"error":{"code","message","at"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// The field of the body, or the parameter of the query.
    pub(crate) at: Option<String>,
}

/// `code = status: words`
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $status:ident;)+) => {
        /// The error in one word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {$($(#[doc = $doc])+ $variant,)+}

        impl Code {
            #[cfg(test)]
            pub(crate) const ALL: &[Code] = &[$(Code::$variant,)+];

            pub(crate) fn word(self) -> &'static str {
                match self {$(Code::$variant => $word,)+}
            }

            pub(crate) fn status(self) -> StatusCode {
                match self {$(Code::$variant => StatusCode::$status,)+}
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    BadJson = "bad_json", BAD_REQUEST;
    /// A field is unknown, missing, or has a wrong value.
    BadField = "bad_field", BAD_REQUEST;
    /// A parameter of the query is unknown or has a wrong value.
    BadParameter = "bad_parameter", BAD_REQUEST;
    /// A header field has a wrong value.
    BadHeader = "bad_header", BAD_REQUEST;
    /// The key is missing or wrong.
    Unauthorized = "unauthorized", UNAUTHORIZED;
    /// Without a key, the API only answers for the names of this machine.
    ForbiddenHost = "forbidden_host", FORBIDDEN;
    /// There is no such path.
    UnknownPath = "unknown_path", NOT_FOUND;
    /// There is no such namespace.
    UnknownNamespace = "unknown_namespace", NOT_FOUND;
    /// There is no such socket.
    UnknownSocket = "unknown_socket", NOT_FOUND;
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The body took too long.
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT;
    /// A request with the same Idempotency-Key is being done.
    InProgress = "in_progress", CONFLICT;
    /// The body is too large.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE;
    /// The body is not announced as JSON.
    NotJson = "not_json", UNSUPPORTED_MEDIA_TYPE;
    /// The Idempotency-Key came with another request before.
    KeyReused = "key_reused", CONFLICT;
    /// Too many requests of a kind that the server has to remember.
    TooMany = "too_many", TOO_MANY_REQUESTS;
    /// The server has a bug, and a part of the request may be done.
    Internal = "internal", INTERNAL_SERVER_ERROR;
}

#[derive(Serialize)]
struct Body<'a> {
    error: Words<'a>,
}

#[derive(Serialize)]
struct Words<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), at: None }
    }

    pub(crate) fn at(mut self, at: impl Into<String>) -> Fault {
        self.at = Some(at.into());
        self
    }

    /// The same within a field of the body.
    pub(crate) fn within(mut self, outer: &str) -> Fault {
        self.at = Some(match self.at {
            Some(at) => format!("{outer}.{at}"),
            None => outer.to_owned(),
        });
        self
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        let words = Words { code: self.code.word(), message: &self.message, at: self.at.as_deref() };
        serde_json::to_vec(&Body { error: words }).unwrap_or_default()
    }
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Fault {
        let code = match wrong.kind {
            WrongKind::Field => Code::BadField,
            WrongKind::Namespace => Code::UnknownNamespace,
            WrongKind::TooMany => Code::TooMany,
        };
        Fault::new(code, wrong.message).at(wrong.at)
    }
}
