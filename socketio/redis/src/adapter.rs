//! The adapter: a format, what goes out, what comes in.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use socketio::{Adapter, AdapterError, AdapterFuture, Message, Namespace, Node, RoomEvent};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::classic::Classic;
use crate::counts::Counts;
use crate::format::{Format, Heard};
use crate::link::{Command, Dial, LinkError, Server};
use crate::publisher::Publisher;
use crate::sharded::{Sharded, Subscriptions};
use crate::subscriber::Subscriber;

#[cfg(test)]
mod tests;

/// An adapter that makes one cluster of all servers on a Redis, in Rust and in JavaScript.
///
/// ```no_run
/// use socketio::{Config, Io};
/// use socketio_redis::RedisAdapter;
///
/// # async fn example() -> Result<(), socketio_redis::RedisError> {
/// let io = Io::with_adapter(Config::default(), RedisAdapter::open("redis://127.0.0.1:6379")?);
/// io.cluster_ready().await;
/// # Ok(())
/// # }
/// ```
///
/// It speaks the formats of `@socket.io/redis-adapter`: see [`Mode`]. It has two connections: one to hear
/// and one to send. While Redis is away, clients stay, and what goes to clients of this node goes on. The adapter
/// connects again for ever. What others send meanwhile is missed. What this node sends waits, up to
/// [`queue_bytes`](RedisAdapter::queue_bytes).
///
/// The [`Io`](socketio::Io) must be made where tokio's tasks can be spawned.
pub struct RedisAdapter {
    dial: Arc<dyn Dial>,
    mode: Mode,
    prefix: Arc<str>,
    queue_bytes: usize,
    counts: Arc<Counts>,
    running: OnceLock<Running>,
}

/// The URL of a Redis can't be used.
#[derive(Debug)]
pub struct RedisError(pub(crate) LinkError);

/// Which format is spoken. A cluster speaks one: servers of different modes don't hear each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// That of `createAdapter` of `@socket.io/redis-adapter`: classic pub/sub, which every Redis has, and in a
    /// Redis Cluster goes to all of its servers.
    #[default]
    PubSub,
    /// That of `createShardedAdapter` of `@socket.io/redis-adapter`: sharded pub/sub, from Redis 7 on.
    Sharded(Subscriptions),
}

struct Running {
    node: Node,
    format: Arc<dyn Format>,
    publisher: Arc<Publisher>,
    subscriber: Arc<Subscriber>,
}

/// The prefix of all channels, unless told otherwise.
pub(crate) const PREFIX: &str = "socket.io";
/// The bytes that may wait for Redis, and of what came and was not looked into.
pub(crate) const QUEUE_BYTES: usize = 64_000_000;

/// # Making one
impl RedisAdapter {
    /// An adapter on a Redis server: `redis://user:password@host:6379/0`, `rediss://` for TLS, or `unix:///path`.
    /// It has to be Redis 6 or later, or something that speaks its protocol RESP3. Nothing is connected yet.
    ///
    /// # Errors
    /// If that is no such URL.
    pub fn open(url: &str) -> Result<RedisAdapter, RedisError> {
        Ok(RedisAdapter::on(Arc::new(Server::open(url).map_err(RedisError)?)))
    }

    pub(crate) fn on(dial: Arc<dyn Dial>) -> RedisAdapter {
        RedisAdapter {
            dial,
            mode: Mode::default(),
            prefix: PREFIX.into(),
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
        }
    }

    fn publisher(&self) -> Publisher {
        Publisher::start(Arc::clone(&self.dial), self.queue_bytes, Arc::clone(&self.counts))
    }

    /// What an emitter needs of it.
    pub(crate) fn into_sender(self) -> (Arc<dyn Format>, Publisher, Arc<Counts>) {
        (self.format(), self.publisher(), Arc::clone(&self.counts))
    }

    /// What has passed, and what was lost. It goes on counting.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl Adapter for RedisAdapter {
    fn start(&self, node: Node) {
        let format = self.format();
        let publisher = Arc::new(self.publisher());
        let (inbox, heard) = inbox(self.queue_bytes, Arc::clone(&self.counts));
        let subscriber =
            Subscriber::start(Arc::clone(&self.dial), Arc::clone(&self.counts), move |channel, payload| {
                inbox.put(channel, payload);
            });
        subscriber.want(format.always());
        let reader = Reader {
            node: node.clone(),
            format: Arc::clone(&format),
            publisher: Arc::downgrade(&publisher),
            counts: Arc::clone(&self.counts),
            warned: AtomicBool::new(false),
        };
        tokio::spawn(reader.run(heard));
        // `Io` starts an adapter once.
        let _ = self.running.set(Running { node, format, publisher, subscriber: Arc::new(subscriber) });
    }

    fn namespace_opened(&self, namespace: &Namespace) {
        let Some(Running { node, format, subscriber, .. }) = self.running.get() else { return };
        subscriber.want(format.of_namespace(namespace.name(), node.id()));
        if format.follows_rooms() {
            let (node, format, subscriber) = (node.clone(), Arc::clone(format), Arc::downgrade(subscriber));
            let name: Arc<str> = namespace.name().into();
            namespace.on_room_event(move |event| {
                if let Some(subscriber) = subscriber.upgrade() {
                    follow(&subscriber, &*format, &node, &name, event);
                }
            });
        }
    }

