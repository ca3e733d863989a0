//! What clients send until it is acknowledged.

use std::collections::BTreeSet;

use super::{Oracle, Property};

#[derive(Debug, Default)]
pub(super) struct Retrier {
    seen: BTreeSet<u64>,
    given_up: BTreeSet<u64>,
}

impl Oracle {
    /// A client's event arrives that it sends until it is acknowledged.
    pub(crate) fn arrives_sure(&mut self, client: u64, n: u64) {
        let retrier = self.retriers.entry(client).or_default();
        let early = retrier.seen.last().is_some_and(|last| *last > n) && !retrier.given_up.contains(&n);
        if retrier.seen.insert(n) && early {
            self.fail(Property::Retries, format!("{n} of client {client} first arrived behind later ones"));
        }
    }

    /// The client has its acknowledgement.
    pub(crate) fn sure(&mut self, client: u64, n: u64) {
        if !self.retriers.entry(client).or_default().seen.contains(&n) {
            self.fail(
                Property::Retries,
                format!("{n} of client {client} was acknowledged, and never arrived"),
            );
        }
    }

    /// The client has tried often enough.
    pub(crate) fn gives_up(&mut self, client: u64, n: u64) {
        self.retriers.entry(client).or_default().given_up.insert(n);
    }
}
