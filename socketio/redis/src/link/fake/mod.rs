//! A Redis in memory, which can be away, silent and slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{
    Answer, Channel, Command, Connection, Dial, Entry, Fields, LinkError, OnPush, Position, Push, Reply, Task,
};

mod state;

#[derive(Clone)]
pub(crate) struct FakeRedis(Arc<Mutex<State>>);

struct State {
    up: bool,
    /// Commands are taken and not carried out while this is true.
    silent: watch::Sender<bool>,
    next: u64,
    connections: BTreeMap<u64, Client>,
    /// Everything that was published.
    published: Vec<(Arc<str>, Bytes)>,
    /// How many commands were sent together, each time.
    batches: Vec<usize>,
    refuses: bool,
    /// What it says to everything, to so many connections: those that were made first.
    turned_away: Option<(u64, Box<str>)>,
    /// What it says to the next command.
    refuses_once: Option<Box<str>>,
    /// No part of it can be away alone.
    is_single: bool,
    /// The name of a channel that no server has now.
    lacks: Option<Box<str>>,
    /// The name of a channel that is moved to another server as soon as somebody has subscribed to it.
    drops: Option<Box<str>>,
    streams: BTreeMap<Arc<str>, Vec<(usize, Fields)>>,
    values: BTreeMap<Arc<str>, Bytes>,
    /// The number of the last entry of all streams.
    appended: watch::Sender<usize>,
}

struct Client {
    on_push: OnPush,
    channels: BTreeSet<Channel>,
}

impl FakeRedis {
    pub(crate) fn new() -> FakeRedis {
        FakeRedis(Arc::new(Mutex::new(State {
            up: true,
            silent: watch::Sender::new(false),
            next: 0,
            connections: BTreeMap::new(),
            published: Vec::new(),
            batches: Vec::new(),
            refuses: false,
            turned_away: None,
            refuses_once: None,
            is_single: false,
            lacks: None,
            drops: None,
            streams: BTreeMap::new(),
            values: BTreeMap::new(),
            appended: watch::Sender::new(0),
        })))
    }

    /// One that is no cluster.
    pub(crate) fn single() -> FakeRedis {
        let redis = FakeRedis::new();
        redis.0.lock().is_single = true;
        redis
    }

    pub(crate) fn dial(&self) -> Arc<dyn Dial> {
        Arc::new(self.clone())
    }

    /// Ends all connections, and takes others or not.
    pub(crate) fn set_up(&self, up: bool) {
        let mut state = self.0.lock();
        state.up = up;
        let ended = std::mem::take(&mut state.connections);
        // Whoever waits for an answer learns of it.
        state.silent.send_modify(|_| {});
        drop(state);
        ended.into_values().for_each(|client| (client.on_push)(Push::Lost));
    }

    pub(crate) fn set_silent(&self, silent: bool) {
        self.0.lock().silent.send_replace(silent);
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.0.lock().refuses = refuses;
    }

    /// Says that to everything, until it gets `None`.
    pub(crate) fn turn_away(&self, error: Option<&str>) {
        self.0.lock().turned_away = error.map(|error| (u64::MAX, error.into()));
    }

    /// Another server takes its place: this one says that to all who are connected.
    pub(crate) fn hand_over(&self, error: &str) {
        let mut state = self.0.lock();
        state.turned_away = Some((state.next, error.into()));
    }

    pub(crate) fn refuse_once(&self, error: &str) {
        self.0.lock().refuses_once = Some(error.into());
    }

    /// How many connections were made.
    pub(crate) fn dialled(&self) -> u64 {
        self.0.lock().next
    }

    pub(crate) fn lack(&self, channel: Option<&str>) {
        self.0.lock().lacks = channel.map(Into::into);
    }

    pub(crate) fn drop_once(&self, channel: &str) {
        self.0.lock().drops = Some(channel.into());
    }

    /// What was published, as text.
    pub(crate) fn published(&self) -> Vec<String> {
        let texts = |(_, payload): &(Arc<str>, Bytes)| String::from_utf8_lossy(payload).into_owned();
        self.0.lock().published.iter().map(texts).collect()
    }

    pub(crate) fn batches(&self) -> Vec<usize> {
        self.0.lock().batches.clone()
    }

