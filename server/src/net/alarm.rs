//! The one timer of a connection's task.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

/// A timer that is only set when it has gone off or when a deadline moves closer. A deadline that moves away, as a
/// heartbeat's does with every packet, doesn't touch the timer wheel. It belongs to one task, and wakes that.
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

    /// Ready once `next` has passed. If it hasn't, the task is woken at `next` or earlier.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        if self.is_set(now) && self.at <= next {
            return Poll::Pending;
        }
        self.at = next;
        set(self.sleep.as_mut(), cx, next)
    }
}

/// Sets a timer that is not polled again before it has gone off. If the task has used up its budget, tokio's timer
/// would not register the waker, so this doesn't use the budget.
pub(crate) fn set(mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
    sleep.as_mut().reset(at.into());
    pin!(unconstrained(sleep)).poll(cx)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::future::poll_fn;

    use tokio::task::coop::poll_proceed;
    use tokio::time::Instant;

    use super::*;

    /// Polls with the task's budget used up first.
    pub(crate) async fn begun_without_budget<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let mut begun = false;
        poll_fn(|cx| {
            if !std::mem::replace(&mut begun, true) {
                while let Poll::Ready(step) = poll_proceed(cx) {
                    step.made_progress();
                }
            }
            poll(cx)
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_off_though_a_task_without_budget_has_set_it() {
        let second = Duration::from_secs(1);
        let mut alarm = Alarm::new();
        for _ in 0..2 {
            let began = Instant::now();
            let next = (began + second).into();
            let gone_off = begun_without_budget(|cx| alarm.poll(cx, Instant::now().into(), next));
            tokio::time::timeout(60 * second, gone_off).await.unwrap();
            assert_eq!(began.elapsed().as_secs(), 1);
        }
    }
}
