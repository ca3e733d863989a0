//! What many answered to one event.

use crate::args::Args;
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
    /// The socket that answered, or did not. Other nodes don't tell whose answer it is.
    pub socket: Option<Room>,
    /// What it answered, or why there is no answer: [`AckError::Timeout`], [`AckError::Disconnected`],
    /// [`AckError::TooManyPending`] or [`AckError::Args`].
    pub result: Result<T, AckError>,
}

/// All answers to an event that went to many.
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
    /// One for each client that was sent the event, in the order in which they came; those that failed to
    /// answer in time are the last.
    pub answers: Vec<Answer<T>>,
    /// Other nodes that did not tell in time how many clients they sent the event to.
    pub silent_nodes: usize,
}

impl<T> Answers<T> {
    /// What the clients answered, if all did: what `await io.timeout(..).emitWithAck(..)` resolves to in
    /// JavaScript.
    ///
    /// # Errors
    /// The answers as they are, if any is missing or does not fit.
    pub fn all(self) -> Result<Vec<T>, Answers<T>> {
        if self.silent_nodes > 0 || self.answers.iter().any(|answer| answer.result.is_err()) {
            return Err(self);
        }
        Ok(self.received().collect())
    }

    /// What the clients answered that did.
    pub fn received(self) -> impl Iterator<Item = T> {
        self.answers.into_iter().filter_map(|answer| answer.result.ok())
    }
}

/// Who answered, unless it is a client of another node, and what.
pub(crate) type RawAnswer = (Option<Room>, Result<Args, AckError>);
