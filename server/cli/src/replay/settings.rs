//! What to replay, and how.

use std::path::PathBuf;
use std::time::Duration;

/// What to replay, and how.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) journal: PathBuf,
    /// The server's `host:port`.
    pub(crate) against: String,
    /// Without the clients' pauses.
    pub(crate) fast: bool,
    /// How long an answer may take.
    pub(crate) patience: Duration,
}
