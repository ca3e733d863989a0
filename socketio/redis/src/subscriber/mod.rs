//! Receives from Redis: from which channels, and while the connection holds.
//!
//! One task keeps a connection that has subscribed to all wanted channels. When it is lost, the task
//! reconnects, for ever, and subscribes to everything again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::backoff::Backoff;
use crate::counts::Counts;
use crate::link::{Channel, Command, Connection, Dial, LinkError, OnPush, Push, is_passing};

#[cfg(test)]
mod tests;

/// How often a connection on which nothing is asked is tested.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long Redis may take to answer. It may be busy with a script, or be paused for a moment.
const SILENCE: Duration = Duration::from_secs(15);
/// How long channels wait that a part of a cluster could not take.
const RETRY: Duration = Duration::from_secs(1);
/// Channels that are subscribed to together.
const BATCH: usize = 256;

/// Keeps subscriptions. Dropped, it ends its task.
pub(crate) struct Subscriber(Arc<Shared>);

struct Shared {
    channels: Mutex<Channels>,
    /// Other channels are wanted, the connection was lost, or the subscriber was dropped.
    wake: Notify,
    /// Counts up when Redis has confirmed something, or when the connection is lost.
    changed: watch::Sender<u64>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Channels {
    wanted: BTreeSet<Channel>,
    /// Those that Redis has confirmed, on the present connection.
    confirmed: BTreeSet<Channel>,
    /// Those that may have to be subscribed to, or unsubscribed from.
    dirty: BTreeSet<Channel>,
    /// Those that Redis has dropped since it was last asked for something: what it answers may be older.
    dropped: BTreeSet<Channel>,
    lost: bool,
    /// Nothing further will be wanted.
    closed: bool,
    ended: bool,
}

impl Subscriber {
    /// Begins to listen. Messages go to `heard`, which must not block.
    pub(crate) fn start(
        dial: Arc<dyn Dial>,
        counts: Arc<Counts>,
        heard: impl Fn(String, bytes::Bytes) + Send + Sync + 'static,
    ) -> Subscriber {
        let shared = Arc::new(Shared {
            channels: Mutex::default(),
            wake: Notify::new(),
            changed: watch::Sender::new(0),
            counts,
        });
        tokio::spawn(Arc::clone(&shared).run(dial, Arc::new(heard)));
        Subscriber(shared)
    }

    pub(crate) fn want(&self, channels: impl IntoIterator<Item = Channel>) {
        let mut state = self.0.channels.lock();
        if state.closed {
            return;
        }
        for channel in channels {
            state.dirty.insert(channel.clone());
            state.wanted.insert(channel);
        }
        drop(state);
        self.0.wake.notify_one();
    }

    pub(crate) fn unwant(&self, channels: impl IntoIterator<Item = Channel>) {
        let mut state = self.0.channels.lock();
        for channel in channels {
            state.wanted.remove(&channel);
            state.dirty.insert(channel);
        }
        drop(state);
        self.0.wake.notify_one();
    }

    /// Wants nothing any more, whatever else is said.
    pub(crate) fn close(&self) {
        let mut state = self.0.channels.lock();
        state.closed = true;
        let wanted = std::mem::take(&mut state.wanted);
        state.dirty.extend(wanted);
        drop(state);
        self.0.wake.notify_one();
    }

    /// Waits until Redis has confirmed a channel. Says whether it did: a channel that is not wanted never is.
    pub(crate) fn confirmed(&self, channel: Channel) -> impl Future<Output = bool> + Send + use<> {
        let shared = Arc::clone(&self.0);
        async move {
            shared
                .until(move |state| {
                    if state.confirmed.contains(&channel) {
                        Some(true)
                    } else {
                        (!state.wanted.contains(&channel)).then_some(false)
                    }
                })
                .await
        }
    }

    /// Waits until the channels that are wanted are those that Redis has confirmed.
    pub(crate) fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.0);
        async move { shared.until(|state| (state.wanted == state.confirmed).then_some(())).await }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.0.channels.lock().ended = true;
        self.0.wake.notify_one();
    }
}

