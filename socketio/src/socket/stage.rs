//! A socket's life, in one state.
//!
//! ```text
//!  the client's join             the socket            its handlers              its history, if it can recover
//!
//!  waiting: for the parents,     (not there yet)
//!    or the socket it had
//!        │
//!        ▼
//!  waiting: for middlewares      Entering ────┐        none                      New, or Claimed
//!        │                          │ let in  │ refused, or gone
//!        │                          │         ▼
//!        │                          │       Refused    its own are dropped       Over, or Lost again
//!        ▼                          ▼
//!  joined                        Connected             on_connect, then events   Connected
//!        │                          │ disconnect(), or the namespace is closed
//!        │                          ▼
//!        │                       Leaving               as before                 Over
//!        │ the client takes it out  │
//!        ▼                          ▼
//!  (gone)                        Ended                 the rest, on_disconnect   Lost, if the connection is
//! ```
//!
//! The types allow nothing else: events that wait for the CONNECT exist while it is entering, handlers from when it
//! is connected, a reason and the last rooms when it has ended. A socket whose connection is lost goes through
//! Leaving too.

use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::args::event::Event;
use crate::error::DisconnectReason;
use crate::handler::queue::HandlerQueue;
use crate::namespace::flags::Flags;
use crate::namespace::room::Room;

/// The state of a socket. The phase can be read without the lock, and changes only under it.
#[repr(C)]
pub(super) struct Lifecycle {
    phase: AtomicU8,
    stage: Mutex<Stage>,
}

/// What is known about the stage without the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    Entering,
    Connected,
    /// Leaving or ended: nothing more is sent.
    Over,
    Refused,
}

enum Stage {
    /// The middlewares have not decided yet. Nearly always nothing waits for that.
    Entering(Option<Box<Entering>>),
    LetIn {
        queue: HandlerQueue,
        now: Now,
    },
    /// It was not accepted.
    Refused(DisconnectReason),
}

/// The state of a socket that was accepted.
enum Now {
    Connected,
    /// Nothing is sent any more. The client has not taken the socket out yet.
    Leaving,
    Ended {
        reason: DisconnectReason,
        rooms: Vec<Room>,
    },
}

/// What waits until a socket is accepted.
#[derive(Default)]
pub(super) struct Entering {
    /// The rooms, once one has been joined or left.
    pub(super) rooms: Option<Vec<Room>>,
    pub(super) events: Vec<Early>,
    /// What the events count in the client's backlog.
    pub(super) cost: usize,
    /// The session is to end.
    pub(super) closes: bool,
}

/// An event that was emitted early.
pub(super) struct Early {
    pub(super) event: Event,
    pub(super) id: Option<u64>,
    pub(super) flags: Flags,
}

/// # What it is
impl Lifecycle {
    pub(super) fn new() -> Lifecycle {
        Lifecycle { phase: AtomicU8::new(Phase::Entering as u8), stage: Mutex::new(Stage::Entering(None)) }
    }

    #[inline]
    pub(super) fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) == phase as u8
    }

    /// Why it ended, if it has.
    pub(super) fn reason(&self) -> Option<DisconnectReason> {
        match &*self.stage.lock() {
            Stage::LetIn { now: Now::Ended { reason, .. }, .. } | Stage::Refused(reason) => Some(*reason),
            Stage::LetIn { .. } | Stage::Entering(_) => None,
        }
    }

    /// The rooms that are stored here: before it is connected, if any were joined or left, and after its end.
    pub(super) fn rooms(&self) -> Option<Vec<Room>> {
        match &*self.stage.lock() {
            Stage::Entering(entering) => entering.as_ref()?.rooms.clone(),
            Stage::LetIn { now: Now::Ended { rooms, .. }, .. } => Some(rooms.clone()),
            Stage::LetIn { .. } => None,
            Stage::Refused(_) => Some(Vec::new()),
        }
    }

    /// Its handlers, if it has been let in.
    #[inline]
    pub(super) fn queue(&self) -> Option<MappedMutexGuard<'_, HandlerQueue>> {
        MutexGuard::try_map(self.stage.lock(), |stage| match stage {
            Stage::LetIn { queue, .. } => Some(queue),
            Stage::Entering(_) | Stage::Refused(_) => None,
        })
        .ok()
    }

    /// Whether no handler will run any more.
    pub(super) fn is_over(&self) -> bool {
        match &*self.stage.lock() {
            Stage::LetIn { queue, now: Now::Ended { .. } } => queue.is_over(),
            Stage::LetIn { .. } | Stage::Entering(_) => false,
            Stage::Refused(_) => true,
        }
    }
}

