//! What is asked of Redis, and the boundary behind which its client library is.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

mod client;
#[cfg(test)]
pub(crate) mod fake;

pub(crate) use client::Server;

pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A channel of pub/sub.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Channel {
    Exact(Arc<str>),
    /// All channels whose names match.
    Pattern(Arc<str>),
    /// One of sharded pub/sub.
    Sharded(Arc<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Subscribe(Channel),
    Unsubscribe(Channel),
    Publish {
        channel: Channel,
        payload: Bytes,
    },
    /// How many connections have subscribed to a channel, by its exact name.
    Count(Channel),
    Ping,
}

impl Command {
    /// The bytes that it takes while it waits, about.
    pub(crate) fn cost(&self) -> usize {
        let (name, payload) = match self {
            Command::Publish { channel, payload } => (channel.name().len(), payload.len()),
            Command::Subscribe(channel) | Command::Unsubscribe(channel) | Command::Count(channel) => {
                (channel.name().len(), 0)
            }
            Command::Ping => (0, 0),
        };
        name + payload + 96
    }
}

impl Channel {
    pub(crate) fn name(&self) -> &str {
        match self {
            Channel::Exact(name) | Channel::Pattern(name) | Channel::Sharded(name) => name,
        }
    }
}

/// What Redis answers to a command: a number if it has one, or why it refuses.
pub(crate) type Reply = Result<u64, Box<str>>;

/// What Redis tells on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    Message {
        channel: Arc<str>,
        payload: Bytes,
    },
    /// A subscription to a shard's channel was ended by Redis, since its slot went to another server.
    Dropped(Channel),
    /// The connection is lost.
    Lost,
}

/// Takes what Redis tells on its own. It is called where the connection is read, and must not block.
pub(crate) type OnPush = Arc<dyn Fn(Push) + Send + Sync>;

/// The connection broke, or could not be made.
#[derive(Debug)]
pub(crate) struct LinkError(pub(crate) Box<str>);

/// Makes connections to Redis.
pub(crate) trait Dial: Send + Sync + 'static {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>>;
}

/// A connection to Redis. Dropped, it is closed.
pub(crate) trait Connection: Send {
    /// Sends commands together. There is a reply to each, in the same order. After an error nobody knows which of
    /// them were carried out, and the connection is of no use.
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> SendFuture<'a>;
}

pub(crate) type SendFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Reply>, LinkError>> + Send + 'a>>;

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LinkError {}
