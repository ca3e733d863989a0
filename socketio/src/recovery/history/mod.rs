//! The events that one client was sent, across its connections.

mod events;
mod returning;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engineio::memory::Held;
use engineio::{Frame, Mailbox, Sid};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::budget::Budget;
use super::kept::KeptEvent;
use super::offset::Offset;
use super::request::{RecoveryFailure, RecoveryRequest};
use crate::clock;
use crate::namespace::room::Room;
use crate::socket::values::Values;

/// socket.io-client waits for half a second, or longer, before it connects again. If a client comes sooner with the
/// pid of a connected socket, two connections came at the same time.
const SOONEST_RETURN: Duration = Duration::from_millis(500);

/// The memory of an event in each history that has it.
const ENTRY_COST: usize = 16;

/// About the memory of a lost socket besides its rooms and events: its history, its entries in the tables, and some
/// values.
const LOST_COST: usize = 1024;
const ROOM_COST: usize = 128;

/// How a history reaches its namespace: the function gives the history up there, and returns whether its socket was
/// away. A namespace that is gone has given up all of its histories.
pub(crate) type HomeNamespace = Arc<dyn Fn(&History) -> bool + Send + Sync>;

/// The latest events of one client, and where they are sent. It outlives the lost socket, and passes to the recovered
/// one.
pub(crate) struct History {
    pid: Sid,
    /// How many histories there were before.
    number: u64,
    home: HomeNamespace,
    window: Duration,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// The last offset when it began.
    since: Offset,
    /// The events that the client may not have received, in the order of sending.
    events: VecDeque<Arc<KeptEvent>>,
    /// The offset of the event before these; `None` if there was none since the first connect.
    base: Option<Offset>,
    /// The client has everything up to this offset from another node or from the adapter. This node may receive some
    /// of it later.
    had: Option<Offset>,
    /// Until when the client might get something twice if it recovered.
    doubted: Option<Instant>,
    /// Tasks that wait until the end of the lost socket is complete.
    waiting: Vec<oneshot::Sender<()>>,
    /// Bytes of events that are being sent to the client through an adapter.
    in_transit: usize,
    /// Tasks that wait for room. Dropping these wakes them.
    senders: Vec<oneshot::Sender<()>>,
}

enum Stage {
    /// The middlewares have not accepted it yet.
    New,
    /// Since then.
    Connected(Arc<Mailbox>, Instant),
    Lost(Box<Lost>),
    /// A new socket has claimed it, and is not accepted yet. Its client has received everything up to the offset.
    Claimed(Box<Lost>, Option<Offset>),
    Over,
}

/// Where events for the client are sent.
pub(crate) enum Destination {
    Open(Arc<Mailbox>),
    /// Nowhere at the moment. The receiver is woken when it should ask again.
    Blocked(oneshot::Receiver<()>),
    Over,
}

/// An event that is being sent to the client through an adapter, until this is dropped.
pub(crate) struct InTransit {
    history: Arc<History>,
    held: Held,
}

impl Drop for InTransit {
    fn drop(&mut self) {
        let mut state = self.history.state.lock();
        state.in_transit -= self.held.bytes();
        if state.has_space() {
            state.senders.clear();
        }
    }
}

/// The result of a claim.
pub(crate) enum Claim {
    Granted(RecoveredSocket),
    /// The server had not noticed that the old connection is gone. The receiver is woken when the old socket has
    /// ended.
    NotYet(Arc<History>, oneshot::Receiver<()>),
    Refused(RecoveryFailure),
    /// It is not here, but another node may have it.
    Elsewhere(RecoveryRequest),
}

/// Why a claimed socket is not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotResumed {
    /// The history has ended meanwhile.
    Ended,
    /// It has missed an event meanwhile that was not kept.
    Incomplete,
}

/// A lost socket that a client gets back.
pub(crate) struct RecoveredSocket {
    pub(crate) history: Arc<History>,
    pub(crate) id: Room,
    pub(crate) values: Option<Arc<Values>>,
    pub(super) ticket: Ticket,
    /// The last event that the client says it has received.
    pub(super) offset: Option<Offset>,
    /// It was on another node.
    pub(crate) is_foreign: bool,
}

