//! What a server answers to a client's requests.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;

/// What the server answered a request with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// Whether the body came as `application/octet-stream`.
    pub binary: bool,
    /// The body.
    pub body: Bytes,
}

/// A request that the server answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRefusal {
    /// The status of HTTP.
    pub status: u16,
    /// The code of Engine.IO, if the body has one: [`ErrorCode`](crate::ErrorCode).
    pub code: Option<u64>,
    /// The message beside the code, or the first characters of another body.
    pub message: String,
}

/// Characters of a body that a refusal keeps.
const MESSAGE: usize = 200;

impl ServerRefusal {
    /// Reads a refusal.
    #[must_use]
    pub fn of(answer: &HttpAnswer) -> ServerRefusal {
        #[derive(Deserialize)]
        struct Body {
            code: u64,
            message: String,
        }
        match serde_json::from_slice::<Body>(&answer.body) {
            Ok(Body { code, message }) => ServerRefusal { status: answer.status, code: Some(code), message },
            Err(_) => ServerRefusal {
                status: answer.status,
                code: None,
                message: String::from_utf8_lossy(&answer.body).chars().take(MESSAGE).collect(),
            },
        }
    }
}

impl fmt::Display for ServerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerRefusal { status, code, message } = self;
        match code {
            Some(code) => write!(f, "the server answered {status}: code {code}, {message:?}"),
            None if message.is_empty() => write!(f, "the server answered {status}"),
            None => write!(f, "the server answered {status}: {message:?}"),
        }
    }
}
