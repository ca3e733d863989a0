//! The handle with which requests reach a session.

use std::fmt;
use std::sync::Arc;

use super::doors::Doors;
use super::wires::Wires;
use crate::sync::Mutex;
use crate::{CurrentTransport, Engine, Known, Mailbox, MailboxReceiver, PayloadFormat, Sid, Transport};

/// What requests know about a session; the [`Session`](super::Session) has the rest. They reach it through three
/// doors: one GET, one POST and one probing WebSocket at a time.
pub struct SessionHandle<W: Wires> {
    /// The session's id.
    pub sid: Sid,
    /// How its polls and POSTs are encoded; its revision.
    pub format: PayloadFormat,
    /// The origin that the session is bound to, if it is bound to one other than the server's own.
    pub origin: Option<Box<[u8]>>,
    /// The queue of messages for the client.
    pub mailbox: Arc<Mailbox>,
    pub(super) doors: Mutex<Doors<W>>,
    transport: CurrentTransport,
}

impl<W: Wires> SessionHandle<W> {
    /// A handle for a new session, and the session's end of the mailbox.
    #[must_use]
    pub fn new(
        sid: Sid,
        format: PayloadFormat,
        transport: Transport,
        origin: Option<Box<[u8]>>,
        engine: &Engine,
    ) -> (Arc<SessionHandle<W>>, MailboxReceiver) {
        let mailbox = Mailbox::new(engine.config.send_budget);
        let mailbox = mailbox.within(engine.memory()).counting(engine.hits.clone());
        let (mailbox, receiver) = mailbox.split();
        let handle = SessionHandle {
            sid,
            format,
            origin,
            mailbox,
            doors: Mutex::default(),
            transport: CurrentTransport::new(transport),
        };
        (Arc::new(handle), receiver)
    }

    /// From now on, its client can be evicted when memory runs short.
    pub fn enter(&self) {
        self.mailbox.memory().enter(&self.mailbox);
    }

    /// The session is over: it accepts no more requests, and those that wait at its doors are answered.
    pub fn shut(&self) {
        self.doors.lock().shut();
    }

    pub(super) fn upgraded(&self, transport: Transport) {
        self.transport.set(transport);
    }

    /// What the checks of a request need to know.
    pub fn known(&self) -> Known {
        Known { format: self.format, transport: self.transport.get() }
    }
}

/// Its session may have ended: an answer that is still being sent can be dropped to free memory.
impl<W: Wires> Drop for SessionHandle<W> {
    fn drop(&mut self) {
        self.mailbox.memory().leave(&self.mailbox);
    }
}

impl<W: Wires> fmt::Debug for SessionHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").field("known", &self.known()).finish_non_exhaustive()
    }
}
