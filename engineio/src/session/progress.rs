//! Whether a client is in the middle of a message when its heartbeat is due.
//!
//! A pong can't overtake the message that its client is sending, and a client sees a ping only after what was sent
//! before it. On a slow link, both can take longer than a pong may. So a client whose bytes move has longer.
//!
//! Nothing here is done for each message: a session looks when a heartbeat is due, and compares.

use std::time::Duration;

use crate::pace::is_pace;

/// How far a client's messages are at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// How many bytes have come of a WebSocket message that isn't whole.
    pub(super) partial: usize,
    /// Whether a body is coming in, or something waits to be taken by the client.
    pub(super) under_way: bool,
}

/// Which way bytes have moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// To the client, fast enough to come to an end, or in a body.
    Apace,
    /// From the client, on a WebSocket. This alone must not keep a session for ever.
    Incoming,
}

/// What has moved since a heartbeat was last due.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Boxed, since most sessions are idle when a heartbeat is due.
    last: Option<Box<Reached>>,
}

impl Progress {
    /// What has moved since this was last called, of messages that were not whole then or aren't now. `bytes` were taken
    /// by the client or came in bodies since; they should be enough for `time`.
    pub(super) fn since_last(&mut self, now: Reached, bytes: usize, time: Duration) -> Option<Moved> {
        let last = self.last.as_deref().copied().unwrap_or_default();
        if last != now {
            self.last = (now != Reached::default()).then(|| Box::new(now));
        }
        // The last of it may be less.
        let enough = if now.under_way { is_pace(bytes, time) } else { last.under_way };
        if enough && bytes > 0 {
            Some(Moved::Apace)
        } else if now.partial > 0 && now.partial != last.partial {
            Some(Moved::Incoming)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Reached = Reached { partial: 0, under_way: false };
    const TIME: Duration = Duration::from_secs(20);

    #[test]
    fn a_message_moves_if_more_of_it_has_come() {
        let mut progress = Progress::default();
        let mut reached = |partial| progress.since_last(Reached { partial, ..NOTHING }, 0, TIME);
        assert_eq!(reached(0), None);
        assert_eq!(reached(100), Some(Moved::Incoming));
        assert_eq!(reached(101), Some(Moved::Incoming));
        assert_eq!(reached(101), None, "no more has come");
        assert_eq!(reached(0), None, "it is whole, which is a sign of life of its own");
    }

    #[test]
    fn what_is_taken_counts_while_something_waits() {
        let mut progress = Progress::default();
        let mut reached =
            |bytes, under_way| progress.since_last(Reached { under_way, ..NOTHING }, bytes, TIME);
        assert_eq!(reached(10_000, false), None, "the client was sent all");
        assert_eq!(reached(0, true), None, "it took nothing");
        assert_eq!(reached(4_799, true), None, "it takes so little that it would never end");
        assert_eq!(reached(4_800, true), Some(Moved::Apace));
        assert_eq!(reached(1, false), Some(Moved::Apace), "the last of it");
        assert_eq!(reached(1, false), None);
    }

    #[test]
    fn an_idle_session_keeps_nothing() {
        let mut progress = Progress::default();
        progress.since_last(Reached { under_way: true, ..NOTHING }, 10_000, TIME);
        assert!(progress.last.is_some());
        progress.since_last(NOTHING, 10_000, TIME);
        assert!(progress.last.is_none(), "its last body has come");
    }
}
