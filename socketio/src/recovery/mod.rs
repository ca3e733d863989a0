//! Connection state recovery: a client that lost its connection gets its socket back, with its id, its rooms,
//! what was kept with it, and the events that it missed.
//!
//! ```text
//!                  on connect                 the connection is lost
//!   new history ───────────────────▶ connected ────────────────────────▶ lost ──▶ over: too late, or the
//!                                      ▲                               │  ▲          memory is needed
//!                                      │ middlewares let it in         │  │
//!                                      └──────────────── claimed ◀─────┘  │ they don't, or the
//!                                                          │  CONNECT     │ connection is lost again
//!                                                          └──────────────┘
//!   A DISCONNECT from either side ends a history wherever it is.
//! ```
//!
//! Each socket has a [`History`]: the latest events that it was sent, in the order of sending. They are the
//! frames themselves, which all receivers of a broadcast share. A lost socket's history stays in a second table
//! of rooms, beside the namespace's, where broadcasts go on filling it. All of it is on one budget of bytes.
//!
//! "The client sends the offset of the last packet it has received": every event without an acknowledgement
//! carries one as its last argument, a number that is unique in this process. An offset is looked up in the
//! history of the pid that it comes with, so what follows it there is what was missed, whatever anybody else
//! was sent, and however long ago the client got its last event.

pub(crate) mod anywhere;
mod budget;
pub(crate) mod claimed;
pub(crate) mod history;
pub(crate) mod kept;
mod lost;
pub(crate) mod offset;
pub(crate) mod presented;
pub(crate) mod settings;
mod table;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use engineio::{Frame, Mailbox};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::time::Instant;

use crate::clock;
use crate::log::Excerpt;
use crate::namespace::room::{Room, Selection};
use crate::packet::frames::Frames;
use crate::socket::values::Values;
use budget::{Budget, Shortage};
use history::{Claim, History, Home, Lost, NotResumed, Ticket};
use kept::Kept;
use lost::LostSockets;
use offset::Offset;
use presented::{Presented, Refusal};
use settings::{Recovery, RecoveryCounts};
use table::Table;

/// The recovery of an [`Io`](crate::Io): what its namespaces share.
pub(crate) struct Recoveries {
    pub(crate) settings: Recovery,
    budget: Arc<Budget>,
    next_offset: AtomicU64,
    next_trail: AtomicU64,
    table: Mutex<Table>,
    counts: Mutex<RecoveryCounts>,
}

