//! Gives messages out when they are due.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use socketio_load::Schedule;
use tokio::sync::mpsc::UnboundedSender;

use super::client::Order;

/// How often a long pause looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// A thread of its own: the runtime's timers are only good to a millisecond.
pub(super) struct Pace {
    pub(super) schedule: Schedule,
    /// How many messages there are.
    pub(super) count: u64,
    pub(super) began: Instant,
    /// The first client sends all of them, and not each in turn.
    pub(super) alone: bool,
    pub(super) members: Vec<UnboundedSender<Order>>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Pace {
    /// Says how many were due until the end, or until it was told to stop.
    pub(super) fn run(self) -> u64 {
        // Otherwise the kernel wakes it up to 50 µs late. What can't be had is seen in the report.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        for number in 0..self.count {
            let due = self.began + self.schedule.due(number);
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    return number;
                }
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                std::thread::sleep(left.min(LOOK));
            }
            let at = if self.alone { 0 } else { number as usize % self.members.len() };
            // A client that is gone sends nothing: its messages are lost.
            let _ = self.members[at].send(Order::Emit(number));
        }
        self.count
    }
}
