//! Whether the backend is called at all: after failures, it gets no calls for a while.
//!
//! ```text
//!            failures in a row                      its time is over
//!   closed ─────────────────────▶ open (1 s .. 30 s) ───────────────▶ half open: one call
//!     ▲                            ▲                                   │         │
//!     │                            └──────────── failure: twice as long┘         │
//!     └──────────────────────────────────────────────────────── success ─────────┘
//! ```
//!
//! It has no IO, and time comes from the caller.

use std::time::{Duration, Instant};

/// How many failures in a row open it.
const FAILURES: u32 = 10;

/// How long it is open at first, and at the longest.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// The longest that a backend can ask to be left alone, by `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Circuit {
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    HalfOpen { pause: Duration },
}

/// What a result changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Nothing,
    /// The backend is left alone for that long.
    Opened(Duration),
    /// The backend answers again.
    Closed,
}

impl Circuit {
    pub(super) fn new() -> Circuit {
        Circuit { state: State::Closed { failures: 0 } }
    }

    /// Whether the backend may be called now. When the time is over, one call is let through, and must be told to
    /// [`succeeded`](Circuit::succeeded), [`failed`](Circuit::failed) or [`abandoned`](Circuit::abandoned).
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until, pause } if until <= now => {
                self.state = State::HalfOpen { pause };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// Whether a call that comes now has to be turned away at once.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { until, .. } => until > now,
            State::HalfOpen { .. } => true,
        }
    }

    /// Whether the backend is called as usual.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// A call was answered.
    pub(super) fn succeeded(&mut self) -> Changed {
        let was_closed = self.is_closed();
        self.state = State::Closed { failures: 0 };
        if was_closed { Changed::Nothing } else { Changed::Closed }
    }

    /// A call failed. The backend may ask to be left alone.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>) -> Changed {
        let usual = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES => {
                self.state = State::Closed { failures: failures + 1 };
                None
            }
            State::Closed { .. } => Some(SHORTEST),
            State::HalfOpen { pause } => Some((pause * 2).min(LONGEST)),
            // A call that ran when it opened.
            State::Open { .. } => None,
        };
        let asked = retry_after.map(|time| time.min(LONGEST_ASKED));
        let Some(pause) = asked.max(usual) else { return Changed::Nothing };
        if pause.is_zero() {
            return Changed::Nothing;
        }
        if let State::Open { until, .. } = self.state
            && until >= now + pause
        {
            return Changed::Nothing;
        }
        let next = usual.unwrap_or(SHORTEST);
        self.state = State::Open { until: now + pause, pause: next };
        Changed::Opened(pause)
    }

    /// A call was given up before it had a result.
    pub(super) fn abandoned(&mut self, now: Instant) {
        if let State::HalfOpen { pause } = self.state {
            self.state = State::Open { until: now, pause };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Circuit {
        let mut circuit = Circuit::new();
        for _ in 1..FAILURES {
            assert_eq!(circuit.failed(now, None), Changed::Nothing);
            assert!(circuit.admit(now));
        }
        assert_eq!(circuit.failed(now, None), Changed::Opened(SHORTEST));
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_success_closes_it() {
        let start = Instant::now();
        let mut circuit = opened(start);
        assert!(!circuit.admit(start + SHORTEST / 2) && circuit.is_open(start + SHORTEST / 2));
        let later = start + SHORTEST;
        assert!(!circuit.is_open(later) && circuit.admit(later), "one call is let through");
        assert!(!circuit.admit(later) && circuit.is_open(later), "and no other until it has a result");
        assert_eq!(circuit.succeeded(), Changed::Closed);
        assert!(circuit.admit(later));
        assert_eq!(circuit.succeeded(), Changed::Nothing);
    }

    #[test]
    fn a_success_between_failures_starts_their_count_again() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        for n in 0..100 {
            assert_eq!(circuit.failed(now, None), Changed::Nothing);
            if n % 9 == 8 {
                circuit.succeeded();
            }
        }
        assert!(circuit.admit(now));
    }

    #[test]
    fn it_is_open_for_twice_as_long_each_time_up_to_30_s() {
        let mut now = Instant::now();
        let mut circuit = opened(now);
        let mut pauses = vec![SHORTEST];
        for _ in 0..6 {
            now += *pauses.last().unwrap();
            assert!(circuit.admit(now));
            let Changed::Opened(pause) = circuit.failed(now, None) else { panic!("it stays open") };
            pauses.push(pause);
        }
        assert_eq!(pauses.iter().map(Duration::as_secs).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_backend_that_asks_to_be_left_alone_is_for_a_minute_at_most() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        assert_eq!(
            circuit.failed(now, Some(Duration::from_secs(7))),
            Changed::Opened(Duration::from_secs(7))
        );
        assert!(!circuit.admit(now + Duration::from_secs(6)) && circuit.admit(now + Duration::from_secs(7)));
        let mut circuit = Circuit::new();
        assert_eq!(circuit.failed(now, Some(Duration::MAX)), Changed::Opened(LONGEST_ASKED));
        assert_eq!(Circuit::new().failed(now, Some(Duration::ZERO)), Changed::Nothing);
    }

    #[test]
    fn a_call_that_is_given_up_lets_the_next_one_try() {
        let start = Instant::now();
        let mut circuit = opened(start);
        assert!(circuit.admit(start + SHORTEST));
        circuit.abandoned(start + SHORTEST);
        assert!(circuit.admit(start + SHORTEST));
    }

    #[test]
    fn what_ran_when_it_opened_changes_nothing_if_it_fails() {
        let start = Instant::now();
        let mut circuit = opened(start);
        assert_eq!(circuit.failed(start, None), Changed::Nothing);
        assert!(circuit.admit(start + SHORTEST));
    }
}
