//! The settings of a plain WebSocket, and what it needs from the code that moves its bytes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::memory::Budget;
use crate::session::{Line, WebSocketWire};
use crate::websocket::deflate::PerMessageDeflate;
use crate::websocket::{FrameLimits, Place};
use crate::{Engine, LimitHits};

/// After this time without anything from the peer, it is pinged.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// The time that it then has to answer.
const KEEPALIVE_GRACE: Duration = Duration::from_secs(10);

/// The limits and times of one plain WebSocket.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The limits of one message. The reader of the [`PlainWire`] is made with them.
    pub frames: FrameLimits,
    /// The bytes that may wait to be sent.
    pub send_budget: usize,
    /// How long a close may take.
    pub close_timeout: Duration,
    /// How long a message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// How long a peer may read nothing while the budget is used up.
    pub write_timeout: Duration,
    /// When a silent peer is pinged, and when it is given up; `None` for never.
    pub keepalive: Option<Keepalive>,
    /// Messages longer than this many bytes are sent in fragments; with `None`, each is one frame.
    pub fragment: Option<usize>,
    /// Whether and how the [`PlainWire`] compresses, if the peer offers it.
    pub per_message_deflate: Option<PerMessageDeflate>,
    /// Whether the [`PlainWire`] answers pings.
    pub auto_pong: bool,
    /// The most messages that a peer may send in a second.
    pub messages_per_second: Option<usize>,
    /// The most bytes of messages that it may send in a second.
    pub bytes_per_second: Option<usize>,
    /// The most pings and pongs that it may send in a second, which the [`PlainWire`] counts.
    pub pings_per_second: Option<usize>,
    /// How much memory all clients together may use.
    pub memory: Budget,
    /// Counts how often each limit was met.
    pub hits: Arc<LimitHits>,
}

/// When a silent peer is pinged, and when it is given up; `None` for never.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// After this time without anything from the peer, it is pinged.
    pub interval: Duration,
    /// The time that it then has to answer.
    pub grace: Duration,
}

impl Terms {
    /// The settings that sessions have, with these two timeouts.
    #[must_use]
    pub fn new(engine: &Engine, message_timeout: Duration, write_timeout: Duration) -> Terms {
        let config = &engine.config;
        Terms {
            frames: config.frame_limits(),
            send_budget: config.send_budget,
            close_timeout: config.close_timeout,
            message_timeout,
            write_timeout,
            keepalive: Some(Keepalive { interval: KEEPALIVE_INTERVAL, grace: KEEPALIVE_GRACE }),
            fragment: None,
            per_message_deflate: config.per_message_deflate,
            auto_pong: true,
            messages_per_second: config.packets_per_second,
            bytes_per_second: config.bytes_per_second,
            pings_per_second: config.pings_per_second,
            memory: engine.memory(),
            hits: engine.hits.clone(),
        }
    }
}

/// What a plain WebSocket needs from its wire, besides what a session needs.
pub trait PlainWire: WebSocketWire {
    /// Whether bytes came in this turn.
    fn has_read(&self) -> bool;

    /// The position in the peer's bytes.
    fn place(&self) -> Place;

    /// Queues a ping. It is sent before the next frame.
    fn ping(&mut self);

    /// Queues a close frame, which must be the last frame. It is sent before the next frame.
    fn close(&mut self, code: Option<u16>, reason: &str);
}

/// The application, the timer and the log of a plain WebSocket.
pub trait PlainWires {
    /// Lets the application go on, if it runs in this task. What it sends is written in the same round.
    fn run_application(&mut self) {}

    /// The task may sleep. Ready if the application can go on first.
    fn poll_application(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// Sets the alarm, which wakes the task at `next` or earlier. Ready if `next` has passed.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()>;

    /// Writes a line of the log.
    fn log(&mut self, line: Line<'_>);
}
