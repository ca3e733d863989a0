//! What the sockets of one client share: the mailbox and the commands for its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engineio::memory::Held;
use engineio::observe::{Observers, What};
use engineio::{CurrentTransport, HandshakeRequest, Limit, Mailbox, Opened, Revision, Sid, Transport};
use parking_lot::Mutex;

use crate::error::connect_error::ConnectError;
use crate::recovery::claimed::Claimed;
use crate::recovery::request::RecoveryFailure;

/// How sockets reach their session: its mailbox, and commands for the [`Client`](crate::Client) on it.
pub(crate) struct Link {
    pub(crate) sid: Sid,
    pub(crate) revision: Revision,
    transport: CurrentTransport,
    /// Commands are no longer run. It changes under the lock on `inbox`.
    ended: AtomicBool,
    pub(crate) handshake: HandshakeRequest,
    pub(crate) mailbox: Arc<Mailbox>,
    observers: Observers,
    inbox: Mutex<Inbox>,
}

/// What others leave for a client.
#[derive(Default)]
struct Inbox {
    commands: Vec<Command>,
    /// The memory of packets that wait in the client and in its sockets.
    backlog: Held,
}

/// Too much waits, by this limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overloaded(pub(crate) Limit);

/// What the application decides about a client that wants to join a namespace.
#[derive(Debug)]
pub(crate) enum JoinDecision {
    Admitted,
    Refused(ConnectError),
    /// It must not recover that socket, but may join as a new client.
    NotRecovered,
}

/// What other tasks ask of a client. They name a socket by its serial number: a socket holds the link, so the link
/// must not hold a socket.
#[derive(Debug)]
pub(crate) enum Command {
    /// The parents have decided: the number of the parent of a name that a client wants to join, or none.
    Parent { serial: u32, parent: Option<u64> },
    /// The application has decided on a socket.
    Decided { serial: u32, decision: JoinDecision },
    /// The old socket that a client wants to recover has ended.
    OldSocketEnded { serial: u32 },
    /// The adapter has answered whether it has the session that a client wants to recover.
    Claimed { serial: u32, claimed: Result<Claimed, RecoveryFailure> },
    /// Disconnect a socket from its namespace.
    Disconnect { serial: u32 },
    /// Disconnect all sockets, and end the session.
    Close,
}

impl Link {
    pub(crate) fn new(opened: Opened) -> Link {
        let Opened { sid, revision, transport, mailbox, handshake, observers } = opened;
        Link {
            sid,
            revision,
            transport: CurrentTransport::new(transport),
            ended: AtomicBool::new(false),
            handshake,
            mailbox,
            observers,
            inbox: Mutex::default(),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport.get()
    }

    pub(crate) fn upgraded(&self, transport: Transport) {
        self.transport.set(transport);
    }

    /// Shows something to whoever watches.
    pub(crate) fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.observers.see(Some(&self.sid), what);
    }

    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Leaves a command for the session's task, and wakes it.
    pub(crate) fn command(&self, command: Command) {
        let mut inbox = self.inbox.lock();
        if self.ended.load(Ordering::Relaxed) {
            drop(inbox);
            return drop(command);
        }
        inbox.commands.push(command);
        drop(inbox);
        self.mailbox.ring();
    }

    /// The session has ended, and runs no commands any more.
    pub(crate) fn end(&self) {
        let mut inbox = self.inbox.lock();
        self.ended.store(true, Ordering::Relaxed);
        let commands = std::mem::take(&mut inbox.commands);
        drop(inbox);
        drop(commands);
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.inbox.lock().commands)
    }

    /// Counts a packet that has to wait. Like a mailbox, the backlog accepts a packet of any size while it is under
    /// its limit.
    pub(crate) fn hold(&self, cost: usize, limit: usize) -> Result<(), Overloaded> {
        let backlog = &mut self.inbox.lock().backlog;
        let before = backlog.bytes();
        backlog.resize(before + cost);
        self.mailbox.note_backlog(before + cost);
        if before >= limit {
            Err(Overloaded(Limit::Backlog))
        } else if !self.mailbox.has_memory(before) {
            Err(Overloaded(Limit::Memory))
        } else {
            Ok(())
        }
    }

    /// Counts a packet that waits no longer.
    pub(crate) fn release(&self, cost: usize) {
        let backlog = &mut self.inbox.lock().backlog;
        let before = backlog.bytes();
        backlog.resize(before - cost);
        self.mailbox.note_backlog(before - cost);
    }

    #[cfg(test)]
    pub(crate) fn backlog(&self) -> usize {
        self.inbox.lock().backlog.bytes()
    }
}
