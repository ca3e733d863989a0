//! What the log has said of mistakes that come again and again: each kind once a minute, and how many were left out.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A mistake of the same kind is logged again after this time.
const SILENCE: Duration = Duration::from_secs(60);

/// How many kinds are told apart. Clients can make up kinds, by the names of their events.
const MOST: usize = 64;

/// When each kind of mistake was logged last.
#[derive(Debug)]
pub(crate) struct Told<K>(HashMap<K, Line>);

#[derive(Debug)]
struct Line {
    at: Instant,
    left_out: u64,
}

impl<K> Default for Told<K> {
    fn default() -> Told<K> {
        Told(HashMap::new())
    }
}

impl<K: Eq + Hash> Told<K> {
    pub(crate) fn new() -> Told<K> {
        Told(HashMap::new())
    }

    /// A mistake was made. If it is to be logged now, gives how many of its kind were left out since the last time.
    pub(crate) fn say(&mut self, kind: K, now: Instant) -> Option<u64> {
        if let Some(line) = self.0.get_mut(&kind) {
            if now.saturating_duration_since(line.at) < SILENCE {
                line.left_out += 1;
                return None;
            }
            line.at = now;
            return Some(std::mem::take(&mut line.left_out));
        }
        self.0.insert(kind, Line { at: now, left_out: 0 });
        Some(0)
    }

    /// Whether a mistake of this kind can be told apart from others: there are not too many kinds already.
    pub(crate) fn knows(&mut self, kind: &K, now: Instant) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(kind) {
            self.0.retain(|_, line| now.saturating_duration_since(line.at) < SILENCE);
        }
        self.0.len() < MOST || self.0.contains_key(kind)
    }

    /// This is over: the next of its kind is logged at once.
    pub(crate) fn forget(&mut self, kind: &K) {
        self.0.remove(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_logged_once_a_minute_with_the_number_left_out() {
        let (start, mut told) = (Instant::now(), Told::new());
        let mut say = |kind, seconds| told.say(kind, start + Duration::from_secs(seconds));
        assert_eq!([say("a", 0), say("a", 1), say("b", 1), say("a", 59)], [Some(0), None, Some(0), None]);
        assert_eq!([say("a", 60), say("a", 61), say("a", 120)], [Some(2), None, Some(1)]);
        told.forget(&"a");
        assert_eq!(told.say("a", start), Some(0));
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let (start, mut told) = (Instant::now(), Told::new());
        for kind in 0..MOST {
            assert!(told.knows(&kind, start));
            told.say(kind, start);
        }
        assert!(told.knows(&0, start) && !told.knows(&MOST, start));
        assert!(told.knows(&MOST, start + SILENCE), "kinds that were not seen for a minute make room");
    }
}
