//! Whose turn it is to call the backend: at most so many calls at once, one at a time for each socket, in order.
//!
//! ```text
//!   socket a   1 2 3 ─┐                      ┌─▶ running: at most `limit`, one of each socket
//!   socket b   4 ─────┼─▶ ready: a, b, c ────┤
//!   socket c   5 6 ───┘   (by arrival)       └─▶ done: the socket's next call gets ready
//! ```
//!
//! It has no IO and no clock.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A call's number, which tells it from all others.
pub(super) type Ticket = u64;

/// The calls that wait, and those that run. `K` names a socket.
#[derive(Debug)]
pub(super) struct Queue<K> {
    limit: usize,
    max_waiting: usize,
    max_bytes: usize,
    lanes: HashMap<K, Lane>,
    /// Those with a call that may run, by when it came to that. The number tells whether the lane is still the one that
    /// was meant: its calls may have given up, and others come.
    ready: VecDeque<(Ticket, K)>,
    running: usize,
    waiting: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    running: bool,
    /// The number of its place in `ready`.
    place: Ticket,
    waiting: VecDeque<(Ticket, usize)>,
}

impl Lane {
    /// Whether that place in `ready` is its own.
    fn is_ready(&self, place: Ticket) -> bool {
        !self.running && self.place == place
    }
}

