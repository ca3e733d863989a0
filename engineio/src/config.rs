//! What can be set about the protocol.

use std::time::Duration;

use crate::{Revision, Transport};

/// The protocol's settings. An [`Engine`](crate::Engine) has them for all of its sessions.
///
/// ```
/// use std::time::Duration;
/// use engineio::{Config, Revision};
///
/// let config = Config { ping_interval: Duration::from_secs(10), ..Config::default() };
/// assert_eq!(config.max_payload, 1_000_000);
/// assert!(config.speaks(Revision::V3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time from a pong to the next ping; 25 s by default. In revision 3, the client pings.
    pub ping_interval: Duration,
    /// Time that a pong may take before the session ends; 20 s by default.
    pub ping_timeout: Duration,
    /// Time from the opening of a probing WebSocket to its `5`; 10 s by default. After that, the WebSocket is
    /// closed and polling goes on.
    pub upgrade_timeout: Duration,
    /// Time for which a session that the server has closed waits for the client's next poll, to tell the
    /// client; 5 s by default.
    pub close_timeout: Duration,
    /// The longest body of a POST and the longest WebSocket message, in bytes; 1,000,000 by default. The open
    /// packet tells the client. Answers to polls are at most that long, too.
    pub max_payload: usize,
    /// The most packets in one payload; 125,000 by default. A payload of the default size holds that many of
    /// the shortest events (`42["e"]` and a separator), so no honest client exceeds it.
    pub max_packets: usize,
    /// The most fragments of one WebSocket message; 4,096 by default. Clients of Socket.IO don't fragment at all.
    pub max_fragments: usize,
    /// The bytes that may wait to be sent to one client; 64,000,000 by default. A frame counts as its length
    /// plus [`FRAME_OVERHEAD`](crate::FRAME_OVERHEAD). While so much waits, events to this client alone are
    /// refused, and its session ends if it takes nothing for a time. The client is slowed down much earlier
    /// ([`HIGH_WATER`](crate::HIGH_WATER)).
    pub send_budget: usize,
    /// The bytes that all clients together may make the process hold; 1,000,000,000 by default. It counts
    /// what waits to be sent, what is coming in, and packets that wait ([`memory`](crate::memory)). When only
    /// an eighth is left, the sessions that hold most are closed until a quarter is free. When all is used
    /// up, each client may still have [`memory::ALLOWANCE`](crate::memory::ALLOWANCE) of each.
    pub memory_budget: usize,
    /// The most packets that a client may send in a second; unlimited by default. They may all come at once.
    /// A client that sends more is disconnected.
    pub packets_per_second: Option<usize>,
    /// The most bytes of packets that a client may send in a second; unlimited by default. A packet of any
    /// length is accepted while the client is under the limit.
    pub bytes_per_second: Option<usize>,
    /// The most pings and pongs of the WebSocket protocol that a client may send in a second; unlimited by
    /// default, since the server answers them only as fast as the client reads. They may all come at once. If
    /// a client sends more, its WebSocket is closed with 1008.
    pub pings_per_second: Option<usize>,
    /// Whether `EIO=3` is accepted; yes by default.
    pub revision_3: bool,
    /// Whether `EIO=4` is accepted; yes by default.
    pub revision_4: bool,
    /// Whether a session can begin with polling; yes by default.
    pub polling: bool,
    /// Whether a session can use WebSocket; yes by default.
    pub websocket: bool,
    /// Whether a polling session may upgrade; yes by default.
    pub allow_upgrades: bool,
    /// Whether polling also works as JSONP, for browsers that can do nothing else; no by default. Any page
    /// can load a script from anywhere, so JSONP bypasses CORS.
    pub jsonp: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_payload: 1_000_000,
            max_packets: 125_000,
            max_fragments: 4_096,
            send_budget: 64_000_000,
            memory_budget: 1_000_000_000,
            packets_per_second: None,
            bytes_per_second: None,
            pings_per_second: None,
            revision_3: true,
            revision_4: true,
            polling: true,
            websocket: true,
            allow_upgrades: true,
            jsonp: false,
        }
    }
}

impl Config {
    /// Whether that revision is spoken.
    #[must_use]
    pub fn speaks(&self, revision: Revision) -> bool {
        match revision {
            Revision::V3 => self.revision_3,
            Revision::V4 => self.revision_4,
        }
    }

    /// Whether that transport is offered.
    #[must_use]
    pub fn offers(&self, transport: Transport) -> bool {
        match transport {
            Transport::Polling => self.polling,
            Transport::WebSocket => self.websocket,
        }
    }

    /// Whether a session on `transport` may move to a WebSocket: what the open packet's `upgrades` says.
    #[must_use]
    pub fn upgrades(&self, transport: Transport) -> bool {
        transport == Transport::Polling && self.websocket && self.allow_upgrades
    }
}
