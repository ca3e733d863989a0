//! When time is up.

use std::time::{Duration, Instant};

/// That much later. A setting may say "never" by a duration that leads to no instant; thirty years will do.
pub(crate) fn after(now: Instant, duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    now.checked_add(duration).unwrap_or(now + NEVER)
}
