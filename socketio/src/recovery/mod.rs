//! Connection state recovery: a client that lost its connection gets its socket back, with its id, its rooms, its
//! data, and the events that it missed.
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
//! Each socket has a [`History`]: the latest events that it was sent, in the order of sending. They are the frames
//! themselves, which all receivers of a broadcast share. A lost socket's history stays in a second table of rooms,
//! where broadcasts are still added to it. One budget of bytes bounds all of it.
//!
//! "The client sends the offset of the last packet it has received": every event without an acknowledgement carries
//! one as its last argument, a number that is unique in this process. An offset is looked up in the history of the
//! pid that the client sends. The events after it are what the client missed, whatever others were sent, and however
//! long ago its last event was.

pub(crate) mod anywhere;
mod budget;
pub(crate) mod claimed;
pub(crate) mod history;
pub(crate) mod kept;
mod lost;
pub(crate) mod offset;
pub(crate) mod request;
pub(crate) mod settings;
mod table;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use engineio::{Frame, Mailbox};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::log::Excerpt;
use crate::namespace::room::{Room, Selection};
use crate::packet::frames::Frames;
use crate::socket::values::Values;
use budget::{Budget, Shortage};
use history::{Claim, History, HomeNamespace, Lost, NotResumed, Ticket};
use kept::KeptEvent;
use lost::LostSockets;
use offset::Offset;
use request::{RecoveryFailure, RecoveryRequest};
use settings::{Recovery, RecoveryCounts};
use table::Table;

/// The recovery of an [`Io`](crate::Io): what its namespaces share.
pub(crate) struct Recoveries {
    pub(crate) settings: Recovery,
    budget: Arc<Budget>,
    next_offset: AtomicU64,
    next_history: AtomicU64,
    table: Mutex<Table>,
    /// A task waits until the first who is away is given up.
    awaited: AtomicBool,
    /// Somebody is to be given up sooner than all others.
    sooner: Arc<Notify>,
    counts: Mutex<RecoveryCounts>,
}

impl Recoveries {
    pub(crate) fn new(settings: Recovery) -> Recoveries {
        Recoveries {
            budget: Arc::new(Budget::new(settings.bytes)),
            settings,
            next_offset: AtomicU64::new(first_offset()),
            next_history: AtomicU64::new(0),
            table: Mutex::default(),
            awaited: AtomicBool::new(false),
            sooner: Arc::default(),
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
    pub(crate) fn keep(&self, offset: Offset, frames: &Frames) -> Arc<KeptEvent> {
        // Sending adds to what is kept, so what is too much is dropped here.
        self.relieve();
        let kept = KeptEvent::new(offset, frames.clone(), &self.budget);
        if !matches!(self.budget.shortage(), Shortage::None) {
            self.table.lock().sweep(kept.at);
        }
        kept
    }

    /// A socket is away, and must be given up in time even if nothing else happens.
    fn wait_for(self: &Arc<Recoveries>, table: &mut Table, ticket: Ticket, history: &Arc<History>) {
        let is_first = table.away.first_key_value().is_none_or(|(first, _)| ticket < *first);
        table.away.insert(ticket, Arc::clone(history));
        if self.awaited.load(Ordering::Acquire) {
            if is_first {
                self.sooner.notify_one();
            }
        } else if let Ok(runtime) = Handle::try_current() {
            self.awaited.store(true, Ordering::Release);
            let watch = Watch { recoveries: Arc::downgrade(self), sooner: Arc::clone(&self.sooner) };
            runtime.spawn(watch.run());
        }
    }

    /// When the next one is given up, if there is one.
    fn first_to_give_up(&self) -> Option<Instant> {
        self.relieve();
        let table = self.table.lock();
        let first = table.away.first_key_value().map(|((at, _), _)| *at);
        self.awaited.store(first.is_some(), Ordering::Release);
        first
    }

    /// Gives up sockets that were away for too long, and more while there are too many or they use too much memory.
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
                tracing::debug!("a lost socket was given up early, at a limit of the recovery");
                self.counts.lock().given_up += 1;
            }
        }
    }
}

/// The task that gives up each who is away when their time is over, until nobody is. When it ends, another may begin, also
/// if its runtime ended it.
struct Watch {
    recoveries: Weak<Recoveries>,
    sooner: Arc<Notify>,
}

