//! Acknowledgements: those that handlers send, and those that are awaited.

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use engineio::Limit;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ack::answers::{Asked, RawAnswer};
use crate::ack::gathering::Gathering;
use crate::args::{Args, FromArgs, ToArgs};
use crate::cluster::adapter::Flags;
use crate::error::{AckError, SendError};
use crate::handler::Task;
use crate::log::Excerpt;
use crate::namespace::Outgoing;
use crate::namespace::rooms::{Room, Selection};
use crate::{Namespace, Socket};

pub(crate) mod answers;
pub(crate) mod gathering;

/// Acknowledges one event, now or later, from any task. If you drop it, nothing is sent.
pub struct AckSender {
    /// Whom to send it, and its id, if the client asked for one.
    asked: Option<(Socket, u64)>,
}

impl AckSender {
    pub(crate) fn new(socket: &Socket, id: Option<u64>) -> AckSender {
        AckSender { asked: id.map(|id| (socket.clone(), id)) }
    }

    /// Whether the client asked for an acknowledgement. If not, nothing is sent.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.asked.is_some()
    }

    /// Sends the acknowledgement, if the client wants one.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(self, args: impl ToArgs) -> Result<(), SendError> {
        let Some((socket, id)) = self.asked else { return Ok(()) };
        socket.acknowledge(id, args)
    }

    /// Sends what a handler returned, where nobody sees an error.
    pub(crate) fn send_returned(self, args: impl ToArgs) {
        let Some((socket, id)) = self.asked else { return };
        match socket.acknowledge(id, args) {
            Ok(()) | Err(SendError::Closed | SendError::Full | SendError::ReservedEvent) => {}
            Err(error @ SendError::Serialize(_)) => {
                tracing::error!(namespace = %Excerpt(socket.namespace_name()), %error, "no acknowledgement");
            }
        }
    }
}

impl Socket {
    fn acknowledge(&self, id: u64, args: impl ToArgs) -> Result<(), SendError> {
        self.push_owed(&self.config().parser.ack(self.namespace_name(), id, args)?)
    }
}

impl fmt::Debug for AckSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.asked.as_ref().map(|(_, id)| id);
        f.debug_struct("AckSender").field("id", &id).finish_non_exhaustive()
    }
}

/// The acknowledgements that are awaited from one socket. Each entry is taken out exactly once: by the
/// answer, by whoever waits and gives up, or by the socket's end.
#[derive(Default)]
pub(crate) struct PendingAcks(Mutex<BTreeMap<u64, Waiter>>);

/// Who waits for an answer.
enum Waiter {
    One(oneshot::Sender<Args>),
    /// A broadcast, and whose answer this is.
    Broadcast(Arc<Gathering<RawAnswer>>, Room),
}

impl PendingAcks {
    fn insert(&self, id: u64, waiter: Waiter, limit: usize) -> Result<(), AckError> {
        let mut waiting = self.0.lock();
        if waiting.len() >= limit {
            return Err(AckError::TooManyPending);
        }
        waiting.insert(id, waiter);
        Ok(())
    }

    fn remove(&self, id: u64) -> Option<Waiter> {
        self.0.lock().remove(&id)
    }

