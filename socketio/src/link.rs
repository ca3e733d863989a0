//! What the sockets of one client share: the way to its session's driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engineio::observe::{Observers, What};
use engineio::{CloseReason, Frame, Handshake, Mailbox, Opened, Revision, Sid, Transport};
use parking_lot::Mutex;

use crate::Namespace;
use crate::middleware::ConnectError;

/// The way to a session: its mailbox, and commands for the [`Client`](crate::Client) on it.
pub(crate) struct Link {
    pub(crate) sid: Sid,
    pub(crate) revision: Revision,
    /// Whether the session is on WebSocket.
    direct: AtomicBool,
    pub(crate) handshake: Handshake,
    pub(crate) mailbox: Arc<Mailbox>,
    observers: Observers,
    commands: Mutex<Vec<Command>>,
    /// Bytes of packets that wait in the client and in its sockets.
    backlog: AtomicUsize,
}

/// What others want of a client. Sockets go by their serial number: a socket holds the link, so the link
/// must not hold a socket.
#[derive(Debug)]
pub(crate) enum Command {
    /// The parent of a name that a client wants to join is known, or that it has none.
    Parent { serial: u32, parent: Option<Namespace> },
    /// The middlewares have decided on a socket.
    Verdict { serial: u32, verdict: Result<(), ConnectError> },
    /// The old socket, which a socket is to be recovered from, has ended.
    OldSocketEnded { serial: u32 },
    /// Put a socket out of its namespace.
    Disconnect { serial: u32 },
    /// Put all sockets out of their namespaces, and end the session.
    Close,
}

impl Link {
    pub(crate) fn new(opened: Opened) -> Link {
        let Opened { sid, revision, transport, mailbox, handshake, observers } = opened;
        Link {
            sid,
            revision,
            direct: AtomicBool::new(transport == Transport::WebSocket),
            handshake,
            mailbox,
            observers,
            commands: Mutex::default(),
            backlog: AtomicUsize::new(0),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.direct.load(Ordering::Acquire) { Transport::WebSocket } else { Transport::Polling }
    }

    pub(crate) fn upgraded(&self) {
        self.direct.store(true, Ordering::Release);
    }

    /// Shows something to whoever watches.
    pub(crate) fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.observers.see(Some(&self.sid), what);
    }

    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Has the driver run a command.
    pub(crate) fn command(&self, command: Command) {
        self.commands.lock().push(command);
        self.mailbox.wake();
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock())
    }

    /// Sends what the client must get. If it can't, because the client does not read, the session ends.
    pub(crate) fn send_or_close(&self, frames: &[Frame]) {
        send_or_close(&self.mailbox, frames);
    }

    /// Counts a packet that has to wait; says whether it may. Like a mailbox, the backlog takes a packet
    /// whole while it is under its limit.
    pub(crate) fn hold(&self, cost: usize, limit: usize) -> bool {
        self.backlog.fetch_add(cost, Ordering::Relaxed) < limit
    }

    /// Counts a packet that waits no longer.
    pub(crate) fn release(&self, cost: usize) {
        self.backlog.fetch_sub(cost, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }
}

/// Sends what the client must get, or else ends its session.
pub(crate) fn send_or_close(mailbox: &Mailbox, frames: &[Frame]) {
    if let Err(engineio::SendError::Full) = mailbox.push(frames) {
        mailbox.close(CloseReason::ForcedClose);
    }
}
