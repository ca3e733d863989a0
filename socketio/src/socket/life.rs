//! How a socket begins and ends: accepted or refused, recovered, lost, disconnected.

use std::sync::{Arc, OnceLock};

use engineio::observe::What;
use engineio::{Frame, Revision};
use tokio::sync::Notify;

use super::stage::{Lifecycle, Phase};
use super::{Attached, Socket, State};
use crate::ack::pending::PendingAcks;
use crate::client::link::{Command, Link};
use crate::error::DisconnectReason;
use crate::handler::queue::Job;
use crate::namespace::Namespace;
use crate::namespace::room::Room;
use crate::namespace::room_event::RoomEvent;
use crate::recovery::history::{NotResumed, RecoveredSocket};
use crate::recovery::offset::Offset;

/// # The end
impl Socket {
    /// Removes the client from the namespace; with `close`, from all namespaces, and ends its session. Nothing
    /// more is sent from this socket. A client that is away can no longer recover its socket.
    ///
    /// In a middleware, the client is not connected yet, and this does nothing, as in JavaScript: return an
    /// error instead. With `close`, the session ends when the middlewares have decided.
    pub fn disconnect(&self, close: bool) {
        match self.0.namespace.shared_recovery() {
            Some(cluster) if self.is_connected() => {
                let socket = self.clone();
                cluster.then(self.namespace_name(), move || socket.disconnect_at_once(close));
            }
            _ => self.disconnect_at_once(close),
        }
    }

    /// The same, without waiting for what is still being sent to the client.
    pub(crate) fn disconnect_at_once(&self, close: bool) {
        if self.is_pending() && (!close || self.close_early()) {
            return;
        }
        let was_connected = self.0.lifecycle.leave();
        if was_connected {
            self.end_history();
        } else if let Some(history) = self.0.history.as_ref().filter(|_| self.0.lifecycle.is(Phase::Over)) {
            // Its connection is lost, or is being lost right now.
            self.0.namespace.put_out(history, &self.0.mailbox);
        }
        if close {
            self.0.link.command(Command::Close);
        } else if was_connected {
            self.0.link.command(Command::Disconnect { serial: self.0.serial });
        }
    }

    /// Waits for the socket's end.
    pub async fn closed(&self) -> DisconnectReason {
        loop {
            let end = self.0.end.notified();
            if let Some(reason) = self.0.lifecycle.reason() {
                return reason;
            }
            end.await;
        }
    }
}

/// Why a client that the middlewares accepted does not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// The namespace was closed meanwhile.
    Closed,
    /// The lost socket has missed an event meanwhile that was not kept.
    Incomplete,
}

/// # For the client and the namespace
impl Socket {
    #[cfg(test)]
    pub(crate) const STATE_SIZE: usize = size_of::<State>();

    pub(crate) fn new(
        id: Room,
        serial: u32,
        link: Arc<Link>,
        namespace: Namespace,
        auth: Option<Box<str>>,
        granted: Option<RecoveredSocket>,
    ) -> Socket {
        let recovered = granted.is_some();
        let (history, values) = match (granted, namespace.recovery()) {
            (Some(granted), _) => (Some(granted.history), granted.values),
            (None, Some(recovery)) if link.revision == Revision::V4 => {
                (Some(Arc::new(recovery.new_history())), None)
            }
            (None, _) => (None, None),
        };
        Socket(Arc::new(State {
            history,
            mailbox: Arc::clone(&link.mailbox),
            lifecycle: Lifecycle::new(),
            recovered,
            serial,
            link,
            id,
            namespace,
            auth,
            pending_acks: PendingAcks::default(),
            end: Notify::new(),
            attached: values
                .map_or_else(OnceLock::new, |kept| Box::new(Attached { kept, ..Attached::default() }).into()),
        }))
    }

