//! What is told to many.

use serde::{Deserialize, Serialize};

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

/// News of another server.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum FarNews {
    Online { name: String, was: String },
    Message { from: String, text: String },
    Offline { name: String },
}

impl FarNews {
    pub(super) fn news(&self) -> News<'_> {
        match self {
            FarNews::Online { name, was } => News::Online { name, was },
            FarNews::Offline { name } => News::Offline { name },
            FarNews::Message { from, text } => News::Message { from, text },
        }
    }
}
