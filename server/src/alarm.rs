//! The one timer of a connection's task.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// A timer that is set anew only when it has gone off or a deadline moved closer, since a deadline that moves
/// away, as a heartbeat's does with every packet, need not touch the timer wheel. It belongs to one task, and
/// wakes that.
pub(crate) struct Alarm {
    at: Instant,
    /// Boxed, since most turns of the task only compare the instant.
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// A timer that is not set yet.
    pub(crate) fn new() -> Alarm {
        let sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        Alarm { at: sleep.deadline().into(), sleep }
    }

    /// Whether it is set, and has not gone off.
    pub(crate) fn is_set(&self, now: Instant) -> bool {
        now < self.at
    }

    /// Ready when the alarm went off, which may be before `next`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        if self.is_set(now) && self.at <= next {
            return Poll::Pending;
        }
        self.at = next;
        self.sleep.as_mut().reset(next.into());
        self.sleep.as_mut().poll(cx)
    }
}
