//! What waits for a part of a cluster that has no server now, while the rest goes on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How long a part may be without a server: until a replica takes over, or all of its keys have moved. After that, what is
/// for it fails at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How often the first of what waits for a part is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// What waits, by its part, in the order of its coming.
pub(super) struct Held<T>(BTreeMap<u16, Part<T>>);

struct Part<T> {
    /// When it was found to be away.
    since: Instant,
    next_try: Instant,
    waiting: VecDeque<T>,
}

impl<T> Default for Held<T> {
    fn default() -> Held<T> {
        Held(BTreeMap::new())
    }
}

impl<T> Held<T> {
    /// Keeps what must not overtake that which waits for the same part. It gives back the rest, and all that is for a part
    /// that nobody waits for any more, as soon as nothing waits there.
    pub(super) fn keep_behind(&mut self, part: Option<u16>, item: T) -> Option<T> {
        match part.and_then(|part| self.0.get_mut(&part)) {
            Some(part) if !part.waiting.is_empty() || part.since.elapsed() <= PATIENCE => {
                part.waiting.push_back(item);
                None
            }
            _ => Some(item),
        }
    }

    /// When the next is to be tried, if anything waits.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.0.values().filter(|part| !part.waiting.is_empty()).map(|part| part.next_try).min()
    }

    /// The first of what waits for each part, if it is time to try it, for so many parts at most.
    pub(super) fn first_of_each(&mut self, most: usize) -> Vec<T> {
        let now = Instant::now();
        let due = self.0.values_mut().filter(|part| part.next_try <= now);
        due.filter_map(|part| part.waiting.pop_front()).take(most).collect()
    }

    /// A part had no server for these, which come before all that waits for it. It gives back what was waited for long
    /// enough.
    pub(super) fn refused(&mut self, part: u16, items: Vec<T>) -> VecDeque<T> {
        let now = Instant::now();
        let new = || Part { since: now, next_try: now, waiting: VecDeque::new() };
        let part = self.0.entry(part).or_insert_with(new);
        part.next_try = now + PAUSE;
        items.into_iter().rev().for_each(|item| part.waiting.push_front(item));
        if part.since.elapsed() > PATIENCE { std::mem::take(&mut part.waiting) } else { VecDeque::new() }
    }

    /// A part has a server. It gives back what waits for it.
    pub(super) fn is_back(&mut self, part: u16) -> VecDeque<T> {
        self.0.remove(&part).map(|part| part.waiting).unwrap_or_default()
    }
}
