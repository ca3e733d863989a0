//! The adapter and its settings. What it does once it is started is in `running`.

mod running;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::classic::Classic;
use crate::counts::Counts;
use crate::format::Format;
use crate::inbox::{Inbox, Letter};
use crate::link::{Dial, LinkError, RedisCluster, Sentinels, Server};
use crate::publisher::Publisher;
use crate::sharded::{Sharded, Subscriptions};
use crate::stream_reader::StreamReader;
use crate::streams::Streams;
use running::Running;

/// Connects all servers on a Redis, in Rust and in JavaScript, to one cluster.
///
/// ```no_run
/// use socketio::{IoConfig, Io};
/// use socketio_redis::RedisAdapter;
///
/// # async fn example() -> Result<(), socketio_redis::RedisError> {
/// let io = Io::with_adapter(IoConfig::default(), RedisAdapter::open("redis://127.0.0.1:6379")?);
/// io.cluster_ready().await;
/// # Ok(())
/// # }
/// ```
///
/// It speaks the formats of npm's adapters: see [`Mode`]. It has a connection for receiving, one for sending,
/// and with a stream a third that reads it. If Redis can't be reached, clients stay connected, and get what
/// this node sends. The adapter reconnects for ever. It misses what other nodes send until then, except in
/// [`Mode::Streams`]: that is read later, if the stream still has it. What this node sends waits, up to
/// [`queue_bytes`](RedisAdapter::queue_bytes).
///
/// Create the [`Io`](socketio::Io) inside a tokio runtime, because the adapter spawns tasks.
pub struct RedisAdapter {
    dial: Arc<dyn Dial>,
    mode: Mode,
    prefix: Arc<str>,
    stream: Stream,
    session_prefix: Arc<str>,
    queue_bytes: usize,
    counts: Arc<Counts>,
    running: OnceLock<Running>,
}

/// The URL of a Redis can't be used.
///
/// ```
/// use socketio_redis::RedisAdapter;
///
/// if let Err(error) = RedisAdapter::open("no://url") {
///     println!("{error}");
/// }
/// ```
#[derive(Debug)]
pub struct RedisError(pub(crate) LinkError);

/// Which format is spoken. A cluster speaks one: servers of different modes don't hear each other.
///
/// ```
/// use socketio_redis::{Mode, RedisAdapter, RedisError};
///
/// let adapter = RedisAdapter::open("redis://127.0.0.1:6379")?.mode(Mode::Streams);
/// # Ok::<_, RedisError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// That of `createAdapter` of `@socket.io/redis-adapter`: classic pub/sub, which every Redis has, and in a
    /// Redis Cluster goes to all of its servers.
    #[default]
    PubSub,
    /// That of `createShardedAdapter` of `@socket.io/redis-adapter`: sharded pub/sub, from Redis 7 on.
    Sharded(Subscriptions),
    /// That of `@socket.io/redis-streams-adapter` 0.3: broadcasts go by a stream, so that a server that was cut off
    /// from Redis for a moment misses none.
    ///
    /// With [`IoConfig::recovery`](socketio::IoConfig::recovery), clients recover on any server of the cluster, in Rust or in
    /// JavaScript. Then what is sent to clients of this server goes to Redis first as well, as with npm's adapter, so
    /// that all clients get events in the same order. While Redis doesn't answer, they get them half a second later,
    /// and those who lose their connection soon after can't recover. This needs Redis 6.2 or later.
    Streams,
}

/// The stream of [`Mode::Streams`].
struct Stream {
    name: Arc<str>,
    count: u32,
    max_len: usize,
}

/// The prefix of all channels, unless told otherwise.
pub(crate) const PREFIX: &str = "socket.io";
/// How the keys begin under which sessions are kept.
const SESSION_PREFIX: &str = "sio:session:";
/// How many entries a stream keeps, about.
const MAX_LEN: usize = 10_000;
/// The bytes that may wait for Redis, and of what came and was not looked into.
pub(crate) const QUEUE_BYTES: usize = 64_000_000;

/// # Making one
impl RedisAdapter {
    /// An adapter on a Redis server: `redis://user:password@host:6379/0`, `rediss://` for TLS, or
    /// `unix:///path`. It needs Redis 6 or later, or another server with the protocol RESP3. This doesn't
    /// connect yet.
    ///
    /// # Errors
    /// If it is not such a URL.
    pub fn open(url: &str) -> Result<RedisAdapter, RedisError> {
        Ok(RedisAdapter::on(Arc::new(Server::open(url).map_err(RedisError)?)))
    }

    /// An adapter on a Redis Cluster. Name some of its servers; the adapter finds the others. All of them need
    /// the same user, password and TLS.
    ///
    /// [`Mode::Sharded`] spreads the load over the cluster: each server gets the channels of its slots. With
    /// [`Mode::PubSub`], each server of the cluster passes everything on to all others. A stream is on one
    /// server.
    ///
    /// # Errors
    /// If there is no URL, or one of them is invalid.
    pub fn cluster<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<RedisAdapter, RedisError> {
        let servers: Result<Vec<_>, _> = urls.into_iter().map(Server::open).collect();
        let servers = servers.map_err(RedisError)?;
        if servers.is_empty() {
            return Err(RedisError(LinkError("there is none".into())));
        }
        Ok(RedisAdapter::on(Arc::new(RedisCluster::of(servers))))
    }

