//! One session, without its wires.
//!
//! ```text
//!        requests                            applications
//!           │ open_get, open_post,              │ push, close, ring
//!           ▼ open_probe                        ▼
//!    SessionHandle, its doors                Mailbox ◀────────── frames ─────────┐
//!   ┌───────│───────────────────────────────────│────────────────────────────────│───┐
//!   │       ▼                                   ├──▶ outbox ──▶ answer to a poll │   │
//!   │     inbox                                 └──▶ queue of the WebSocket      │   │
//!   │       └──packets──▶ StateMachine ──messages─────────────────────────────▶ Layer│
//!   │                          ▲                                                     │
//!   └──────────────────────────│─────────────────────────────────────────────────────┘
//!                              └── packets of the WebSocket in use, and of one that is probed (Wires)
//! ```
//!
//! A [`Session`] decides in which order it handles all this, how much it reads or writes before other tasks run, and
//! when a client's packets wait. A driver gives it turns, moves its bytes, and sleeps in between.
//!
//! | file | of a session |
//! |---|---|
//! | `mod` | turns and rounds, what the state machine's outputs do |
//! | `opening`, `farewell` | how it begins, and how it ends |
//! | `deadlines` | its alarm |
//! | `inbox` | POSTs whose packets have not all been handled |
//! | `outbox` | frames that were taken for a poll |
//! | `reading` | POSTs and WebSocket messages, up to the state machine |
//! | `writing` | answers to polls, and frames on the WebSocket |
//! | `doors`, `guards`, `handle` | how requests reach it |
//! | `state_machine` | the protocol's states |
//! | `wires` | what moves its bytes |

mod deadlines;
mod doors;
mod farewell;
mod guards;
mod handle;
pub mod in_memory;
mod inbox;
mod observing;
mod opening;
mod outbox;
mod progress;
mod reading;
mod state_machine;
mod wires;
mod writing;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use crate::observe::What;
use crate::{CloseReason, Frame, Layer, MailboxReceiver, Outlet, Stalled};
use doors::{Arrival, Probe};
use inbox::Inbox;
use outbox::Outbox;
use progress::Progress;

pub use doors::OpenError;
pub use farewell::Farewell;
pub use guards::{Long, OpenGet, OpenPost, OpenProbe};
pub use handle::SessionHandle;
pub use opening::Opening;
pub use state_machine::{Input, Output, PollAnswer, StateMachine};
pub use wires::{Ending, Incoming, Line, Reply, WebSocketWire, Wires};

/// Packets that are handled before the answers to them are written. Without a limit, the answers to a burst would
/// pile up to the session's budget while the client waits to read them.
const ROUND: usize = 32;

/// Rounds after which other tasks run, even if there is more to do here.
const ROUNDS: u8 = 8;

thread_local! {
    /// Where state machines leave their outputs. It is empty between two inputs, so all sessions of a thread share its memory.
    static OUTPUTS: Cell<Vec<Output>> = const { Cell::new(Vec::new()) };
}

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
/// The fields that every turn reads come first, next to each other. In a broadcast, the sessions of the receivers are
/// not in the cache, and each cache line takes as long as a hundred instructions.
#[repr(C)]
pub struct Session<L, W: Wires> {
    mailbox: MailboxReceiver,
    handle: Arc<SessionHandle<W>>,
    /// How many packets were received and sent, for the log.
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
    /// The client has taken some of what was sent, since the last round.
    moved: bool,
    /// How many bytes, since a heartbeat was last due. It stops at the largest number.
    taken: u32,
    /// Why it ended, once it has.
    reason: Option<CloseReason>,
    machine: StateMachine,
    /// The WebSocket in use; `None` while the session polls.
    link: Option<W::WebSocket>,
    /// The WebSocket that is being probed.
    probe: Option<Box<Probe<W>>>,
    /// The packets of POSTs that have not been handled.
    inbox: Inbox<W>,
    stalled: Stalled,
    progress: Progress,
    layer: L,
    outbox: Outbox,
}

/// What comes after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Another round: there is more to do.
    Again,
    /// Another round, once other tasks have run.
    Yield,
    /// The task sleeps until it is woken.
    Sleep,
    /// The session is over. [`farewell`](Session::farewell) is left.
    Over,
}

