//! The answers of many clients to one event.

use crate::args::Args;
use crate::cluster::message::NodeId;
use crate::error::AckError;
use crate::namespace::room::Room;

/// The answer of one client.
///
/// ```
/// use socketio::{Io, SendError};
///
/// async fn votes(io: Io) -> Result<(), SendError> {
///     for answer in io.emit_with_ack::<bool>("agreed?", ())?.await.answers {
///         match answer.result {
///             Ok(vote) => println!("{:?} votes {vote}", answer.socket),
///             Err(why) => println!("{:?}: {why}", answer.socket),
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Answer<T> {
    /// The socket that answered, or did not. It is unknown for clients of other nodes.
    pub socket: Option<Room>,
    /// What it answered, or why there is no answer: [`AckError::Timeout`], [`AckError::Disconnected`],
    /// [`AckError::TooManyPending`] or [`AckError::Args`].
    pub result: Result<T, AckError>,
}

/// All answers of many clients to an event.
///
/// ```
/// use socketio::{Io, SendError};
///
/// async fn all_agree(io: Io) -> Result<bool, SendError> {
///     let answers = io.emit_with_ack::<bool>("agreed?", ())?.await;
///     // `received` has those that came; `all` wants every one.
///     Ok(answers.all().is_ok_and(|votes| votes.iter().all(|vote| *vote)))
/// }
/// ```
#[derive(Debug)]
pub struct Answers<T> {
    /// One for each client that got the event, in the order of arrival. Clients that did not answer in time come
    /// last.
    pub answers: Vec<Answer<T>>,
    /// How many other nodes did not answer in time, or did not tell how many clients they sent the event to.
    pub silent_nodes: usize,
    /// Which ones these are, if the adapter can tell; else empty. See [`Io::node_id`](crate::Io::node_id).
    pub silent_ids: Vec<NodeId>,
}

impl<T> Answers<T> {
    /// What the clients answered, if all did: the result of `await io.timeout(..).emitWithAck(..)` in
    /// JavaScript.
    ///
    /// # Errors
    /// All answers, if one is missing or can't be read.
    pub fn all(self) -> Result<Vec<T>, Answers<T>> {
        if self.silent_nodes > 0 || self.answers.iter().any(|answer| answer.result.is_err()) {
            return Err(self);
        }
        Ok(self.received().collect())
    }

    /// The answers that came and fit.
    pub fn received(self) -> impl Iterator<Item = T> {
        self.answers.into_iter().filter_map(|answer| answer.result.ok())
    }
}

/// Who answered, unless it is a client of another node, and what.
pub(crate) type RawAnswer = (Option<Room>, Result<Args, AckError>);
