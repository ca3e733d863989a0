//! How long to wait before the next try.

use std::time::Duration;

use rand::RngExt as _;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Waits double from 50 ms to 2 s, less up to half at random, so that many nodes don't come back at the same
/// instant. There is no last try.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        longest.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_two_seconds_and_go_on_for_ever() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= FIRST);
        for _ in 0..100 {
            backoff.next();
        }
        let wait = backoff.next();
        assert!(wait >= LONGEST / 2 && wait <= LONGEST);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
