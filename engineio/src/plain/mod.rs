//! Plain WebSockets, without their wires: clients that speak neither Engine.IO nor Socket.IO.
//!
//! ```text
//!          applications
//!   Sender │        ▲ Inbox
//!  ┌───────▼────────│──────────────────────────────────────────┐
//!  │    Mailbox   inbox ◀──────messages──────┐  PlainWebSocket │
//!  │       └───────────frames──▶  wire ──────┘                 │
//!  └──────────────────────────────────────────────────────────-┘
//! ```
//!
//! A [`PlainWebSocket`] belongs to one task, which gives it turns, as a [`Session`](crate::Session) does. It has the
//! queue, the reader and the writer of one, and decides itself about the rest: how much waits for the application, the
//! pings, the time that a message may take, and the end.
//!
//! ```text
//!  Open ──wish──────────▶ Closing ──▶ Goodbye ──▶ Over     we close: what is queued, a close frame, and the peer's
//!   │ ╲                      ▲                     ▲
//!   │  ╲──peer's close────▶ Settling               │       the application answers what came before the end, and
//!   │       or mistake                             │       then we close
//!   └──lost, too late, put out─────────────────────┘       from anywhere
//! ```

mod close;
mod outgoing;
mod reading;
mod shared;
mod terms;
#[cfg(test)]
mod tests;
mod timing;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::observe::{Carrier, Observers, Watch, What};
use crate::rate::Rates;
use crate::session::{Line, Round};
use crate::{
    FRAME_OVERHEAD, HandshakeRequest, Mailbox, MailboxReceiver, Message, Outlet, Revision, Sid, Stalled,
};
use shared::Shared;

pub use close::Close;
pub use outgoing::Outgoing;
pub use shared::{Inbox, Sender};
pub use terms::{Keepalive, Terms, Wire, Wires};

/// Messages that are taken in before what they brought about is written.
const ROUND: usize = 32;

/// Rounds after which other tasks have their turn.
const ROUNDS: u8 = 8;

/// What is taken from the mailbox for the wire at once, in bytes.
const LOAD: usize = 256 * 1024;

/// What the application has to answer what came before the end. It needs none if it is waiting for the next message.
const SETTLING: Duration = Duration::from_secs(1);

/// A plain WebSocket on its wire. It belongs to one task, which gives it turns.
#[derive(Debug)]
pub struct PlainWebSocket<W> {
    mailbox: MailboxReceiver,
    shared: Arc<Shared>,
    link: W,
    terms: Terms,
    observers: Observers,
    /// It has no id of its own. This one is for observers alone.
    sid: Sid,
    state: State,
    /// Rounds of this turn.
    rounds: u8,
    /// It has been noted that bytes came in this turn.
    noted: bool,
    /// A ping has been sent since the last sign of life.
    pinged: bool,
    /// The last write was not taken whole. What is in its way is still to be taken by the peer.
    stuck: bool,
    /// The client took something since this was noted last.
    moved: bool,
    /// The last sign of life.
    heard: Instant,
    /// When the message began that has not ended.
    begun: Option<Instant>,
    /// When the end is to be over.
    close_by: Option<Instant>,
    stalled: Stalled,
    rates: Option<Box<Rates>>,
}

/// How far it is from its end.
#[derive(Debug)]
enum State {
    Open,
    /// The peer has closed or broken a rule, and is read from no more. What came before may be answered until then.
    Settling {
        farewell: Farewell,
        until: Instant,
    },
    /// What is queued goes out, and then a close frame.
    Closing(Farewell),
    /// The close frame goes out. Whether the peer's is waited for after that.
    Goodbye {
        answered: bool,
    },
    /// Nothing is left to be said. Whether the peer may still be there to read it.
    Over {
        lost: bool,
    },
}

/// Our close frame.
#[derive(Debug)]
struct Farewell {
    close: Close,
    /// The peer's came before it, or none will.
    answered: bool,
}

