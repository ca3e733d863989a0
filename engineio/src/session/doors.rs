//! The doors of a session: how HTTP requests reach it, one GET, one POST and one probing WebSocket at a time.
//!
//! A request claims its door first and gets a guard. If the door is taken, the requests overlap. A guard that is
//! dropped before its work is done tells the session that the client left, so messages that were taken for a poll are
//! never lost silently.

use bytes::Bytes;

use super::wires::{Reply, Wires};
use crate::memory::Held;
use crate::{HandshakeRequest, Violation};

/// The doors of one session.
pub(super) struct Doors<W: Wires> {
    pub(super) get: GetDoor<W>,
    pub(super) post: PostDoor<W>,
    pub(super) probe: ProbeDoor<W>,
    pub(super) news: News,
    /// The session is over, and doesn't look at its doors any more.
    pub(super) shut: bool,
}

impl<W: Wires> Default for Doors<W> {
    fn default() -> Doors<W> {
        Doors {
            get: GetDoor::Free,
            post: PostDoor::Free,
            probe: ProbeDoor::Free,
            news: News::default(),
            shut: false,
        }
    }
}

#[derive(Default)]
pub(super) enum GetDoor<W: Wires> {
    #[default]
    Free,
    /// A GET waits for its answer.
    Waiting(W::PollReply),
    /// The answer is being sent to the client, with or without messages.
    Answering { messages: bool },
}

#[derive(Default)]
pub(super) enum PostDoor<W: Wires> {
    #[default]
    Free,
    /// A POST's body is being read. If this is dropped, the task that reads it learns that the session is over.
    Reading(Option<W::PostReply>),
    Ready(Posted<W>),
}

#[derive(Default)]
pub(super) enum ProbeDoor<W: Wires> {
    #[default]
    Free,
    /// The WebSocket is being opened, or the session has it.
    Taken,
    Ready(Box<Probe<W>>),
}

/// What the session has not handled yet.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) poll: bool,
    /// Whether messages were lost with it.
    pub(super) poll_aborted: Option<bool>,
    pub(super) broken: Option<Violation>,
}

/// A POST's complete body.
pub(super) struct Posted<W: Wires> {
    pub(super) body: Bytes,
    /// Whether it came as `application/octet-stream`.
    pub(super) binary: bool,
    pub(super) held: Held,
    /// Is told once the packets are accepted.
    pub(super) accepted: W::PostReply,
}

/// A WebSocket that probes.
pub(super) struct Probe<W: Wires> {
    pub(super) websocket: W::WebSocket,
    /// Its handshake, if the application wants it.
    pub(super) request: Option<Box<HandshakeRequest>>,
}

/// What came through the doors since the session last looked, in order of importance.
pub(super) enum Arrival<W: Wires> {
    PollAborted { lost: bool },
    Broken(Violation),
    Poll,
    Post(Posted<W>),
    Probe(Box<Probe<W>>),
}

/// Why a door was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another request has it.
    Taken,
    /// The session is over.
    Ended,
}

/// # For the session
impl<W: Wires> Doors<W> {
    /// The next thing that happened. A POST stays at its door unless `posts` are wanted.
    ///
    /// Ends come before anything new, which may be from a client that has given up.
    pub(super) fn next(&mut self, posts: bool) -> Option<Arrival<W>> {
        let news = &mut self.news;
        if let Some(lost) = news.poll_aborted.take() {
            return Some(Arrival::PollAborted { lost });
        }
        if let Some(violation) = news.broken.take() {
            return Some(Arrival::Broken(violation));
        }
        if std::mem::take(&mut news.poll) {
            return Some(Arrival::Poll);
        }
        match std::mem::take(&mut self.post) {
            PostDoor::Ready(posted) if posts => return Some(Arrival::Post(posted)),
            unready => self.post = unready,
        }
        match std::mem::replace(&mut self.probe, ProbeDoor::Taken) {
            ProbeDoor::Ready(probe) => Some(Arrival::Probe(probe)),
            unready => {
                self.probe = unready;
                None
            }
        }
    }

    /// Whether a POST is at its door.
    pub(super) fn has_post(&self) -> bool {
        matches!(self.post, PostDoor::Ready(_))
    }

    /// Takes the sender of the parked poll, to answer it with or without messages. `None` if its client has gone, so
    /// that no messages are taken for it. If its client goes from now on, its guard tells the session that the
    /// messages are lost.
    pub(super) fn take_waiting(&mut self, messages: bool) -> Option<W::PollReply> {
        match std::mem::take(&mut self.get) {
            GetDoor::Waiting(waiting) if !waiting.is_gone() => {
                self.get = GetDoor::Answering { messages };
                Some(waiting)
            }
            other => {
                self.get = other;
                None
            }
        }
    }

    /// The probing WebSocket is gone, and another may come.
    pub(super) fn free_probe(&mut self) {
        self.probe = ProbeDoor::Free;
    }

    /// Closes the doors, and tells requests that wait.
    pub(super) fn shut(&mut self) {
        *self = Doors { shut: true, ..Doors::default() };
    }
}