    fn namespace_closed(&self, name: &str) {
        if let Some(Running { node, format, subscriber, .. }) = self.running.get() {
            subscriber.unwant(format.of_namespace(name, node.id()));
        }
    }

    fn ready(&self) -> AdapterFuture<()> {
        match self.running.get() {
            Some(running) => Box::pin(running.subscriber.settled()),
            None => Box::pin(std::future::pending()),
        }
    }

    /// As many as have subscribed to the channel of requests, but for this node, which has to have.
    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        let Some(running) = self.running.get() else { return Box::pin(std::future::ready(0)) };
        let channel = running.format.counted(namespace);
        let publisher = Arc::clone(&running.publisher);
        let confirmed = running.subscriber.confirmed(channel.clone());
        Box::pin(async move {
            let own = usize::from(confirmed.await);
            loop {
                if let Ok(count) = publisher.send(Command::Count(channel.clone())).await {
                    return usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(own);
                }
                // Whoever asks does not wait for ever.
                sleep(Duration::from_millis(100)).await;
            }
        })
    }

    fn publish(&self, message: Message) -> AdapterFuture<Result<(), AdapterError>> {
        let Some(running) = self.running.get() else { return Box::pin(std::future::ready(Ok(()))) };
        match running.format.encode(&message) {
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
            Ok(command) => {
                let sent = running.publisher.send(command);
                Box::pin(async move { sent.await.map(drop).map_err(Into::into) })
            }
        }
    }

    fn close(&self) -> AdapterFuture<()> {
        let Some(running) = self.running.get() else { return Box::pin(std::future::ready(())) };
        running.subscriber.unwant_all();
        let settled = running.subscriber.settled();
        let flushed = running.publisher.send(Command::Ping);
        Box::pin(async move {
            settled.await;
            let _ = flushed.await;
        })
    }
}

/// Listens to the channel of a room for as long as a socket here is in it.
fn follow(subscriber: &Subscriber, format: &dyn Format, node: &Node, namespace: &str, event: &RoomEvent) {
    match event {
        RoomEvent::Created { room } => {
            let is_own =
                || node.namespace(namespace).is_some_and(|namespace| namespace.socket(room).is_some());
            subscriber.want(format.of_room(namespace, room, &is_own));
        }
        // Whether it was a socket's own can't be found out any more.
        RoomEvent::Deleted { room } => subscriber.unwant(format.of_room(namespace, room, &|| false)),
        _ => {}
    }
}

/// What was heard and not looked into yet.
struct Inbox {
    sender: mpsc::UnboundedSender<(Arc<str>, Bytes)>,
    bytes: Arc<AtomicUsize>,
    limit: usize,
    counts: Arc<Counts>,
}

/// The other end of it.
struct Letters {
    receiver: mpsc::UnboundedReceiver<(Arc<str>, Bytes)>,
    bytes: Arc<AtomicUsize>,
}

fn inbox(limit: usize, counts: Arc<Counts>) -> (Inbox, Letters) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let bytes = Arc::new(AtomicUsize::new(0));
    (Inbox { sender, bytes: Arc::clone(&bytes), limit, counts }, Letters { receiver, bytes })
}

/// What a message takes beside its payload, about.
const OVERHEAD: usize = 128;

impl Inbox {
    fn put(&self, channel: Arc<str>, payload: Bytes) {
        self.counts.heard.add(1);
        let cost = payload.len() + OVERHEAD;
        if self.bytes.load(Ordering::Relaxed) > self.limit {
            if self.counts.overrun() == 0 {
                tracing::warn!(
                    "other nodes send more than this one can read: some is lost; this is said once"
                );
            }
            return self.counts.overrun.add(1);
        }
        self.bytes.fetch_add(cost, Ordering::Relaxed);
        // The reader may have ended already.
        let _ = self.sender.send((channel, payload));
    }
}

/// Reads what was heard, on a task of its own.
struct Reader {
    node: Node,
    format: Arc<dyn Format>,
    publisher: std::sync::Weak<Publisher>,
    counts: Arc<Counts>,
    warned: AtomicBool,
}

impl Reader {
    async fn run(self, mut heard: Letters) {
        while let Some((channel, payload)) = heard.receiver.recv().await {
            heard.bytes.fetch_sub(payload.len() + OVERHEAD, Ordering::Relaxed);
            self.read(&channel, &payload);
        }
    }

    fn read(&self, channel: &str, payload: &Bytes) {
        if !self.format.is_wanted(channel, payload, &self.node) {
            return self.counts.unwanted.add(1);
        }
        match self.format.decode(channel, payload) {
            Ok(Heard::Message(message)) => self.node.receive(message),
            Ok(Heard::Question { namespace, from, answer }) => {
                let own = from.as_ref() == Some(self.node.id());
                let namespace = self.node.namespace(&namespace).filter(|_| !own);
                if let (Some(namespace), Some(publisher)) = (namespace, self.publisher.upgrade()) {
                    drop(publisher.send(answer(&namespace)));
                }
            }
            Ok(Heard::Nothing) => {}
            Err(garbage) => {
                self.counts.foreign.add(1);
                if !self.warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(channel, %garbage, "a message on a channel of this cluster can't be understood; \
                        others are counted and not said");
                }
            }
        }
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
