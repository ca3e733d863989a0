//! A Redis in memory, which can be away, silent and slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{
    Answer, Channel, Command, Connection, Dial, Entry, Fields, LinkError, OnPush, Position, Push, Reply,
    Task, Told,
};

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
    /// The name of a channel that no server has now.
    lacks: Option<Box<str>>,
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
            lacks: None,
            streams: BTreeMap::new(),
            values: BTreeMap::new(),
            appended: watch::Sender::new(0),
        })))
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

    pub(crate) fn lack(&self, channel: Option<&str>) {
        self.0.lock().lacks = channel.map(Into::into);
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

impl State {
    fn append(&mut self, stream: Arc<str>, fields: Fields) {
        self.appended.send_modify(|number| *number += 1);
        let number = *self.appended.borrow();
        self.streams.entry(stream).or_default().push((number, fields));
    }

    /// The entries after positions.
    fn behind(&self, positions: &[Position], count: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        for Position { stream, id } in positions {
            let after: usize = id.strip_suffix("-0").and_then(|id| id.parse().ok()).expect("it is an id");
            let all = self.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
            let new = all.iter().filter(|(number, _)| *number > after).take(count);
            entries.extend(new.map(|(number, fields)| Entry {
                stream: Arc::clone(stream),
                id: format!("{number}-0").into(),
                fields: fields.clone(),
            }));
        }
        entries
    }

    fn publish(&mut self, channel: &Channel, payload: &Bytes) {
        self.published.push((channel.name().into(), payload.clone()));
        for client in self.connections.values() {
            for subscribed in &client.channels {
                let hears = match (subscribed, channel) {
                    (Channel::Pattern(pattern), Channel::Exact(name)) => {
                        pattern.strip_suffix('*').is_some_and(|start| name.starts_with(start))
                    }
                    (subscribed, channel) => subscribed == channel,
                };
                if hears {
                    (client.on_push)(Push::Message {
                        channel: channel.name().into(),
                        payload: payload.clone(),
                    });
                }
            }
        }
    }

    fn carry_out(&mut self, id: u64, command: &Command) -> Reply {
        if self.refuses {
            return Err("NOPERM no".into());
        }
        match command {
            Command::Subscribe(channel) if self.lacks.as_deref() == Some(channel.name()) => {
                Err("CLUSTERDOWN no server has it".into())
            }
            Command::Subscribe(channel) => {
                self.client(id).channels.insert(channel.clone());
                Ok(Told::Nothing)
            }
            Command::Unsubscribe(channel) => {
                self.client(id).channels.remove(channel);
                Ok(Told::Nothing)
            }
            Command::Publish { channel, payload } => {
                self.publish(channel, payload);
                Ok(Told::Nothing)
            }
            Command::Count(channel) => {
                let count =
                    self.connections.values().filter(|client| client.channels.contains(channel)).count();
                Ok(Told::Number(count as u64))
            }
            Command::Channels(pattern) => {
                let same_kind =
                    |channel: &&Channel| std::mem::discriminant(*channel) == std::mem::discriminant(pattern);
                let channels =
                    self.connections.values().flat_map(|client| &client.channels).filter(same_kind);
                let names = channels.map(Channel::name).filter(|name| matches(pattern.name(), name));
                Ok(Told::Names(names.map(Into::into).collect()))
            }
            Command::Append { stream, fields, .. } => {
                self.append(Arc::clone(stream), fields.clone());
                Ok(Told::Nothing)
            }
            Command::Keep { key, value, .. } => {
                self.values.insert(Arc::clone(key), value.clone());
                Ok(Told::Nothing)
            }
            Command::Take(key) => Ok(self.values.remove(key).map_or(Told::Nothing, Told::Value)),
            Command::Forget(key) => {
                self.values.remove(key);
                Ok(Told::Nothing)
            }
            Command::Range { from, inclusive, count } => {
                let mut entries = self.behind(std::slice::from_ref(from), *count);
                let before = Position { id: "0-0".into(), ..from.clone() };
                if *inclusive {
                    let first =
                        self.behind(&[before], usize::MAX).into_iter().find(|entry| entry.id == from.id);
                    entries.splice(0..0, first);
                }
                Ok(Told::Entries(entries))
            }
            Command::Ping | Command::Asking => Ok(Told::Nothing),
        }
    }

    fn client(&mut self, id: u64) -> &mut Client {
        self.connections.get_mut(&id).expect("it was looked for")
    }
}

/// Whether a name matches a pattern without `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    loop {
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some('\\'), Some(char)) if pattern.next() == Some(char) => {}
            (Some(expected), Some(char)) if expected == char => {}
            _ => return false,
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

    fn ends<'a>(&'a mut self, streams: &'a [Arc<str>]) -> Answer<'a, Vec<Position>> {
        Box::pin(async move {
            self.alive()?;
            let number = *self.redis.0.lock().appended.borrow();
            let end =
                |stream: &Arc<str>| Position { stream: Arc::clone(stream), id: format!("{number}-0").into() };
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