    /// An adapter on a Redis that sentinels watch, with one URL for each of some sentinels:
    /// `redis+sentinel://user:password@host:26379/name/0`, or `rediss+sentinel://` for TLS. `name` is what they call the
    /// master. User, password and database are the master's, and those of the first URL count. The sentinels must not
    /// ask for a password.
    ///
    /// When another server becomes the master, the adapter goes there. Messages that are sent in the meantime wait.
    ///
    /// # Errors
    /// If there is no URL, or one of them is invalid or has another name.
    pub fn sentinel<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<RedisAdapter, RedisError> {
        Ok(RedisAdapter::on(Arc::new(Sentinels::open(urls).map_err(RedisError)?)))
    }

    pub(crate) fn on(dial: Arc<dyn Dial>) -> RedisAdapter {
        RedisAdapter {
            dial,
            mode: Mode::default(),
            prefix: PREFIX.into(),
            stream: Stream { name: PREFIX.into(), count: 1, max_len: MAX_LEN },
            session_prefix: SESSION_PREFIX.into(),
            queue_bytes: QUEUE_BYTES,
            counts: Arc::default(),
            running: OnceLock::new(),
        }
    }

    /// The beginning of all channels' names: `key` in JavaScript, `socket.io` there and here. Two clusters on one
    /// Redis need two.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> RedisAdapter {
        self.prefix = prefix.into();
        self
    }

    /// Which of npm's adapters it speaks with. [`Mode::PubSub`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> RedisAdapter {
        self.mode = mode;
        self
    }

    /// The name of the stream of [`Mode::Streams`]: `streamName` in JavaScript, `socket.io` there and here.
    #[must_use]
    pub fn stream_name(mut self, name: &str) -> RedisAdapter {
        self.stream.name = name.into();
        self
    }

    /// How many streams there are: `streamCount` in JavaScript, 1 there and here. All servers need the same.
    #[must_use]
    pub fn stream_count(mut self, count: u32) -> RedisAdapter {
        self.stream.count = count;
        self
    }

    /// About how many entries a stream keeps: `maxLen` in JavaScript; 10,000 by default, as there. A server that can't
    /// reach Redis misses entries if more than that are added in the meantime.
    #[must_use]
    pub fn stream_max_len(mut self, entries: usize) -> RedisAdapter {
        self.stream.max_len = entries;
        self
    }

    /// How the keys begin under which sessions of clients are kept that may recover: `sessionKeyPrefix` in JavaScript,
    /// `sio:session:` there and here.
    #[must_use]
    pub fn session_prefix(mut self, prefix: &str) -> RedisAdapter {
        self.session_prefix = prefix.into();
        self
    }

    /// How many bytes of messages may wait for Redis, 64 MB unless told otherwise. Beyond that messages to other
    /// nodes are thrown away, and [counted](Counts::dropped).
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> RedisAdapter {
        self.queue_bytes = bytes;
        self
    }

    fn format(&self) -> Arc<dyn Format> {
        match self.mode {
            Mode::PubSub => Arc::new(Classic::new(&self.prefix)),
            Mode::Sharded(subscriptions) => Arc::new(Sharded::new(&self.prefix, subscriptions)),
            Mode::Streams => Arc::new(self.streams()),
        }
    }

    fn streams(&self) -> Streams {
        let Stream { name, count, max_len } = &self.stream;
        Streams::new(name, *count, *max_len, &self.prefix)
    }

    /// Reads streams over one connection, or over one for each if they may be on different servers.
    fn read_streams(&self, streams: &[Arc<str>], inbox: &Inbox) -> Vec<StreamReader> {
        let together = if self.dial.is_cluster() { 1 } else { streams.len().max(1) };
        let start = |streams: &[Arc<str>]| {
            let (room, letters) = (inbox.clone(), inbox.clone());
            let has_room = move || room.has_room();
            let (dial, counts) = (Arc::clone(&self.dial), Arc::clone(&self.counts));
            StreamReader::start(dial, streams.to_vec(), counts, has_room, move |entry| {
                letters.put(Letter::Entry(entry));
            })
        };
        streams.chunks(together).map(start).collect()
    }

    fn publisher(&self) -> Publisher {
        Publisher::start(Arc::clone(&self.dial), self.queue_bytes, Arc::clone(&self.counts))
    }

    /// What an emitter needs of it.
    pub(crate) fn into_sender(self) -> (Arc<dyn Format>, Publisher, Arc<Counts>) {
        (self.format(), self.publisher(), Arc::clone(&self.counts))
    }

    /// Counts what was sent, received and lost. The counters keep counting.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl fmt::Debug for RedisAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAdapter").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the URL of a Redis: {}", self.0)
    }
}

impl std::error::Error for RedisError {}
