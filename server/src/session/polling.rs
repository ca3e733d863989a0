//! The doors of a session: how HTTP requests reach its driver, one GET, one POST and one probing WebSocket
//! at a time.
//!
//! A request claims its door first and gets a guard; a door that is taken is how an overlap is seen. The
//! guard that is dropped before its work is done tells the driver that the client went away, so what was
//! taken from a queue for a poll is never lost silently.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use engineio::memory::{ALLOWANCE, Held};
use engineio::{LongAnswer, Payload, Violation};
use tokio::sync::oneshot;

use crate::session::registry::Entry;
use crate::session::websocket::WebSocket;

/// The doors of one session.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    get: GetDoor,
    post: PostDoor,
    probe: ProbeDoor,
    news: News,
    /// The driver has ended; nobody looks any more.
    shut: bool,
}

#[derive(Debug, Default)]
enum GetDoor {
    #[default]
    Free,
    /// A GET waits for its answer.
    Waiting(oneshot::Sender<Payload>),
    /// The answer is on its way to the client, with messages or without.
    Answering { messages: bool },
}

#[derive(Debug, Default)]
enum PostDoor {
    #[default]
    Free,
    /// A POST's body is being read. Whoever waits for the rest of it is told by the drop of the sender that the
    /// session is over.
    Reading(Option<oneshot::Sender<()>>),
    Ready(Posted),
}

#[derive(Debug, Default)]
enum ProbeDoor {
    #[default]
    Free,
    /// The WebSocket is being opened, or the driver has it.
    Taken,
    Ready(Box<WebSocket>),
}

/// What the driver has not seen yet.
#[derive(Debug, Default)]
struct News {
    poll: bool,
    /// Whether messages were lost with it.
    poll_aborted: Option<bool>,
    broken: Option<Violation>,
}

/// A POST's complete body.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) body: Bytes,
    /// Whether it came as `application/octet-stream`.
    pub(crate) binary: bool,
    pub(crate) held: Held,
    /// To be told once the packets are accepted.
    pub(crate) accepted: oneshot::Sender<()>,
}

/// What came through the doors since the driver last looked, in the order in which it counts.
#[derive(Debug)]
pub(crate) enum Knock {
    PollAborted { lost: bool },
    Broken(Violation),
    Poll,
    Post(Posted),
    Probe(Box<WebSocket>),
}

/// Why a door was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// Another request has it.
    Taken,
    /// The session is over.
    Ended,
}

/// # For the driver
impl Doors {
    /// The next thing that happened. A POST stays at its door unless `posts` are wanted.
    ///
    /// An end comes before what is new, since what is new may have come from a client that has given up.
    pub(crate) fn next(&mut self, posts: bool) -> Option<Knock> {
        let news = &mut self.news;
        if let Some(lost) = news.poll_aborted.take() {
            return Some(Knock::PollAborted { lost });
        }
        if let Some(violation) = news.broken.take() {
            return Some(Knock::Broken(violation));
        }
        if std::mem::take(&mut news.poll) {
            return Some(Knock::Poll);
        }
        match std::mem::take(&mut self.post) {
            PostDoor::Ready(posted) if posts => return Some(Knock::Post(posted)),
            unready => self.post = unready,
        }
        match std::mem::replace(&mut self.probe, ProbeDoor::Taken) {
            ProbeDoor::Ready(websocket) => Some(Knock::Probe(websocket)),
            unready => {
                self.probe = unready;
                None
            }
        }
    }

    /// Whether a POST is at its door.
    pub(crate) fn has_post(&self) -> bool {
        matches!(self.post, PostDoor::Ready(_))
    }

    /// Begins to answer the parked GET, with messages or without; `None` if its client has gone, so that nothing is
    /// taken from a queue for it. Whoever goes from now on is known to have lost the messages: its guard tells.
    pub(crate) fn answer(&mut self, messages: bool) -> Option<oneshot::Sender<Payload>> {
        match std::mem::take(&mut self.get) {
            GetDoor::Waiting(waiting) if !waiting.is_closed() => {
                self.get = GetDoor::Answering { messages };
                Some(waiting)
            }
            other => {
                self.get = other;
                None
            }
        }
    }

    /// The probing WebSocket is gone; another may come.
    pub(crate) fn free_probe(&mut self) {
        self.probe = ProbeDoor::Free;
    }

    /// Nothing is let in any more, and who waits is told.
    pub(crate) fn shut(&mut self) {
        *self = Doors { shut: true, ..Doors::default() };
    }
}

/// # For requests
impl Entry {
    /// Claims the door of GETs. The receiver gets the answer.
    pub(crate) fn open_get(self: Arc<Entry>) -> Result<(OpenGet, oneshot::Receiver<Payload>), Shut> {
        let mut doors = self.doors.lock();
        if doors.shut {
            return Err(Shut::Ended);
        }
        if !matches!(doors.get, GetDoor::Free) {
            doors.news.broken = Some(Violation::Overlap);
            drop(doors);
            self.mailbox.wake();
            return Err(Shut::Taken);
        }
        let (sender, receiver) = oneshot::channel();
        doors.get = GetDoor::Waiting(sender);
        doors.news.poll = true;
        drop(doors);
        self.mailbox.polled();
        Ok((OpenGet { entry: Some(self) }, receiver))
    }