/// # What happens to it
impl Lifecycle {
    /// Does something with what waits, if the socket is still entering. It can't be accepted meanwhile.
    pub(super) fn entering<R>(&self, act: impl FnOnce(&mut Entering) -> R) -> Option<R> {
        if !self.is(Phase::Entering) {
            return None;
        }
        match &mut *self.stage.lock() {
            Stage::Entering(entering) => Some(act(entering.get_or_insert_default())),
            _ => None,
        }
    }

    /// From Entering to Connected. First, `send` sends what waits, and nobody else can send meanwhile. Returns what
    /// waited, if anything did.
    pub(super) fn connect<R>(&self, send: impl FnOnce(&Entering) -> R) -> Option<(Entering, R)> {
        let mut stage = self.stage.lock();
        let Stage::Entering(entering) = &mut *stage else { return None };
        let waited = entering.take().map(|entering| {
            let sent = send(&entering);
            (*entering, sent)
        });
        *stage = Stage::LetIn { queue: HandlerQueue::default(), now: Now::Connected };
        self.set(Phase::Connected);
        waited
    }

    /// From Entering to Refused. Returns what waited, unless it has ended before.
    pub(super) fn refuse(&self, reason: DisconnectReason) -> Option<Entering> {
        let mut stage = self.stage.lock();
        let Stage::Entering(entering) = &mut *stage else { return None };
        let waited = entering.take().map(|entering| *entering).unwrap_or_default();
        *stage = Stage::Refused(reason);
        self.set(Phase::Refused);
        Some(waited)
    }

    /// From Connected to Leaving. Returns whether it was connected.
    pub(super) fn leave(&self) -> bool {
        let mut stage = self.stage.lock();
        let Stage::LetIn { now: now @ Now::Connected, .. } = &mut *stage else { return false };
        *now = Now::Leaving;
        self.set(Phase::Over);
        true
    }

    /// From Leaving to Ended. Returns whether it was leaving.
    pub(super) fn end(&self, reason: DisconnectReason, rooms: Vec<Room>) -> bool {
        let mut stage = self.stage.lock();
        let Stage::LetIn { now: now @ Now::Leaving, .. } = &mut *stage else { return false };
        *now = Now::Ended { reason, rooms };
        true
    }

    /// The stage has changed, whose lock is held.
    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DisconnectReason::{ClientNamespaceDisconnect, TransportClose};

    fn room() -> Vec<Room> {
        vec!["room".into()]
    }

    #[test]
    fn a_socket_that_is_let_in_ends_once_with_its_reason_and_rooms() {
        let lifecycle = Lifecycle::new();
        assert!(lifecycle.is(Phase::Entering) && lifecycle.queue().is_none() && lifecycle.rooms().is_none());
        lifecycle.entering(|entering| entering.rooms = Some(room()));
        assert_eq!(lifecycle.rooms(), Some(room()));
        let (waited, sent) = lifecycle.connect(|entering| entering.rooms.clone()).unwrap();
        assert_eq!((waited.rooms, sent), (Some(room()), Some(room())));
        assert!(lifecycle.is(Phase::Connected) && lifecycle.queue().is_some() && lifecycle.rooms().is_none());

        assert!(lifecycle.leave() && !lifecycle.leave());
        assert!(lifecycle.is(Phase::Over) && lifecycle.queue().is_some() && lifecycle.reason().is_none());
        assert!(
            lifecycle.end(TransportClose, room()) && !lifecycle.end(ClientNamespaceDisconnect, Vec::new())
        );
        assert_eq!((lifecycle.reason(), lifecycle.rooms()), (Some(TransportClose), Some(room())));
        assert!(lifecycle.is(Phase::Over) && lifecycle.queue().is_some() && !lifecycle.is_over());
    }

    #[test]
    fn what_is_not_drawn_does_not_happen() {
        let entering = Lifecycle::new();
        assert!(!entering.leave() && !entering.end(TransportClose, room()));
        assert!(entering.is(Phase::Entering));

        let connected = Lifecycle::new();
        assert!(connected.connect(|_| ()).is_none(), "nothing waited");
        assert!(!connected.end(TransportClose, room()), "it leaves first");
        assert!(connected.refuse(TransportClose).is_none());
        assert!(connected.entering(|_| ()).is_none());
        assert!(connected.is(Phase::Connected));

        let refused = Lifecycle::new();
        assert!(refused.refuse(TransportClose).is_some() && refused.refuse(TransportClose).is_none());
        assert!(
            refused.connect(|_| ()).is_none() && !refused.leave() && !refused.end(TransportClose, room())
        );
        assert!(refused.is(Phase::Refused) && refused.queue().is_none() && refused.is_over());
        assert_eq!((refused.reason(), refused.rooms()), (Some(TransportClose), Some(Vec::new())));
    }
}
