//! What an application does with a socket that is not accepted yet: in a middleware, or while one decides.
//!
//! ```text
//!   join, leave, emit, disconnect(true) ─► wait here ─┬─ let in ─► CONNECT, then what was emitted, in order
//!                                                     └─ refused, gone, closed ─► forgotten
//! ```
//!
//! In JavaScript, such an event is sent before the CONNECT packet, and the client's library holds it back until it is
//! connected. Here it is sent after it, so no client needs to do that.

use super::Socket;
use super::stage::{Early, Entering, Phase};
use crate::args::ToArgs;
use crate::args::event::Event;
use crate::client::link::{Command, Overloaded};
use crate::error::{DisconnectReason, JoinError, SendError};
use crate::namespace::flags::Flags;
use crate::namespace::outgoing::Outgoing;
use crate::namespace::room::{Room, add_rooms};

/// # For applications, before the socket is connected
impl Socket {
    pub(crate) fn is_pending(&self) -> bool {
        self.0.lifecycle.is(Phase::Entering)
    }

    pub(super) fn join_early(&self, rooms: &[Room]) -> Option<Result<(), JoinError>> {
        self.0.lifecycle.entering(|entering| {
            let joined = entering.rooms.get_or_insert_with(|| self.kept_rooms());
            add_rooms(joined, rooms, self.id(), self.config().max_rooms).map(drop)
        })
    }

    pub(super) fn leave_early(&self, rooms: &[Room]) -> Option<()> {
        self.0.lifecycle.entering(|entering| {
            let joined = entering.rooms.get_or_insert_with(|| self.kept_rooms());
            joined.retain(|joined| !rooms.contains(joined));
        })
    }

    /// The rooms that the socket will be in.
    pub(super) fn early_rooms(&self) -> Vec<Room> {
        self.0.lifecycle.rooms().unwrap_or_else(|| self.kept_rooms())
    }

    /// The rooms of the lost socket that this one recovers.
    pub(super) fn kept_rooms(&self) -> Vec<Room> {
        let history = self.0.history.as_ref().filter(|_| self.0.recovered);
        history.map(|history| history.rooms()).unwrap_or_default()
    }

    /// Emits an event to a socket that was pending a moment ago. A volatile one is lost.
    pub(crate) fn emit_early(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
    ) -> Result<(), SendError> {
        let event = Event::outgoing(event, args)?;
        let held = self.0.lifecycle.entering(|entering| {
            if flags.volatile {
                return Ok(());
            }
            let (cost, limit) = (event.cost(), self.config().max_backlog);
            if let Err(Overloaded(limit)) = self.link().hold(cost, limit) {
                self.link().release(cost);
                self.hits().count(limit);
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

    /// Ends the session once the middlewares have decided. Returns whether they have not yet.
    pub(super) fn close_early(&self) -> bool {
        self.0.lifecycle.entering(|entering| entering.closes = true).is_some()
    }
}

/// # For the client
impl Socket {
    /// The socket becomes connected. It is in `rooms`, and the client has been sent its CONNECT packet.
    pub(super) fn enter(&self, rooms: &[Room]) {
        let Some((entering, sent)) = self.0.lifecycle.connect(|entering| self.send_early(entering)) else {
            return;
        };
        // From now on others may send. No lock may be held while listeners are called.
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

    fn send_early(&self, entering: &Entering) -> Vec<Outgoing> {
        let mut sent = Vec::with_capacity(entering.events.len());
        for Early { event, id, flags } in &entering.events {
            if id.is_none() && self.emit_in_order(event, *flags) {
                continue;
            }
            // It was JSON when it was emitted.
            let Ok(outgoing) = self.encode(event.name(), *id, event.args(), *flags) else { continue };
            match (&self.0.history, &outgoing.kept) {
                (Some(history), Some(kept)) => history.share(kept),
                _ => self.0.mailbox.push_owed(outgoing.frames.as_slice()),
            };
            sent.push(outgoing);
        }
        sent
    }

    /// The socket is refused, and what waited is dropped. Returns whether it had not ended before.
    pub(super) fn turn_away(&self, reason: DisconnectReason) -> bool {
        let Some(entering) = self.0.lifecycle.refuse(reason) else { return false };
        self.link().release(entering.cost);
        if entering.closes {
            self.link().command(Command::Close);
        }
        true
    }
}
