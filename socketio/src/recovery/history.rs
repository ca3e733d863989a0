//! The events that one client was sent, across its connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engineio::memory::Held;
use engineio::{CloseReason, Frame, Mailbox, QueueError, Sid};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::budget::{Budget, Shortage};
use super::kept::Kept;
use super::offset::Offset;
use super::presented::{Presented, Refusal};
use crate::clock;
use crate::namespace::room::Room;
use crate::socket::values::Values;

/// socket.io-client waits for half a second, or longer, before it connects again. Whoever comes sooner with
/// the pid of a connected socket is one of two that came at the same time.
const SOONEST_RETURN: Duration = Duration::from_millis(500);

/// What an event takes in each history that it is in.
const ENTRY_COST: usize = 16;

/// What a socket that is away takes, beside its rooms and its events. About: its history, its places in the
/// tables, and some values.
const LOST_COST: usize = 1024;
const ROOM_COST: usize = 128;

/// The namespace of a history, as the history knows it: what gives the history up there, and says whether its socket was
/// away. A namespace that is gone has given up all of its histories.
pub(crate) type Home = Arc<dyn Fn(&History) -> bool + Send + Sync>;

/// The latest events of one client, and where they go. It outlives the socket that is lost and goes on with
/// the one that is recovered.
pub(crate) struct History {
    pid: Sid,
    /// How many histories there were before.
    number: u64,
    home: Home,
    window: Duration,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// What offsets had come to when it began.
    since: Offset,
    /// What the client has perhaps not got, in the order of sending.
    events: VecDeque<Arc<Kept>>,
    /// The offset of the event before these; `None` if there was none since the first connect.
    base: Option<Offset>,
    /// What came up to this offset, the client has from another node or from the adapter. This node may hear it later.
    had: Option<Offset>,
    /// Until when the client may get something twice if it comes back.
    doubted: Option<Instant>,
    /// Who waits for the lost socket to be settled.
    waiting: Vec<oneshot::Sender<()>>,
    /// Bytes of events that are on their way to the client through an adapter.
    coming: usize,
    /// Who waits for room. They hear that it is worth a look when these are dropped.
    senders: Vec<oneshot::Sender<()>>,
}

enum Stage {
    /// The middlewares have not let it in yet.
    New,
    /// Since then.
    Connected(Arc<Mailbox>, Instant),
    Lost(Box<Lost>),
    /// A new socket has it, and is not let in yet. It has got what came up to the offset.
    Claimed(Box<Lost>, Option<Offset>),
    Over,
}

/// Where what is sent to the client goes.
pub(crate) enum Way {
    Open(Arc<Mailbox>),
    /// Nowhere at present. The receiver hears when it is worth another look.
    Blocked(oneshot::Receiver<()>),
    Over,
}

/// An event that is on its way to the client through an adapter, until it is dropped.
pub(crate) struct Coming {
    history: Arc<History>,
    held: Held,
}

impl Drop for Coming {
    fn drop(&mut self) {
        let mut state = self.history.state.lock();
        state.coming -= self.held.bytes();
        if state.has_room() {
            state.senders.clear();
        }
    }
}

/// What comes of a claim.
pub(crate) enum Claim {
    Granted(Granted),
    /// The server had not noticed that the old connection is gone. The receiver hears when the old socket
    /// has ended.
    NotYet(Arc<History>, oneshot::Receiver<()>),
    Refused(Refusal),
    /// It is not here, and another node may have it.
    Elsewhere(Presented),
}

/// Why a socket that was claimed is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotResumed {
    /// The history has ended meanwhile.
    Ended,
    /// It has missed something meanwhile that was not kept.
    Incomplete,
}

/// A socket that was away, for the new one.
pub(crate) struct Granted {
    pub(crate) history: Arc<History>,
    pub(crate) id: Room,
    pub(crate) values: Option<Arc<Values>>,
    pub(super) ticket: Ticket,
    /// What the client says that it has got.
    pub(super) offset: Option<Offset>,
    /// It was one of another node.
    pub(crate) is_foreign: bool,
}

