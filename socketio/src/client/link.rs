//! What the sockets of one client share: the way to its session's driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engineio::memory::Held;
use engineio::observe::{Observers, What};
use engineio::{HandshakeRequest, Limit, Mailbox, Opened, Revision, Sid, Transport};
use parking_lot::Mutex;

use crate::error::connect_error::ConnectError;
use crate::recovery::claimed::Claimed;
use crate::recovery::presented::Refusal;

/// The way to a session: its mailbox, and commands for the [`Client`](crate::Client) on it.
pub(crate) struct Link {
    pub(crate) sid: Sid,
    pub(crate) revision: Revision,
    /// Whether the session is on WebSocket.
    direct: AtomicBool,
    /// Nobody runs commands any more. It is changed under the lock on `left`.
    ended: AtomicBool,
    pub(crate) handshake: HandshakeRequest,
    pub(crate) mailbox: Arc<Mailbox>,
    observers: Observers,
    left: Mutex<Left>,
}

/// What is left for a client, by whoever has something to do with it.
#[derive(Default)]
struct Left {
    commands: Vec<Command>,
    /// What packets take that wait in the client and in its sockets.
    backlog: Held,
}

/// Too much waits, by this limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overloaded(pub(crate) Limit);

/// What an application says of a client that wants to join a namespace.
#[derive(Debug)]
pub(crate) enum Verdict {
    Admitted,
    Refused(ConnectError),
    /// The socket that it comes back for is not its own. It may come as a new client.
    NotRecovered,
}

/// What others want of a client. Sockets go by their serial number: a socket holds the link, so the link
/// must not hold a socket.
#[derive(Debug)]
pub(crate) enum Command {
    /// The parent of a name that a client wants to join is known, by its number, or that it has none.
    Parent { serial: u32, parent: Option<u64> },
    /// The application has decided on a socket.
    Verdict { serial: u32, verdict: Verdict },
    /// The old socket, which a socket is to be recovered from, has ended.
    OldSocketEnded { serial: u32 },
    /// The adapter has told whether there is the session that a client comes back for.
    Claimed { serial: u32, claimed: Result<Claimed, Refusal> },
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
            ended: AtomicBool::new(false),
            handshake,
            mailbox,
            observers,
            left: Mutex::default(),
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
        let mut left = self.left.lock();
        if self.ended.load(Ordering::Relaxed) {
            drop(left);
            return drop(command);
        }
        left.commands.push(command);
        drop(left);
        self.mailbox.wake();
    }

    /// The session has ended, and runs no commands any more.
    pub(crate) fn end(&self) {
        let mut left = self.left.lock();
        self.ended.store(true, Ordering::Relaxed);
        let commands = std::mem::take(&mut left.commands);
        drop(left);
        drop(commands);
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.left.lock().commands)
    }

    /// Counts a packet that has to wait. Like a mailbox, the backlog takes a packet whole while it is under its
    /// limit.
    pub(crate) fn hold(&self, cost: usize, limit: usize) -> Result<(), Overloaded> {
        let backlog = &mut self.left.lock().backlog;
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
        let backlog = &mut self.left.lock().backlog;
        let before = backlog.bytes();
        backlog.resize(before - cost);
        self.mailbox.note_backlog(before - cost);
    }

    #[cfg(test)]
    pub(crate) fn backlog(&self) -> usize {
        self.left.lock().backlog.bytes()
    }
}
