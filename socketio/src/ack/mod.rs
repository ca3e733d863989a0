//! Acknowledgements: those that the server awaits from one client ([`Ack`]), from many and from other nodes
//! ([`broadcast`]), and those that a handler sends ([`sender`]). How an acknowledgement is written is in
//! [`packet`](crate::packet); how a handler's result becomes one is in [`handler`](crate::handler).

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use engineio::Limit;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ack::pending::Waiter;
use crate::args::{Args, FromArgs, ToArgs};
use crate::clock;
use crate::error::AckError;
use crate::handler::task::Task;
use crate::namespace::flags::Flags;
use crate::socket::Socket;

pub(crate) mod answers;
pub(crate) mod broadcast;
pub(crate) mod collector;
pub(crate) mod pending;
pub(crate) mod sender;

/// The future answer to an event: see [`Socket::emit_with_ack`].
///
/// The event has already been sent. If you drop this, the answer is ignored.
///
/// ```
/// use std::time::Duration;
/// use socketio::{AckError, Socket};
///
/// async fn name_of(socket: &Socket) -> Result<String, AckError> {
///     socket.emit_with_ack("your name?", ()).timeout(Duration::from_secs(5)).await
/// }
/// ```
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

/// An entry in a socket's table, which is removed when this is dropped.
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
    /// Sends an event with an id of its own. The entry is there before the client can answer.
    pub(crate) fn request(socket: &Socket, event: &str, args: impl ToArgs, flags: Flags) -> Ack<T> {
        Ack { state: Waiting::request(socket, event, args, flags), answer: PhantomData }
    }

    /// Sets how long to wait, from when the event was sent, instead of
    /// [`IoConfig::ack_timeout`](crate::IoConfig::ack_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Ack<T> {
        if let Ok(waiting) = &mut self.state {
            waiting.timeout = timeout;
        }
        self
    }
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
                    socket.hits().count(Limit::PendingAcks);
                }
            },
        )?;
        let entry = Entry { socket: socket.clone(), id };
        match outgoing {
            Ok(outgoing) => socket.send(&outgoing, flags.volatile)?,
            Err(args) => socket.emit_early(event, Some(id), args, flags)?,
        }
        let timeout = flags.timeout.unwrap_or(config.ack_timeout);
        Ok(Waiting { entry, receiver, sent: clock::now(), timeout })
    }

    async fn answer(self) -> Result<Args, AckError> {
        let Waiting { entry, receiver, sent, timeout } = self;
        let answer = match sent.checked_add(timeout) {
            Some(deadline) => tokio::time::timeout_at(deadline, receiver).await.map_err(|_| {
                entry.socket.hits().count(Limit::AckTimeout);
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
