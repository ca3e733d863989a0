//! The handle with which requests reach a session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::doors::Doors;
use super::wires::Wires;
use crate::memory::Holders;
use crate::sync::Mutex;
use crate::{Engine, Known, Mailbox, MailboxReceiver, PayloadFormat, Sid, Transport};

/// What requests know of a session; the [`Session`](super::Session) has the rest. They reach it through three doors: one GET, one POST and
/// one probing WebSocket at a time.
pub struct SessionHandle<W: Wires> {
    /// The session's id.
    pub sid: Sid,
    /// How its polls are encoded; its revision.
    pub format: PayloadFormat,
    /// The origin whose pages it belongs to, if it is bound to one and that is not the server's own.
    pub origin: Option<Box<[u8]>>,
    /// Where to leave what is for the client.
    pub mailbox: Arc<Mailbox>,
    pub(super) doors: Mutex<Doors<W>>,
    /// Whether the session runs over WebSocket.
    direct: AtomicBool,
    /// Those who can be put out when memory runs short, of other endpoints too.
    holders: Arc<Holders>,
}

impl<W: Wires> SessionHandle<W> {
    /// One for a new session, and what the session has of the mailbox.
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
            direct: AtomicBool::new(transport == Transport::WebSocket),
            holders: engine.holders.clone(),
        };
        (Arc::new(handle), receiver)
    }

    /// From now on its client can be put out when memory runs short.
    pub fn enter(&self) {
        self.holders.enter(&self.mailbox);
    }

    /// The session is over: it accepts no more requests, and those that wait at its doors are answered.
    pub fn shut(&self) {
        self.doors.lock().shut();
    }

    pub(super) fn upgraded(&self) {
        self.direct.store(true, Ordering::Release);
    }

    /// What the checks of a request need to know.
    pub fn known(&self) -> Known {
        let direct = self.direct.load(Ordering::Acquire);
        let transport = if direct { Transport::WebSocket } else { Transport::Polling };
        Known { format: self.format, transport }
    }
}

/// Its session may have ended before: an answer that is still on its way can be let go for others until it is sent.
impl<W: Wires> Drop for SessionHandle<W> {
    fn drop(&mut self) {
        self.holders.leave(&self.mailbox);
    }
}

impl<W: Wires> fmt::Debug for SessionHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").field("known", &self.known()).finish_non_exhaustive()
    }
}
