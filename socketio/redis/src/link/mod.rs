//! The commands for Redis. The client library is only used below this boundary.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

mod address;
mod client;
mod cluster;
#[cfg(test)]
pub(crate) mod fake;
mod newest;
mod passing;
mod sentinel;
mod slots;

pub(crate) use client::Server;
pub(crate) use cluster::RedisCluster;
pub(crate) use passing::is_passing;
pub(crate) use sentinel::Sentinels;

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
    /// Appends an entry to a stream, and lets go of the oldest, so that there are about `max_len`.
    Append {
        stream: Arc<str>,
        max_len: usize,
        fields: Fields,
    },
    /// How many connections have subscribed to a channel, by its exact name.
    Count(Channel),
    /// Which channels of that kind somebody has subscribed to whose names match a pattern.
    Channels(Channel),
    /// Keeps a value for some time.
    Keep {
        key: Arc<str>,
        value: Bytes,
        time: Duration,
    },
    /// Takes a value: it is not there any more afterwards.
    Take(Arc<str>),
    Forget(Arc<str>),
    /// The next entries of a stream, from one on or after one, at most so many.
    Range {
        from: Position,
        inclusive: bool,
        count: usize,
    },
    Ping,
    /// The next command may be for a slot that is being moved to this server.
    Asking,
}

impl Command {
    /// The bytes that it takes while it waits, about.
    pub(crate) fn cost(&self) -> usize {
        let payload = match self {
            Command::Publish { payload, .. } => payload.len(),
            Command::Append { fields, .. } => {
                fields.iter().map(|(name, value)| name.len() + value.len()).sum()
            }
            Command::Keep { value, .. } => value.len(),
            Command::Range { from, .. } => from.id.len(),
            _ => 0,
        };
        self.place().map_or(0, str::len) + payload + 96
    }

    /// The name of the channel, the stream or the key that it is for. What is for one of them keeps its order.
    pub(crate) fn place(&self) -> Option<&str> {
        match self {
            Command::Publish { channel, .. }
            | Command::Subscribe(channel)
            | Command::Unsubscribe(channel)
            | Command::Count(channel)
            | Command::Channels(channel) => Some(channel.name()),
            Command::Append { stream, .. } => Some(stream),
            Command::Keep { key, .. } | Command::Take(key) | Command::Forget(key) => Some(key),
            Command::Range { from, .. } => Some(&from.stream),
            Command::Ping | Command::Asking => None,
        }
    }
}

impl Channel {
    pub(crate) fn name(&self) -> &str {
        match self {
            Channel::Exact(name) | Channel::Pattern(name) | Channel::Sharded(name) => name,
        }
    }
}

/// The fields of a stream's entry, in their order.
pub(crate) type Fields = Vec<(Cow<'static, str>, Bytes)>;

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stream: Arc<str>,
    pub(crate) id: Box<str>,
    pub(crate) fields: Fields,
}

impl Entry {
    pub(crate) fn field(&self, name: &str) -> Option<&Bytes> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// Whether a field has that value.
    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.field(name).is_some_and(|field| *field == value.as_bytes())
    }

    /// The bytes that it takes while it waits, about.
    pub(crate) fn cost(&self) -> usize {
        let fields = self.fields.iter();
        fields.map(|field| size_of_val(field) + field.0.len() + field.1.len()).sum()
    }
}

/// How far a stream has been read: up to the entry of that id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) stream: Arc<str>,
    pub(crate) id: Box<str>,
}

/// What Redis answers to a command, or why it refuses.
pub(crate) type Reply = Result<Told, Box<str>>;

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Number(u64),
    Names(Vec<Box<str>>),
    Value(Bytes),
    Entries(Vec<Entry>),
}

/// What Redis tells on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    Message {
        channel: String,
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

    /// Whether streams may be on different servers.
    fn is_cluster(&self) -> bool {
        false
    }
}

/// A connection to Redis. Dropped, it is closed.
pub(crate) trait Connection: Send {
    /// Sends commands together. There is a reply to each, in the same order. After an error nobody knows which of
    /// them were carried out, and the connection is of no use.
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> Answer<'a, Vec<Reply>>;

    /// The part of a cluster that a command is for, if only a part is. It may have no server for a while: then commands for
    /// it [are refused](is_passing), and others are not. If one that is for no part is, this connection is of no use, and
    /// another may lead to another server.
    fn part(&self, _command: &Command) -> Option<u16> {
        None
    }

    /// The ends of streams, from where on to read them.
    fn ends<'a>(&'a mut self, streams: &'a [Arc<str>]) -> Answer<'a, Vec<Position>>;

    /// The next entries of streams, at most so many of each. If there are none, it waits for some, but no longer than
    /// `patience`.
    fn read<'a>(
        &'a mut self,
        positions: &'a [Position],
        count: usize,
        patience: Duration,
    ) -> Answer<'a, Vec<Entry>>;
}

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, LinkError>> + Send + 'a>>;

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LinkError {}
