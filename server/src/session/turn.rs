//! The turns of a task that drives a session or a plain WebSocket.

use std::task::{Context, Poll};
use std::time::Instant;

use engineio::session::Round;

/// Runs rounds until there is nothing left to do, it is over, or other tasks should run. Ready once it is over.
pub(crate) fn poll_rounds(
    cx: &mut Context<'_>,
    mut round: impl FnMut(&mut Context<'_>, Instant) -> Round,
) -> Poll<()> {
    loop {
        match round(cx, now()) {
            Round::Again => {}
            Round::Yield => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Round::Sleep => return Poll::Pending,
            Round::Over => return Poll::Ready(()),
        }
    }
}

/// The time of tokio's clock, which tests can control.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into()
}
