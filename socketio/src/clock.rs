//! The clock of this crate. Nothing else in it reads a clock; a session's own time comes from its driver.

use std::time::Duration;

use tokio::time::Instant;

/// The time of tokio's clock, which tests and the simulation can control.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The instant `duration` from now.
pub(crate) fn after(duration: Duration) -> Instant {
    engineio::deadline(now().into_std(), duration).into()
}
