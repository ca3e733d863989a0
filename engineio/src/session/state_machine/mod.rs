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
//! Polling, Probing and Direct are the open states. A violation or a missed heartbeat leads from each of them
//! to Closed at once: a client that breaks the protocol gets no farewell, except on its parked poll.
//!
//! A client that upgrades doesn't poll until it has sent `5`. So if the server closes the session meanwhile, it
//! keeps its probe: the queue and the end go out with the next poll or on the `5`, whichever comes first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::rate::Rates;
use crate::{CloseReason, Config, Engine, Limit, Message, Packet, Revision, Transport, Violation};

/// How long a poll stays parked while a probe waits for the client's `5`, once a first poll was let go.
const NOOP_PAUSE: Duration = Duration::from_millis(100);

/// What happened to a session.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use engineio::{CloseReason, Engine, Input, Output, Revision, StateMachine, Transport};
///
/// let now = Instant::now();
/// let mut session = StateMachine::new(Arc::new(Engine::default()), Revision::V4, Transport::WebSocket, now);
/// let mut out = Vec::new();
/// session.handle(now, Input::TransportClosed(CloseReason::TransportClose), &mut out);
/// assert_eq!(out, [Output::Closed(CloseReason::TransportClose)]);
/// ```
#[derive(Debug)]
pub enum Input {
    /// A GET arrived. `queued` says whether frames wait for the client.
    PollOpened {
        /// Whether the answer can be made at once.
        queued: bool,
    },
    /// The client of a GET left before it had its answer.
    PollAborted {
        /// Whether messages were in that answer.
        lost: bool,
    },
    /// A request broke a rule: it overlaps another one, or is a POST without a proper end.
    Broken(Violation),
    /// Frames wait for the client.
    Queued,
    /// The client took something that was sent, while its own packets wait. This counts as a sign of life.
    Taken,
    /// A packet from the transport in use, or the rule that it broke.
    Packet(Result<Packet, Violation>),
    /// A WebSocket was opened for this session.
    ProbeOpened,
    /// A packet from that WebSocket, or the rule that it broke.
    ProbePacket(Result<Packet, Violation>),
    /// That WebSocket ended.
    ProbeClosed,
    /// The WebSocket in use ended.
    TransportClosed(CloseReason),
    /// The server wants to end the session.
    Close(CloseReason),
    /// The session ends at once, because the client takes nothing or memory runs short. The client is not told.
    PutOut,
    /// The [deadline](StateMachine::deadline) passed.
    Timeout,
}

/// What the session has to do.
///
/// ```
/// use engineio::Output;
///
/// fn show(output: &Output) {
///     match output {
///         Output::Deliver(message) => println!("for the application: {message:?}"),
///         Output::Send(packet) => println!("for the client: {packet:?}"),
///         Output::Closed(reason) => println!("over: {reason}"),
///         other => println!("{other:?}"),
///     }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Complete the parked GET.
    Answer(PollAnswer),
    /// Queue a packet for the client, after what is queued.
    Send(Packet),
    /// Send a packet on the probing WebSocket.
    SendProbe(Packet),
    /// Report that the client broke this rule. The consequences follow.
    Broken(Violation),
    /// Hand a message to the layer above.
    Deliver(Message),
    /// The probing WebSocket is the transport now: send the queue on it. If the session is closing, send
    /// nothing else.
    Upgrade,
    /// Close the probing WebSocket.
    DropProbe,
    /// The session is over for the layer above, which gets nothing after this. Send the queue on the WebSocket
    /// in use, and then close it; the same for one that a later [`Upgrade`](Output::Upgrade) brings. Comes
    /// once.
    Closed(CloseReason),
}

/// The body of a GET's answer.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use engineio::{PollAnswer, Engine, Input, Output, Revision, StateMachine, Transport};
///
/// let now = Instant::now();
/// let mut session = StateMachine::new(Arc::new(Engine::default()), Revision::V4, Transport::Polling, now);
/// let mut out = Vec::new();
/// session.handle(now, Input::PollOpened { queued: true }, &mut out);
/// assert_eq!(out, [Output::Answer(PollAnswer::Queued)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollAnswer {
    /// The queue.
    Queued,
    /// `6`: nothing, so that the client can go on.
    Noop,
    /// `1`: the session has ended.
    Close,
    /// `6` and `1`: the session had ended before this GET came.
    NoopClose,
}

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
    /// Whether a GET waits for its answer.
    parked: bool,
    heartbeat: Heartbeat,
    revision: Revision,
    /// Boxed, since mostly there is no limit.
    rates: Option<Box<Rates>>,
    engine: Arc<Engine>,
}

