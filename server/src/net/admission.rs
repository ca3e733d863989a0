//! Admits connections, sessions and handshakes, and counts them against their limits.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use engineio::{Limit, LimitHits, TokenBucket};
use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

use crate::Limits;

/// How many addresses are remembered before unused ones are removed.
const FEW_ADDRESSES: usize = 1024;

/// The most connections at once that are told that there is no room for them.
const FAREWELLS: usize = 64;

/// The most connections of a listener for operators.
const PLACES_ASIDE: usize = 128;

/// The fewest of either, even with few file descriptors.
const FEW_PLACES: usize = 4;

/// The fewest file descriptors that are kept free, besides those that are open when a server is built.
const KEPT: usize = 40;

/// File descriptors of a server without connections.
const USUALLY_OPEN: usize = 16;

/// Counts who is here.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) limits: Limits,
    pub(crate) hits: Arc<LimitHits>,
    /// Connections that were closed because of their PROXY header, or for want of one.
    pub(crate) refused_headers: AtomicU64,
    /// Connections that may be told that there is no room for them. Others are closed without an answer.
    pub(crate) farewells: Arc<Semaphore>,
    /// How many connections a listener for operators may have.
    pub(crate) side_slots: usize,
    max_connections: usize,
    connections: AtomicUsize,
    sessions: AtomicUsize,
    addresses: Mutex<Addresses>,
}

#[derive(Debug, Default)]
struct Addresses {
    visitors: HashMap<IpAddr, Visitor>,
    /// How many there may be before unused ones are removed.
    sweep_at: usize,
}

/// The connections and handshakes of an address.
#[derive(Debug)]
struct Visitor {
    connections: usize,
    handshakes: TokenBucket,
}

impl Admission {
    pub(crate) fn new(limits: Limits, hits: Arc<LimitHits>) -> Admission {
        let descriptors = Descriptors::of_this_process();
        let max_connections = limits.max_connections.unwrap_or_else(|| descriptors.connections());
        let spare = descriptors.spare(max_connections);
        Admission {
            farewells: Arc::new(Semaphore::new((spare / 2).clamp(FEW_PLACES, FAREWELLS))),
            side_slots: (spare / 4).clamp(FEW_PLACES, PLACES_ASIDE),
            limits,
            hits,
            refused_headers: AtomicU64::new(0),
            max_connections,
            connections: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            addresses: Mutex::default(),
        }
    }

    /// A connection's place, until it is dropped.
    pub(crate) fn connection(
        self: &Arc<Admission>,
        address: Option<IpAddr>,
    ) -> Result<ConnectionPermit, Limit> {
        if !enter(&self.connections, self.max_connections) {
            return Err(self.refused(Limit::Connections));
        }
        let mut permit = ConnectionPermit { admission: self.clone(), address: None };
        if let Some(address) = address {
            permit.count_for(address)?;
        }
        Ok(permit)
    }

    /// Whether a client by UDP must show first that its address is its own: places are getting few, or are counted by
    /// address, where a stranger could take those of others.
    #[cfg(feature = "webtransport")]
    pub(crate) fn wants_proof(&self) -> bool {
        self.limits.connections_per_address.is_some() || self.connections() >= self.max_connections / 2
    }

    /// A session's place, until it is dropped.
    pub(crate) fn session(self: &Arc<Admission>, address: Option<IpAddr>) -> Result<SessionPermit, Limit> {
        if let Some((address, limit)) = address.zip(self.limits.handshakes_per_address) {
            let now = Instant::from(tokio::time::Instant::now());
            let mut addresses = self.addresses.lock();
            if !addresses.visitor(prefix(address), now).handshakes.take(now, 1, limit) {
                drop(addresses);
                return Err(self.refused(Limit::AddressHandshakes));
            }
        }
        if !enter(&self.sessions, self.limits.max_sessions) {
            return Err(self.refused(Limit::Sessions));
        }
        Ok(SessionPermit { admission: self.clone() })
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    fn refused(&self, limit: Limit) -> Limit {
        self.hits.count(limit);
        limit
    }
}

impl Addresses {
    fn visitor(&mut self, address: IpAddr, now: Instant) -> &mut Visitor {
        if self.visitors.len() >= self.sweep_at.max(FEW_ADDRESSES) {
            self.visitors.retain(|_, visitor| visitor.connections > 0 || !visitor.handshakes.is_full(now));
            self.sweep_at = 2 * self.visitors.len();
        }
        self.visitors
            .entry(address)
            .or_insert_with(|| Visitor { connections: 0, handshakes: TokenBucket::new(now) })
    }
}

/// Counts one more, if that is no more than `limit`.
fn enter(count: &AtomicUsize, limit: usize) -> bool {
    let one_more = |count: usize| (count < limit).then_some(count + 1);
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
}

/// The address as it is counted. A client with an IPv6 address usually has its whole network of 2^64 addresses.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The file descriptors of the process.
#[derive(Clone, Copy, Debug)]
struct Descriptors {
    limit: usize,
    open: usize,
}

impl Descriptors {
    fn of_this_process() -> Descriptors {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        // If that is unknown, about what a server with one listener has.
        let open = std::fs::read_dir("/dev/fd").map_or(USUALLY_OPEN, Iterator::count);
        Descriptors { limit, open }
    }