impl Granted {
    /// What the client has said.
    pub(crate) fn presented(&self) -> Presented {
        Presented { pid: self.history.pid(), offset: self.offset }
    }
}

/// When a socket that is away is given up, and a number, since several can be lost at once.
pub(crate) type Ticket = (Instant, u64);

/// A socket that is away.
pub(crate) struct Lost {
    /// When it is given up.
    pub(crate) ticket: Ticket,
    pub(crate) id: Room,
    /// Those that it had joined.
    pub(crate) rooms: Vec<Room>,
    pub(crate) values: Option<Arc<Values>>,
    /// What its end had to do is done.
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
        home: &Home,
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
            coming: 0,
            senders: Vec::new(),
        };
        let (pid, home, budget) = (Sid::generate(), Arc::clone(home), Arc::clone(budget));
        History { pid, number, home, window, budget, state: Mutex::new(state) }
    }

    /// The history of a socket of another node that a client comes back to here.
    pub(super) fn adopted(mut self, presented: Presented, lost: Lost) -> History {
        self.pid = presented.pid;
        self.budget.add(lost.cost());
        let state = self.state.get_mut();
        state.base = presented.offset;
        state.had = presented.offset;
        state.stage = Stage::Claimed(Box::new(lost), presented.offset);
        self
    }

    /// What the client identifies itself by when it comes back. It is a secret between the two.
    pub(crate) fn pid(&self) -> Sid {
        self.pid
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it is of that namespace.
    pub(super) fn is_at_home(&self, home: &Home) -> bool {
        Arc::ptr_eq(&self.home, home)
    }

    /// Has its namespace give it up. Says whether its socket was away, and nobody had claimed it.
    pub(super) fn give_up_at_home(&self) -> bool {
        (self.home)(self)
    }

    /// The socket is connected: `reply` is the first that it is sent.
    pub(super) fn begin(&self, mailbox: &Arc<Mailbox>, reply: &Frame) {
        let mut state = self.state.lock();
        if let Stage::New = state.stage {
            mailbox.push_owed(std::slice::from_ref(reply));
            state.stage = Stage::Connected(Arc::clone(mailbox), clock::now());
        }
    }
}