/// There is no room for another call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<K: Clone + Eq + Hash> Queue<K> {
    /// At most `limit` calls run at once, and `max_waiting` wait, with `max_bytes` in their bodies.
    pub(super) fn new(limit: usize, max_waiting: usize, max_bytes: usize) -> Queue<K> {
        Queue {
            limit,
            max_waiting,
            max_bytes,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            running: 0,
            waiting: 0,
            bytes: 0,
        }
    }

    /// A call wants its turn.
    pub(super) fn enter(&mut self, key: &K, ticket: Ticket, bytes: usize) -> Result<(), Full> {
        if self.waiting >= self.max_waiting || self.bytes.saturating_add(bytes) > self.max_bytes {
            return Err(Full);
        }
        let lane = self.lanes.entry(key.clone()).or_default();
        if !lane.running && lane.waiting.is_empty() {
            lane.place = ticket;
            self.ready.push_back((ticket, key.clone()));
        }
        lane.waiting.push_back((ticket, bytes));
        self.waiting += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// The next call that may run, if one may. It runs until it is [`done`](Queue::done).
    pub(super) fn next(&mut self) -> Option<Ticket> {
        while self.running < self.limit {
            let (place, key) = self.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key).filter(|lane| lane.is_ready(place)) else { continue };
            let Some((ticket, bytes)) = lane.waiting.pop_front() else { continue };
            lane.running = true;
            self.running += 1;
            self.waiting -= 1;
            self.bytes -= bytes;
            return Some(ticket);
        }
        None
    }

    /// The running call of that socket has ended.
    pub(super) fn done(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.running) else { return };
        lane.running = false;
        self.running -= 1;
        match lane.waiting.front() {
            None => drop(self.lanes.remove(key)),
            Some((next, _)) => {
                lane.place = *next;
                self.ready.push_back((*next, key.clone()));
            }
        }
    }

    /// A call that waits does so no longer.
    pub(super) fn give_up(&mut self, key: &K, ticket: Ticket) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let Some(at) = lane.waiting.iter().position(|(waiting, _)| *waiting == ticket) else { return };
        let (_, bytes) = lane.waiting.remove(at).unwrap_or_default();
        self.waiting -= 1;
        self.bytes -= bytes;
        if lane.waiting.is_empty() && !lane.running {
            self.lanes.remove(key);
        }
        // Thousands may give up at once, so that each must not look through all.
        if self.ready.len() > 2 * self.lanes.len() + 64 {
            let lanes = &self.lanes;
            self.ready.retain(|(place, key)| lanes.get(key).is_some_and(|lane| lane.is_ready(*place)));
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sockets_take_turns_and_each_has_one_call_at_a_time() {
        let mut queue = Queue::new(2, 10, 100);
        for (ticket, key) in [(1, 'a'), (2, 'a'), (3, 'b'), (4, 'c')] {
            queue.enter(&key, ticket, 1).unwrap();
        }
        assert_eq!([queue.next(), queue.next(), queue.next()], [Some(1), Some(3), None]);
        queue.done(&'a');
        // What came first gets ready first: c waits longer than a's second call could run.
        assert_eq!([queue.next(), queue.next()], [Some(4), None]);
        queue.done(&'b');
        assert_eq!(queue.next(), Some(2));
        queue.done(&'a');
        queue.done(&'c');
        assert_eq!((queue.running(), queue.waiting(), queue.bytes, queue.lanes.len()), (0, 0, 0, 0));
    }

    #[test]
    fn it_is_bounded_by_number_and_by_bytes() {
        let mut queue = Queue::new(1, 2, 10);
        queue.enter(&'a', 1, 6).unwrap();
        assert_eq!(queue.enter(&'b', 2, 5), Err(Full));
        queue.enter(&'b', 3, 4).unwrap();
        assert_eq!(queue.enter(&'c', 4, 0), Err(Full));
        // What runs doesn't wait.
        assert_eq!(queue.next(), Some(1));
        queue.enter(&'c', 5, 6).unwrap();
    }

    #[test]
    fn a_call_that_gives_up_takes_no_turn() {
        let mut queue = Queue::new(1, 10, 100);
        queue.enter(&'a', 1, 1).unwrap();
        queue.enter(&'b', 2, 1).unwrap();
        queue.enter(&'b', 3, 1).unwrap();
        queue.give_up(&'a', 1);
        queue.give_up(&'b', 2);
        assert_eq!(queue.next(), Some(3));
        queue.give_up(&'b', 3);
        assert_eq!(queue.running(), 1, "it runs, and is done by `done` alone");
        // The socket's next calls come and go while one runs.
        queue.enter(&'b', 4, 1).unwrap();
        queue.give_up(&'b', 4);
        queue.done(&'b');
        queue.enter(&'b', 5, 1).unwrap();
        assert_eq!([queue.next(), queue.next()], [Some(5), None]);
    }

    #[test]
    fn a_socket_that_gives_up_and_comes_again_waits_like_others_and_leaves_nothing_behind() {
        let mut queue = Queue::new(1, 1000, 1000);
        queue.enter(&0, 0, 0).unwrap();
        assert_eq!(queue.next(), Some(0));
        queue.enter(&1, 1, 0).unwrap();
        queue.enter(&2, 2, 0).unwrap();
        queue.give_up(&1, 1);
        queue.enter(&1, 3, 0).unwrap();
        queue.done(&0);
        assert_eq!(queue.next(), Some(2), "its place is a new one");
        // The second call of a socket takes the place of the first.
        queue.enter(&1, 4, 0).unwrap();
        queue.enter(&5, 5, 0).unwrap();
        queue.give_up(&1, 3);
        queue.done(&2);
        assert_eq!(queue.next(), Some(4));
        for ticket in 6..1000 {
            queue.enter(&9, ticket, 0).unwrap();
            queue.give_up(&9, ticket);
        }
        assert!(queue.ready.len() < 100, "{}", queue.ready.len());
        assert_eq!(queue.lanes.len(), 2, "sockets whose calls gave up are forgotten");
    }

    /// A small generator: the test needs no other.
    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn each_sockets_calls_run_in_order_however_long_each_takes() {
        for seed in 1..500_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut queue = Queue::new(3, 50, 1000);
            let (mut running, mut waiting): (HashMap<u64, u64>, HashMap<u64, u64>) = Default::default();
            let mut last = HashMap::new();
            for ticket in 0..400 {
                match random(&mut state) % 4 {
                    0 | 1 => {
                        let key = random(&mut state) % 7;
                        if queue.enter(&key, ticket, 1).is_ok() {
                            waiting.insert(ticket, key);
                        }
                    }
                    2 if !running.is_empty() => {
                        let at = random(&mut state) as usize % running.len();
                        let key = *running.keys().nth(at).unwrap();
                        running.remove(&key);
                        queue.done(&key);
                    }
                    _ if !waiting.is_empty() && random(&mut state).is_multiple_of(3) => {
                        let at = random(&mut state) as usize % waiting.len();
                        let (ticket, key) =
                            waiting.iter().map(|(ticket, key)| (*ticket, *key)).nth(at).unwrap();
                        waiting.remove(&ticket);
                        queue.give_up(&key, ticket);
                    }
                    _ => {}
                }
                while let Some(next) = queue.next() {
                    let key = waiting.remove(&next).expect("what runs has waited");
                    assert!(running.insert(key, next).is_none(), "two calls of one socket at once");
                    assert!(last.insert(key, next).is_none_or(|before| before < next), "out of order");
                }
                assert!(running.len() <= 3 && queue.running() == running.len());
                assert!(
                    queue.lanes.len() <= running.len() + waiting.len(),
                    "a lane that nobody needs is kept"
                );
                assert_eq!((queue.waiting(), queue.bytes), (waiting.len(), waiting.len()));
                // Nobody waits without need.
                let busy: HashSet<_> = running.keys().collect();
                assert!(running.len() == 3 || waiting.values().all(|key| busy.contains(key)));
            }
        }
    }
}
