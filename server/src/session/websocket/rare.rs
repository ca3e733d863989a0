//! What most WebSockets have none of: compression, and special rules for pings.

use std::time::Instant;

use engineio::TokenBucket;
use engineio::websocket::deflate::{Deflating, Inflating};

/// Rarely needed.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub(super) pings: Option<Pings>,
    pub(super) compression: Option<Compression>,
}

/// What compresses and inflates messages, since both sides agreed to that.
#[derive(Debug)]
pub(super) struct Compression {
    pub(super) deflating: Deflating,
    pub(super) inflating: Inflating,
    /// The bytes that both keep for this connection alone.
    pub(super) contexts: usize,
    /// Inflated bytes that have not counted as a read yet.
    pub(super) inflated: usize,
}

/// Special rules for a client's pings and pongs.
#[derive(Debug)]
pub(super) struct Pings {
    /// Those that came lately.
    rate: TokenBucket,
    pub(super) per_second: Option<usize>,
    pub(super) unanswered: bool,
}

impl Pings {
    /// The client's pings are answered, and not limited, until these are set.
    pub(super) fn new() -> Pings {
        Pings { rate: TokenBucket::new(now()), per_second: None, unanswered: false }
    }

    pub(super) fn may_come(&mut self) -> bool {
        self.per_second.is_none_or(|per_second| self.rate.take(now(), 1, per_second))
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into()
}
