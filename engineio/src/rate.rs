//! How much a client may send in a second.

use std::time::{Duration, Instant};

use crate::Limit;

/// A bucket of one second's allowance, which fills up steadily and is full at the start.
///
/// It is stored as one instant: when the bucket would be full again. Taking from the bucket moves it away. If
/// it is a whole second away, the bucket is empty.
///
/// ```
/// use std::time::{Duration, Instant};
/// use engineio::TokenBucket;
///
/// let now = Instant::now();
/// let mut rate = TokenBucket::new(now);
/// assert!(rate.take(now, 10, 10), "ten in this second");
/// assert!(!rate.take(now, 1, 10), "and no more");
/// assert!(rate.take(now + Duration::from_secs(1), 10, 10));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(now: Instant) -> TokenBucket {
        TokenBucket { full_at: now }
    }

    /// Takes `amount` from a bucket that fills at `per_second`. Returns whether the bucket had something left. An
    /// amount larger than what is left is taken in full, and the next one has to wait longer.
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

    /// Whether the bucket is full.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// How many packets or messages a client may send in a second, and how many bytes of them.
#[derive(Debug)]
pub(crate) struct Rates {
    packets: TokenBucket,
    packets_per_second: Option<usize>,
    bytes: TokenBucket,
    bytes_per_second: Option<usize>,
}

impl Rates {
    /// Full buckets. `None` if there is no limit, as for most clients: then they need no memory.
    pub(crate) fn new(now: Instant, packets: Option<usize>, bytes: Option<usize>) -> Option<Box<Rates>> {
        (packets.is_some() || bytes.is_some()).then(|| {
            Box::new(Rates {
                packets: TokenBucket::new(now),
                packets_per_second: packets,
                bytes: TokenBucket::new(now),
                bytes_per_second: bytes,
            })
        })
    }

    /// Counts a packet, and returns the limit that it exceeds.
    pub(crate) fn exceeded(&mut self, now: Instant, len: usize) -> Option<Limit> {
        let more = |rate: &mut TokenBucket, amount, per_second: Option<usize>| {
            per_second.is_some_and(|per_second| !rate.take(now, amount, per_second))
        };
        if more(&mut self.packets, 1, self.packets_per_second) {
            return Some(Limit::PacketRate);
        }
        more(&mut self.bytes, len, self.bytes_per_second).then_some(Limit::ByteRate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_allowance_may_come_at_once_and_then_as_much_as_fills_up() {
        for per_second in [1, 3, 7, 1000] {
            let start = Instant::now();
            let mut rate = TokenBucket::new(start);
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
        let mut rate = TokenBucket::new(start);
        assert!(rate.take(start, 3_500, 1_000));
        assert!(!rate.take(start + Duration::from_millis(2_400), 1, 1_000));
        assert!(rate.take(start + Duration::from_millis(2_501), 1, 1_000));
        assert!(rate.take(start + Duration::from_secs(100), usize::MAX, 1));
    }
}
