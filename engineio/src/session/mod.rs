//! One session, without its wires.
//!
//! ```text
//!            requests                                        applications
//!               │ open_get, open_post, open_probe                 │ push, close, wake
//!               ▼                                                 ▼
//!        SessionHandle, its doors                              Mailbox
//!   ┌───────────│─────────────────────────────────────────────────│──────────────┐
//!   │ Session   ▼                                                 ▼              │
//!   │         inbox ──packets──▶ StateMachine ──messages──▶ Layer ──frames──▶ outbox
//!   │                                ▲                                           │
//!   └────────────────────────────────│───────────────────────────────────────────┘
//!                                    └── WebSocket in use, WebSocket that is probed (Wires)
//! ```
//!
//! A [`Session`] decides in which order it handles all this, how much it takes in or writes before something
//! else has its turn, and when a client's packets wait. A driver gives it turns, moves its bytes, and sleeps in
//! between.

mod doors;
mod handle;
pub mod in_memory;
mod inbox;
mod reading;
mod requests;
mod state_machine;
mod wires;
mod writing;

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use crate::observe::{Carrier, Direction, Watch, What};
use crate::{
    Application, CloseReason, Engine, Frame, HandshakeRequest, Layer, Limit, MailboxReceiver, Opened, Outlet,
    Packet, Stalled, Transport, Violation, open_packet,
};
use doors::{Arrival, Probe};
use inbox::Inbox;

pub use doors::OpenError;
pub use handle::SessionHandle;
pub use requests::{Long, OpenGet, OpenPost, OpenProbe};
pub use state_machine::{Input, Output, PollAnswer, StateMachine};
pub use wires::{Ending, Incoming, Line, Reply, WebSocketWire, Wires};

/// Packets that are taken in before what they brought about is written. Without a limit, the answers to a
/// burst would pile up to the session's budget while the client waits to read them.
const ROUND: usize = 32;

/// Rounds after which other tasks have their turn, though there is more to be done here.
const ROUNDS: u8 = 8;

/// A session: its state machine, its layer, what waits in either direction, and its WebSockets. It belongs to one
/// task, which gives it turns:
///
/// ```
/// use std::{task::{Context, Poll}, time::Instant};
/// use engineio::session::{Round, Session, Wires};
/// use engineio::Layer;
///
/// fn poll<L: Layer, W: Wires>(
///     session: &mut Session<L, W>,
///     cx: &mut Context<'_>,
///     now: impl Fn() -> Instant,
///     wires: &mut W,
/// ) -> Poll<()> {
///     session.begin_turn();
///     loop {
///         match session.round(cx, now(), wires) {
///             Round::Again => {}
///             Round::Yield => {
///                 cx.waker().wake_by_ref();
///                 return Poll::Pending;
///             }
///             Round::Sleep => return Poll::Pending,
///             Round::Over => return Poll::Ready(()),
///         }
///     }
/// }
/// ```
///
/// What every turn looks at comes first, side by side. A broadcast finds the sessions of its receivers in cold memory,
/// and each line of it that one has to wait for costs as much as a hundred instructions.
#[repr(C)]
pub struct Session<L, W: Wires> {
    mailbox: MailboxReceiver,
    handle: Arc<SessionHandle<W>>,
    engine: Arc<Engine>,
    /// How many packets came and went, for the log.
    received: u32,
    sent: u32,
    /// The code of the close frame that ends the WebSocket in use.
    close_code: Option<u16>,
    /// Rounds of this turn.
    rounds: u8,
    /// The session or the layer was called since the alarm was set, and may have another deadline.
    stirred: bool,
    /// A POST waits at its door until there is room for it.
    held_back: bool,
    /// The client took something that was sent since this was noted last.
    moved: bool,
    /// Why it ended, once it has.
    reason: Option<CloseReason>,
    machine: StateMachine,
    /// The WebSocket in use; `None` while the session polls.
    link: Option<W::WebSocket>,
    /// The WebSocket that is being probed.
    probe: Option<Box<Probe<W>>>,
    /// The packets of POSTs that have not been taken in.
    inbox: Inbox<W>,
    stalled: Stalled,
    /// The state machine's outputs; kept for its memory.
    out: Vec<Output>,
    layer: L,
    /// Frames taken from the mailbox for a poll, and cut from its answer.
    outbox: VecDeque<Frame>,
}

