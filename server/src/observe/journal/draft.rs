//! A record before it has its number and its time.

use super::{Carrier, Direction, Entry, Raw};

/// A record that is being put together.
pub(super) struct Draft {
    pub(super) direction: Option<Direction>,
    pub(super) carrier: Option<Carrier>,
    pub(super) from: u64,
    pub(super) raw: Option<Raw>,
    pub(super) entry: Entry,
}

impl Draft {
    pub(super) fn of(entry: Entry) -> Draft {
        Draft { direction: None, carrier: None, from: 0, raw: None, entry }
    }

    pub(super) fn from(mut self, record: u64) -> Draft {
        self.from = record;
        self
    }

    pub(super) fn direction(mut self, direction: Direction) -> Draft {
        self.direction = Some(direction);
        self
    }

    pub(super) fn carrier(mut self, carrier: Carrier) -> Draft {
        self.carrier = Some(carrier);
        self
    }

    pub(super) fn raw(mut self, raw: Option<Vec<u8>>) -> Draft {
        self.raw = raw.map(Raw);
        self
    }
}
