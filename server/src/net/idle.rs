//! The time that a connection may idle.
//!
//! hyper asks for a timer after each answer and drops it when the next head is there. Hardly any of them ever fires.
//! So they share one tokio timer, which is not moved. If it fires too early, it is set again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;

use crate::net::alarm;

/// The timer of one connection, for [`hyper::server::conn::http1::Builder::timer`].
#[derive(Debug, Default)]
pub(crate) struct IdleTimer {
    alarm: Arc<Mutex<Option<Alarm>>>,
}

type Alarm = Pin<Box<tokio::time::Sleep>>;

/// One of the timers that hyper asked for.
struct Idle {
    until: Instant,
    alarm: Arc<Mutex<Option<Alarm>>>,
}

impl Timer for IdleTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, until: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Idle { until, alarm: self.alarm.clone() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Sleep for Idle {}

impl Future for Idle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until.into();
        let mut alarm = self.alarm.lock();
        let alarm = match &mut *alarm {
            // It already wakes the connection's task.
            Some(alarm) if alarm.deadline() <= until && !alarm.is_elapsed() => return Poll::Pending,
            Some(alarm) => alarm,
            none => none.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        alarm::set(alarm.as_mut(), cx, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::alarm::tests::begun_without_budget;

    #[tokio::test(start_paused = true)]
    async fn a_connection_idles_no_longer_though_its_task_had_no_budget_left() {
        let timer = IdleTimer::default();
        let second = Duration::from_secs(1);
        for _ in 0..2 {
            let began = timer.now();
            let mut idle = timer.sleep(10 * second);
            let gone_off = begun_without_budget(|cx| idle.as_mut().poll(cx));
            tokio::time::timeout(60 * second, gone_off).await.unwrap();
            assert_eq!((timer.now() - began).as_secs(), 10);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_its_time_behind_each_answer() {
        let timer = IdleTimer::default();
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            let began = timer.now();
            let idle = timer.sleep(10 * second);
            let request = tokio::time::timeout(7 * second, idle).await;
            assert!(request.is_err(), "gone off after {:?}", timer.now() - began);
        }
        let began = timer.now();
        timer.sleep(10 * second).await;
        assert_eq!((timer.now() - began).as_secs(), 10);
        let began = timer.now();
        timer.sleep(second).await;
        assert_eq!((timer.now() - began).as_secs(), 1, "a shorter time too");
    }
}
