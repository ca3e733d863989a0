//! Numbers about the server, which administrators get every two seconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use engineio::observe::{Direction, What};
use engineio::{PacketType, Transport};
use parking_lot::Mutex;
use serde::Serialize;

/// Counts what happens on the server's sessions.
pub(crate) struct Stats {
    began: Instant,
    /// Those by polling, and those by WebSocket.
    sessions: [AtomicI64; 2],
    opened: AtomicU64,
    closed: Mutex<BTreeMap<&'static str, u64>>,
    packets: [AtomicU64; 2],
    bytes: [AtomicU64; 2],
    /// Those of the seconds that have not been told.
    untold: Mutex<Vec<Aggregated>>,
}

/// How often something happened in a second.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Aggregated {
    /// When the second began, in milliseconds since 1970.
    timestamp: u128,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerStats<'a> {
    server_id: &'a str,
    hostname: &'a str,
    pid: u32,
    uptime: f64,
    clients_count: i64,
    polling_clients_count: i64,
    aggregated_events: Vec<Aggregated>,
    namespaces: Vec<NamespaceStats>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamespaceStats {
    pub(crate) name: String,
    pub(crate) sockets_count: usize,
}

impl Stats {
    pub(crate) fn new() -> Stats {
        Stats {
            began: Instant::now(),
            sessions: Default::default(),
            opened: AtomicU64::new(0),
            closed: Mutex::default(),
            packets: Default::default(),
            bytes: Default::default(),
            untold: Mutex::default(),
        }
    }

    pub(crate) fn count(&self, what: &What<'_>) {
        let add = |count: &AtomicU64, more: usize| count.fetch_add(more as u64, Ordering::Relaxed);
        let sessions = |transport: Transport| &self.sessions[transport as usize];
        match *what {
            What::Packet { direction, packet, .. }
                if !packet.payload.is_empty() && packet.kind != PacketType::Open =>
            {
                let way = usize::from(direction == Direction::Out);
                add(&self.packets[way], 1);
                add(&self.bytes[way], packet.payload.len());
            }
            What::Opened { transport, .. } => {
                add(&self.opened, 1);
                sessions(transport).fetch_add(1, Ordering::Relaxed);
            }
            What::Upgraded { transport } => {
                sessions(Transport::Polling).fetch_sub(1, Ordering::Relaxed);
                sessions(transport).fetch_add(1, Ordering::Relaxed);
            }
            What::Closed { reason, .. } => *self.closed.lock().entry(reason.as_str()).or_default() += 1,
            What::Ended { transport } => {
                sessions(transport).fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// What the page is told. What was counted is told once.
    pub(crate) fn tell<'a>(
        &self,
        server_id: &'a str,
        hostname: &'a str,
        namespaces: Vec<NamespaceStats>,
    ) -> ServerStats<'a> {
        let [polling, websocket] = self.sessions.each_ref().map(|count| count.load(Ordering::Relaxed).max(0));
        ServerStats {
            server_id,
            hostname,
            pid: std::process::id(),
            uptime: self.began.elapsed().as_secs_f64(),
            clients_count: polling + websocket,
            polling_clients_count: polling,
            aggregated_events: std::mem::take(&mut *self.untold.lock()),
            namespaces,
        }
    }

    /// The second that began then is over.
    pub(crate) fn next_second(&self, timestamp: u128) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let mut untold = self.untold.lock();
        let mut note = |kind, sub_type, count| {
            if count > 0 {
                untold.push(Aggregated { timestamp, r#type: kind, sub_type, count });
            }
        };
        note("rawConnection", None, take(&self.opened));
        for (way, [packets, bytes]) in
            [["packetsIn", "bytesIn"], ["packetsOut", "bytesOut"]].iter().enumerate()
        {
            note(packets, None, take(&self.packets[way]));
            note(bytes, None, take(&self.bytes[way]));
        }
        for (reason, count) in std::mem::take(&mut *self.closed.lock()) {
            note("rawDisconnection", Some(reason), count);
        }
    }
}

#[cfg(test)]
mod tests {
    use engineio::CloseReason;
    use engineio::observe::{Carrier, PacketView};
    use serde_json::json;

    use super::*;

    // proves: features/admin-ui
    #[test]
    fn what_happened_is_summed_up_second_by_second() {
        let stats = Stats::new();
        let packet = |direction, kind, payload| {
            let packet = PacketView { kind, binary: false, payload };
            stats.count(&What::Packet { direction, carrier: Carrier::WebSocket, packet });
        };
        packet(Direction::Out, PacketType::Open, b"{}");
        packet(Direction::Out, PacketType::Ping, b"");
        packet(Direction::In, PacketType::Message, b"2[\"a\"]");
        packet(Direction::In, PacketType::Message, b"2");
        packet(Direction::Out, PacketType::Message, b"0{}");
        let closed = |reason| stats.count(&What::Closed { reason, transport: Transport::Polling });
        closed(CloseReason::PingTimeout);
        stats.next_second(1000);
        closed(CloseReason::PingTimeout);
        closed(CloseReason::PingTimeout);
        stats.next_second(2000);
        stats.next_second(3000);
        let told = serde_json::to_value(&*stats.untold.lock()).unwrap();
        assert_eq!(
            told,
            json!([
                { "timestamp": 1000, "type": "packetsIn", "count": 2 },
                { "timestamp": 1000, "type": "bytesIn", "count": 7 },
                { "timestamp": 1000, "type": "packetsOut", "count": 1 },
                { "timestamp": 1000, "type": "bytesOut", "count": 3 },
                { "timestamp": 1000, "type": "rawDisconnection", "subType": "ping timeout", "count": 1 },
                { "timestamp": 2000, "type": "rawDisconnection", "subType": "ping timeout", "count": 2 },
            ])
        );
    }
}