    /// The middlewares let the client in.
    pub(crate) fn admit(&self) -> Result<(), NotAdmitted> {
        let (members, mailbox) = (self.0.namespace.members(), &self.0.mailbox);
        let history = self.0.history.as_ref().zip(self.0.namespace.recovery());
        let rooms = self.early_rooms();
        // No broadcast reaches it before it is connected. Until then, broadcasts are kept for the lost socket.
        if !members.add(self, rooms.clone()) {
            return Err(NotAdmitted::Closed);
        }
        let pid = history.map(|(history, _)| history.pid());
        let reply = self.config().parser.connect(self.0.link.revision, self.namespace_name(), self.id(), pid);
        match history {
            None => {
                self.0.mailbox.push_owed(&[reply]);
            }
            Some((history, recovery)) if !self.0.recovered => recovery.begin(history, mailbox, &reply),
            Some((history, recovery)) => match recovery.resume(history, mailbox, &reply) {
                Ok(()) => self.0.namespace.leave(),
                Err(why) => {
                    members.remove(self);
                    return Err(match why {
                        NotResumed::Ended => NotAdmitted::Closed,
                        NotResumed::Incomplete => NotAdmitted::Incomplete,
                    });
                }
            },
        }
        self.enter(&rooms);
        self.0.link.see(|| What::Joined { nsp: self.namespace_name(), socket: self.id() });
        if self.0.recovered && self.0.link.is_watched() {
            let joined = |room| RoomEvent::Joined { room, socket: self.room() };
            self.rooms().into_iter().for_each(|room| self.see_room(&joined(room)));
        }
        self.start();
        Ok(())
    }

    /// The client is about to get an event that it might get again if it recovered soon. Returns whether it still
    /// needs the event: not if it has everything up to the offset.
    pub(crate) fn doubt_history(&self, offset: Option<Offset>) -> bool {
        self.0.history.as_ref().is_none_or(|history| history.doubt(offset))
    }

    /// The client is recovering, and has missed an event meanwhile that was not kept.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.0.recovered && self.0.history.as_ref().is_some_and(|history| history.is_doubted())
    }

    /// The client can't recover this socket.
    pub(crate) fn end_history(&self) {
        if let Some(history) = &self.0.history {
            self.0.namespace.end_history(history);
        }
    }

    /// The connection is lost. The client may recover its socket.
    fn lose(&self) {
        let (Some(history), Some(recovery)) = (&self.0.history, self.0.namespace.recovery()) else { return };
        let rooms = self.0.namespace.members().of(self);
        if history.is_certain() {
            self.0.namespace.keep_session(history, &self.0.id, &rooms, self.values().as_ref());
        }
        if recovery.lose(history, &self.0.id, rooms, self.values()) {
            self.0.namespace.enter();
        }
    }

    /// The namespace is closed. The socket is connected, or about to be.
    pub(crate) fn put_out(&self) {
        self.0.lifecycle.leave();
        self.0.link.command(Command::Disconnect { serial: self.0.serial });
    }

    /// The socket was connected and has ended. `farewell` is the last packet for the client.
    pub(crate) fn finish(&self, reason: DisconnectReason, farewell: Option<Frame>) {
        self.0.lifecycle.leave();
        let moves = reason == DisconnectReason::ServerShuttingDown;
        if reason.is_lost_connection() || (moves && self.0.namespace.shared_recovery().is_some()) {
            self.lose();
        } else {
            self.end_history();
        }
        // Out of all rooms first, so that no broadcast comes after the farewell.
        let rooms = self.0.namespace.members().remove(self);
        let (nsp, socket) = (self.namespace_name(), self.id());
        self.0.link.see(|| What::Left { nsp, socket, reason: reason.as_str() });
        if let Some(farewell) = farewell {
            self.0.mailbox.push_owed(&[farewell]);
        }
        self.0.pending_acks.end();
        if self.0.lifecycle.end(reason, rooms) {
            self.0.namespace.leave();
        }
        self.0.end.notify_waiters();
        if reason == DisconnectReason::ServerNamespaceDisconnect {
            // Events of a client that the server has disconnected are ignored.
            self.clear_queue();
        }
        let _ = self.submit(Job::Ended(reason));
    }

    /// The handlers know about the end, so the socket can be recovered now.
    pub(crate) fn settle(&self) {
        if let Some(history) = &self.0.history {
            history.settle();
        }
    }

    /// The socket ended before the middlewares had decided.
    pub(crate) fn discard(&self, reason: DisconnectReason) {
        let ends = self.turn_away(reason);
        if let Some(history) = &self.0.history {
            self.0.namespace.put_back(history);
        }
        self.0.pending_acks.end();
        if ends {
            self.0.namespace.leave();
        }
        self.0.end.notify_waiters();
        // They may own the socket.
        self.drop_handlers();
    }
}