impl Recoveries {
    pub(crate) fn new(settings: Recovery) -> Recoveries {
        Recoveries {
            budget: Arc::new(Budget::new(settings.bytes)),
            settings,
            next_offset: AtomicU64::new(first_offset()),
            next_trail: AtomicU64::new(0),
            table: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub(crate) fn counts(&self) -> RecoveryCounts {
        let away = self.table.lock().away.len();
        RecoveryCounts { away, bytes: self.budget.used(), ..*self.counts.lock() }
    }

    /// The offset of a new event.
    pub(crate) fn next_offset(&self) -> Offset {
        Offset::own(self.next_offset.fetch_add(1, Ordering::Relaxed))
    }

    /// An event that was written with that offset.
    pub(crate) fn keep(&self, offset: Offset, frames: &Frames) -> Arc<Kept> {
        // What is sent grows what is kept, so what is too much is given up here.
        self.relieve();
        let kept = Kept::new(offset, frames.clone(), &self.budget);
        if !matches!(self.budget.shortage(), Shortage::None) {
            self.table.lock().sweep(kept.at);
        }
        kept
    }

    /// Somebody is away, and is given up in time also if nothing else happens until then.
    fn wait_for(self: &Arc<Recoveries>, table: &mut Table, ticket: Ticket, history: &Arc<History>) {
        table.away.insert(ticket, Arc::clone(history));
        if !std::mem::replace(&mut table.awaited, true) {
            tokio::spawn(Recoveries::give_up_in_time(Arc::downgrade(self)));
        }
    }

    /// Gives up each who is away when their time is over, until nobody is.
    async fn give_up_in_time(recoveries: Weak<Recoveries>) {
        while let Some(first) = recoveries.upgrade().and_then(|recoveries| recoveries.first_to_give_up()) {
            tokio::time::sleep_until(first).await;
        }
    }

    /// When the next is to be given up, if anybody is still away.
    fn first_to_give_up(&self) -> Option<Instant> {
        self.relieve();
        let mut table = self.table.lock();
        let first = table.away.first_key_value().map(|((at, _), _)| *at);
        table.awaited = first.is_some();
        first
    }

    /// Gives up who is away for too long, and more of them while they are too many or take too much.
    fn relieve(&self) {
        loop {
            let mut table = self.table.lock();
            let over = table.away.len() > self.settings.sessions || self.budget.used() > self.budget.limit;
            let Some(first) = table.away.first_entry() else { return };
            let expired = first.key().0 <= clock::now();
            if !expired && !over {
                return;
            }
            let history = first.remove();
            drop(table);
            let given_up = history.give_up_at_home();
            if given_up && !expired {
                tracing::debug!("a client that is away was dropped at a limit of the recovery");
                self.counts.lock().given_up += 1;
            }
        }
    }
}

/// Where the offsets begin: anywhere below 2^53. A client that a server knew before it was started anew, or that
/// another node knew, must not come with an offset that means something else here.
fn first_offset() -> u64 {
    RandomState::new().hash_one(()) >> 11
}

/// The recovery in one namespace.
///
/// Of its locks, who is lost comes first, then the table, and a history last.
pub(crate) struct NamespaceRecovery {
    shared: Arc<Recoveries>,
    home: Home,
    /// While it is locked for reading, nobody who is connected gets lost and nobody who is lost comes back:
    /// a broadcast finds each socket once, among the connected ones or here.
    lost: RwLock<LostSockets>,
    /// The offset of the last event, if an adapter gives them.
    last: Mutex<Option<Offset>>,
}

/// # Events
impl NamespaceRecovery {
    pub(crate) fn new(shared: &Arc<Recoveries>, home: Home) -> NamespaceRecovery {
        NamespaceRecovery {
            shared: Arc::clone(shared),
            home,
            lost: RwLock::default(),
            last: Mutex::default(),
        }
    }

    pub(crate) fn shared(&self) -> &Recoveries {
        &self.shared
    }

    /// An event that was written with that offset.
    pub(crate) fn keep(&self, offset: Offset, frames: &Frames) -> Arc<Kept> {
        if !offset.is_own() {
            let mut last = self.last.lock();
            *last = (*last).max(Some(offset));
        }
        self.shared.keep(offset, frames)
    }

    /// Begins a broadcast. The sockets of the namespace are visited while this is held.
    pub(crate) fn begin_broadcast(&self) -> Missed<'_> {
        Missed(self.lost.read())
    }
}

/// The sockets that miss what is broadcast now.
pub(crate) struct Missed<'a>(RwLockReadGuard<'a, LostSockets>);

impl Missed<'_> {
    /// Keeps the event for those that are selected.
    pub(crate) fn keep(&self, selection: &Selection, event: &Arc<Kept>) {
        self.0.miss(selection, event);
    }

    /// Those that are selected miss an event that is not kept. `offset` is where it stands, if that is known: who has
    /// what came up to there misses nothing. Returns the others.
    pub(crate) fn doubt(&self, selection: &Selection, offset: Option<Offset>) -> Vec<Arc<History>> {
        let mut doubted = Vec::new();
        self.0.for_each(selection, |history| {
            if history.doubt(offset) {
                doubted.push(Arc::clone(history));
            }
        });
        doubted
    }
}

/// # Coming and going
impl NamespaceRecovery {
    pub(crate) fn new_trail(&self) -> History {
        let number = self.shared.next_trail.fetch_add(1, Ordering::Relaxed);
        let own = || Offset::own(self.shared.next_offset.load(Ordering::Relaxed));
        let since = self.last.lock().map_or_else(own, Offset::next);
        let window = self.shared.settings.max_disconnection;
        History::new(number, since, &self.home, window, &self.shared.budget)
    }

    /// A socket is connected that has come with nothing. `reply` is the first that it is sent.
    pub(crate) fn begin(&self, history: &Arc<History>, mailbox: &Arc<Mailbox>, reply: &Frame) {
        self.shared.table.lock().insert(history);
        history.begin(mailbox, reply);
    }

    /// A socket has lost its connection. Says whether it can be recovered.
    pub(crate) fn lose(
        &self,
        history: &Arc<History>,
        id: &Room,
        rooms: Vec<Room>,
        values: Option<Arc<Values>>,
    ) -> bool {
        let mut lost = self.lost.write();
        if lost.is_closed() || history.is_doubted() {
            drop(lost);
            self.end(history);
            return false;
        }
        let mut table = self.shared.table.lock();
        table.next_ticket += 1;
        let ticket = (clock::after(self.shared.settings.max_disconnection), table.next_ticket);
        let away = history.lose(Lost { ticket, id: Arc::clone(id), rooms, values, settled: false });
        if away {
            lost.insert(history, id, &history.rooms());
            self.shared.wait_for(&mut table, ticket, history);
        }
        drop((lost, table));
        self.shared.relieve();
        away
    }

