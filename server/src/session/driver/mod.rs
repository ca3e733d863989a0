//! The task that drives a session: it gives it turns, yields to other tasks, and closes its WebSocket at the
//! end. What a session does in a turn, and in which order, is in `engineio`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engineio::{Layer, Session};
use tokio::time::error::Elapsed;

use crate::session::log::SessionLog;
use crate::session::registry::Registered;
use crate::session::turn::poll_rounds;
use crate::session::wires::Wires;

/// A session and its wires: a future that is ready when the session has ended and its client has been told. It belongs
/// to one task, and is polled by no other.
///
/// The fields that every turn reads come first, as in [`Session`].
#[repr(C)]
pub(crate) struct Driver<L> {
    /// The session has ended, and its WebSocket is being closed.
    goodbye: Option<Goodbye>,
    wires: Wires,
    session: Session<L, Wires>,
    /// What the log says of it, if there is one.
    log: Option<Box<SessionLog>>,
    registered: Registered,
}

/// A WebSocket that is being closed, with a time limit.
type Goodbye = Pin<Box<dyn Future<Output = Result<(), Elapsed>> + Send>>;

/// A driver may be moved: the only future in it has a box of its own.
impl<L> Unpin for Driver<L> {}

impl<L: Layer> Future for Driver<L> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.goodbye.is_none() {
            ready!(self.poll_session(cx));
            self.goodbye = self.leave();
            if let Some(log) = self.log.take() {
                log.session_closed(&self.session);
            }
        }
        if self.goodbye.is_some() && self.session.is_evicted(cx) {
            self.goodbye = None;
        }
        match &mut self.goodbye {
            Some(goodbye) => goodbye.as_mut().poll(cx).map(drop),
            None => Poll::Ready(()),
        }
    }
}

impl<L: Layer> Driver<L> {
    pub(crate) fn new(
        session: Session<L, Wires>,
        wires: Wires,
        registered: Registered,
        log: Option<Box<SessionLog>>,
    ) -> Driver<L> {
        Driver { goodbye: None, wires, session, log, registered }
    }

    /// Gives the session a turn. Ready once it is over.
    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.session.begin_turn();
        poll_rounds(cx, |cx, now| self.session.round(cx, now, &mut self.wires))
    }

    /// Removes the session from the registry, and closes the WebSocket in use.
    fn leave(&mut self) -> Option<Goodbye> {
        // The close may take a while, and no request should find the session meanwhile.
        self.registered.unlist();
        let left = self.session.farewell()?;
        Some(Box::pin(tokio::time::timeout(left.within, left.websocket.close(left.code))))
    }
}

#[cfg(test)]
mod tests;
