//! The slots of a Redis Cluster: which one a key or a channel has, and which server has it.

use std::collections::HashMap;

use super::address::{Address, SlotRange};

pub(super) const SLOTS: u16 = 16_384;

/// Which server has which slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) ranges: Vec<SlotRange>,
    /// What was learned since, one by one.
    pub(super) moved: HashMap<u16, Address>,
}

impl Slots {
    pub(super) fn server(&self, slot: u16) -> Option<&Address> {
        let in_range = || self.ranges.iter().find(|range| (range.first..=range.last).contains(&slot));
        self.moved.get(&slot).or_else(|| in_range().map(|range| &range.server))
    }

    pub(super) fn all(&self) -> Vec<Address> {
        let mut all: Vec<_> = self.ranges.iter().flat_map(|range| range.all.iter().cloned()).collect();
        all.extend(self.moved.values().cloned());
        all.sort();
        all.dedup();
        all
    }
}

/// The slot of a key or of a shard's channel: of what is between the first braces, if anything does.
pub(super) fn slot(key: &str) -> u16 {
    let tagged = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tagged.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, as Redis Cluster takes it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// The server that an error names, to which a slot is being moved: `ASK 3999 127.0.0.1:6381`. "The next query alone"
/// goes there, behind ASKING.
pub(super) fn asked_to_ask(error: &str) -> Option<Address> {
    Address::parse(error.strip_prefix("ASK ")?.rsplit(' ').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!((slot("foo"), slot("{foo}.x"), slot("x{foo}")), (12_182, 12_182, 12_182));
        assert_eq!(slot("foo{}{bar}"), crc16(b"foo{}{bar}") % 16_384);
        assert_eq!(slot("foo{{bar}}"), crc16(b"{bar") % 16_384);
        assert_eq!(slot("{"), crc16(b"{") % 16_384);
    }

    #[test]
    fn a_slot_that_has_moved_is_found_where_it_is() {
        let (a, b) = (Address::parse("10.0.0.1:7000").unwrap(), Address::parse("[::1]:7001").unwrap());
        let range = SlotRange { first: 0, last: 100, server: a.clone(), all: vec![a.clone()] };
        let mut slots = Slots { ranges: vec![range], moved: HashMap::new() };
        assert_eq!((slots.server(100), slots.server(101)), (Some(&a), None));
        slots.moved.insert(100, b.clone());
        assert_eq!((slots.server(99), slots.server(100)), (Some(&a), Some(&b)));
        assert_eq!(slots.all().len(), 2);
        for garbage in ["", "a", "a:", ":1", "a:b", "a:65536"] {
            assert!(Address::parse(garbage).is_none(), "{garbage}");
        }
    }

    #[test]
    fn the_server_that_a_slot_is_being_moved_to_is_read() {
        assert_eq!(asked_to_ask("ASK 3999 127.0.0.1:6381"), Address::parse("127.0.0.1:6381"));
        for other in ["MOVED 3999 127.0.0.1:6381", "ASK 3999", "ASK ", "ASKING"] {
            assert_eq!(asked_to_ask(other), None, "{other}");
        }
    }
}
