//! Why a request is refused.

use bytes::Bytes;
use engineio::Refusal;
use http::header::{CONTENT_LENGTH, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// Why a request is refused: it breaks a rule, or the application does not want it.
#[derive(Debug)]
pub(crate) enum Refused {
    Refusal(Refusal),
    Denied(Denied),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::Refusal(refusal)
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Refused {
        Refused::Denied(denied)
    }
}

impl Refused {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Refused::Refusal(refusal) => *refusal,
            Refused::Denied(_) => Refusal::Forbidden,
        }
    }

    /// What the application has to say.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Refused::Refusal(_) => None,
            Refused::Denied(Denied(denied)) => Some(&denied.message),
        }
    }
}

/// A handshake that the application refuses: by default with 403, code 4, and a message.
///
/// ```
/// use http::{StatusCode, header::RETRY_AFTER};
/// use socketio_server::Denied;
///
/// let denied = Denied::new("come back later")
///     .status(StatusCode::TOO_MANY_REQUESTS)
///     .header(RETRY_AFTER, http::HeaderValue::from_static("60"));
/// ```
///
/// A refused [plain WebSocket](crate::plain) only gets the message, as text.
#[derive(Clone, Debug)]
pub struct Denied(pub(crate) Box<Denial>);

/// What [`Denied`] says. It is boxed, since a handshake is seldom denied.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Box<str>,
    /// The whole body, instead of code and message.
    pub(crate) json: Option<Bytes>,
}

impl Denied {
    /// Refuses with this message instead of `Forbidden`.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Denied {
        Denied(Box::new(Denial {
            status: StatusCode::FORBIDDEN,
            headers: HeaderMap::new(),
            message: message.into(),
            json: None,
        }))
    }

    /// Sets the status. If it isn't the status of an error, 403 is sent.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Denied {
        if status.is_client_error() || status.is_server_error() {
            self.0.status = status;
        }
        self
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Denied {
        self.0.headers.append(name, value);
        self
    }

    /// Sets a body instead of `{"code":4,"message":...}`.
    ///
    /// # Errors
    /// If `body` can't be written as JSON.
    pub fn json(mut self, body: &impl Serialize) -> Result<Denied, serde_json::Error> {
        self.0.json = Some(serde_json::to_vec(body)?.into());
        Ok(self)
    }
}

impl Default for Denied {
    fn default() -> Denied {
        Denied::new("Forbidden")
    }
}

/// Adds header fields to an answer. It doesn't replace fields that the answer already has, since the protocol needs
/// them, nor the length of its body.
pub(crate) fn merge(answer: &mut HeaderMap, fields: HeaderMap) {
    let mut before = None;
    for (name, value) in fields {
        if let Some(name) = name {
            let free = name == SET_COOKIE
                || !(answer.contains_key(&name) || name == CONTENT_LENGTH || name == TRANSFER_ENCODING);
            before = free.then_some(name);
        }
        // Of several values, only the first comes with its name.
        if let Some(name) = &before {
            answer.append(name, value);
        }
    }
}