    /// Nobody waits for that answer any more. Says whether it was still awaited.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.remove(id).is_some()
    }

    /// An answer came. One that nobody waits for, or no longer, is ignored.
    pub(crate) fn resolve(&self, id: u64, args: Args) {
        match self.remove(id) {
            // Whoever gives up takes the entry out, so somebody is there.
            Some(Waiter::One(sender)) => drop(sender.send(args)),
            Some(Waiter::Broadcast(gathering, socket)) => gathering.add((Some(socket), Ok(args))),
            None => {}
        }
    }

    /// The socket ended: nobody will answer any more. Nothing is sent after that, so an entry that comes
    /// later is taken out again by whoever fails to send.
    pub(crate) fn end(&self) {
        let waiting = std::mem::take(&mut *self.0.lock());
        for waiter in waiting.into_values() {
            if let Waiter::Broadcast(gathering, socket) = waiter {
                gathering.add((Some(socket), Err(AckError::Disconnected)));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// The future answer to an event: see [`Socket::emit_with_ack`].
///
/// The event has already been sent. If you drop this, the answer is ignored.
#[must_use = "the answer is lost unless it is awaited"]
pub struct Ack<T> {
    state: Result<Waiting, AckError>,
    answer: PhantomData<fn() -> T>,
}

struct Waiting {
    entry: Entry,
    receiver: oneshot::Receiver<Args>,
    sent: Instant,
    timeout: Duration,
}

/// An entry in a socket's table. Dropped, it takes the entry out.
struct Entry {
    socket: Socket,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.socket.pending_acks().forget(self.id);
    }
}

impl<T> Ack<T> {
    /// Sends an event with an id of its own. The entry stands before the client can answer.
    pub(crate) fn request(socket: &Socket, event: &str, args: impl ToArgs, flags: Flags) -> Ack<T> {
        Ack { state: Waiting::request(socket, event, args, flags), answer: PhantomData }
    }

    /// Sets how long to wait, from when the event was sent, instead of
    /// [`Config::ack_timeout`](crate::Config::ack_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Ack<T> {
        if let Ok(waiting) = &mut self.state {
            waiting.timeout = timeout;
        }
        self
    }
}

/// Has the selected sockets of this node acknowledge an event that carries `id`. Each gets an entry before
/// it can answer.
pub(crate) fn ask_selected(
    namespace: &Namespace,
    selection: &Selection,
    volatile: bool,
    outgoing: &Outgoing,
    id: u64,
    gathering: &Arc<Gathering<RawAnswer>>,
) -> Asked {
    let limit = namespace.config().max_pending_acks;
    let (mut asked, mut refused) = (Asked { sockets: Vec::new(), id }, Vec::new());
    namespace.members().for_each(selection, |socket| {
        let waiter = Waiter::Broadcast(Arc::clone(gathering), socket.room());
        if let Err(error) = socket.pending_acks().insert(id, waiter, limit) {
            namespace.config().hits.count(Limit::PendingAcks);
            refused.push((socket.room(), error));
        } else if socket.push_share(outgoing, volatile) || !socket.pending_acks().forget(id) {
            asked.sockets.push(socket.clone());
        }
    });
    asked.sockets.iter().for_each(|socket| socket.show_outgoing(outgoing));
    gathering.expect(refused.len());
    for (socket, error) in refused {
        gathering.add((Some(socket), Err(error)));
    }
    asked
}

impl Waiting {
    fn request(socket: &Socket, event: &str, args: impl ToArgs, flags: Flags) -> Result<Waiting, AckError> {
        let config = socket.config();
        let id = socket.next_ack_id();
        let outgoing =
            if socket.is_pending() { Err(args) } else { Ok(socket.encode(event, Some(id), args, flags)?) };
        let (sender, receiver) = oneshot::channel();
        socket.pending_acks().insert(id, Waiter::One(sender), config.max_pending_acks).inspect_err(
            |error| {
                if let AckError::TooManyPending = error {
                    config.hits.count(Limit::PendingAcks);
                }
            },
        )?;
        let entry = Entry { socket: socket.clone(), id };
        match outgoing {
            Ok(outgoing) => socket.send(&outgoing, flags.volatile)?,
            Err(args) => socket.emit_early(event, Some(id), args, flags)?,
        }
        let timeout = flags.timeout.unwrap_or(config.ack_timeout);
        Ok(Waiting { entry, receiver, sent: Instant::now(), timeout })
    }

    async fn answer(self) -> Result<Args, AckError> {
        let Waiting { entry, receiver, sent, timeout } = self;
        let answer = match sent.checked_add(timeout) {
            Some(deadline) => tokio::time::timeout_at(deadline, receiver).await.map_err(|_| {
                entry.socket.config().hits.count(Limit::AckTimeout);
                AckError::Timeout
            })?,
            None => receiver.await,
        };
        drop(entry);
        answer.map_err(|_| AckError::Disconnected)
    }
}

impl<T: FromArgs + 'static> IntoFuture for Ack<T> {
    type Output = Result<T, AckError>;
    type IntoFuture = Task<Result<T, AckError>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { T::from_args(self.state?.answer().await?).map_err(AckError::Args) })
    }
}

impl<T> fmt::Debug for Ack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").finish_non_exhaustive()
    }
}
