//! Which socket was sent what, which client got what, and whether that is right. It sees both sides at once,
//! and learns of every step when it happens: a run is one thread.
//!
//! A *line* is what one socket is sent, over all connections with which a client recovers it. A *connection* is
//! a client's: one session, from its handshake on.
//!
//! | file | what it is told, and what must hold then |
//! |---|---|
//! | `property` | what there is that must hold |
//! | `sockets` | the server's sockets: what they are sent, and their rooms |
//! | `questions` | what the server asks |
//! | `connections` | the clients' connections: what they get and send |
//! | `retries` | what clients send until it is acknowledged |
//! | `ends` | what may not be missing in the end |

mod connections;
mod ends;
mod property;
mod questions;
mod retries;
mod sockets;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use crate::trace::step;
use connections::Connection;
pub use property::{Counts, Failure, Property};
pub(crate) use questions::Outcome;
use questions::Question;
use retries::Retrier;
use sockets::Line;

/// The oracle of a run.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    failure: Option<Failure>,
    counts: Counts,
    lines: Vec<Line>,
    by_id: HashMap<String, usize>,
    connections: Vec<Connection>,
    questions: BTreeMap<u64, Question>,
    retriers: HashMap<u64, Retrier>,
    last: u64,
}

thread_local! {
    static ORACLE: RefCell<Oracle> = RefCell::default();
}

/// Tells this thread's oracle something, or asks it.
pub(crate) fn oracle<R>(tell: impl FnOnce(&mut Oracle) -> R) -> R {
    ORACLE.with_borrow_mut(tell)
}

/// Counts something.
pub(crate) fn count(what: &'static str) {
    oracle(|oracle| *oracle.counts.entry(what).or_default() += 1);
}

/// # In general
impl Oracle {
    /// Something did not hold. The first failure stands.
    pub(crate) fn fail(&mut self, property: Property, what: String) {
        step!("FAILURE {property:?}: {what}");
        self.failure.get_or_insert(Failure { property, what });
    }

    pub(crate) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn finish(&mut self) -> (Option<Failure>, Counts) {
        (self.failure.take(), std::mem::take(&mut self.counts))
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}
