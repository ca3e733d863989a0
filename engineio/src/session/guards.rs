//! How requests reach a session: each claims its door, and gets a guard.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use super::doors::{GetDoor, OpenError, PostDoor, Posted, Probe, ProbeDoor};
use super::handle::SessionHandle;
use super::wires::Wires;
use crate::memory::{ALLOWANCE, Held};
use crate::{HandshakeRequest, LongAnswer, Transport, Violation};

impl<W: Wires> SessionHandle<W> {
    /// Claims the door of GETs. `answer` gets the answer; if it is dropped, there will be none.
    ///
    /// # Errors
    /// If another GET is open, which ends the session, or if the session is over.
    pub fn open_get(self: Arc<Self>, answer: W::PollReply) -> Result<OpenGet<W>, OpenError> {
        let mut doors = self.doors.lock();
        if doors.shut {
            return Err(OpenError::Ended);
        }
        if !matches!(doors.get, GetDoor::Free) {
            doors.news.broken = Some(Violation::Overlap);
            drop(doors);
            self.mailbox.ring();
            return Err(OpenError::Taken);
        }
        doors.get = GetDoor::Waiting(answer);
        doors.news.poll = true;
        drop(doors);
        self.mailbox.polled();
        Ok(OpenGet { handle: Some(self) })
    }

    /// Claims the door of POSTs, before the body is read.
    ///
    /// # Errors
    /// If another POST is open, which ends the session, or if the session is over.
    pub fn open_post(self: Arc<Self>) -> Result<OpenPost<W>, OpenError> {
        let mut doors = self.doors.lock();
        if doors.shut {
            return Err(OpenError::Ended);
        }
        if !matches!(doors.post, PostDoor::Free) {
            doors.news.broken = Some(Violation::Overlap);
            drop(doors);
            self.mailbox.ring();
            return Err(OpenError::Taken);
        }
        doors.post = PostDoor::Reading(None);
        drop(doors);
        Ok(OpenPost { handle: Some(self) })
    }

    /// Claims the door of WebSockets, before the handshake is answered.
    ///
    /// # Errors
    /// If another is being probed, or the session has upgraded already, or is over.
    pub fn open_probe(self: Arc<Self>) -> Result<OpenProbe<W>, OpenError> {
        let mut doors = self.doors.lock();
        if doors.shut {
            return Err(OpenError::Ended);
        }
        if !matches!(doors.probe, ProbeDoor::Free) || self.known().transport != Transport::Polling {
            return Err(OpenError::Taken);
        }
        doors.probe = ProbeDoor::Taken;
        drop(doors);
        Ok(OpenProbe { handle: Some(self) })
    }
}

/// A GET that is parked or being answered. If it is dropped before its body was handed over, the poll is aborted.
pub struct OpenGet<W: Wires> {
    handle: Option<Arc<SessionHandle<W>>>,
}

impl<W: Wires> OpenGet<W> {
    /// An answer of that many bytes is being sent, which may grow to `most`. If it is long, it counts against the
    /// session's memory.
    #[must_use]
    pub fn begin(&self, bytes: usize, most: usize) -> Option<Long<W>> {
        let handle = self.handle.as_ref().filter(|_| most >= ALLOWANCE)?;
        Some(Long { answer: LongAnswer::begin(&handle.mailbox, bytes), handle: handle.clone() })
    }

    /// The answer's body was handed to the HTTP connection.
    pub fn written(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.doors.lock().get = GetDoor::Free;
        }
    }
}

impl<W: Wires> Drop for OpenGet<W> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            let mut doors = handle.doors.lock();
            let door = std::mem::take(&mut doors.get);
            // The session may not have noticed the poll yet.
            doors.news.poll = false;
            doors.news.poll_aborted = Some(matches!(door, GetDoor::Answering { messages: true }));
            drop(doors);
            handle.mailbox.ring();
        }
    }
}

