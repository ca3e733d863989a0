//! What an application does with a socket that is not let in yet: in a middleware, or while one decides.
//!
//! ```text
//!   join, leave, emit, disconnect(true) ─► wait here ─┬─ let in ─► CONNECT, then what was emitted, in order
//!                                                     └─ refused, gone, closed ─► forgotten
//! ```
//!
//! In JavaScript such an event goes out before the CONNECT packet, and the client's library keeps it back until
//! it is connected. Here it goes out after it, so no client needs to do that.

use std::sync::atomic::Ordering;

use super::{CONNECTED, PENDING, REFUSED, Socket};
use crate::args::ToArgs;
use crate::args::event::Event;
use crate::client::link::{Command, Overloaded};
use crate::error::{JoinError, SendError};
use crate::namespace::flags::Flags;
use crate::namespace::room::{Room, add_rooms};

/// What waits until a socket is let in.
#[derive(Default)]
pub(super) struct Entering {
    /// The rooms, once one has been joined or left.
    rooms: Option<Vec<Room>>,
    events: Vec<Early>,
    /// What the events count for in the client's backlog.
    cost: usize,
    /// The session is to end.
    closes: bool,
}

/// An event that was emitted early.
struct Early {
    event: Event,
    id: Option<u64>,
    flags: Flags,
}

/// # For applications, before the socket is connected
impl Socket {
    pub(crate) fn is_pending(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == PENDING
    }

    pub(super) fn was_refused(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == REFUSED
    }

    /// Does something with what waits; not if nothing waits any more, since the socket was let in or refused.
    fn entering<R>(&self, act: impl FnOnce(&mut Entering) -> R) -> Option<R> {
        if !self.is_pending() {
            return None;
        }
        let attached = self.attached_or_new();
        let _phase = self.lane().hold_phase();
        self.is_pending().then(|| act(&mut attached.entering.lock()))
    }

    pub(super) fn join_early(&self, rooms: &[Room]) -> Option<Result<(), JoinError>> {
        self.entering(|entering| {
            let joined = entering.rooms.get_or_insert_with(|| self.kept_rooms());
            add_rooms(joined, rooms, self.id(), self.config().max_rooms).map(drop)
        })
    }

    pub(super) fn leave_early(&self, rooms: &[Room]) -> Option<()> {
        self.entering(|entering| {
            let joined = entering.rooms.get_or_insert_with(|| self.kept_rooms());
            joined.retain(|joined| !rooms.contains(joined));
        })
    }

    /// The rooms that the socket will be in.
    pub(super) fn early_rooms(&self) -> Vec<Room> {
        let touched = self.attached().and_then(|attached| attached.entering.lock().rooms.clone());
        touched.unwrap_or_else(|| self.kept_rooms())
    }

    /// The rooms of the socket that this one is recovered from.
    fn kept_rooms(&self) -> Vec<Room> {
        let trail = self.0.trail.as_ref().filter(|_| self.0.recovered);
        trail.map(|trail| trail.rooms()).unwrap_or_default()
    }

    /// Emits an event of a socket that was pending a moment ago. A volatile one is lost.
    pub(crate) fn emit_early(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
    ) -> Result<(), SendError> {
        let event = Event::outgoing(event, args)?;
        let held = self.entering(|entering| {
            if flags.volatile {
                return Ok(());
            }
            let (cost, limit) = (event.cost(), self.config().max_backlog);
            if let Err(Overloaded(limit)) = self.link().hold(cost, limit) {
                self.link().release(cost);
                self.config().hits.count(limit);
                return Err(SendError::Full);
            }
            entering.cost += cost;
            entering.events.push(Early { event: event.clone(), id, flags });
            Ok(())
        });
        match held {
            Some(held) => held,
            None if id.is_none() => self.emit_with(event.name(), event.args(), flags),
            None => self.send(&self.encode(event.name(), id, event.args(), flags)?, flags.volatile),
        }
    }

    /// Ends the session once it is decided whether the client may come in. Says whether that is still to be
    /// decided.
    pub(super) fn close_early(&self) -> bool {
        self.entering(|entering| entering.closes = true).is_some()
    }
}

/// # For the client
impl Socket {
    /// The socket becomes connected. It is in `rooms`, and the client has been sent its CONNECT packet.
    pub(super) fn enter(&self, rooms: &[Room]) {
        let phase = self.lane().hold_phase();
        let Some(attached) = self.attached() else {
            self.0.phase.store(CONNECTED, Ordering::Release);
            return;
        };
        let entering = std::mem::take(&mut *attached.entering.lock());
        let mut sent = Vec::with_capacity(entering.events.len());
        for Early { event, id, flags } in &entering.events {
            if id.is_none() && self.emit_to_all(event, *flags) {
                continue;
            }
            // It was JSON when it was emitted.
            let Ok(outgoing) = self.encode(event.name(), *id, event.args(), *flags) else { continue };
            match (&self.0.trail, &outgoing.kept) {
                (Some(trail), Some(kept)) => trail.share(kept),
                _ => self.0.mailbox.push_owed(outgoing.frames.as_slice()),
            };
            sent.push(outgoing);
        }
        // From here on others send. No lock may be held while listeners are called.
        self.0.phase.store(CONNECTED, Ordering::Release);
        drop(phase);
        self.link().release(entering.cost);
        sent.iter().for_each(|outgoing| self.show_outgoing(outgoing));
        // What another task did since the rooms were taken.
        for room in entering.rooms.iter().flatten().filter(|room| !rooms.contains(room)) {
            let _ = self.join(room);
        }
        if let Some(kept) = &entering.rooms {
            rooms.iter().filter(|room| !kept.contains(room)).for_each(|room| self.leave(room));
        }
        if entering.closes {
            self.link().command(Command::Close);
        }
    }

    /// The socket is not let in. What waited is forgotten.
    pub(super) fn turn_away(&self) {
        let phase = self.lane().hold_phase();
        self.0.phase.store(REFUSED, Ordering::Release);
        let entering = self.attached().map(|attached| std::mem::take(&mut *attached.entering.lock()));
        drop(phase);
        let Some(entering) = entering else { return };
        self.link().release(entering.cost);
        if entering.closes {
            self.link().command(Command::Close);
        }
    }
}