impl<W: Wire> PlainWebSocket<W> {
    /// A WebSocket whose handshake is done, and what the application has of it.
    pub fn open(
        link: W,
        terms: Terms,
        observers: Observers,
        exchange: u64,
        handshake: &HandshakeRequest,
        now: Instant,
    ) -> (PlainWebSocket<W>, Sender, Inbox) {
        let mailbox =
            Mailbox::new(terms.send_budget).within(terms.memory.clone()).counting(terms.hits.clone());
        let (everyone, mailbox) = mailbox.split();
        let shared = Arc::new(Shared::new(everyone, terms.memory.clone(), terms.fragment));
        let (sender, inbox) = shared.handles();
        let websocket = PlainWebSocket {
            mailbox,
            shared,
            link,
            rates: Rates::new(now, terms.messages_per_second, terms.bytes_per_second),
            terms,
            observers,
            sid: Sid::generate(),
            state: State::Open,
            rounds: 0,
            noted: false,
            pinged: false,
            stuck: false,
            moved: false,
            heard: now,
            begun: None,
            close_by: None,
            stalled: Stalled::default(),
        };
        websocket.see(|| What::PlainOpened { exchange, handshake });
        (websocket, sender, inbox)
    }

    /// The task that drives it runs again.
    pub fn begin_turn(&mut self) {
        self.rounds = 0;
        self.noted = false;
        self.link.begin_turn();
    }

    /// Looks once at everything that may have come, and writes what can be written.
    pub fn round(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl Wires) -> Round {
        if self.mailbox.look(self.outlet()) {
            self.rung(now, wires);
        }
        let mut busy = self.read(cx, now, wires);
        self.settle(now);
        self.write(cx, now, wires);
        busy |= self.expire(cx, now, wires);
        if self.is_over() {
            return Round::Over;
        }
        if !busy && self.mailbox.poll_left(cx, self.outlet()).is_pending() {
            return Round::Sleep;
        }
        self.rounds += 1;
        if self.rounds < ROUNDS { Round::Again } else { Round::Yield }
    }

    /// It is over. The wire, if the peer may still read what was written, and until when to wait for that.
    pub fn lingers(&mut self) -> Option<(&mut W, Instant)> {
        let lost = matches!(self.state, State::Over { lost: true });
        self.close_by.filter(|_| !lost).map(|until| (&mut self.link, until))
    }

