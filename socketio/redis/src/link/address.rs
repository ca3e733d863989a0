//! Where servers are, and what they know of each other.

/// Where a server of a cluster listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(super) host: Box<str>,
    pub(super) port: u16,
}

/// Slots that one server of a cluster has.
#[derive(Clone, Debug)]
pub(crate) struct SlotRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) server: Address,
    /// It, and its replicas.
    pub(crate) all: Vec<Address>,
}

/// What a server knows of its cluster.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Whether it sees most of the masters, and all slots if they are required.
    pub(crate) is_ok: bool,
    /// The greatest number of a configuration that it has heard of. Each failover takes a greater one.
    pub(crate) epoch: u64,
    pub(crate) ranges: Vec<SlotRange>,
}

/// Which server is the master, as a sentinel knows it.
#[derive(Clone, Debug)]
pub(crate) struct Master {
    pub(crate) address: Address,
    /// The number of the failover that made it the master.
    pub(crate) epoch: u64,
}

impl View {
    pub(crate) fn masters(&self) -> Vec<Address> {
        let mut masters: Vec<_> = self.ranges.iter().map(|range| range.server.clone()).collect();
        masters.sort();
        masters.dedup();
        masters
    }
}

impl Address {
    /// Reads `host:port`.
    pub(crate) fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(Address { host: host.into(), port: port.parse().ok()? })
    }
}