    /// Claims the door of POSTs, before the body is read.
    pub(crate) fn open_post(self: Arc<Entry>) -> Result<OpenPost, Shut> {
        let mut doors = self.doors.lock();
        if doors.shut {
            return Err(Shut::Ended);
        }
        if !matches!(doors.post, PostDoor::Free) {
            doors.news.broken = Some(Violation::Overlap);
            drop(doors);
            self.mailbox.wake();
            return Err(Shut::Taken);
        }
        doors.post = PostDoor::Reading(None);
        drop(doors);
        Ok(OpenPost { entry: Some(self) })
    }

    /// Claims the door of WebSockets, before the handshake is answered.
    pub(crate) fn open_probe(self: Arc<Entry>) -> Result<OpenProbe, Shut> {
        let mut doors = self.doors.lock();
        if doors.shut {
            return Err(Shut::Ended);
        }
        if !matches!(doors.probe, ProbeDoor::Free) || self.known().transport == engineio::Transport::WebSocket
        {
            return Err(Shut::Taken);
        }
        doors.probe = ProbeDoor::Taken;
        drop(doors);
        Ok(OpenProbe { entry: Some(self) })
    }
}

/// A GET that is parked or being answered. Dropped before its body was handed over, it is an aborted poll.
#[derive(Debug)]
pub(crate) struct OpenGet {
    entry: Option<Arc<Entry>>,
}

impl OpenGet {
    /// An answer of so many bytes is on its way, of which `most` may be made. If it is long, it counts for the session.
    pub(crate) fn begin(&self, bytes: usize, most: usize) -> Option<Long> {
        let entry = self.entry.as_ref().filter(|_| most >= ALLOWANCE)?;
        Some(Long { answer: LongAnswer::begin(&entry.mailbox, bytes), _entry: entry.clone() })
    }

    /// The answer's body was handed to the HTTP connection.
    pub(crate) fn written(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.doors.lock().get = GetDoor::Free;
        }
    }
}

impl Drop for OpenGet {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            let mut doors = entry.doors.lock();
            let door = std::mem::take(&mut doors.get);
            // The driver may not have noticed it.
            doors.news.poll = false;
            doors.news.poll_aborted = Some(matches!(door, GetDoor::Answering { messages: true }));
            drop(doors);
            entry.mailbox.wake();
        }
    }
}

/// A long answer to a GET. It counts for the session, though that may end meanwhile, until the connection has written
/// all of it.
#[derive(Clone, Debug)]
pub(crate) struct Long {
    answer: Arc<LongAnswer>,
    /// While it is there, the session can be put out.
    _entry: Arc<Entry>,
}

impl Deref for Long {
    type Target = LongAnswer;

    fn deref(&self) -> &LongAnswer {
        &self.answer
    }
}

/// A POST whose body is being read. Dropped before it is submitted, refused or released, it is an aborted one.
#[derive(Debug)]
pub(crate) struct OpenPost {
    entry: Option<Arc<Entry>>,
}

impl OpenPost {
    /// Ready once the session is over, so that nobody waits for the rest of the body.
    pub(crate) async fn session_ended(&self) {
        let Some(entry) = &self.entry else { return };
        let (sender, receiver) = oneshot::channel();
        if let PostDoor::Reading(told) = &mut entry.doors.lock().post {
            *told = Some(sender);
        }
        // Nobody ever sends anything.
        let _ = receiver.await;
    }

    /// Notes what has come of the body, for the case that memory runs short.
    pub(crate) fn note(&self, bytes: usize) {
        if let Some(entry) = &self.entry {
            entry.mailbox.note_body(bytes);
        }
    }

    /// Hands the body to the driver. The receiver is told once its packets are accepted.
    pub(crate) fn submit(mut self, body: Bytes, binary: bool, held: Held) -> oneshot::Receiver<()> {
        let (accepted, receiver) = oneshot::channel();
        if let Some(entry) = self.entry.take() {
            let mut doors = entry.doors.lock();
            if !doors.shut {
                doors.post = PostDoor::Ready(Posted { body, binary, held, accepted });
            }
            drop(doors);
            entry.mailbox.wake();
        }
        receiver
    }

    /// Gives the door back: this POST is refused, and the session lives on.
    pub(crate) fn release(mut self) {
        if let Some(entry) = self.entry.take() {
            entry.doors.lock().post = PostDoor::Free;
        }
    }
}

impl OpenPost {
    /// This POST breaks a rule, and is the end of its session.
    pub(crate) fn refuse(mut self, violation: Violation) {
        self.broken(violation);
    }

    fn broken(&mut self, violation: Violation) {
        if let Some(entry) = self.entry.take() {
            let mut doors = entry.doors.lock();
            doors.post = PostDoor::Free;
            doors.news.broken = Some(violation);
            drop(doors);
            entry.mailbox.wake();
        }
    }
}

impl Drop for OpenPost {
    fn drop(&mut self) {
        self.broken(Violation::Aborted);
    }
}

/// A probing WebSocket on its way. Dropped before it is open, another may come.
#[derive(Debug)]
pub(crate) struct OpenProbe {
    entry: Option<Arc<Entry>>,
}

impl OpenProbe {
    /// Hands the open WebSocket to the driver.
    pub(crate) fn opened(mut self, websocket: WebSocket) {
        if let Some(entry) = self.entry.take() {
            let mut doors = entry.doors.lock();
            if !doors.shut {
                doors.probe = ProbeDoor::Ready(Box::new(websocket));
            }
            drop(doors);
            entry.mailbox.wake();
        }
    }
}

impl Drop for OpenProbe {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.doors.lock().free_probe();
        }
    }
}