#[derive(Debug)]
enum State {
    Polling,
    Probing {
        until: Instant,
        probe: Probe,
    },
    Direct,
    /// The layer above is done; the client is told by its next poll, or by its probe's `5`.
    Closing {
        until: Instant,
        probe: Option<Probe>,
    },
    Closed,
}

/// How far a probe has come.
#[derive(Debug)]
enum Probe {
    /// The WebSocket is open and has sent nothing.
    Opened,
    /// `2probe` was answered. No poll has been let go since; one may be from that instant on.
    Ponged { from: Instant },
    /// A poll was let go with a noop; the next is due at that instant, if one is parked.
    Released { next: Option<Instant> },
}

impl Probe {
    /// When the poll that is parked is let go.
    fn noop(&self, parked: bool) -> Option<Instant> {
        match self {
            Probe::Ponged { from } => Some(*from).filter(|_| parked),
            Probe::Released { next } => *next,
            Probe::Opened => None,
        }
    }
}

/// Who owes the other a sign of life, and until when.
#[derive(Debug)]
enum Heartbeat {
    /// The server sends a ping then (revision 4).
    PingAt(Instant),
    /// The client has to be heard of by then.
    DeadAt(Instant),
}

impl Heartbeat {
    /// The client was heard of. Any packet is a sign of life; a pong is only what a silent client sends.
    fn alive(&mut self, now: Instant, revision: Revision, config: &Config) {
        *self = match (revision, &self) {
            // "The server sends a ping packet, the client answers with a pong" (revision 4).
            (Revision::V4, Heartbeat::DeadAt(_)) => Heartbeat::PingAt(after(now, config.ping_interval)),
            (Revision::V4, Heartbeat::PingAt(_)) => return,
            // In revision 3 the client pings, every pingInterval.
            (Revision::V3, _) => {
                Heartbeat::DeadAt(after(now, config.ping_interval.saturating_add(config.ping_timeout)))
            }
        };
    }
}

/// # Getters
impl StateMachine {
    /// When [`Input::Timeout`] is due; `None` once the session is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let (Heartbeat::PingAt(heartbeat) | Heartbeat::DeadAt(heartbeat)) = self.heartbeat;
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

    /// The transport in use.
    #[must_use]
    pub fn transport(&self) -> Transport {
        if matches!(self.state, State::Direct) { Transport::WebSocket } else { Transport::Polling }
    }

    /// Whether a GET waits for its answer.
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
            Transport::WebSocket => State::Direct,
        };
        let heartbeat = match revision {
            Revision::V4 => Heartbeat::PingAt(after(now, config.ping_interval)),
            Revision::V3 => {
                Heartbeat::DeadAt(after(now, config.ping_interval.saturating_add(config.ping_timeout)))
            }
        };
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
                    // Messages in order have no gap: what was taken for that answer can't follow later.
                    State::Direct if lost => self.broken(Violation::Aborted, out),
                    State::Closing { .. } => self.finish(out),
                    State::Direct | State::Closed => {}
                }
            }
            Input::Broken(violation) => {
                if self.is_open() && self.transport() == Transport::Polling {
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
            Input::ProbeOpened => match &mut self.state {
                State::Polling => {
                    let until = after(now, self.engine.config.upgrade_timeout);
                    self.state = State::Probing { until, probe: Probe::Opened };
                }
                // It gets no time of its own.
                State::Closing { probe: probe @ None, .. } => *probe = Some(Probe::Opened),
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
            Input::PutOut => self.put_out(out),
            Input::Timeout => self.timeout(now, out),
        }
    }
}

/// # The inputs that need more than a line
impl StateMachine {
    fn poll_opened(&mut self, now: Instant, queued: bool, out: &mut Vec<Output>) {
        self.parked = true;
        match &mut self.state {
            State::Polling | State::Probing { .. } | State::Closing { .. } if queued => {
                self.answer(PollAnswer::Queued, out);
            }
            State::Polling => {}
            // "Server: sends a noop packet to the polling transport, so that it closes cleanly": the client
            // stops polling before it sends `5`. The first poll is let go at once; were each of them, a
            // client behind a proxy that holds `3probe` back would poll as fast as it can.
            State::Probing { probe: Probe::Opened, .. } => {}
            State::Probing { probe: Probe::Ponged { .. }, .. } => self.let_go(now, out),
            State::Probing { probe: Probe::Released { next }, .. } => *next = Some(now + NOOP_PAUSE),
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
            Ok(packet) => packet,
            Err(violation) => {
                if violation == Violation::TooManyPackets {
                    self.engine.hits.count(Limit::Packets);
                }
                return self.end_for(violation, out);
            }
        };
        if let Some(limit) = self.exceeded(now, &packet) {
            self.engine.hits.count(limit);
            return self.close(now, CloseReason::ForcedClose, out);
        }
        match (packet, self.revision) {
            (Packet::Message(message), _) => out.push(Output::Deliver(message)),
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
            // A pong is a sign of life, which is noted below. The others mean nothing here, and the
            // reference ignores them too.
            (Packet::Pong(_), Revision::V4) | (Packet::Open(_) | Packet::Upgrade | Packet::Noop, _) => {}
        }
        self.heartbeat.alive(now, self.revision, &self.engine.config);
    }

