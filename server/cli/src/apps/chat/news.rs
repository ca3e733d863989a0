//! What is told to many.

use serde::Serialize;

/// What more than one may hear of, whatever they came by.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(super) enum News<'a> {
    Online { name: &'a str, was: &'a str },
    Offline { name: &'a str },
    Message { from: &'a str, text: &'a str },
}

impl News<'_> {
    pub(super) fn event(&self) -> &'static str {
        match self {
            News::Online { .. } => "online",
            News::Offline { .. } => "offline",
            News::Message { .. } => "message",
        }
    }
}