    /// Whether the peer is put out while it [lingers](PlainWebSocket::lingers); then nothing is held for it any more. If it
    /// isn't, the task is woken when it is.
    pub fn is_put_out(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            self.mailbox.look(Outlet::Shut);
            if self.mailbox.take_put_out().is_some() {
                self.shared.clear();
                return true;
            }
            if self.mailbox.poll_left(cx, Outlet::Shut).is_pending() {
                return false;
            }
        }
    }

    /// Nothing is left to be done. How it ended.
    pub fn finish(&mut self) -> Close {
        self.shared.end(Close::lost());
        let close = self.shared.close().unwrap_or_else(Close::lost);
        self.see(|| What::PlainEnded { code: close.code, reason: &close.reason });
        close
    }

    /// Its wire.
    pub fn link_mut(&mut self) -> &mut W {
        &mut self.link
    }

    /// Who holds memory for it.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        self.mailbox.mailbox()
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// How a message that is queued now would go out.
    fn outlet(&self) -> Outlet {
        if self.link.is_drained() { Outlet::Open } else { Outlet::Shut }
    }

    /// Looks at what others left: room in the inbox, which is looked at anyway, and the wish to end.
    fn rung(&mut self, now: Instant, wires: &mut impl Wires) {
        if let Some(limit) = self.mailbox.take_put_out() {
            wires.log(Line::PutOut(limit));
            return self.put_out();
        }
        if self.mailbox.take_close().is_some()
            && self.is_open()
            && let Some(close) = self.shared.close()
        {
            self.leave(now, Farewell { close, answered: false });
        }
    }

    /// Ends it at once, and lets go of what is held for it. The peer isn't told.
    fn put_out(&mut self) {
        self.link.abandon();
        self.shared.end(Close::lost());
        self.shared.clear();
        self.mailbox.let_go();
        self.over(true);
    }

    fn over(&mut self, lost: bool) {
        self.shared.end(Close::lost());
        self.mailbox.shut();
        self.state = State::Over { lost };
    }

    /// Says goodbye after what is queued.
    fn leave(&mut self, now: Instant, farewell: Farewell) {
        self.close_by.get_or_insert(after(now, self.terms.close_timeout));
        self.mailbox.shut();
        self.state = State::Closing(farewell);
    }

    /// The peer has closed, or broken a rule. What it sent before comes first.
    fn ends(&mut self, now: Instant, close: Close) {
        let farewell = Farewell { close, answered: true };
        match self.state {
            State::Open => {
                self.close_by = Some(after(now, self.terms.close_timeout));
                let until = now + SETTLING.min(self.terms.close_timeout / 2);
                self.state = State::Settling { farewell, until };
            }
            State::Closing(Farewell { ref mut answered, .. }) | State::Goodbye { ref mut answered } => {
                *answered = true;
            }
            State::Settling { .. } | State::Over { .. } => {}
        }
    }

    /// Goes on with the end once the application has dealt with what came before it.
    fn settle(&mut self, now: Instant) {
        let State::Settling { until, .. } = self.state else { return };
        if now < until && !self.shared.is_settled() {
            return;
        }
        if let State::Settling { farewell, .. } = std::mem::replace(&mut self.state, State::Open) {
            self.shared.ended_by_peer(farewell.close.clone());
            self.leave(now, farewell);
        }
    }
}

/// # What goes out
impl<W: Wire> PlainWebSocket<W> {
    fn write(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl Wires) {
        loop {
            if self.is_over() {
                return;
            }
            if self.link.is_drained() {
                self.load();
            }
            let written = self.link.poll_write(cx);
            if self.link.take_moved() {
                self.moved = true;
                if self.stuck {
                    self.alive(now);
                }
            }
            match self.link.take_freed() {
                0 => {}
                freed => self.mailbox.written(freed),
            }
            self.stuck = written.is_pending();
            match written {
                Poll::Pending => return,
                Poll::Ready(Err(error)) => {
                    wires.log(Line::CanNotWrite(&error));
                    return self.over(true);
                }
                Poll::Ready(Ok(())) => {}
            }
            match &self.state {
                State::Closing(farewell) if !self.mailbox.has_frames() => {
                    let Farewell { close: Close { code, reason }, answered } = farewell;
                    // "If this Close control frame contains no status code" it is answered without one.
                    let code = Some(*code).filter(|code| *code != Close::NO_CODE);
                    self.watch().closing(code, reason);
                    self.link.close(code, reason);
                    self.state = State::Goodbye { answered: *answered };
                }
                State::Goodbye { answered: true } => return self.over(false),
                _ => return,
            }
        }
    }

    /// Moves so much of what is queued to the wire.
    fn load(&mut self) {
        self.mailbox.take_some(self.link.queue(), LOAD);
        if !self.observers.is_empty() {
            let frames = self.link.queue().clone();
            frames.iter().for_each(|frame| self.watch().outgoing(frame));
        }
    }
}

/// # What observers see
impl<W> PlainWebSocket<W> {
    fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.observers.see(Some(&self.sid), what);
    }

    fn watch(&self) -> Watch<'_> {
        Watch::new(&self.observers, &self.sid, Revision::V4, Carrier::WebSocket)
    }
}

/// What a message costs of what may wait for the application.
fn cost(message: &Message) -> usize {
    message.len() + FRAME_OVERHEAD
}
