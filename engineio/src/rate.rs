//! How much may come in a second.

use std::time::{Duration, Instant};

/// A bucket of one second's allowance, which fills up steadily and is full at the start.
///
/// It is one instant: when the bucket would be full again. What is taken moves it away; a whole second away,
/// the bucket is empty.
///
/// ```
/// use std::time::{Duration, Instant};
/// use engineio::Rate;
///
/// let now = Instant::now();
/// let mut rate = Rate::new(now);
/// assert!(rate.take(now, 10, 10), "ten in this second");
/// assert!(!rate.take(now, 1, 10), "and no more");
/// assert!(rate.take(now + Duration::from_secs(1), 10, 10));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    full_at: Instant,
}

impl Rate {
    /// A full bucket.
    #[must_use]
    pub fn new(now: Instant) -> Rate {
        Rate { full_at: now }
    }

    /// Takes `amount` of what comes at `per_second`, and says whether the bucket had something left. What is
    /// larger than that is taken whole, and what follows waits for longer.
    pub fn take(&mut self, now: Instant, amount: usize, per_second: usize) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        let full_at = self.full_at.max(now);
        if full_at >= now + SECOND {
            return false;
        }
        let nanos = (amount as u128 * SECOND.as_nanos()).div_ceil(per_second.max(1) as u128);
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.full_at = full_at.checked_add(time).unwrap_or(full_at + SECOND);
        true
    }

    /// Whether nothing of the bucket is taken.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_allowance_may_come_at_once_and_then_as_much_as_fills_up() {
        for per_second in [1, 3, 7, 1000] {
            let start = Instant::now();
            let mut rate = Rate::new(start);
            assert!(rate.is_full(start));
            assert!((0..per_second).all(|_| rate.take(start, 1, per_second)), "{per_second}");
            assert!(!rate.take(start, 1, per_second), "one more than {per_second}");
            let refilled = start + Duration::from_millis(1001);
            assert!((0..per_second).all(|_| rate.take(refilled, 1, per_second)), "{per_second} again");
            assert!(!rate.take(refilled, 1, per_second));
        }
    }

    #[test]
    fn what_is_larger_than_the_allowance_is_taken_whole() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert!(rate.take(start, 3_500, 1_000));
        assert!(!rate.take(start + Duration::from_millis(2_400), 1, 1_000));
        assert!(rate.take(start + Duration::from_millis(2_501), 1, 1_000));
        assert!(rate.take(start + Duration::from_secs(100), usize::MAX, 1));
    }
}