    /// Another program appends an entry.
    pub(crate) fn append(&self, stream: &str, fields: &[(&'static str, &str)]) {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), value.to_string().into())).collect();
        self.0.lock().append(stream.into(), fields);
    }

    /// A stream lets go of all but the last entries.
    pub(crate) fn trim(&self, stream: &str, keep: usize) {
        let mut state = self.0.lock();
        let entries = state.streams.entry(stream.into()).or_default();
        entries.drain(..entries.len().saturating_sub(keep));
    }

    /// It has started again without its streams, and its clock is behind.
    pub(crate) fn lose_streams(&self) {
        let mut state = self.0.lock();
        state.streams.clear();
        state.appended.send_replace(0);
    }

    /// The channels of all connections.
    pub(crate) fn channels(&self) -> Vec<String> {
        let state = self.0.lock();
        let channels = state.connections.values().flat_map(|client| &client.channels);
        channels.map(|channel| channel.name().to_owned()).collect()
    }

    /// Another program publishes something.
    pub(crate) fn publish(&self, channel: &str, payload: impl Into<Bytes>) {
        self.0.lock().publish(&Channel::Exact(channel.into()), &payload.into());
    }

    /// A shard's channel is moved to another server.
    pub(crate) fn drop_shard(&self, name: &str) {
        let channel = Channel::Sharded(name.into());
        for client in self.0.lock().connections.values_mut() {
            if client.channels.remove(&channel) {
                (client.on_push)(Push::Dropped(channel.clone()));
            }
        }
    }
}

impl Dial for FakeRedis {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>> {
        let redis = self.clone();
        Box::pin(async move {
            let mut state = redis.0.lock();
            if !state.up {
                return Err(LinkError("it is away".into()));
            }
            state.next += 1;
            let id = state.next;
            state.connections.insert(id, Client { on_push, channels: BTreeSet::new() });
            drop(state);
            Ok(Box::new(FakeConnection { redis, id }) as Box<dyn Connection>)
        })
    }
}

struct FakeConnection {
    redis: FakeRedis,
    id: u64,
}

impl Connection for FakeConnection {
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> Answer<'a, Vec<Reply>> {
        Box::pin(async move {
            let mut silent = self.redis.0.lock().silent.subscribe();
            let gone = || LinkError("the connection is gone".into());
            loop {
                {
                    let mut state = self.redis.0.lock();
                    if !state.connections.contains_key(&self.id) {
                        return Err(gone());
                    }
                    if !*silent.borrow_and_update() {
                        state.batches.push(commands.len());
                        return Ok(commands
                            .iter()
                            .map(|command| state.carry_out(self.id, command))
                            .collect());
                    }
                }
                silent.changed().await.map_err(|_| gone())?;
            }
        })
    }

    /// Each channel is a part, by its first character.
    fn part(&self, command: &Command) -> Option<u16> {
        match command {
            Command::Publish { channel, .. } if !self.redis.0.lock().is_single => {
                channel.name().bytes().next().map(Into::into)
            }
            _ => None,
        }
    }

    fn ends<'a>(&'a mut self, streams: &'a [Arc<str>]) -> Answer<'a, Vec<Position>> {
        Box::pin(async move {
            self.alive()?;
            let state = self.redis.0.lock();
            let end = |stream: &Arc<str>| {
                let last = state.streams.get(stream).and_then(|entries| entries.last());
                let id = format!("{}-0", last.map_or(0, |(number, _)| *number)).into();
                Position { stream: Arc::clone(stream), id }
            };
            Ok(streams.iter().map(end).collect())
        })
    }

    fn read<'a>(
        &'a mut self,
        positions: &'a [Position],
        count: usize,
        patience: Duration,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let mut appended = self.redis.0.lock().appended.subscribe();
            let deadline = Instant::now() + patience;
            loop {
                self.alive()?;
                let entries = self.redis.0.lock().behind(positions, count);
                if !entries.is_empty() || Instant::now() >= deadline {
                    return Ok(entries);
                }
                // A connection that is lost is found out a little later.
                let _ =
                    timeout_at(deadline.min(Instant::now() + Duration::from_millis(10)), appended.changed())
                        .await;
            }
        })
    }
}

impl FakeConnection {
    fn alive(&self) -> Result<(), LinkError> {
        match self.redis.0.lock().connections.contains_key(&self.id) {
            true => Ok(()),
            false => Err(LinkError("the connection is gone".into())),
        }
    }
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.redis.0.lock().connections.remove(&self.id);
    }
}
