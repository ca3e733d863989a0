//! On which terms a plain WebSocket is held, and what it needs of whatever moves its bytes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::memory::Budget;
use crate::session::{Line, WebSocketWire};
use crate::websocket::{FrameLimits, Place};
use crate::{Engine, LimitHits};

/// The time without a sign of life after which a peer is pinged.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// The time that it has then.
const KEEPALIVE_GRACE: Duration = Duration::from_secs(10);

/// What one plain WebSocket may cost.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What one message may take. The reader of the [`Wire`] is made with them.
    pub frames: FrameLimits,
    /// The bytes that may wait to be sent.
    pub send_budget: usize,
    /// How long a close may take.
    pub close_timeout: Duration,
    /// How long a message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// How long a peer may take nothing while the budget is used up.
    pub write_timeout: Duration,
    /// When a silent peer is pinged, and given up.
    pub keepalive: Option<Keepalive>,
    /// Longer messages go out in fragments of so many bytes; none do if there is no number.
    pub fragment: Option<usize>,
    /// Whether the [`Wire`] answers pings.
    pub auto_pong: bool,
    /// The most messages that a peer may send in a second.
    pub messages_per_second: Option<usize>,
    /// The most bytes of messages that it may send in a second.
    pub bytes_per_second: Option<usize>,
    /// The most pings and pongs that it may send in a second, which the [`Wire`] counts.
    pub pings_per_second: Option<usize>,
    /// What clients together may make the process hold.
    pub memory: Budget,
    /// Counts how often each limit was met.
    pub hits: Arc<LimitHits>,
}

/// When a silent peer is pinged, and given up.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// The time without a sign of life after which it is pinged.
    pub interval: Duration,
    /// The time that it has then.
    pub grace: Duration,
}

impl Terms {
    /// The terms that sessions have, with these two timeouts.
    #[must_use]
    pub fn new(engine: &Engine, message_timeout: Duration, write_timeout: Duration) -> Terms {
        let config = &engine.config;
        Terms {
            frames: FrameLimits { message: config.max_payload, fragments: config.max_fragments },
            send_budget: config.send_budget,
            close_timeout: config.close_timeout,
            message_timeout,
            write_timeout,
            keepalive: Some(Keepalive { interval: KEEPALIVE_INTERVAL, grace: KEEPALIVE_GRACE }),
            fragment: None,
            auto_pong: true,
            messages_per_second: config.packets_per_second,
            bytes_per_second: config.bytes_per_second,
            pings_per_second: config.pings_per_second,
            memory: engine.memory(),
            hits: engine.hits.clone(),
        }
    }
}

/// What a plain WebSocket needs of its wire, beside what a session needs.
pub trait Wire: WebSocketWire {
    /// Whether bytes came in this turn.
    fn has_read(&self) -> bool;

    /// Where in the peer's bytes it is.
    fn place(&self) -> Place;

    /// Queues a ping. It goes out before the next frame.
    fn ping(&mut self);

    /// Queues a close frame, which has to be the last. It goes out before the next frame.
    fn close(&mut self, code: Option<u16>, reason: &str);
}

/// The rest of what moves the bytes of a plain WebSocket.
pub trait Wires {
    /// Sets the alarm, which wakes the task at `next` at the latest, and maybe earlier. Ready if that has passed.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()>;

    /// Writes a line of the log.
    fn log(&mut self, line: Line<'_>);
}
