//! The adapter at work: a format, what goes out, what comes in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use socketio::{
    Adapter, AdapterError, AdapterFuture, Namespace, Node, NodeId, NodeMessage, RoomEvent, SessionStore,
};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep};

use super::{Mode, RedisAdapter};
use crate::format::Format;
use crate::inbox::{Letter, Reader, inbox};
use crate::link::{Command, Told};
use crate::publisher::Publisher;
use crate::sessions::{READS_AT_ONCE, StoredSessions};
use crate::stream_reader::StreamReader;
use crate::subscriber::Subscriber;

/// How long it takes until nodes are looked for again.
const SEEN_ANEW: Duration = Duration::from_millis(400);

/// The other nodes that have a namespace, as they were seen.
struct Seen {
    since: Instant,
    nodes: OnceCell<Option<Vec<NodeId>>>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { since: Instant::now(), nodes: OnceCell::new() }
    }
}

pub(super) struct Running {
    node: Node,
    format: Arc<dyn Format>,
    publisher: Arc<Publisher>,
    subscriber: Arc<Subscriber>,
    stream_readers: Vec<StreamReader>,
    sessions: Option<StoredSessions>,
    seen: Mutex<HashMap<Box<str>, Arc<Seen>>>,
}

impl Adapter for RedisAdapter {
    fn start(&self, node: Node) {
        let format = self.format();
        let publisher = Arc::new(self.publisher());
        let (inbox, heard) =
            inbox(self.queue_bytes, node.clone(), Arc::clone(&format), Arc::clone(&self.counts));
        let stream_readers = self.read_streams(&format.streams(), &inbox);
        let (dial, counts) = (Arc::clone(&self.dial), Arc::clone(&self.counts));
        let subscriber = Subscriber::start(dial, counts, move |channel, payload| {
            inbox.put(Letter::Message { channel, payload });
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
        let sessions = (self.mode == Mode::Streams && node.recovers()).then(|| StoredSessions {
            publisher: Arc::clone(&publisher),
            streams: Arc::new(self.streams()),
            prefix: Arc::clone(&self.session_prefix),
            limit: self.queue_bytes,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
        });
        // `Io` starts an adapter once.
        let _ = self.running.set(Running {
            node,
            format,
            publisher,
            subscriber: Arc::new(subscriber),
            stream_readers,
            sessions,
            seen: Mutex::default(),
        });
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
            Some(running) => {
                let settled = running.subscriber.settled();
                let began: Vec<_> = running.stream_readers.iter().map(StreamReader::began).collect();
                Box::pin(async move {
                    settled.await;
                    for began in began {
                        began.await;
                    }
                })
            }
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
                if let Ok(Told::Number(count)) = publisher.send(Command::Count(channel.clone())).await {
                    return usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(own);
                }
                // Whoever asks does not wait for ever.
                sleep(Duration::from_millis(100)).await;
            }
        })
    }

    /// Those whose channels somebody listens to. Redis looks through all channels for that, so it is asked once in a
    /// while, whoever waits.
    fn other_node_ids(&self, namespace: &str) -> AdapterFuture<Option<Vec<NodeId>>> {
        let Some(running) = self.running.get() else { return Box::pin(std::future::ready(None)) };
        let Some(pattern) = running.format.nodes(namespace) else {
            return Box::pin(std::future::ready(None));
        };
        let seen = {
            let mut seen = running.seen.lock();
            seen.retain(|_, seen| seen.since.elapsed() < SEEN_ANEW);
            Arc::clone(seen.entry(namespace.into()).or_default())
        };
        let (format, publisher) = (Arc::clone(&running.format), Arc::clone(&running.publisher));
        let (own, namespace) = (Arc::clone(running.node.id()), namespace.to_owned());
        Box::pin(async move {
            let ask = async {
                let Ok(Told::Names(channels)) = publisher.send(Command::Channels(pattern)).await else {
                    return None;
                };
                let nodes = channels.iter().filter_map(|channel| format.node_of(&namespace, channel));
                Some(nodes.filter(|node| *node != own).collect())
            };
            seen.nodes.get_or_init(|| ask).await.clone()
        })
    }

    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        let Some(running) = self.running.get() else { return Box::pin(std::future::ready(Ok(()))) };
        match running.format.encode(&message) {
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
            Ok(command) => {
                let sent = running.publisher.send(command);
                Box::pin(async move { sent.await.map(drop).map_err(Into::into) })
            }
        }
    }

    fn sessions(&self) -> Option<&dyn SessionStore> {
        let sessions = self.running.get()?.sessions.as_ref()?;
        Some(sessions)
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.all()
    }

    fn close(&self) -> AdapterFuture<()> {
        let Some(running) = self.running.get() else { return Box::pin(std::future::ready(())) };
        running.subscriber.close();
        let (settled, flushed) = (running.subscriber.settled(), running.publisher.flushed());
        Box::pin(async move {
            settled.await;
            flushed.await;
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
