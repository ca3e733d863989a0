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
//! queue, the reader and the writer of a session. How much waits for the application, the pings, the time for a
//! message, and the end, it decides itself.
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

use crate::deadline::deadline;
use crate::observe::{Carrier, Observers, Watch, What};
use crate::rate::Rates;
use crate::session::{Line, Round};
use crate::{
    FRAME_OVERHEAD, Framing, HandshakeRequest, Mailbox, MailboxReceiver, Message, Outlet, Revision, Sid,
    Stalled,
};
use shared::Shared;

pub use close::Close;
pub use outgoing::Outgoing;
pub use shared::{Inbox, Sender};
pub use terms::{Keepalive, PlainWire, PlainWires, Terms};

/// Messages that are handled before the answers to them are written.
const ROUND: usize = 32;

/// Rounds after which other tasks run.
const ROUNDS: u8 = 8;

/// What is taken from the mailbox for the wire at once, in bytes.
const LOAD: usize = 256 * 1024;

/// The same where it is compressed, or observed: see [`Session`](crate::Session).
const SHORT_LOAD: usize = 64 * 1024;

/// The time that the application has to answer messages that came before the end. If it waits for the next message,
/// the end doesn't wait.
const SETTLING: Duration = Duration::from_secs(1);

/// A plain WebSocket on its wire. It belongs to one task, which gives it turns.
#[derive(Debug)]
pub struct PlainWebSocket<W> {
    mailbox: MailboxReceiver,
    shared: Arc<Shared>,
    link: W,
    terms: Terms,
    observers: Observers,
    /// It has no id in the protocol. This one is for observers.
    sid: Sid,
    state: State,
    /// Rounds of this turn.
    rounds: u8,
    /// Bytes came in this turn, and that was noted.
    noted: bool,
    /// A ping has been sent since anything was received.
    pinged: bool,
    /// The last write was partial: the peer has not read what came before.
    stuck: bool,
    /// The client has read something since this was noted last.
    moved: bool,
    /// How many bytes of what waited it has taken since it was heard. It stops at the largest number.
    taken: u32,
    /// When something was last received.
    heard: Instant,
    /// When the unfinished message began.
    begun: Option<Instant>,
    /// When the close must be over.
    close_by: Option<Instant>,
    stalled: Stalled,
    rates: Option<Box<Rates>>,
}

/// How far it is from its end.
#[derive(Debug)]
enum State {
    Open,
    /// The peer has closed or broken a rule, and nothing more is read. What came before may be answered until then.
    Settling {
        farewell: Farewell,
        until: Instant,
    },
    /// The queue is being sent, and then a close frame.
    Closing(Farewell),
    /// The close frame is being sent. Unless the peer has `answered`, its close frame is waited for.
    Goodbye {
        answered: bool,
    },
    /// Everything is sent. Whether the peer is `lost`, so that it can't read it.
    Over {
        lost: bool,
    },
}

/// Our close frame.
#[derive(Debug)]
struct Farewell {
    close: Close,
    /// The peer's close frame came first, or won't come.
    answered: bool,
}

