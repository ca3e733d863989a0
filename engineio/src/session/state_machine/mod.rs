//! One session, as a state machine without IO: inputs and instants go in, outputs come out.
//!
//! ```text
//!          ProbeOpened                        5
//!   Polling ─────────────────▶ Probing ────────────────▶ Direct
//!    │   ▲                      │   │                      │
//!    │   └──────────────────────┘   │                      │
//!    │     anything but 2probe      │                      │ Close, the WebSocket's end,
//!    │     and 5, its end, or       │                      │ a violation, no heartbeat
//!    │     upgradeTimeout           │                      │
//!    │                              │                      │
//!    │ Close, and no poll           │ the same             │
//!    │ to say so                    │                      │
//!    ▼                              ▼                      ▼
//!   Closing ◀────────── Closing, with a probe ── 5 ──▶ Closed
//!    │       its end                │                      ▲
//!    └──────────────────────────────┴──────────────────────┘
//!             a poll that finds nothing queued, or time
//! ```
//!
//! Polling, Probing and Direct are the open states. A violation or a missed heartbeat leads from each of them to
//! Closed at once: a client that breaks the protocol is told nothing, except by its parked poll.
//!
//! A client that upgrades doesn't poll until it has sent `5`. So if the server closes the session meanwhile, it keeps
//! its probe: the queue and the close are sent with the next poll or on the `5`, whichever comes first.

mod heartbeat;
mod inputs;
mod probing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::deadline;
use crate::rate::Rates;
use crate::{CloseReason, Engine, Limit, Packet, Revision, Transport, Violation};

use heartbeat::Heartbeat;
pub use inputs::{Input, Output, PollAnswer};

/// How long a poll stays parked while a probe waits for the client's `5`, once a first poll was answered with a noop.
const NOOP_PAUSE: Duration = Duration::from_millis(100);

/// By how many milliseconds the noop may be put off, in revision 3.
const MOST_PUT_OFF: u16 = 900;

/// The state machine of one session.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use engineio::{Engine, Input, Output, Packet, Revision, StateMachine, Transport};
///
/// let now = Instant::now();
/// let mut session = StateMachine::new(Arc::new(Engine::default()), Revision::V4, Transport::WebSocket, now);
/// let mut out = Vec::new();
/// session.handle(now, Input::Packet(Ok(Packet::Message("hi".into()))), &mut out);
/// assert_eq!(out, [Output::Deliver("hi".into())]);
/// ```
#[derive(Debug)]
pub struct StateMachine {
    state: State,
    /// Whether a GET waits for its answer, and the session has noticed: others wait at the door.
    parked: bool,
    heartbeat: Heartbeat,
    revision: Revision,
    /// Boxed, since usually there is no limit.
    rates: Option<Box<Rates>>,
    engine: Arc<Engine>,
}

#[derive(Debug)]
enum State {
    Polling,
    /// Probes are boxed, since most sessions have none.
    Probing {
        until: Instant,
        probe: Box<Probe>,
    },
    Direct,
    /// The layer above is done. The client is told by its next poll, or on its probe's `5`.
    Closing {
        until: Instant,
        probe: Option<Box<Probe>>,
    },
    Closed,
}

/// How far a probe has come.
#[derive(Debug)]
enum Probe {
    /// The WebSocket is open and has sent nothing.
    Opened,
    /// `2probe` was answered. No poll has been answered with a noop since. One may be `from` that instant on, which has
    /// been put off by so many milliseconds.
    Ponged { from: Instant, put_off: u16 },
    /// A poll was answered with a noop. The next is due at that instant, if one is parked.
    Released { next: Option<Instant> },
}

impl Probe {
    /// When the parked poll is answered with a noop.
    fn noop(&self, parked: bool) -> Option<Instant> {
        match self {
            Probe::Ponged { from, .. } => Some(*from).filter(|_| parked),
            Probe::Released { next } => *next,
            Probe::Opened => None,
        }
    }
}

/// # Getters
impl StateMachine {
    /// What all sessions of the server share.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// When [`Input::Timeout`] is due; `None` once the session is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat.at();
        match &self.state {
            State::Polling | State::Direct => Some(heartbeat),
            State::Probing { until, probe } => {
                let noop = probe.noop(self.parked).unwrap_or(*until);
                Some(heartbeat.min(*until).min(noop))
            }
            State::Closing { until, .. } => Some(*until),
            State::Closed => None,
        }
    }

    /// Whether a ping is due, or the client's pong.
    #[must_use]
    pub fn is_heartbeat_due(&self, now: Instant) -> bool {
        self.is_open() && self.heartbeat.at() <= now
    }

    /// Whether the session is on the transport that it upgrades to, or began on it. If not, it polls.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        matches!(self.state, State::Direct)
    }

    /// Whether a GET waits for its answer, and the session has noticed: others wait at the door.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.parked
    }

    /// Whether a new GET has to wait if nothing is queued.
    #[must_use]
    pub fn parks(&self) -> bool {
        matches!(self.state, State::Polling) && !self.parked
    }

    /// Whether the layer above is still attached.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Polling | State::Probing { .. } | State::Direct)
    }

    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed)
    }
}

