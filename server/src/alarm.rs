//! The one timer of a connection's task.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A timer that is set anew only when it has gone off or a deadline moved closer, since a deadline that moves
/// away, as a heartbeat's does with every packet, need not touch the timer wheel.
pub(crate) struct Alarm<'a> {
    at: Instant,
    sleep: Pin<&'a mut Sleep>,
}

impl<'a> Alarm<'a> {
    /// A timer that is set as `sleep` is.
    pub(crate) fn new(sleep: Pin<&'a mut Sleep>) -> Alarm<'a> {
        Alarm { at: sleep.deadline().into(), sleep }
    }

    /// Ready when the alarm went off, which may be before `next`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        if next < self.at || self.at <= now {
            self.at = next;
            self.sleep.as_mut().reset(next.into());
        }
        self.sleep.as_mut().poll(cx)
    }
}
