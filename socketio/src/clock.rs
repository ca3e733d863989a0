//! The clock of this crate: nothing else in it asks what time it is. A session's own time comes from its driver.

use std::time::Duration;

use tokio::time::Instant;

/// The time. It is tokio's, so that tests and the simulation decide what it is.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// That much later. Settings may say "never" by a duration that leads to no instant; thirty years will do.
pub(crate) fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let now = now();
    now.checked_add(duration).unwrap_or(now + NEVER)
}