/// # Events
impl History {
    /// Sends an event to this client alone. If it is away, it will get it; also if it is about to be.
    pub(crate) fn send(&self, event: &Arc<Kept>) -> Result<(), QueueError> {
        let mut state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _) => {
                if let Err(QueueError::Full) = mailbox.push(event.frames.as_slice()) {
                    return Err(QueueError::Full);
                }
            }
            Stage::Lost(_) | Stage::Claimed(..) => {}
            Stage::New | Stage::Over => return Err(QueueError::Closed),
        }
        self.append(&mut state, event);
        Ok(())
    }

    /// Sends a share of a broadcast, if the client is connected. One that is put out for it may come back for what
    /// it missed.
    pub(crate) fn share(&self, event: &Arc<Kept>) -> bool {
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Connected(..)) || state.has_had(event) {
            return false;
        }
        let Stage::Connected(mailbox, _) = &state.stage else { return false };
        mailbox.push_owed(event.frames.as_slice());
        self.append(&mut state, event);
        true
    }

    /// Sends an event even over the budget, or keeps it until the client comes back. Returns whether it did.
    pub(crate) fn deliver(&self, event: &Arc<Kept>) -> bool {
        let mut state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _) => drop(mailbox.push_owed(event.frames.as_slice())),
            Stage::Lost(_) | Stage::Claimed(..) => {}
            Stage::New | Stage::Over => return false,
        }
        self.append(&mut state, event);
        true
    }

    /// Puts in what came before, and perhaps some of what is here. This node may have yet to hear some of it.
    pub(super) fn prepend(&self, events: Vec<Arc<Kept>>) {
        let mut state = self.state.lock();
        let (Stage::Claimed(..), Some(last)) = (&state.stage, events.last().map(|kept| kept.offset)) else {
            return;
        };
        let had = state.events.len();
        let since: Vec<_> = state.events.drain(..).filter(|kept| kept.offset > last).collect();
        state.had = Some(last);
        state.events = events.into_iter().chain(since).collect();
        self.budget.add(state.events.len() * ENTRY_COST);
        self.budget.sub(had * ENTRY_COST);
    }

    /// The client gets something before its turn, without an offset. If it lost its connection soon, nobody could say
    /// what it has got. Says whether it has not got it already, which it has if it has what came up to `offset`.
    pub(crate) fn doubt(&self, offset: Option<Offset>) -> bool {
        let mut state = self.state.lock();
        if offset.is_some() && offset <= state.had {
            return false;
        }
        state.doubted = Some(clock::after(self.window));
        true
    }

    pub(crate) fn is_doubted(&self) -> bool {
        self.state.lock().is_doubted()
    }

    /// Keeps a share of a broadcast for a socket that is away.
    pub(super) fn miss(&self, event: &Arc<Kept>) {
        let mut state = self.state.lock();
        if let Stage::Lost(_) | Stage::Claimed(..) = state.stage
            && !state.has_had(event)
        {
            self.append(&mut state, event);
        }
    }

    /// Where events go, if the client is connected.
    pub(crate) fn mailbox(&self) -> Option<Arc<Mailbox>> {
        match &self.state.lock().stage {
            Stage::Connected(mailbox, _) => Some(Arc::clone(mailbox)),
            _ => None,
        }
    }

    /// An event goes to the client through an adapter.
    pub(crate) fn coming(self: &Arc<Self>, bytes: usize) -> Coming {
        self.state.lock().coming += bytes;
        Coming { history: Arc::clone(self), held: Held::new(bytes) }
    }

    /// Whether more waits for a connected client than it may, with what is still on its way through an adapter.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _) => mailbox.cost() + state.coming >= mailbox.budget(),
            _ => false,
        }
    }

    /// Where what is sent to the client goes, if it is connected and not too much is on its way. The connection of the
    /// mailbox `ended` is over.
    pub(crate) fn way(&self, ended: Option<&Arc<Mailbox>>) -> Way {
        let mut state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _)
                if state.has_room() && ended.is_none_or(|ended| !Arc::ptr_eq(ended, mailbox)) =>
            {
                Way::Open(Arc::clone(mailbox))
            }
            Stage::Connected(..) | Stage::Lost(_) | Stage::Claimed(..) => {
                let (sender, blocked) = oneshot::channel();
                state.senders.retain(|sender| !sender.is_closed());
                state.senders.push(sender);
                Way::Blocked(blocked)
            }
            Stage::New | Stage::Over => Way::Over,
        }
    }

    /// Whether the client is connected, or may come back.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state.lock().stage, Stage::New | Stage::Over)
    }

    fn append(&self, state: &mut State, event: &Arc<Kept>) {
        state.events.push_back(Arc::clone(event));
        self.budget.add(ENTRY_COST);
        if let Stage::Connected(..) = state.stage {
            self.drop_older(state, event.at);
            let count = state.events.len();
            match self.budget.shortage() {
                Shortage::None => {}
                Shortage::Half => self.drop_first(state, count / 2),
                Shortage::All => self.drop_first(state, count),
            }
        }
    }

    /// Lets go what a connected client has long got.
    pub(super) fn forget(&self, now: Instant) {
        let mut state = self.state.lock();
        if let Stage::Connected(..) = state.stage {
            self.drop_older(&mut state, now);
        }
    }

    /// A connection that is lost without notice is found out long before an event is that old.
    fn drop_older(&self, state: &mut State, now: Instant) {
        let old = |kept: &&Arc<Kept>| now.duration_since(kept.at) > self.window;
        let count = state.events.iter().take_while(old).count();
        self.drop_first(state, count);
    }

    fn drop_first(&self, state: &mut State, count: usize) {
        if count == 0 {
            return;
        }
        for kept in state.events.drain(..count) {
            state.base = Some(kept.offset);
        }
        self.budget.sub(count * ENTRY_COST);
    }
}