    /// Counts a packet where rates are limited, and says which limit it exceeds.
    fn exceeded(&mut self, now: Instant, packet: &Packet) -> Option<Limit> {
        let rates = self.rates.as_mut()?;
        // The type is a byte too.
        let len = 1 + match packet {
            Packet::Message(message) => message.len(),
            Packet::Open(payload) | Packet::Ping(payload) | Packet::Pong(payload) => payload.len(),
            Packet::Close | Packet::Upgrade | Packet::Noop => 0,
        };
        rates.exceeded(now, len)
    }

    /// The probe: `2probe`, answered with `3probe`, then `5`. A client may repeat the first or leave it out, as
    /// arduinoWebSockets does. Anything else ends that WebSocket alone.
    fn probe_packet(&mut self, now: Instant, packet: Result<Packet, Violation>, out: &mut Vec<Output>) {
        let (State::Probing { probe, .. } | State::Closing { probe: Some(probe), .. }) = &mut self.state
        else {
            return;
        };
        match packet {
            Ok(Packet::Ping(payload)) if payload == "probe" => {
                out.push(Output::SendProbe(Packet::Pong(payload)));
                if let Probe::Opened = probe {
                    let pause = match self.revision {
                        // Its client decodes a poll's text twice and a WebSocket's once, and encodes what it posts
                        // twice. So what answers a POST that is under way has to go back by the poll.
                        Revision::V3 => NOOP_PAUSE,
                        Revision::V4 => Duration::ZERO,
                    };
                    *probe = Probe::Ponged { from: now + pause };
                    self.let_go(now, out);
                }
            }
            Ok(Packet::Upgrade) => {
                if self.parked {
                    self.answer(PollAnswer::Noop, out);
                }
                self.state = if self.is_open() { State::Direct } else { State::Closed };
                out.push(Output::Upgrade);
            }
            packet => {
                self.probe_ended(now);
                if packet.is_ok() {
                    out.push(Output::Broken(Violation::Probe));
                }
                out.push(Output::DropProbe);
            }
        }
    }

    /// Polling goes on without the probe.
    fn probe_ended(&mut self, now: Instant) {
        match &mut self.state {
            State::Probing { .. } => self.state = State::Polling,
            State::Closing { until, probe: probe @ Some(_) } => {
                *probe = None;
                *until = (*until).min(after(now, self.engine.config.close_timeout));
            }
            _ => {}
        }
    }

    /// Lets the parked poll go if a probe has waited long enough for it.
    fn let_go(&mut self, now: Instant, out: &mut Vec<Output>) {
        if let State::Probing { probe, .. } = &mut self.state
            && probe.noop(self.parked).is_some_and(|noop| noop <= now)
        {
            *probe = Probe::Released { next: None };
            if self.parked {
                self.answer(PollAnswer::Noop, out);
            }
        }
    }

    /// The server ends the session: in order after what is queued, and with a poll or a probe to tell the client.
    fn close(&mut self, now: Instant, reason: CloseReason, out: &mut Vec<Output>) {
        if !self.is_open() {
            return;
        }
        if self.transport() == Transport::WebSocket {
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
        let closed = after(now, self.engine.config.close_timeout);
        let (until, probe) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Probing { until, probe } => (until.max(closed), Some(probe)),
            _ => (closed, None),
        };
        self.state = State::Closing { until, probe };
        out.push(Output::Closed(reason));
    }

    /// The server ends the session at once. A poll that is parked tells the client.
    fn put_out(&mut self, out: &mut Vec<Output>) {
        if self.is_open() {
            let direct = self.transport() == Transport::WebSocket;
            self.end(if direct { CloseReason::ForcedClose } else { CloseReason::ForcedServerClose }, out);
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
                out.push(Output::Send(Packet::Ping("".into())));
                self.heartbeat = Heartbeat::DeadAt(after(now, self.engine.config.ping_timeout));
            }
            Heartbeat::DeadAt(at) if at <= now => self.end(CloseReason::PingTimeout, out),
            Heartbeat::PingAt(_) | Heartbeat::DeadAt(_) => {}
        }
    }

    /// The client broke a rule that has nothing to do with how its packets are written.
    fn broken(&mut self, violation: Violation, out: &mut Vec<Output>) {
        out.push(Output::Broken(violation));
        self.end_for(violation, out);
    }

    /// Ends the session for what the client did. Only a broken probe is no reason to, and it doesn't get here.
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