impl<W: PlainWire> PlainWebSocket<W> {
    /// A WebSocket after its handshake, and the application's handles on it.
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
            taken: 0,
            heard: now,
            begun: None,
            close_by: None,
            stalled: Stalled::default(),
        };
        websocket.see(|| What::PlainOpened { exchange, handshake });
        (websocket, sender, inbox)
    }

    /// A turn begins.
    pub fn begin_turn(&mut self) {
        self.rounds = 0;
        self.noted = false;
        self.link.begin_turn();
    }

    /// Handles everything that has arrived once, and writes what can be written.
    pub fn round(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl PlainWires) -> Round {
        if self.mailbox.look(self.outlet()) {
            self.rung(now, wires);
        }
        let mut busy = self.read(cx, now, wires);
        wires.run_application();
        self.settle(now);
        self.write(cx, now, wires);
        busy |= self.expire(cx, now, wires);
        if self.is_over() {
            return Round::Over;
        }
        busy |= wires.poll_application(cx).is_ready();
        if !busy && self.mailbox.poll_left(cx, self.outlet()).is_pending() {
            return Round::Sleep;
        }
        self.rounds += 1;
        if self.rounds < ROUNDS { Round::Again } else { Round::Yield }
    }

    /// It is over. Returns the wire, if the peer may still read what was written, and until when to wait for that.
    pub fn lingers(&mut self) -> Option<(&mut W, Instant)> {
        let lost = matches!(self.state, State::Over { lost: true });
        self.close_by.filter(|_| !lost).map(|until| (&mut self.link, until))
    }

    /// Whether the peer was evicted while it [lingers](PlainWebSocket::lingers). If it wasn't, the task is woken when
    /// it is.
    pub fn is_evicted(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            self.mailbox.look(Outlet::Shut);
            if self.mailbox.take_evicted().is_some() {
                self.shared.clear();
                return true;
            }
            if self.mailbox.poll_left(cx, Outlet::Shut).is_pending() {
                return false;
            }
        }
    }

    /// It has ended. Returns how.
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

    /// Its mailbox, which counts its memory.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        self.mailbox.mailbox()
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// When a message that is queued now would be sent.
    fn outlet(&self) -> Outlet {
        if self.link.is_drained() { Outlet::Open } else { Outlet::Shut }
    }

    /// Handles what other tasks left: the wish to close. Room in the inbox is noticed anyway.
    fn rung(&mut self, now: Instant, wires: &mut impl PlainWires) {
        if let Some(limit) = self.mailbox.take_evicted() {
            wires.log(Line::Evicted(limit));
            return self.evict();
        }
        if self.mailbox.take_close().is_some()
            && self.is_open()
            && let Some(close) = self.shared.close()
        {
            self.leave(now, Farewell { close, answered: false });
        }
    }

    /// Ends it at once, and frees what is held for it. The peer isn't told.
    fn evict(&mut self) {
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

    /// Closes it after the queue is sent.
    fn leave(&mut self, now: Instant, farewell: Farewell) {
        self.close_by.get_or_insert(deadline(now, self.terms.close_timeout));
        self.mailbox.shut();
        self.state = State::Closing(farewell);
    }

    /// The peer has closed, or broken a rule. What it sent before comes first.
    fn ends(&mut self, now: Instant, close: Close) {
        let farewell = Farewell { close, answered: true };
        match self.state {
            State::Open => {
                self.close_by = Some(deadline(now, self.terms.close_timeout));
                let until = now + SETTLING.min(self.terms.close_timeout / 2);
                self.state = State::Settling { farewell, until };
            }
            State::Closing(Farewell { ref mut answered, .. }) | State::Goodbye { ref mut answered } => {
                *answered = true;
            }
            State::Settling { .. } | State::Over { .. } => {}
        }
    }

    /// Continues the end once the application has handled what came before it.
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
impl<W: PlainWire> PlainWebSocket<W> {
    fn write(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut impl PlainWires) {
        loop {
            if self.is_over() {
                return;
            }
            if self.link.is_drained() {
                self.load();
            }
            let written = self.link.poll_write(cx);
            let moved = self.link.take_moved();
            self.moved |= moved > 0;
            if self.stuck {
                self.takes(now, moved);
            }
            if let Some(bytes) = self.link.take_grown() {
                self.mailbox.note_incoming(bytes);
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

    /// Moves some of the queue to the wire.
    fn load(&mut self) {
        let short = self.link.compresses() || !self.observers.is_empty();
        let most = if short { SHORT_LOAD } else { LOAD };
        self.mailbox.take_some(self.link.queue(), most);
        if !self.observers.is_empty() {
            for at in 0..self.link.queue().len() {
                let (frame, compressed) = (self.link.queue()[at].clone(), self.link.compressed(at));
                self.watch().outgoing(&frame, compressed);
            }
        }
    }
}

/// # What observers see
impl<W> PlainWebSocket<W> {
    fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.observers.see(Some(&self.sid), what);
    }

    fn watch(&self) -> Watch<'_> {
        Watch::new(&self.observers, &self.sid, Framing::WebSocket(Revision::V4), Carrier::WebSocket)
    }
}

/// What a message counts while it waits for the application.
fn cost(message: &Message) -> usize {
    message.len() + FRAME_OVERHEAD
}