    /// A client comes back to the namespace. `is_shared` says whether it may have been on another node.
    pub(crate) fn claim(
        &self,
        presented: Result<Presented, Refusal>,
        namespace: &str,
        is_shared: bool,
    ) -> Claim {
        let claim = match presented {
            Err(refusal) => Claim::Refused(refusal),
            Ok(presented) => {
                let history = self.shared.table.lock().histories.get(&presented.pid).cloned();
                let may_be_elsewhere = presented.offset.is_some() && is_shared;
                match &history {
                    Some(history) if history.is_at_home(&self.home) => {
                        match history.claim(presented.offset) {
                            Claim::Refused(Refusal::Offset) if may_be_elsewhere => {
                                Claim::Elsewhere(presented)
                            }
                            claim => claim,
                        }
                    }
                    None if may_be_elsewhere => Claim::Elsewhere(presented),
                    _ => Claim::Refused(Refusal::Unknown),
                }
            }
        };
        match &claim {
            Claim::Granted(granted) => drop(self.shared.table.lock().away.remove(&granted.ticket)),
            Claim::NotYet(..) | Claim::Elsewhere(_) => {}
            Claim::Refused(refusal) => self.refused(*refusal, namespace),
        }
        claim
    }

    /// The client does not get the socket that it asks for.
    pub(crate) fn refused(&self, refusal: Refusal, namespace: &str) {
        let namespace = Excerpt(namespace);
        tracing::info!(%namespace, reason = %refusal, "a client came back, and is connected as a new one");
        let mut counts = self.shared.counts.lock();
        let count = match refusal {
            Refusal::Unknown | Refusal::Unreachable => &mut counts.unknown,
            Refusal::Expired => &mut counts.expired,
            Refusal::Malformed => &mut counts.malformed,
            Refusal::Offset => &mut counts.offset,
            Refusal::Taken => &mut counts.taken,
            Refusal::Denied => &mut counts.denied,
        };
        *count += 1;
    }

    /// A socket that has claimed the history is let in: it is sent what it missed, and `reply`.
    pub(crate) fn resume(
        &self,
        history: &History,
        mailbox: &Arc<Mailbox>,
        reply: &Frame,
    ) -> Result<(), NotResumed> {
        let mut lost = self.lost.write();
        let old = history.resume(mailbox, reply)?;
        lost.remove(&old);
        self.shared.counts.lock().recovered += 1;
        Ok(())
    }

    /// A socket that has claimed the history is not let in.
    pub(crate) fn put_back(&self, history: &Arc<History>) {
        if let Some(ticket) = history.put_back() {
            self.shared.wait_for(&mut self.shared.table.lock(), ticket, history);
        }
    }

    /// Nobody comes back to the history. Says whether its socket was away.
    pub(crate) fn end(&self, history: &History) -> bool {
        let old = history.end();
        self.forget(history, old.as_ref());
        old.is_some()
    }

    /// Nobody comes back to the history, if its socket is away and nobody has claimed it. Says whether that was
    /// so.
    pub(crate) fn give_up(&self, history: &History) -> bool {
        let old = history.give_up();
        if old.is_some() {
            self.forget(history, old.as_ref());
        }
        old.is_some()
    }

    /// The application puts out a socket that has ended or is ending: nobody comes back to its history, unless
    /// somebody has already. Says whether it was away.
    pub(crate) fn put_out(&self, history: &History, mailbox: &Arc<Mailbox>) -> bool {
        let Some(old) = history.put_out(mailbox) else { return false };
        self.forget(history, old.as_ref());
        old.is_some()
    }

    /// A history has ended, and with it the socket that was away, if there was one.
    fn forget(&self, history: &History, old: Option<&Lost>) {
        if let Some(old) = old {
            self.lost.write().remove(old);
        }
        let mut table = self.shared.table.lock();
        if let Some(old) = old {
            table.away.remove(&old.ticket);
        }
        table.remove(history);
    }

    /// Gives up everyone who is away, and keeps nobody who is lost from now on. Returns how many there were.
    pub(crate) fn close(&self) -> usize {
        let histories = self.lost.write().close();
        histories.iter().filter(|history| self.end(history)).count()
    }
}

#[cfg(test)]
impl NamespaceRecovery {
    /// Nobody is away, and no history is known.
    fn assert_empty(&self) {
        let (lost, table) = (self.lost.read(), self.shared.table.lock());
        assert!(lost.is_empty() && table.is_empty());
    }
}

#[cfg(test)]
mod tests;