impl RecoveredSocket {
    /// What the client has asked for.
    pub(crate) fn presented(&self) -> RecoveryRequest {
        RecoveryRequest { pid: self.history.pid(), offset: self.offset }
    }
}

/// When a lost socket is given up, and a number, since several can be lost at once.
pub(crate) type Ticket = (Instant, u64);

/// A socket that is away.
pub(crate) struct Lost {
    /// When it is given up.
    pub(crate) ticket: Ticket,
    pub(crate) id: Room,
    /// The rooms that it had joined.
    pub(crate) rooms: Vec<Room>,
    pub(crate) values: Option<Arc<Values>>,
    /// Its end is complete.
    pub(crate) settled: bool,
}

impl Lost {
    fn cost(&self) -> usize {
        LOST_COST + self.rooms.len() * ROOM_COST
    }
}

impl History {
    pub(super) fn new(
        number: u64,
        since: Offset,
        home: &HomeNamespace,
        window: Duration,
        budget: &Arc<Budget>,
    ) -> History {
        let state = State {
            stage: Stage::New,
            since,
            events: VecDeque::new(),
            base: None,
            had: None,
            doubted: None,
            waiting: Vec::new(),
            in_transit: 0,
            senders: Vec::new(),
        };
        let (pid, home, budget) = (Sid::generate(), Arc::clone(home), Arc::clone(budget));
        History { pid, number, home, window, budget, state: Mutex::new(state) }
    }

    /// The history of a socket of another node that a client recovers here.
    pub(super) fn adopted(mut self, presented: RecoveryRequest, lost: Lost) -> History {
        self.pid = presented.pid;
        self.budget.add(lost.cost());
        let state = self.state.get_mut();
        state.base = presented.offset;
        state.had = presented.offset;
        state.stage = Stage::Claimed(Box::new(lost), presented.offset);
        self
    }

    /// The secret with which the client asks for its recovery.
    pub(crate) fn pid(&self) -> Sid {
        self.pid
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it is of that namespace.
    pub(super) fn is_at_home(&self, home: &HomeNamespace) -> bool {
        Arc::ptr_eq(&self.home, home)
    }

    /// Tells its namespace to give it up. Returns whether its socket was away and not claimed.
    pub(super) fn give_up_at_home(&self) -> bool {
        (self.home)(self)
    }

    /// The socket is connected. `reply` is sent first.
    pub(super) fn begin(&self, mailbox: &Arc<Mailbox>, reply: &Frame) {
        let mut state = self.state.lock();
        if let Stage::New = state.stage {
            mailbox.push_owed(std::slice::from_ref(reply));
            state.stage = Stage::Connected(Arc::clone(mailbox), clock::now());
        }
    }
}

impl State {
    /// Whether an adapter has little enough of the client's events.
    fn has_space(&self) -> bool {
        match &self.stage {
            Stage::Connected(mailbox, _) => self.in_transit <= mailbox.budget() / 4,
            _ => false,
        }
    }

    fn is_doubted(&self) -> bool {
        self.doubted.is_some_and(|until| until > clock::now())
    }

    /// Whether the client already has an event that this node receives only now. After the first one that it doesn't
    /// have, it has none.
    fn has_had(&mut self, event: &KeptEvent) -> bool {
        self.had = self.had.filter(|had| event.offset == *had || event.offset.is_before(*had));
        self.had.is_some()
    }

    /// How many of the events the client has received if this was its last one; `None` if the offset is unknown.
    fn behind(&self, offset: Option<Offset>) -> Option<usize> {
        if offset == self.base {
            return Some(0);
        }
        if let Some(at) = self.events.iter().position(|kept| Some(kept.offset) == offset) {
            return Some(at + 1);
        }
        // socket.io-client keeps its offset when it gets a new pid. An offset from before that pid means that it has
        // received nothing since.
        let is_older = |offset: Offset| offset.is_before(self.since);
        (self.base.is_none() && offset.is_none_or(is_older)).then_some(0)
    }
}

#[cfg(test)]
impl History {
    /// The client has what came up to this offset.
    pub(super) fn has_got(&self, offset: Option<Offset>) {
        self.state.lock().had = offset;
    }

    /// Whether the state is locked right now.
    pub(super) fn is_locked(&self) -> bool {
        self.state.is_locked()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.end();
    }
}