impl Watch {
    async fn run(self) {
        while let Some(first) = self.recoveries.upgrade().and_then(|recoveries| recoveries.first_to_give_up())
        {
            let _ = timeout_at(first, self.sooner.notified()).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(recoveries) = self.recoveries.upgrade() {
            recoveries.awaited.store(false, Ordering::Release);
        }
    }
}

/// Where the offsets begin: at a random number below 2^53. An offset from before a restart, or from another node,
/// must not mean something here.
fn first_offset() -> u64 {
    RandomState::new().hash_one(()) >> 11
}

/// The recovery in one namespace.
///
/// Its locks nest in this order: lost sockets, the table, a history.
pub(crate) struct NamespaceRecovery {
    shared: Arc<Recoveries>,
    home: HomeNamespace,
    /// While it is locked for reading, no socket gets lost or is recovered: a broadcast finds each socket once, among
    /// the connected ones or here.
    lost: RwLock<LostSockets>,
    /// The offset of the last event, if an adapter gives them.
    last: Mutex<Option<Offset>>,
}

/// # Events
impl NamespaceRecovery {
    pub(crate) fn new(shared: &Arc<Recoveries>, home: HomeNamespace) -> NamespaceRecovery {
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
    pub(crate) fn keep(&self, offset: Offset, frames: &Frames) -> Arc<KeptEvent> {
        if !offset.is_own() {
            let mut last = self.last.lock();
            *last = (*last).max(Some(offset));
        }
        self.shared.keep(offset, frames)
    }

    /// Begins a broadcast. The caller holds this while it visits the sockets of the namespace.
    pub(crate) fn begin_broadcast(&self) -> Missed<'_> {
        Missed(self.lost.read())
    }
}

/// The lost sockets, which miss a broadcast.
pub(crate) struct Missed<'a>(RwLockReadGuard<'a, LostSockets>);

impl Missed<'_> {
    /// Keeps the event for the selected ones.
    pub(crate) fn keep(&self, selection: &Selection, event: &Arc<KeptEvent>) {
        self.0.miss(selection, event);
    }

    /// The selected ones miss an event that is not kept. `offset` is its position, if that is known: clients that
    /// have everything up to there miss nothing. Returns the others.
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

/// # Loss and return
impl NamespaceRecovery {
    pub(crate) fn new_history(&self) -> History {
        let number = self.shared.next_history.fetch_add(1, Ordering::Relaxed);
        let own = || Offset::own(self.shared.next_offset.load(Ordering::Relaxed));
        let since = self.last.lock().map_or_else(own, Offset::next);
        let window = self.shared.settings.max_disconnection;
        History::new(number, since, &self.home, window, &self.shared.budget)
    }

    /// A new socket is connected. `reply` is sent first.
    pub(crate) fn begin(&self, history: &Arc<History>, mailbox: &Arc<Mailbox>, reply: &Frame) {
        self.shared.table.lock().insert(history);
        history.begin(mailbox, reply);
    }

    /// A socket has lost its connection. Returns whether it can be recovered.
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

    /// A client wants to recover its socket. `is_shared` says whether it may have been on another node.
    pub(crate) fn claim(
        &self,
        presented: Result<RecoveryRequest, RecoveryFailure>,
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
                            Claim::Refused(RecoveryFailure::Offset) if may_be_elsewhere => {
                                Claim::Elsewhere(presented)
                            }
                            claim => claim,
                        }
                    }
                    None if may_be_elsewhere => Claim::Elsewhere(presented),
                    _ => Claim::Refused(RecoveryFailure::Unknown),
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

    /// Counts and logs a failed recovery.
    pub(crate) fn refused(&self, refusal: RecoveryFailure, namespace: &str) {
        let namespace = Excerpt(namespace);
        tracing::info!(%namespace, reason = %refusal, "a client can't recover its socket, and joins as a new one");
        let mut counts = self.shared.counts.lock();
        let count = match refusal {
            RecoveryFailure::Unknown | RecoveryFailure::Unreachable | RecoveryFailure::Unreadable => {
                &mut counts.unknown
            }
            RecoveryFailure::Expired => &mut counts.expired,
            RecoveryFailure::Malformed => &mut counts.malformed,
            RecoveryFailure::Offset => &mut counts.offset,
            RecoveryFailure::Taken => &mut counts.taken,
            RecoveryFailure::Denied => &mut counts.denied,
        };
        *count += 1;
    }

    /// A socket that has claimed the history is accepted: sends what it missed, and `reply`.
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

    /// A socket that has claimed the history is not accepted.
    pub(crate) fn put_back(&self, history: &Arc<History>) {
        if let Some(ticket) = history.put_back() {
            self.shared.wait_for(&mut self.shared.table.lock(), ticket, history);
        }
    }

    /// Ends the history. Returns whether its socket was away.
    pub(crate) fn end(&self, history: &History) -> bool {
        let old = history.end();
        self.forget(history, old.as_ref());
        old.is_some()
    }

    /// Ends the history if its socket is away and not claimed. Returns whether that was so.
    pub(crate) fn give_up(&self, history: &History) -> bool {
        let old = history.give_up();
        if old.is_some() {
            self.forget(history, old.as_ref());
        }
        old.is_some()
    }

    /// The application disconnects a socket that has ended or is ending. Ends its history, unless a client is already
    /// recovering it. Returns whether it was away.
    pub(crate) fn put_out(&self, history: &History, mailbox: &Arc<Mailbox>) -> bool {
        let Some(old) = history.put_out(mailbox) else { return false };
        self.forget(history, old.as_ref());
        old.is_some()
    }

    /// Removes a history that has ended, and its lost socket, if there was one.
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

    /// Gives up all lost sockets, and keeps none from now on. Returns how many there were.
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
