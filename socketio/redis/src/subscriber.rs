//! Receives from Redis: from which channels, and while the connection holds.
//!
//! One task keeps a connection that has subscribed to all wanted channels. When it is lost, the task
//! reconnects, for ever, and subscribes to everything again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Backoff;
use crate::counts::Counts;
use crate::link::{Channel, Command, Connection, Dial, LinkError, OnPush, Push, is_passing};

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
        let mut refused = Vec::new();
        loop {
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
                let pause = if refused.is_empty() { PING_INTERVAL } else { RETRY };
                if timeout(pause, self.wake.notified()).await.is_err() {
                    ask(&mut *connection, &[Command::Ping]).await?;
                    self.channels.lock().dirty.extend(refused.drain(..));
                }
                continue;
            }
            let replies = ask(&mut *connection, &commands).await?;
            for (command, reply) in commands.iter().zip(replies) {
                match (reply, command) {
                    (Err(error), Command::Subscribe(channel) | Command::Unsubscribe(channel))
                        if is_passing(&error) =>
                    {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::fake::FakeRedis;

    struct Heard(Arc<Mutex<Vec<String>>>);

    impl Heard {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock())
        }
    }

    fn started() -> (FakeRedis, Subscriber, Heard, Arc<Counts>) {
        let (redis, counts) = (FakeRedis::new(), Arc::new(Counts::default()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let subscriber = Subscriber::start(redis.dial(), Arc::clone(&counts), move |channel, payload| {
            log.lock().push(format!("{channel} {}", String::from_utf8_lossy(&payload)));
        });
        (redis, subscriber, Heard(heard), counts)
    }

    fn exact(name: &str) -> Channel {
        Channel::Exact(name.into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wanted_is_heard_and_the_rest_is_not() {
        let (redis, subscriber, heard, _) = started();
        subscriber.want([exact("a"), exact("b"), Channel::Pattern("p#*".into())]);
        subscriber.settled().await;
        for channel in ["a", "b", "c", "p#x"] {
            redis.publish(channel, "1");
        }
        assert_eq!(heard.take(), ["a 1", "b 1", "p#x 1"]);
        subscriber.unwant([exact("a")]);
        subscriber.settled().await;
        redis.publish("a", "2");
        assert_eq!(heard.take(), [""; 0]);
        assert_eq!(
            (subscriber.confirmed(exact("b")).await, subscriber.confirmed(exact("a")).await),
            (true, false)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_subscribed_to_again_whenever_redis_is_back() {
        let (redis, subscriber, heard, counts) = started();
        subscriber.want((0..1000).map(|n| exact(&format!("c{n}"))));
        subscriber.settled().await;
        assert_eq!(redis.channels().len(), 1000);
        for away in [0, 1, 60, 3600] {
            redis.set_up(false);
            tokio::task::yield_now().await;
            sleep(Duration::from_secs(away)).await;
            // What is wanted may change meanwhile.
            subscriber.want([exact("another")]);
            subscriber.unwant([exact("c0")]);
            redis.set_up(true);
            let since = Instant::now();
            subscriber.settled().await;
            assert!(since.elapsed() <= Duration::from_secs(2), "{:?}", since.elapsed());
            assert_eq!(redis.channels().len(), 1000);
            redis.publish("c999", "1");
            redis.publish("another", "1");
            redis.publish("c0", "1");
            assert_eq!(heard.take(), ["c999 1", "another 1"]);
        }
        assert_eq!(counts.gaps(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_redis_that_falls_silent_is_found_out() {
        let (redis, subscriber, heard, counts) = started();
        subscriber.want([exact("a")]);
        subscriber.settled().await;
        redis.set_silent(true);
        sleep(PING_INTERVAL + SILENCE + Duration::from_millis(1)).await;
        assert_eq!(counts.gaps(), 1);
        redis.set_silent(false);
        subscriber.settled().await;
        redis.publish("a", "1");
        assert_eq!(heard.take(), ["a 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shards_channel_that_redis_drops_is_subscribed_to_again() {
        let (redis, subscriber, _, counts) = started();
        subscriber.want([Channel::Sharded("s".into())]);
        subscriber.settled().await;
        redis.drop_shard("s");
        assert!(redis.channels().is_empty());
        subscriber.settled().await;
        assert_eq!((redis.channels(), counts.gaps()), (vec!["s".to_owned()], 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_a_part_of_redis_can_not_take_holds_nothing_up() {
        let (redis, subscriber, heard, counts) = started();
        redis.lack(Some("c0"));
        subscriber.want((0..1000).map(|n| exact(&format!("c{n}"))));
        for confirmed in ["c999", "c1"].map(|name| subscriber.confirmed(exact(name))) {
            assert_eq!(timeout(SILENCE, confirmed).await, Ok(true));
        }
        redis.publish("c999", "1");
        assert_eq!((heard.take(), counts.gaps()), (vec!["c999 1".to_owned()], 1));
        sleep(10 * RETRY).await;
        redis.lack(None);
        subscriber.settled().await;
        assert_eq!((redis.channels().len(), counts.gaps()), (1000, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_channel_learns_when_it_is_wanted_no_more() {
        let (redis, subscriber, ..) = started();
        redis.set_up(false);
        subscriber.want([exact("a")]);
        let waiting = tokio::spawn(subscriber.confirmed(exact("a")));
        tokio::task::yield_now().await;
        subscriber.close();
        assert!(!waiting.await.unwrap());
        subscriber.settled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn its_task_ends_with_it() {
        let (redis, subscriber, _, counts) = started();
        subscriber.want([exact("a")]);
        subscriber.settled().await;
        drop(subscriber);
        sleep(Duration::from_secs(5)).await;
        assert_eq!((redis.channels().len(), Arc::strong_count(&counts)), (0, 1));
    }
}
