//! Deadlines.

use std::time::{Duration, Instant};

/// The instant `duration` after `now`. A setting may say "never" by a duration for which there is no such instant;
/// then it is thirty years from now.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// assert_eq!(engineio::deadline(now, Duration::from_secs(5)), now + Duration::from_secs(5));
/// assert!(engineio::deadline(now, Duration::MAX) > now + Duration::from_secs(60 * 60));
/// ```
#[must_use]
pub fn deadline(now: Instant, duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    now.checked_add(duration).unwrap_or(now + NEVER)
}