/// # Commands
impl StateMachine {
    /// A session that has just been opened on `transport`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, revision: Revision, transport: Transport, now: Instant) -> StateMachine {
        let config = &engine.config;
        let state = match transport {
            Transport::Polling => State::Polling,
            Transport::WebSocket | Transport::WebTransport => State::Direct,
        };
        let heartbeat = Heartbeat::new(now, config);
        let rates = Rates::new(now, config.packets_per_second, config.bytes_per_second);
        StateMachine { state, parked: false, heartbeat, revision, rates, engine }
    }

    /// Handles an input, and appends what the session has to do to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::PollOpened { queued } => self.poll_opened(now, queued, out),
            Input::PollAborted { lost } => {
                self.parked = false;
                match self.state {
                    State::Polling | State::Probing { .. } => self.broken(Violation::Aborted, out),
                    // Messages must have no gap, and those of that answer can't be sent again.
                    State::Direct if lost => self.broken(Violation::Aborted, out),
                    State::Closing { .. } => self.finish(out),
                    State::Direct | State::Closed => {}
                }
            }
            Input::Broken(violation) => {
                if self.is_open() && !self.is_direct() {
                    self.broken(violation, out);
                }
            }
            Input::Queued => {
                if self.parked {
                    self.answer(PollAnswer::Queued, out);
                }
            }
            Input::Packet(packet) => {
                if self.is_open() {
                    self.packet(now, packet, out);
                }
            }
            Input::Taken => self.heartbeat.alive(now, self.revision, &self.engine.config),
            Input::Moved { at_most } => {
                let later = self.heartbeat.put_off(now, at_most, &self.engine.config);
                if later && self.revision == Revision::V4 {
                    // A client that is sent no ping for long takes the server for gone.
                    out.push(Output::Send(Packet::Ping("".into())));
                }
            }
            Input::ProbeOpened => match &mut self.state {
                State::Polling => {
                    let until = deadline(now, self.engine.config.upgrade_timeout);
                    self.state = State::Probing { until, probe: Box::new(Probe::Opened) };
                }
                // It gets no time of its own.
                State::Closing { probe: probe @ None, .. } => *probe = Some(Box::new(Probe::Opened)),
                _ => out.push(Output::DropProbe),
            },
            Input::ProbePacket(packet) => self.probe_packet(now, packet, out),
            Input::ProbeClosed => self.probe_ended(now),
            Input::TransportClosed(reason) => {
                if let State::Direct = self.state {
                    self.end(reason, out);
                }
            }
            Input::Close(reason) => self.close(now, reason, out),
            Input::Evicted => self.evict(out),
            Input::Timeout => self.timeout(now, out),
        }
    }
}

/// # The inputs that need more than a line
impl StateMachine {
    /// A message of that length has come on the transport in use of an open session, and the layer above may have it.
    /// This is what [`Input::Packet`] does with it, for those who deliver it themselves.
    ///
    /// # Errors
    /// It exceeds a limit: the reason for which the session has to be closed.
    pub(super) fn accept_message(&mut self, now: Instant, len: usize) -> Result<(), CloseReason> {
        self.count(now, len)?;
        self.put_off_noop(now);
        self.heartbeat.alive(now, self.revision, &self.engine.config);
        Ok(())
    }

    fn poll_opened(&mut self, now: Instant, queued: bool, out: &mut Vec<Output>) {
        self.parked = true;
        match &mut self.state {
            State::Polling | State::Probing { .. } | State::Closing { .. } if queued => {
                self.answer(PollAnswer::Queued, out);
            }
            State::Polling => {}
            // "Server: sends a noop packet to the polling transport, so that it closes cleanly": the client stops
            // polling before it sends `5`. Only the first poll is answered at once. Otherwise, a client whose proxy
            // holds `3probe` back would poll as fast as it can.
            State::Probing { probe, .. } => match &mut **probe {
                Probe::Opened => {}
                Probe::Ponged { .. } => {
                    self.put_off_noop(now);
                    self.let_go(now, out);
                }
                Probe::Released { next } => *next = Some(now + NOOP_PAUSE),
            },
            State::Direct => self.answer(PollAnswer::Noop, out),
            State::Closing { .. } => {
                self.answer(PollAnswer::NoopClose, out);
                self.finish(out);
            }
            State::Closed => self.answer(PollAnswer::Close, out),
        }
    }

