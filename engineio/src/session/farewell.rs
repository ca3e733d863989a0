//! How a session ends: with what is left to say, or at once.

use std::task::Context;
use std::time::{Duration, Instant};

use super::wires::{Line, WebSocketWire as _, Wires};
use super::{Input, Session};
use crate::{Layer, Limit, Outlet};

/// What is left to do once a session is over.
#[derive(Debug)]
pub struct Farewell<W: Wires> {
    /// The WebSocket that was in use, with the rest of the queue.
    pub websocket: W::WebSocket,
    /// The code of the close frame after that, if it has one.
    pub code: Option<u16>,
    /// How long all of it may take.
    pub within: Duration,
}

impl<L: Layer, W: Wires> Session<L, W> {
    /// The session is [over](super::Round::Over), and accepts no more requests. `None` if the client is gone, or knows.
    pub fn farewell(&mut self) -> Option<Farewell<W>> {
        self.handle.shut();
        self.mailbox.shut();
        if self.link.as_ref().is_none_or(W::WebSocket::is_gone) {
            return None;
        }
        self.load(self.most());
        if let Some(link) = &mut self.link {
            // The rest goes at once, and to compress all of that would take long.
            link.stop_compressing();
        }
        self.load(usize::MAX);
        let (websocket, code) = (self.link.take()?, self.close_code);
        let framing = websocket.framing();
        self.watch(framing, framing.into()).closing(code, "");
        Some(Farewell { websocket, code, within: self.machine.engine().config.close_timeout })
    }

    /// Ends the session of a client that met that limit, and frees what is held for it.
    pub(super) fn evict(&mut self, now: Instant, limit: Limit, wires: &mut W) {
        wires.log(Line::Evicted(limit));
        self.outbox.take();
        self.clear_inbox();
        if let Some(link) = &mut self.link {
            link.abandon();
        }
        self.input(now, Input::Evicted, wires);
        self.mailbox.let_go();
    }

    /// Whether the client was evicted while its WebSocket is being closed. If it wasn't, the task is woken when it
    /// is.
    pub fn is_evicted(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            self.mailbox.look(Outlet::Shut);
            if self.mailbox.take_evicted().is_some() {
                return true;
            }
            if self.mailbox.poll_left(cx, Outlet::Shut).is_pending() {
                return false;
            }
        }
    }
}