/// A session that is about to begin.
#[derive(Debug)]
pub struct Opening<W: Wires> {
    /// How requests will find it.
    pub handle: Arc<SessionHandle<W>>,
    /// Its own side of its mailbox, which came with that.
    pub mailbox: MailboxReceiver,
    /// The WebSocket that it begins with; `None` if it polls.
    pub link: Option<W::WebSocket>,
    /// The request that opens it.
    pub handshake: HandshakeRequest,
    /// That request's number, for observers.
    pub exchange: u64,
}

/// What is left to be done once a session is over.
#[derive(Debug)]
pub struct Farewell<W: Wires> {
    /// The WebSocket that was in use, what is left to be sent in its queue.
    pub websocket: W::WebSocket,
    /// The code of the close frame that comes after that, if it is to have one.
    pub code: Option<u16>,
    /// How long all of it may take.
    pub within: Duration,
}

/// What comes after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Another: there is more to be done.
    Again,
    /// Another, once other tasks have had their turn.
    Yield,
    /// The task sleeps until it is woken.
    Sleep,
    /// The session is over. [`farewell`](Session::farewell) is left.
    Over,
}

impl<L: Layer, W: Wires> Session<L, W> {
    /// Begins a session: the layer is made, and on a WebSocket the open packet is the first to go out. By polling, it
    /// is the answer to the handshake, and is not seen to here.
    pub fn open<A: Application<Layer = L>>(
        application: &A,
        opening: Opening<W>,
        engine: Arc<Engine>,
        now: Instant,
    ) -> Session<L, W> {
        let Opening { handle, mailbox, link, handshake, exchange } = opening;
        let (sid, format) = (handle.sid, handle.format);
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        if link.is_some() {
            // It comes first, before anything that the layer queues when it opens.
            mailbox.push_control(Frame::from(&open_packet(&engine.config, &sid, transport)));
        }
        engine.observers.see(Some(&sid), || What::Opened {
            exchange,
            transport,
            revision: format.revision,
            base64: format.base64,
            handshake: &handshake,
        });
        let layer = application.open(
            Opened {
                sid,
                revision: format.revision,
                transport,
                mailbox: handle.mailbox.clone(),
                handshake,
                observers: engine.observers.clone(),
            },
            now,
        );
        Session {
            machine: StateMachine::new(engine.clone(), format.revision, transport, now),
            mailbox,
            handle,
            engine,
            received: 0,
            sent: u32::from(link.is_none()),
            close_code: None,
            rounds: 0,
            stirred: true,
            held_back: false,
            moved: false,
            reason: None,
            link,
            probe: None,
            inbox: Inbox::new(),
            stalled: Stalled::default(),
            // Nearly always it is one at a time, and a list that grows begins with four.
            out: Vec::with_capacity(1),
            layer,
            outbox: VecDeque::new(),
        }
    }

    /// The task that drives it runs again. It does so for a number of rounds, and then others have their turn.
    pub fn begin_turn(&mut self) {
        self.rounds = 0;
        if let Some(link) = &mut self.link {
            link.begin_turn();
        }
        if let Some(probe) = &mut self.probe {
            probe.websocket.begin_turn();
        }
    }

