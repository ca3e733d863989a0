//! Why a client may not join a namespace.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// The refusal of a client that wants to join a namespace: what its `connect_error` event gets.
///
/// ```
/// # use socketio::ConnectError;
/// let error = ConnectError::new("not authorized").with_data("try again on Monday");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectError {
    /// The error's `message`.
    pub message: String,
    /// The error's `data`, which is left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    #[serde(skip)]
    closes: bool,
}

impl ConnectError {
    /// A refusal with a message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> ConnectError {
        ConnectError { message: message.into(), data: None, closes: false }
    }

    /// Adds data for the client's program.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Value>) -> ConnectError {
        self.data = Some(data.into());
        self
    }

    /// Ends the client's session without this error. The client then reconnects by itself, with its back-off,
    /// which it doesn't do after a `connect_error`. Use it if you can't decide now: the database is down, or
    /// the server is too busy.
    #[must_use]
    pub fn close_session(mut self) -> ConnectError {
        self.closes = true;
        self
    }

    pub(crate) fn closes_session(&self) -> bool {
        self.closes
    }
}

impl From<&str> for ConnectError {
    fn from(message: &str) -> ConnectError {
        ConnectError::new(message)
    }
}

impl From<String> for ConnectError {
    fn from(message: String) -> ConnectError {
        ConnectError::new(message)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}
