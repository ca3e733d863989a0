//! Which side must send something next, and until when.

use std::time::{Duration, Instant};

use crate::deadline::deadline;
use crate::{EngineConfig, Revision};

/// Which side must send something next, and until when.
#[derive(Debug)]
pub(super) enum Heartbeat {
    /// A ping is due then: the server's in revision 4, the client's in revision 3.
    PingAt(Instant),
    /// Something must be received by then.
    DeadAt {
        at: Instant,
        /// When that was before bytes moved.
        due: Instant,
    },
}

impl Heartbeat {
    /// When that is.
    pub(super) fn at(&self) -> Instant {
        match self {
            Heartbeat::PingAt(at) | Heartbeat::DeadAt { at, .. } => *at,
        }
    }

    pub(super) fn new(now: Instant, config: &EngineConfig) -> Heartbeat {
        Heartbeat::PingAt(deadline(now, config.ping_interval))
    }

    /// Waits for the client.
    pub(super) fn wait(now: Instant, config: &EngineConfig) -> Heartbeat {
        let at = deadline(now, config.ping_timeout);
        Heartbeat::DeadAt { at, due: at }
    }

    /// The client has another time for its pong, and `at_most` that much more than it had. Says whether that is later.
    pub(super) fn put_off(&mut self, now: Instant, at_most: Option<Duration>, config: &EngineConfig) -> bool {
        let Heartbeat::DeadAt { at, due } = self else { return false };
        let until = deadline(now, config.ping_timeout);
        let until = at_most.map_or(until, |most| until.min(deadline(*due, most)));
        let later = until > *at;
        *at = until.max(*at);
        later
    }

    /// Something was received. Any packet shows that the client is alive, not only a pong.
    pub(super) fn alive(&mut self, now: Instant, revision: Revision, config: &EngineConfig) {
        match (revision, &self) {
            // "The server sends a ping packet, the client answers with a pong" (revision 4).
            (Revision::V4, Heartbeat::PingAt(_)) => {}
            // In revision 3 the client pings, every pingInterval.
            (Revision::V4, Heartbeat::DeadAt { .. }) | (Revision::V3, _) => {
                *self = Heartbeat::new(now, config);
            }
        }
    }
}