/// # Coming and going
impl History {
    /// The connection is lost. Says whether the history has not ended before.
    pub(super) fn lose(&self, lost: Lost) -> bool {
        let mut state = self.state.lock();
        let connected = matches!(state.stage, Stage::Connected(..));
        if connected {
            self.budget.add(lost.cost());
            state.stage = Stage::Lost(Box::new(lost));
        }
        connected
    }

    /// What the old socket's end had to do is done: it is out of its rooms, and its handlers know. Who waits
    /// for that may go on.
    pub(crate) fn settle(&self) {
        let mut state = self.state.lock();
        if let Stage::Lost(lost) = &mut state.stage {
            lost.settled = true;
        }
        for waiting in state.waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = waiting.send(());
        }
    }

    /// Hands out the history of a socket that is away, once.
    pub(super) fn claim(self: &Arc<Self>, offset: Option<Offset>) -> Claim {
        let mut state = self.state.lock();
        let known = state.behind(offset).is_some();
        match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Lost(lost) if known && lost.ticket.0 > clock::now() => {
                if !lost.settled {
                    state.stage = Stage::Lost(lost);
                    return self.wait(&mut state);
                }
                let (id, values) = (Arc::clone(&lost.id), lost.values.clone());
                let (ticket, history) = (lost.ticket, Arc::clone(self));
                state.stage = Stage::Claimed(lost, offset);
                Claim::Granted(Granted { history, ticket, id, values, offset, is_foreign: false })
            }
            Stage::Connected(mailbox, since) if known && since.elapsed() >= SOONEST_RETURN => {
                // Only the client knows the pid: it has lost its connection, and we have not heard yet.
                mailbox.close(CloseReason::TransportClose);
                state.stage = Stage::Connected(mailbox, since);
                self.wait(&mut state)
            }
            stage => {
                state.stage = stage;
                Claim::Refused(match &state.stage {
                    Stage::Lost(lost) if lost.ticket.0 <= clock::now() => Refusal::Expired,
                    Stage::Lost(_) => Refusal::Offset,
                    Stage::Connected(..) if !known => Refusal::Offset,
                    Stage::Connected(..) | Stage::Claimed(..) => Refusal::Taken,
                    Stage::New | Stage::Over => Refusal::Unknown,
                })
            }
        }
    }

    fn wait(self: &Arc<Self>, state: &mut State) -> Claim {
        let (tell, told) = oneshot::channel();
        state.waiting.push(tell);
        Claim::NotYet(Arc::clone(self), told)
    }

    /// Whether the client is connected, and could come back if it were not.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Connected(..)) && !self.is_doubted()
    }

    /// The socket that is away: its id, its rooms and its values.
    pub(super) fn lost(&self) -> Option<(Room, Vec<Room>, Option<Arc<Values>>)> {
        match &self.state.lock().stage {
            Stage::Lost(lost) | Stage::Claimed(lost, _) => {
                Some((Arc::clone(&lost.id), lost.rooms.clone(), lost.values.clone()))
            }
            _ => None,
        }
    }

    /// The rooms of the socket that is away.
    pub(crate) fn rooms(&self) -> Vec<Room> {
        match &self.state.lock().stage {
            Stage::Lost(lost) | Stage::Claimed(lost, _) => lost.rooms.clone(),
            _ => Vec::new(),
        }
    }

    /// The new socket is let in: it gets what it missed, and `reply` after it. Returns the old socket.
    pub(super) fn resume(&self, mailbox: &Arc<Mailbox>, reply: &Frame) -> Result<Lost, NotResumed> {
        let mut state = self.state.lock();
        let doubted = state.is_doubted();
        let (lost, offset) = match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Claimed(lost, offset) if !doubted => (lost, offset),
            other => {
                let claimed = matches!(other, Stage::Claimed(..));
                state.stage = other;
                return Err(if claimed { NotResumed::Incomplete } else { NotResumed::Ended });
            }
        };
        let got = state.behind(offset).unwrap_or_default();
        self.drop_first(&mut state, got);
        // All of it is on the recovery's budget already.
        let mut frames: Vec<_> =
            state.events.iter().flat_map(|kept| kept.frames.as_slice()).cloned().collect();
        frames.push(reply.clone());
        mailbox.push_owed(&frames);
        self.budget.sub(lost.cost());
        state.stage = Stage::Connected(Arc::clone(mailbox), clock::now());
        state.senders.clear();
        Ok(*lost)
    }

    /// The new socket is not let in: another may try. Returns when the old socket is given up, if it was
    /// claimed.
    pub(super) fn put_back(&self) -> Option<Ticket> {
        let mut state = self.state.lock();
        let (stage, ticket) = match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Claimed(lost, _) => {
                let ticket = lost.ticket;
                (Stage::Lost(lost), Some(ticket))
            }
            other => (other, None),
        };
        state.stage = stage;
        ticket
    }

    /// Nobody comes back to this history. Returns the socket that was away.
    pub(super) fn end(&self) -> Option<Lost> {
        self.end_in(&mut self.state.lock())
    }

    /// Nobody comes back to this history, if its socket is away and nobody has claimed it.
    pub(super) fn give_up(&self) -> Option<Lost> {
        let mut state = self.state.lock();
        if let Stage::Lost(_) = state.stage { self.end_in(&mut state) } else { None }
    }

    /// Nobody comes back to this history, if its socket is away and nobody has claimed it, or if it is still that
    /// of the socket with this mailbox. Returns the socket that was away if so.
    pub(super) fn put_out(&self, by: &Arc<Mailbox>) -> Option<Option<Lost>> {
        let mut state = self.state.lock();
        let its_own = match &state.stage {
            Stage::Lost(_) => true,
            Stage::Connected(mailbox, _) => Arc::ptr_eq(mailbox, by),
            Stage::New | Stage::Claimed(..) | Stage::Over => false,
        };
        its_own.then(|| self.end_in(&mut state))
    }

    fn end_in(&self, state: &mut State) -> Option<Lost> {
        let count = state.events.len();
        self.drop_first(state, count);
        // Who waits hears of it by that.
        state.waiting.clear();
        state.senders.clear();
        match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Lost(lost) | Stage::Claimed(lost, _) => {
                self.budget.sub(lost.cost());
                Some(*lost)
            }
            _ => None,
        }
    }
}

impl State {
    /// Whether not too much is on its way through an adapter.
    fn has_room(&self) -> bool {
        match &self.stage {
            Stage::Connected(mailbox, _) => self.coming <= mailbox.budget() / 4,
            _ => false,
        }
    }

    fn is_doubted(&self) -> bool {
        self.doubted.is_some_and(|until| until > clock::now())
    }

    /// Whether the client has an event that this node hears only now. After the first that it doesn't have, none is.
    fn has_had(&mut self, event: &Kept) -> bool {
        self.had = self.had.filter(|had| event.offset == *had || event.offset.is_before(*had));
        self.had.is_some()
    }

    /// How many of the events the client has got that names this as the last; `None` if it is not known.
    fn behind(&self, offset: Option<Offset>) -> Option<usize> {
        if offset == self.base {
            return Some(0);
        }
        if let Some(at) = self.events.iter().position(|kept| Some(kept.offset) == offset) {
            return Some(at + 1);
        }
        // socket.io-client keeps its offset when it gets a new pid. One from before that pid says that nothing
        // has come since.
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

    /// Whether somebody sends, comes or goes at this moment.
    pub(super) fn is_locked(&self) -> bool {
        self.state.is_locked()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.end();
    }
}