impl<L: Layer, W: Wires> Session<L, W> {
    /// A turn begins. It has a number of rounds, and then other tasks run.
    pub fn begin_turn(&mut self) {
        self.rounds = 0;
        if let Some(link) = &mut self.link {
            link.begin_turn();
        }
        if let Some(probe) = &mut self.probe {
            probe.websocket.begin_turn();
        }
    }

    /// Handles what has arrived so far and the deadlines that have passed, and then writes what can be written.
    pub fn round(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> Round {
        if self.mailbox.look(self.outlet()) || self.held_back {
            self.rung(now, wires);
        }
        let outlet = self.outlet();
        self.answer_if_queued(now, wires);
        // Each says whether the client's packets were being handled. To ask again below could give another answer: other
        // tasks may queue something at any time.
        let (handled_posts, mut busy) = self.handle_posts(now, wires);
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
        // Once something is written, the client's next packets may be handled.
        let after = self.outlet();
        let opened = after == Outlet::Open && outlet != Outlet::Open;
        let eased = opened || (!(handled_posts && reads) && self.listens());
        if !busy && !eased && self.mailbox.poll_left(cx, after).is_pending() {
            return Round::Sleep;
        }
        self.rounds += 1;
        if self.rounds < ROUNDS { Round::Again } else { Round::Yield }
    }

    /// When a message that is queued now would be sent.
    fn outlet(&self) -> Outlet {
        match &self.link {
            Some(link) if self.machine.is_open() && link.is_drained() => Outlet::Open,
            None if self.machine.is_parked() => Outlet::Open,
            None if self.machine.parks() && self.outbox.is_empty() => Outlet::NextPoll,
            Some(_) | None => Outlet::Shut,
        }
    }

    /// Whether the client's packets are handled. They wait while much of the answers to earlier ones has not been
    /// sent. During that, the client is alive if it reads: packets that have waited don't show that.
    fn listens(&self) -> bool {
        !self.mailbox.is_crowded()
    }

    /// Handles what other tasks left besides frames: an eviction, requests at the doors, work for the layer, a wish to
    /// close. Then a parked poll gets the frames.
    fn rung(&mut self, now: Instant, wires: &mut W) {
        if let Some(limit) = self.mailbox.take_evicted() {
            return self.evict(now, limit, wires);
        }
        while let Some(arrival) = self.next_arrival() {
            match arrival {
                Arrival::PollAborted { lost } => self.input(now, Input::PollAborted { lost }, wires),
                Arrival::Broken(violation) => self.input(now, Input::Broken(violation), wires),
                Arrival::Poll => {
                    let queued = !self.outbox.is_empty() || self.mailbox.has_frames();
                    self.input(now, Input::PollOpened { queued }, wires);
                }
                Arrival::Post(posted) => self.queue_post(posted),
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

    /// The next request at the doors, or the end of one.
    fn next_arrival(&mut self) -> Option<Arrival<W>> {
        // Some clients read nothing until their POST is answered: those that post and poll in turn, or have stopped
        // polling for an upgrade. So a POST is answered even if its packets have to wait. It stays at its door only if
        // other POSTs wait already, and memory allows no more.
        let has_space = self.inbox.is_empty() || self.mailbox.may_bring(self.inbox.bytes());
        let mut doors = self.handle.doors.lock();
        let arrival = doors.next(has_space);
        self.held_back = !has_space && doors.has_post();
        arrival
    }

    fn poll_layer(&mut self, now: Instant) {
        self.stirred = true;
        self.layer.poll(now);
    }

    fn input(&mut self, now: Instant, input: Input, wires: &mut W) {
        self.stirred = true;
        let mut out = OUTPUTS.take();
        self.machine.handle(now, input, &mut out);
        match (out.pop(), out.is_empty()) {
            // Nearly always.
            (Some(only), true) => self.apply(now, only, wires),
            (last, _) => out.drain(..).chain(last).for_each(|output| self.apply(now, output, wires)),
        }
        OUTPUTS.set(out);
    }

    fn apply(&mut self, now: Instant, output: Output, wires: &mut W) {
        match output {
            Output::Answer(answer) => {
                let taken = answer == PollAnswer::Queued && !self.listens();
                self.answer_poll(answer);
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

    /// Why it ended, once it has.
    pub fn reason(&self) -> Option<CloseReason> {
        self.reason
    }

    /// How many packets were received.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// How many packets were sent.
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

    /// The handle for requests.
    pub fn handle(&self) -> &Arc<SessionHandle<W>> {
        &self.handle
    }
}

impl<L, W: Wires> fmt::Debug for Session<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("machine", &self.machine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
