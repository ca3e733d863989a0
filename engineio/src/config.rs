//! The protocol's settings.

use std::time::Duration;

use crate::websocket::FrameLimits;
use crate::websocket::deflate::PerMessageDeflate;
use crate::{Revision, Transport};

/// The protocol's settings. An [`Engine`](crate::Engine) has them for all of its sessions.
///
/// ```
/// use std::time::Duration;
/// use engineio::{EngineConfig, Revision};
///
/// let config = EngineConfig { ping_interval: Duration::from_secs(10), ..EngineConfig::default() };
/// assert_eq!(config.max_payload, 1_000_000);
/// assert!(config.speaks(Revision::V3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Time from a pong to the next ping; 25 s by default. In revision 3, the client pings.
    pub ping_interval: Duration,
    /// Time that a pong may take before the session ends; 20 s by default. See
    /// [`strict_heartbeat`](EngineConfig::strict_heartbeat).
    pub ping_timeout: Duration,
    /// Whether a session ends at [`ping_timeout`](EngineConfig::ping_timeout) even while bytes of a message move; no by
    /// default. A client on a slow link can't send its pong before the message that it is sending, and doesn't see a
    /// ping before what it is sent earlier. So while bytes move, it has longer.
    pub strict_heartbeat: bool,
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
    /// The bytes that may wait to be sent to one client; 64,000,000 by default. A frame counts as its length plus
    /// [`FRAME_OVERHEAD`](crate::FRAME_OVERHEAD). While that many wait, events to this client alone are refused, and
    /// its session ends if it reads nothing for a time. The client is slowed down much earlier
    /// ([`HIGH_WATER`](crate::HIGH_WATER)).
    pub send_budget: usize,
    /// The bytes that all clients together may make the process hold; 1,000,000,000 by default. It counts what waits
    /// to be sent, data that is arriving, and packets that wait ([`memory`](crate::memory)). When only an eighth is
    /// left, the sessions that hold most are closed until a quarter is free. When nothing is left, each client may
    /// still have [`memory::ALLOWANCE`](crate::memory::ALLOWANCE) of each kind.
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
    /// Whether a session can use WebTransport; no by default, since it takes a listener of its own. A client that polls is
    /// told that it can upgrade to it.
    pub webtransport: bool,
    /// Whether a polling session may upgrade; yes by default.
    pub allow_upgrades: bool,
    /// Whether polling also works as JSONP, for browsers that can do nothing else; no by default. Any page
    /// can load a script from anywhere, so JSONP bypasses CORS.
    pub jsonp: bool,
    /// Whether and how messages of WebSockets are compressed; not at all by default.
    pub per_message_deflate: Option<PerMessageDeflate>,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            strict_heartbeat: false,
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
            webtransport: false,
            allow_upgrades: true,
            jsonp: false,
            per_message_deflate: None,
        }
    }
}

impl EngineConfig {
    /// Whether clients of that revision are accepted.
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
            Transport::WebTransport => self.webtransport,
        }
    }

    /// The limits of a WebSocket message.
    #[must_use]
    pub fn frame_limits(&self) -> FrameLimits {
        FrameLimits { message: self.max_payload, fragments: self.max_fragments }
    }

    /// To which transports a session of that revision on `transport` may move: what the open packet's `upgrades` says.
    pub fn upgrades(&self, transport: Transport, revision: Revision) -> impl Iterator<Item = Transport> {
        let polls = transport == Transport::Polling && self.allow_upgrades;
        Transport::ALL.into_iter().filter(move |upgrade| {
            polls && self.offers(*upgrade) && upgrade.is_direct() && upgrade.has(revision)
        })
    }
}