    /// How many connections there may be. A tenth of all descriptors, or a minimum, is kept free for refusals,
    /// operators and files.
    fn connections(self) -> usize {
        let kept = (self.limit / 10).max(self.open + KEPT).min(self.limit / 2);
        self.limit - kept
    }

    /// How many are left besides that many connections.
    fn spare(self, connections: usize) -> usize {
        self.limit.saturating_sub(self.open).saturating_sub(connections)
    }
}

/// Permission for one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    admission: Arc<Admission>,
    /// Where connections are counted by address.
    address: Option<Box<IpAddr>>,
}

impl ConnectionPermit {
    /// Counts the connection for that address too: it was not known before whose it is.
    pub(crate) fn count_for(&mut self, address: IpAddr) -> Result<(), Limit> {
        let admission = &self.admission;
        let Some(limit) = admission.limits.connections_per_address else { return Ok(()) };
        let address = prefix(address);
        let mut addresses = admission.addresses.lock();
        let visitor = addresses.visitor(address, Instant::now());
        if visitor.connections >= limit {
            drop(addresses);
            return Err(admission.refused(Limit::AddressConnections));
        }
        visitor.connections += 1;
        self.address = Some(Box::new(address));
        Ok(())
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.admission.connections.fetch_sub(1, Ordering::AcqRel);
        if let Some(address) = &self.address
            && let Some(visitor) = self.admission.addresses.lock().visitors.get_mut(address)
        {
            visitor.connections -= 1;
        }
    }
}

/// Permission for one session, until it is dropped.
#[derive(Debug)]
pub(crate) struct SessionPermit {
    admission: Arc<Admission>,
}

impl SessionPermit {
    pub(crate) fn limits(&self) -> &Limits {
        &self.admission.limits
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.admission.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admission(limits: Limits) -> Arc<Admission> {
        Arc::new(Admission::new(limits, Arc::default()))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn descriptors_are_left_for_refusals_and_operators_however_few_there_are() {
        for (limit, open, connections) in
            [(100_000, 14, 90_000), (1_024, 14, 922), (200, 14, 146), (100, 14, 50), (20, 14, 10)]
        {
            let descriptors = Descriptors { limit, open };
            assert_eq!(descriptors.connections(), connections, "of {limit}");
        }
        let spare = |limit| {
            let descriptors = Descriptors { limit, open: 14 };
            descriptors.spare(descriptors.connections())
        };
        assert_eq!([100_000, 1_024, 100].map(spare), [9_986, 88, 36]);
        assert_eq!(Descriptors { limit: 100, open: 14 }.spare(1_000), 0);
    }

    #[test]
    fn places_are_given_to_the_limit_and_again_when_they_are_given_back() {
        let admission = admission(Limits { max_connections: Some(2), max_sessions: 2, ..Limits::default() });
        let first = admission.connection(None).unwrap();
        let _second = admission.connection(None).unwrap();
        assert_eq!(admission.connection(None).unwrap_err(), Limit::Connections);
        drop(first);
        let _third = admission.connection(None).unwrap();
        assert_eq!(admission.hits.get(Limit::Connections), 1);

        let first = admission.session(None).unwrap();
        let _second = admission.session(None).unwrap();
        assert_eq!(admission.session(None).unwrap_err(), Limit::Sessions);
        drop(first);
        let _third = admission.session(None).unwrap();
        assert_eq!(admission.hits.get(Limit::Sessions), 1);
    }

    #[test]
    fn connections_are_counted_by_address_and_ipv6_by_its_network() {
        let limits =
            Limits { connections_per_address: Some(1), max_connections: Some(9), ..Limits::default() };
        let admission = admission(limits);
        let first = admission.connection(address("192.0.2.1")).unwrap();
        assert_eq!(admission.connection(address("::ffff:192.0.2.1")).unwrap_err(), Limit::AddressConnections);
        let _other = admission.connection(address("192.0.2.2")).unwrap();
        let _v6 = admission.connection(address("2001:db8:0:1::1")).unwrap();
        let neighbour = address("2001:db8:0:1:ffff::2");
        assert_eq!(admission.connection(neighbour).unwrap_err(), Limit::AddressConnections);
        let _network = admission.connection(address("2001:db8:0:2::1")).unwrap();
        drop(first);
        let _first = admission.connection(address("192.0.2.1")).unwrap();
        assert_eq!(admission.connections.load(Ordering::Relaxed), 4, "refused ones don't count");
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_are_counted_by_address_and_second() {
        let admission = admission(Limits { handshakes_per_address: Some(2), ..Limits::default() });
        let one = address("192.0.2.1");
        assert!(admission.session(one).is_ok() && admission.session(one).is_ok());
        assert_eq!(admission.session(one).unwrap_err(), Limit::AddressHandshakes);
        assert!(admission.session(address("192.0.2.2")).is_ok());
        tokio::time::advance(Duration::from_millis(500)).await;
        assert!(admission.session(one).is_ok());
        assert_eq!(admission.session(one).unwrap_err(), Limit::AddressHandshakes);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_have_gone_are_forgotten() {
        let admission = admission(Limits { handshakes_per_address: Some(1), ..Limits::default() });
        for n in 0..100 * FEW_ADDRESSES as u32 {
            tokio::time::advance(Duration::from_millis(2)).await;
            assert!(admission.session(Some(IpAddr::from(n.to_be_bytes()))).is_ok());
        }
        assert!(admission.addresses.lock().visitors.len() <= 2 * FEW_ADDRESSES);
    }
}
