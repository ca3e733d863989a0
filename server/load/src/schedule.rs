//! When the messages of an open loop are due.

use std::time::Duration;

/// So many messages a second, each due at its time.
///
/// ```
/// use std::time::Duration;
/// use socketio_load::Schedule;
///
/// assert_eq!(Schedule::new(4.0).due(2), Duration::from_millis(500));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    per_second: f64,
}

impl Schedule {
    /// So many messages a second, of which there must be some: the number is above 0.
    #[must_use]
    pub fn new(per_second: f64) -> Schedule {
        debug_assert!(per_second > 0.0 && per_second.is_finite(), "{per_second} messages a second");
        Schedule { per_second }
    }

    /// When the message of that number is due, counted from the beginning. The first has the number 0, and is due at
    /// once.
    #[must_use]
    pub fn due(&self, number: u64) -> Duration {
        // Each from its number, so that no error adds up.
        Duration::from_secs_f64(number as f64 / self.per_second)
    }

    /// How many are due before that time has passed.
    #[must_use]
    pub fn due_within(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.per_second).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_one_after_the_other_and_no_error_adds_up() {
        let schedule = Schedule::new(3.0);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(3), Duration::from_secs(1));
        assert_eq!(schedule.due(3 * 86_400), Duration::from_secs(86_400));
        assert_eq!(Schedule::new(0.5).due(1), Duration::from_secs(2));
    }

    #[test]
    fn a_message_that_is_due_at_the_end_is_not_due_before_it() {
        let schedule = Schedule::new(10.0);
        assert_eq!(schedule.due_within(Duration::ZERO), 0);
        assert_eq!(schedule.due_within(Duration::from_millis(1)), 1);
        assert_eq!(schedule.due_within(Duration::from_secs(1)), 10);
        assert_eq!(schedule.due_within(Duration::from_millis(1001)), 11);
    }
}
