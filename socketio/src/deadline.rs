//! When time is up.

use std::time::Duration;

use tokio::time::Instant;

/// That much later. Settings may say "never" by a duration that leads to no instant; thirty years will do.
pub(crate) fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + NEVER)
}
