//! How often one member may send events: a bucket that loses one with each event and fills up again with time.

use std::time::Duration;

use tokio::time::Instant;

/// How many requests may come at once. A page that comes back asks for its name and all of its rooms.
const BURST: u32 = 100;
/// The time in which one more may come.
const REFILL: Duration = Duration::from_millis(100);

/// One member's requests.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the bucket will be full. Before anything was asked, it is.
    full: Option<Instant>,
}

impl Pace {
    /// Takes a request, if it may come now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full = self.full.map_or(now, |full| full.max(now)) + REFILL;
        let fits = full - now <= REFILL * BURST;
        if fits {
            self.full = Some(full);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_what_the_time_allows() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert!((0..BURST).all(|_| pace.take(start)));
        assert!(!pace.take(start));
        assert!(!pace.take(start + REFILL / 2));
        assert!(pace.take(start + REFILL));
        assert!(!pace.take(start + REFILL), "each time for one");
        assert!((0..10).all(|_| pace.take(start + REFILL * 11)));
        assert!(!pace.take(start + REFILL * 11));
    }

    #[test]
    fn what_is_refused_costs_nothing_and_what_is_saved_up_is_bounded() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        while pace.take(start) {}
        for _ in 0..1000 {
            pace.take(start);
        }
        assert!(pace.take(start + REFILL));
        let later = start + Duration::from_secs(1_000_000);
        assert_eq!((0..1000).filter(|_| pace.take(later)).count(), BURST as usize);
    }
}