/// A long answer to a GET. It counts against the session's memory until the connection has written all of it, even if
/// the session has ended.
pub struct Long<W: Wires> {
    answer: Arc<LongAnswer>,
    /// While it exists, the session can be evicted.
    handle: Arc<SessionHandle<W>>,
}

impl<W: Wires> Clone for Long<W> {
    fn clone(&self) -> Long<W> {
        Long { answer: self.answer.clone(), handle: self.handle.clone() }
    }
}

impl<W: Wires> Deref for Long<W> {
    type Target = LongAnswer;

    fn deref(&self) -> &LongAnswer {
        &self.answer
    }
}

/// A POST whose body is being read. If it is dropped before it is submitted, refused or released, it is aborted.
pub struct OpenPost<W: Wires> {
    handle: Option<Arc<SessionHandle<W>>>,
}

impl<W: Wires> OpenPost<W> {
    /// `told` is dropped when the session is over, so that nobody waits for the rest of the body.
    pub fn tell_end(&self, told: W::PostReply) {
        if let Some(handle) = &self.handle
            && let PostDoor::Reading(end) = &mut handle.doors.lock().post
        {
            *end = Some(told);
        }
    }

    /// Notes that `came` bytes more of the body have come, and what all of it takes now.
    pub fn note(&self, came: usize, held: usize) {
        if let Some(handle) = &self.handle {
            handle.mailbox.note_moved(came);
            handle.mailbox.note_body(held);
        }
    }

    /// Passes the body to the session, which tells `accepted` once the packets are accepted, and drops it if the
    /// session ends first.
    pub fn submit(mut self, body: Bytes, binary: bool, held: Held, accepted: W::PostReply) {
        if let Some(handle) = self.handle.take() {
            let mut doors = handle.doors.lock();
            if !doors.shut {
                doors.post = PostDoor::Ready(Posted { body, binary, held, accepted });
            }
            drop(doors);
            handle.mailbox.ring();
        }
    }

    /// Frees the door: this POST is refused, and the session continues.
    pub fn release(mut self) {
        if let Some(handle) = self.handle.take() {
            handle.doors.lock().post = PostDoor::Free;
        }
    }
}

impl<W: Wires> OpenPost<W> {
    /// This POST breaks a rule, which ends its session.
    pub fn refuse(mut self, violation: Violation) {
        self.broken(violation);
    }

    fn broken(&mut self, violation: Violation) {
        if let Some(handle) = self.handle.take() {
            let mut doors = handle.doors.lock();
            doors.post = PostDoor::Free;
            doors.news.broken = Some(violation);
            drop(doors);
            handle.mailbox.ring();
        }
    }
}

impl<W: Wires> Drop for OpenPost<W> {
    fn drop(&mut self) {
        self.broken(Violation::Aborted);
    }
}

/// A probing WebSocket whose handshake is being answered. If it is dropped before it is open, another may come.
pub struct OpenProbe<W: Wires> {
    handle: Option<Arc<SessionHandle<W>>>,
}

impl<W: Wires> OpenProbe<W> {
    /// Hands the open WebSocket to the session, and its handshake, if the [application wants
    /// it](crate::Application::WANTS_UPGRADE_REQUEST).
    pub fn opened(mut self, websocket: W::WebSocket, request: Option<Box<HandshakeRequest>>) {
        if let Some(handle) = self.handle.take() {
            let mut doors = handle.doors.lock();
            if !doors.shut {
                doors.probe = ProbeDoor::Ready(Box::new(Probe { websocket, request }));
            }
            drop(doors);
            handle.mailbox.ring();
        }
    }
}

impl<W: Wires> Drop for OpenProbe<W> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.doors.lock().free_probe();
        }
    }
}

macro_rules! opaque {
    ($($name:ident),+) => {$(
        impl<W: Wires> fmt::Debug for $name<W> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("handle", &self.handle).finish()
            }
        }
    )+};
}

opaque!(OpenGet, OpenPost, OpenProbe, Long);
