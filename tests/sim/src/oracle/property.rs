//! What must hold, and what becomes of it.

use std::collections::BTreeMap;
use std::fmt;

/// What must hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// What one side sends on a connection arrives in the order of sending.
    Order,
    /// It arrives once at most.
    Once,
    /// With no disconnect, everything arrives, whatever becomes of an upgrade; attachments stay with their event.
    Lossless,
    /// On a disconnect, what has arrived is a prefix of what was sent.
    Prefix,
    /// Each acknowledgement comes once: with its value, or as a timeout or a disconnect.
    Acks,
    /// With retries, first occurrences arrive in order.
    Retries,
    /// A recovered socket is the same as before and gets what it missed, once; any other gets nothing of it.
    Recovery,
    /// A broadcast reaches the members of its rooms, once each.
    Rooms,
    /// A drain tells every client, after what was sent to it, and ends. Whoever is put out is told so as well.
    Drain,
    /// A session without a client ends in time, and leaves nothing behind.
    Liveness,
    /// Nothing panics.
    Panic,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 11] = [
        Property::Order,
        Property::Once,
        Property::Lossless,
        Property::Prefix,
        Property::Acks,
        Property::Retries,
        Property::Recovery,
        Property::Rooms,
        Property::Drain,
        Property::Liveness,
        Property::Panic,
    ];
}

/// A property that did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which.
    pub property: Property,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.what)
    }
}

/// How often something happened, by name.
pub type Counts = BTreeMap<&'static str, u64>;