    fn packet(&mut self, now: Instant, packet: Result<Packet, Violation>, out: &mut Vec<Output>) {
        let packet = match packet {
            Ok(Packet::Message(message)) => {
                return match self.accept_message(now, message.len()) {
                    Ok(()) => out.push(Output::Deliver(message)),
                    Err(reason) => self.close(now, reason, out),
                };
            }
            Ok(packet) => packet,
            Err(violation) => {
                if violation == Violation::TooManyPackets {
                    self.engine.hits.count(Limit::Packets);
                }
                return self.end_for(violation, out);
            }
        };
        let payload = match &packet {
            Packet::Open(payload) | Packet::Ping(payload) | Packet::Pong(payload) => payload.len(),
            Packet::Message(_) | Packet::Close | Packet::Upgrade | Packet::Noop => 0,
        };
        if let Err(reason) = self.count(now, payload) {
            return self.close(now, reason, out);
        }
        match (packet, self.revision) {
            (Packet::Ping(_), Revision::V3) => out.push(Output::Send(Packet::Pong("".into()))),
            // A heartbeat in the wrong direction; the reference calls it a transport error.
            (Packet::Ping(_), Revision::V4) | (Packet::Pong(_), Revision::V3) => {
                return self.broken(Violation::Heartbeat, out);
            }
            (Packet::Close, _) => {
                if self.parked {
                    self.answer(PollAnswer::Noop, out);
                }
                return self.end(CloseReason::TransportClose, out);
            }
            // A pong shows that the client is alive, which is noted below. The others have no meaning here, and the
            // reference ignores them too.
            (Packet::Pong(_), Revision::V4)
            | (Packet::Message(_) | Packet::Open(_) | Packet::Upgrade | Packet::Noop, _) => {}
        }
        self.heartbeat.alive(now, self.revision, &self.engine.config);
    }

    /// Counts a packet if rates are limited.
    ///
    /// # Errors
    /// It exceeds a limit: the reason for which the session has to be closed.
    fn count(&mut self, now: Instant, payload: usize) -> Result<(), CloseReason> {
        let Some(rates) = &mut self.rates else { return Ok(()) };
        // The type counts as a byte too.
        match rates.exceeded(now, 1 + payload) {
            None => Ok(()),
            Some(limit) => {
                self.engine.hits.count(limit);
                Err(CloseReason::ForcedClose)
            }
        }
    }

    /// The server ends the session, after the queue. The client is told by a poll or a probe.
    fn close(&mut self, now: Instant, reason: CloseReason, out: &mut Vec<Output>) {
        if !self.is_open() {
            return;
        }
        if self.is_direct() {
            return self.end(reason, out);
        }
        // The reference's word for it depends on the transport.
        let reason = match reason {
            CloseReason::ForcedClose => CloseReason::ForcedServerClose,
            other => other,
        };
        if self.parked {
            return self.end(reason, out);
        }
        let closed = deadline(now, self.engine.config.close_timeout);
        let (until, probe) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Probing { until, probe } => (until.max(closed), Some(probe)),
            _ => (closed, None),
        };
        self.state = State::Closing { until, probe };
        out.push(Output::Closed(reason));
    }

    /// The server ends the session at once. A poll that is parked tells the client.
    fn evict(&mut self, out: &mut Vec<Output>) {
        if self.is_open() {
            self.end(
                if self.is_direct() { CloseReason::ForcedClose } else { CloseReason::ForcedServerClose },
                out,
            );
        }
        self.state = State::Closed;
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<Output>) {
        match &mut self.state {
            State::Closed => return,
            State::Closing { until, .. } => {
                if *until <= now {
                    self.finish(out);
                }
                return;
            }
            State::Probing { until, .. } if *until <= now => {
                self.engine.hits.count(Limit::UpgradeTimeout);
                self.state = State::Polling;
                out.push(Output::DropProbe);
            }
            State::Probing { .. } => self.let_go(now, out),
            State::Polling | State::Direct => {}
        }
        match self.heartbeat {
            Heartbeat::PingAt(at) if at <= now => {
                if self.revision == Revision::V4 {
                    out.push(Output::Send(Packet::Ping("".into())));
                }
                self.heartbeat = Heartbeat::wait(now, &self.engine.config);
            }
            Heartbeat::DeadAt { at, .. } if at <= now => self.end(CloseReason::PingTimeout, out),
            Heartbeat::PingAt(_) | Heartbeat::DeadAt { .. } => {}
        }
    }

    /// The client broke a rule that has nothing to do with how its packets are written.
    fn broken(&mut self, violation: Violation, out: &mut Vec<Output>) {
        out.push(Output::Broken(violation));
        self.end_for(violation, out);
    }

    /// Ends the session because of what the client did. A broken probe doesn't end it, and never gets here.
    fn end_for(&mut self, violation: Violation, out: &mut Vec<Output>) {
        self.end(violation.close_reason().unwrap_or(CloseReason::ParseError), out);
    }

    /// Ends the session at once.
    fn end(&mut self, reason: CloseReason, out: &mut Vec<Output>) {
        if self.parked {
            self.answer(PollAnswer::Close, out);
        }
        self.finish(out);
        out.push(Output::Closed(reason));
    }

    /// Nothing can happen any more.
    fn finish(&mut self, out: &mut Vec<Output>) {
        if let State::Probing { .. } | State::Closing { probe: Some(_), .. } = self.state {
            out.push(Output::DropProbe);
        }
        self.state = State::Closed;
    }

    fn answer(&mut self, answer: PollAnswer, out: &mut Vec<Output>) {
        self.parked = false;
        out.push(Output::Answer(answer));
    }
}

#[cfg(test)]
mod tests;