    /// Looks once at everything that may have come, and writes what can be written.
    pub fn round(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> Round {
        if self.mailbox.look(self.outlet()) || self.held_back {
            self.rung(now, wires);
        }
        let outlet = self.outlet();
        self.answer_if_queued(now, wires);
        // Asked once for each: others may queue something at any time.
        let (takes_in, mut busy) = self.take_in(now, wires);
        let (reads, read) = self.read(cx, now, wires);
        busy |= read;
        busy |= self.poll_probe(cx, now, wires);
        busy |= self.expire(cx, now, wires);
        self.answer_if_queued(now, wires);
        self.write(cx, now, wires);
        if self.machine.is_over() {
            return Round::Over;
        }
        let moved = std::mem::take(&mut self.moved);
        if self.stalled.note(now, self.mailbox.is_over_budget(), moved) {
            (self.stirred, busy) = (true, true);
        }
        // What has been written may let the client's next packets through.
        let after = self.outlet();
        let opened = after == Outlet::Open && outlet != Outlet::Open;
        let eased = opened || (!(takes_in && reads) && self.listens());
        if !busy && !eased && self.mailbox.poll_left(cx, after).is_pending() {
            return Round::Sleep;
        }
        self.rounds += 1;
        if self.rounds < ROUNDS { Round::Again } else { Round::Yield }
    }

    /// How a message that is queued now would go out.
    fn outlet(&self) -> Outlet {
        match &self.link {
            Some(link) if self.machine.is_open() && link.is_drained() => Outlet::Open,
            None if self.machine.is_parked() => Outlet::Open,
            None if self.machine.parks() && self.outbox.is_empty() => Outlet::NextPoll,
            Some(_) | None => Outlet::Shut,
        }
    }

    /// Whether the client's packets are taken in. They wait while a good part of what earlier ones brought
    /// about has not been sent. What shows then that the client lives is that it takes what is sent: packets that
    /// have waited say nothing of who sent them.
    fn listens(&self) -> bool {
        !self.mailbox.is_crowded()
    }

    /// Looks at what others left: requests at the doors, work for the layer, frames, a wish to close.
    fn rung(&mut self, now: Instant, wires: &mut W) {
        if let Some(limit) = self.mailbox.take_put_out() {
            return self.put_out(now, limit, wires);
        }
        while let Some(arrival) = self.next_arrival() {
            match arrival {
                Arrival::PollAborted { lost } => self.input(now, Input::PollAborted { lost }, wires),
                Arrival::Broken(violation) => self.input(now, Input::Broken(violation), wires),
                Arrival::Poll => {
                    let queued = !self.outbox.is_empty() || self.mailbox.has_frames();
                    self.input(now, Input::PollOpened { queued }, wires);
                }
                Arrival::Post(posted) => self.let_in(posted),
                Arrival::Probe(probe) => {
                    self.see(|| What::ProbeOpened);
                    self.probe = Some(probe);
                    self.input(now, Input::ProbeOpened, wires);
                }
            }
        }
        if self.machine.is_open() {
            self.poll_layer(now);
        }
        self.answer_if_queued(now, wires);
        if let Some(reason) = self.mailbox.take_close() {
            self.input(now, Input::Close(reason), wires);
        }
    }

    fn next_arrival(&mut self) -> Option<Arrival<W>> {
        // Many a client takes nothing until its POST is answered: one that posts and polls in turn, or has
        // stopped polling for an upgrade. So POSTs are answered though what they bring has to wait.
        let posts = self.inbox.is_empty() || self.mailbox.may_bring(self.inbox.bytes());
        let mut doors = self.handle.doors.lock();
        let arrival = doors.next(posts);
        self.held_back = !posts && doors.has_post();
        arrival
    }

    /// Ends the session of a client that met that limit, and lets go of what is held for it.
    fn put_out(&mut self, now: Instant, limit: Limit, wires: &mut W) {
        wires.log(Line::PutOut(limit));
        self.outbox.clear();
        self.clear_inbox();
        if let Some(link) = &mut self.link {
            link.abandon();
        }
        self.input(now, Input::PutOut, wires);
        self.mailbox.let_go();
    }

    /// Sees to deadlines that have passed, and sets the alarm for the next. Says whether one had passed.
    fn expire(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> bool {
        if !std::mem::take(&mut self.stirred) && wires.is_alarm_set(now) {
            return false;
        }
        let layer = self.layer.deadline().filter(|_| self.machine.is_open());
        let session = self.machine.deadline();
        let stalled = self.stalled.until(wires.write_timeout());
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if passed(session) {
            self.input(now, Input::Timeout, wires);
        }
        if passed(layer) && self.machine.is_open() {
            self.poll_layer(now);
        }
        if passed(stalled) {
            self.mailbox.mailbox().put_out(Limit::SendBudget);
        }
        if passed(session) || passed(layer) || passed(stalled) {
            return true;
        }
        let next = session.into_iter().chain(layer).chain(stalled).min();
        self.stirred = next.is_some_and(|next| wires.poll_alarm(cx, now, next).is_ready());
        self.stirred
    }

    fn poll_layer(&mut self, now: Instant) {
        self.stirred = true;
        self.layer.poll(now);
    }

    fn input(&mut self, now: Instant, input: Input, wires: &mut W) {
        self.stirred = true;
        let mut out = std::mem::take(&mut self.out);
        self.machine.handle(now, input, &mut out);
        for output in out.drain(..) {
            self.apply(now, output, wires);
        }
        self.out = out;
    }

    fn apply(&mut self, now: Instant, output: Output, wires: &mut W) {
        match output {
            Output::Answer(answer) => {
                let taken = answer == PollAnswer::Queued && !self.listens();
                self.answer(answer);
                if taken {
                    self.input(now, Input::Taken, wires);
                }
            }
            Output::Send(packet) => self.mailbox.push_control(Frame::from(&packet)),
            Output::SendProbe(packet) => self.send_probe(&packet),
            Output::Deliver(message) => self.layer.message(message, now),
            Output::Upgrade => self.upgrade(),
            Output::DropProbe => self.drop_probe(None, wires),
            Output::Broken(violation) => {
                self.broke(violation.name(), violation.section(), &violation, wires);
            }
            Output::Closed(reason) => {
                let transport = self.handle.known().transport;
                self.see(|| What::Closed { reason, transport });
                self.reason = Some(reason);
                self.mailbox.shut();
                self.layer.closed(reason);
            }
        }
    }

    /// The session is [over](Round::Over), and accepts no more requests. `None` if its client has left, or
    /// knows.
    pub fn farewell(&mut self) -> Option<Farewell<W>> {
        self.handle.shut();
        self.mailbox.shut();
        if self.link.as_ref().is_none_or(W::WebSocket::is_gone) {
            return None;
        }
        self.load(usize::MAX);
        let (websocket, code) = (self.link.take()?, self.close_code);
        self.watch(Carrier::WebSocket).closing(code, "");
        Some(Farewell { websocket, code, within: self.engine.config.close_timeout })
    }

    /// Whether the client is put out while its WebSocket is closed. If it isn't, the task is woken when it is.
    pub fn is_put_out(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            self.mailbox.look(Outlet::Shut);
            if self.mailbox.take_put_out().is_some() {
                return true;
            }
            if self.mailbox.poll_left(cx, Outlet::Shut).is_pending() {
                return false;
            }
        }
    }

    /// Why it ended, once it has.
    pub fn reason(&self) -> Option<CloseReason> {
        self.reason
    }

    /// How many packets came.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// How many packets went.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// The WebSocket in use; `None` while the session polls.
    pub fn link_mut(&mut self) -> Option<&mut W::WebSocket> {
        self.link.as_mut()
    }

    /// The WebSocket that is being probed.
    pub fn probe_mut(&mut self) -> Option<&mut W::WebSocket> {
        self.probe.as_mut().map(|probe| &mut probe.websocket)
    }

    /// How requests find it.
    pub fn handle(&self) -> &Arc<SessionHandle<W>> {
        &self.handle
    }
}

/// # What observers see
impl<L: Layer, W: Wires> Session<L, W> {
    fn is_watched(&self) -> bool {
        !self.engine.observers.is_empty()
    }

    fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.engine.observers.see(Some(&self.handle.sid), what);
    }

    /// Who watches one of the WebSockets.
    fn watch(&self, carrier: Carrier) -> Watch<'_> {
        watch(&self.engine, &self.handle, carrier)
    }

    fn see_incoming(&self, carrier: Carrier, packet: &Result<Packet, Violation>, wires: &mut W) {
        match packet {
            Ok(packet) => {
                self.see(|| What::Packet { direction: Direction::In, carrier, packet: packet.into() });
            }
            Err(violation) => self.broke(violation.name(), violation.section(), violation, wires),
        }
    }

    /// Notes a rule that the client broke.
    fn broke(&self, rule: &'static str, section: &'static str, error: &dyn Error, wires: &mut W) {
        wires.log(Line::Broke { rule, section, error });
        self.see(|| What::Violation { rule, section, error });
    }

    /// Notes a rule of WebSocket that the client broke, or a limit that was met.
    fn broken(&self, ending: Ending, wires: &mut W) {
        if let Some(violation) = ending.violation {
            self.broke(violation.name(), violation.section(), &violation, wires);
        }
        if let Some(limit) = ending.limit {
            self.engine.hits.count(limit);
        }
    }

    fn see_outgoing(&mut self, carrier: Carrier, frame: &Frame) {
        if self.is_watched() {
            self.see(|| What::Packet { direction: Direction::Out, carrier, packet: frame.into() });
            self.layer.sent(frame);
        }
    }
}

/// Who watches one of a session's WebSockets. It borrows no more of the session than it has to.
fn watch<'a, W: Wires>(engine: &'a Engine, handle: &'a SessionHandle<W>, carrier: Carrier) -> Watch<'a> {
    Watch::new(&engine.observers, &handle.sid, handle.format.revision, carrier)
}

impl<L, W: Wires> fmt::Debug for Session<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("machine", &self.machine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