impl Shared {
    async fn until<R>(&self, mut look: impl FnMut(&Channels) -> Option<R>) -> R {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(&self.channels.lock()) {
                return found;
            }
            // The sender is in `self`.
            let _ = changes.changed().await;
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Channels) -> R) -> R {
        let changed = change(&mut self.channels.lock());
        self.changed.send_modify(|version| *version += 1);
        changed
    }

    async fn run(
        self: Arc<Self>,
        dial: Arc<dyn Dial>,
        heard: Arc<dyn Fn(String, bytes::Bytes) + Send + Sync>,
    ) {
        let mut backoff = Backoff::default();
        let mut gap: Option<Instant> = None;
        loop {
            self.change(|state| {
                state.lost = false;
                state.confirmed.clear();
                state.dirty = state.wanted.clone();
            });
            let dialled = dial.dial(self.on_push(&heard)).await;
            if self.channels.lock().ended {
                return;
            }
            let failed = match dialled {
                Ok(connection) => match self.serve(connection, &mut gap, &mut backoff).await {
                    Ok(()) => return,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.change(|state| state.confirmed.clear());
            if gap.is_none() {
                gap = Some(Instant::now());
                self.counts.gaps.add(1);
                tracing::warn!(error = %failed, "Redis can't be reached: messages from other nodes are missed until it is back");
            }
            sleep(backoff.next()).await;
        }
    }

    fn on_push(self: &Arc<Self>, heard: &Arc<dyn Fn(String, bytes::Bytes) + Send + Sync>) -> OnPush {
        let (shared, heard) = (Arc::downgrade(self), Arc::clone(heard));
        Arc::new(move |push| match push {
            Push::Message { channel, payload } => heard(channel, payload),
            Push::Dropped(channel) => {
                if let Some(shared) = shared.upgrade() {
                    shared.change(|state| {
                        state.confirmed.remove(&channel);
                        state.dropped.insert(channel.clone());
                        state.dirty.insert(channel);
                    });
                    shared.wake.notify_one();
                }
            }
            Push::Lost => {
                if let Some(shared) = shared.upgrade() {
                    shared.channels.lock().lost = true;
                    shared.wake.notify_one();
                }
            }
        })
    }

    /// Keeps the subscriptions of a connection as they are wanted. It returns without an error at the end.
    async fn serve(
        &self,
        mut connection: Box<dyn Connection>,
        gap: &mut Option<Instant>,
        backoff: &mut Backoff,
    ) -> Result<(), LinkError> {
        // What a part of a cluster could not take. The rest goes on without it.
        let mut refused: Vec<Channel> = Vec::new();
        let mut retry = Instant::now();
        loop {
            if !refused.is_empty() && retry <= Instant::now() {
                self.channels.lock().dirty.extend(refused.drain(..));
            }
            let (ended, lost, commands) = self.next_step();
            if ended {
                return Ok(());
            }
            if lost {
                return Err(LinkError("the connection was lost".into()));
            }
            if commands.is_empty() {
                if refused.is_empty()
                    && let Some(since) = gap.take()
                {
                    let away = since.elapsed();
                    tracing::info!(?away, "Redis is back: messages from other nodes arrive again");
                }
                backoff.reset();
                let next = if refused.is_empty() { Instant::now() + PING_INTERVAL } else { retry };
                if timeout_at(next, self.wake.notified()).await.is_err() {
                    ask(&mut *connection, &[Command::Ping]).await?;
                }
                continue;
            }
            let replies = ask(&mut *connection, &commands).await?;
            for (command, reply) in commands.iter().zip(replies) {
                match (reply, command) {
                    (Err(error), Command::Subscribe(channel) | Command::Unsubscribe(channel))
                        if is_passing(&error) =>
                    {
                        if refused.is_empty() {
                            retry = Instant::now() + RETRY;
                        }
                        refused.push(channel.clone());
                        if gap.is_none() {
                            *gap = Some(Instant::now());
                            self.counts.gaps.add(1);
                            tracing::warn!(%error, "a part of Redis is away: some of what other nodes send is missed");
                        }
                        continue;
                    }
                    (Err(error), _) => {
                        return Err(LinkError(format!("Redis refuses a subscription: {error}").into()));
                    }
                    (Ok(_), _) => {}
                }
                self.change(|state| match command {
                    Command::Subscribe(channel) if state.dropped.contains(channel) => false,
                    Command::Subscribe(channel) => state.confirmed.insert(channel.clone()),
                    Command::Unsubscribe(channel) => state.confirmed.remove(channel),
                    _ => false,
                });
            }
        }
    }

    /// What makes the confirmed channels those that are wanted.
    fn next_step(&self) -> (bool, bool, Vec<Command>) {
        let mut state = self.channels.lock();
        state.dropped.clear();
        let mut commands = Vec::new();
        while commands.len() < BATCH {
            let Some(channel) = state.dirty.pop_first() else { break };
            match (state.wanted.contains(&channel), state.confirmed.contains(&channel)) {
                (true, false) => commands.push(Command::Subscribe(channel)),
                (false, true) => commands.push(Command::Unsubscribe(channel)),
                _ => {}
            }
        }
        (state.ended, state.lost, commands)
    }
}

async fn ask(
    connection: &mut dyn Connection,
    commands: &[Command],
) -> Result<Vec<crate::link::Reply>, LinkError> {
    let answered = timeout(SILENCE, connection.send(commands)).await;
    answered.unwrap_or_else(|_| Err(LinkError("Redis does not answer".into())))
}
