//! When a client is stalled: too much waits for it, and it reads nothing.

use std::time::{Duration, Instant};

/// Since when a client has read nothing while its budget was used up. A client that reads something in time is not
/// stalled, however much waits.
///
/// ```
/// use std::time::{Duration, Instant};
/// use engineio::Stalled;
///
/// let (now, patience) = (Instant::now(), Duration::from_secs(30));
/// let mut stalled = Stalled::default();
/// stalled.note(now, true, false); // Too much waits, and the client takes nothing.
/// assert_eq!(stalled.until(patience), Some(now + patience));
/// ```
#[derive(Debug, Default)]
pub struct Stalled {
    /// Boxed, since most clients never are.
    since: Option<Box<Instant>>,
}

impl Stalled {
    /// Notes whether too much waits, and whether the client has `taken` something since the last call. Returns
    /// whether [`until`](Stalled::until) has changed.
    pub fn note(&mut self, now: Instant, too_much: bool, taken: bool) -> bool {
        let before = self.since.as_deref().copied();
        let since = match before {
            Some(since) if too_much && !taken => Some(since),
            _ => too_much.then_some(now),
        };
        match (&mut self.since, since) {
            (Some(kept), Some(since)) => **kept = since,
            (kept, since) => *kept = since.map(Box::new),
        }
        since != before
    }

    /// When the client's time, `patience`, is over; `None` while it is not stalled.
    #[must_use]
    pub fn until(&self, patience: Duration) -> Option<Instant> {
        self.since.as_ref().and_then(|since| since.checked_add(patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_client_is_slow_once_it_has_taken_nothing_of_too_much_for_that_long() {
        let (mut stalled, begin) = (Stalled::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert!(!stalled.note(at(0), false, false));
        assert_eq!(stalled.until(PATIENCE), None);
        assert!(stalled.note(at(1), true, false));
        assert!(!stalled.note(at(20), true, false));
        assert_eq!(stalled.until(PATIENCE), Some(at(31)));
        // Reading anything counts, even if too much still waits.
        assert!(stalled.note(at(30), true, true));
        assert_eq!(stalled.until(PATIENCE), Some(at(60)));
        assert!(stalled.note(at(59), false, true));
        assert_eq!(stalled.until(PATIENCE), None);
        assert!(stalled.note(at(70), true, false));
        assert_eq!(stalled.until(PATIENCE), Some(at(100)));
    }
}
