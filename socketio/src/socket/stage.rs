//! A socket's life, in one state.
//!
//! ```text
//!  the client's membership       the socket            its handlers              its history, if it can recover
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
//! Nothing else is possible: what waits for the CONNECT is there while it is entering, handlers are there from when it
//! is connected, and a reason and the last rooms when it has ended. A socket that ends without notice goes through
//! Leaving as well.

use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::args::event::Event;
use crate::error::DisconnectReason;
use crate::handler::queue::HandlerQueue;
use crate::namespace::flags::Flags;
use crate::namespace::room::Room;

/// Where a socket is in its life. The phase can be read without the lock; it changes only under it.
#[repr(C)]
pub(super) struct Life {
    phase: AtomicU8,
    stage: Mutex<Stage>,
}

/// What can be told of the stage without its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    Entering,
    Connected,
    /// Leaving or ended: nothing is sent any more.
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
    /// It was not let in.
    Refused(DisconnectReason),
}

/// Where a socket is that was let in.
enum Now {
    Connected,
    /// Nothing is sent any more. The client has not taken the socket out yet.
    Leaving,
    Ended {
        reason: DisconnectReason,
        rooms: Vec<Room>,
    },
}

/// What waits until a socket is let in.
#[derive(Default)]
pub(super) struct Entering {
    /// The rooms, once one has been joined or left.
    pub(super) rooms: Option<Vec<Room>>,
    pub(super) events: Vec<Early>,
    /// What the events count for in the client's backlog.
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
impl Life {
    pub(super) fn new() -> Life {
        Life { phase: AtomicU8::new(Phase::Entering as u8), stage: Mutex::new(Stage::Entering(None)) }
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

    /// The rooms that are kept here: before it is connected, if they have been touched, and after its end.
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
impl Life {
    /// Does something with what waits, if the socket is still entering. It is not let in meanwhile.
    pub(super) fn entering<R>(&self, act: impl FnOnce(&mut Entering) -> R) -> Option<R> {
        if !self.is(Phase::Entering) {
            return None;
        }
        match &mut *self.stage.lock() {
            Stage::Entering(entering) => Some(act(entering.get_or_insert_default())),
            _ => None,
        }
    }

    /// Entering to Connected. Before that, `send` sends what waits; nobody else sends meanwhile. Returns what waited,
    /// if anything did.
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

    /// Entering to Refused. Returns what waited, unless it has ended before.
    pub(super) fn refuse(&self, reason: DisconnectReason) -> Option<Entering> {
        let mut stage = self.stage.lock();
        let Stage::Entering(entering) = &mut *stage else { return None };
        let waited = entering.take().map(|entering| *entering).unwrap_or_default();
        *stage = Stage::Refused(reason);
        self.set(Phase::Refused);
        Some(waited)
    }

    /// Connected to Leaving. Says whether it was connected.
    pub(super) fn leave(&self) -> bool {
        let mut stage = self.stage.lock();
        let Stage::LetIn { now: now @ Now::Connected, .. } = &mut *stage else { return false };
        *now = Now::Leaving;
        self.set(Phase::Over);
        true
    }

    /// Leaving to Ended. Says whether it was leaving.
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
        let life = Life::new();
        assert!(life.is(Phase::Entering) && life.queue().is_none() && life.rooms().is_none());
        life.entering(|entering| entering.rooms = Some(room()));
        assert_eq!(life.rooms(), Some(room()));
        let (waited, sent) = life.connect(|entering| entering.rooms.clone()).unwrap();
        assert_eq!((waited.rooms, sent), (Some(room()), Some(room())));
        assert!(life.is(Phase::Connected) && life.queue().is_some() && life.rooms().is_none());

        assert!(life.leave() && !life.leave());
        assert!(life.is(Phase::Over) && life.queue().is_some() && life.reason().is_none());
        assert!(life.end(TransportClose, room()) && !life.end(ClientNamespaceDisconnect, Vec::new()));
        assert_eq!((life.reason(), life.rooms()), (Some(TransportClose), Some(room())));
        assert!(life.is(Phase::Over) && life.queue().is_some() && !life.is_over());
    }

    #[test]
    fn what_is_not_drawn_does_not_happen() {
        let entering = Life::new();
        assert!(!entering.leave() && !entering.end(TransportClose, room()));
        assert!(entering.is(Phase::Entering));

        let connected = Life::new();
        assert!(connected.connect(|_| ()).is_none(), "nothing waited");
        assert!(!connected.end(TransportClose, room()), "it leaves first");
        assert!(connected.refuse(TransportClose).is_none());
        assert!(connected.entering(|_| ()).is_none());
        assert!(connected.is(Phase::Connected));

        let refused = Life::new();
        assert!(refused.refuse(TransportClose).is_some() && refused.refuse(TransportClose).is_none());
        assert!(
            refused.connect(|_| ()).is_none() && !refused.leave() && !refused.end(TransportClose, room())
        );
        assert!(refused.is(Phase::Refused) && refused.queue().is_none() && refused.is_over());
        assert_eq!((refused.reason(), refused.rooms()), (Some(TransportClose), Some(Vec::new())));
    }
}
