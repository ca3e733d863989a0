//! Sends to Redis, in the order of the calls, without making a session wait.
//!
//! Commands wait in a queue that is bounded by bytes. One task takes them in batches: a batch is on its way while
//! the next one gathers, so that a busy node sends few large ones. While Redis is away the queue stays, up to its
//! bound. What was on its way when the connection broke is not sent again, since Redis may have taken it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::counts::Counts;
use crate::link::{Command, Connection, Dial, OnPush, Push, Reply, Told};

/// A server that is silent for so long is treated as one that is away.
const SILENCE: Duration = Duration::from_secs(30);
/// Commands that are sent together.
const BATCH: usize = 512;
/// Bytes that are sent together, beside the last command.
const BATCH_BYTES: usize = 1_000_000;

/// Why a message did not get to Redis.
///
/// ```
/// use socketio_redis::{Emitter, PublishError};
///
/// async fn news(emitter: &Emitter) {
///     match emitter.sockets_join("lobby").await {
///         Ok(_) => {}
///         Err(PublishError::Full) => println!("Redis is too slow"),
///         Err(error) => println!("{error}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// Too much waits for Redis already.
    Full,
    /// The connection broke while it was on its way. Redis may have taken it or not.
    Unsure,
    /// Redis refused it.
    Refused(Box<str>),
    /// The adapter has ended.
    Ended,
    /// It can't be written.
    Unwritable(Box<str>),
}

/// Where commands are left for Redis. Dropped, it ends its task.
pub(crate) struct Publisher(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Something was queued, the connection was lost, or the publisher was dropped.
    wake: Notify,
    limit: usize,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    ended: bool,
    /// There is no connection.
    away: bool,
    /// Something was thrown away since the queue was last empty, and it was said.
    overflowed: bool,
}

struct Waiting {
    command: Command,
    done: oneshot::Sender<Result<Told, PublishError>>,
}

impl Publisher {
    pub(crate) fn start(dial: Arc<dyn Dial>, limit: usize, counts: Arc<Counts>) -> Publisher {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Notify::new(), limit, counts });
        tokio::spawn(Arc::clone(&shared).run(dial));
        Publisher(shared)
    }

    /// Leaves a command. The future tells Redis' answer; dropping it stops nothing, except that a question is not
    /// asked any more.
    pub(crate) fn send(
        &self,
        command: Command,
    ) -> impl Future<Output = Result<Told, PublishError>> + Send + use<> {
        let answer = self.0.push(command);
        async move { answer?.await.unwrap_or(Err(PublishError::Ended)) }
    }

    /// Whether there is no connection, as far as is known.
    pub(crate) fn is_away(&self) -> bool {
        self.0.queue.lock().away
    }

    /// Waits until what was left before has gone to Redis. While Redis is away it isn't waited for.
    pub(crate) fn flushed(&self) -> impl Future<Output = ()> + Send + use<> {
        let flushed = (!self.is_away()).then(|| self.send(Command::Ping));
        async move {
            if let Some(flushed) = flushed {
                let _ = flushed.await;
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.queue.lock().ended = true;
        self.0.wake.notify_one();
    }
}

type Answer = oneshot::Receiver<Result<Told, PublishError>>;

impl Shared {
    fn push(&self, command: Command) -> Result<Answer, PublishError> {
        let (done, answer) = oneshot::channel();
        let cost = command.cost();
        let mut queue = self.queue.lock();
        if queue.bytes + cost > self.limit && !queue.waiting.is_empty() {
            let first = !std::mem::replace(&mut queue.overflowed, true);
            drop(queue);
            self.counts.dropped.add(1);
            if first {
                tracing::warn!(
                    limit = self.limit,
                    "too many messages wait for Redis: further ones to other nodes are dropped until it takes some"
                );
            }
            return Err(PublishError::Full);
        }
        queue.bytes += cost;
        queue.waiting.push_back(Waiting { command, done });
        drop(queue);
        self.wake.notify_one();
        Ok(answer)
    }

    async fn run(self: Arc<Self>, dial: Arc<dyn Dial>) {
        let mut backoff = Backoff::default();
        let mut away = false;
        loop {
            let lost = Arc::new(AtomicBool::new(false));
            match dial.dial(self.on_push(&lost)).await {
                Ok(connection) => {
                    self.queue.lock().away = false;
                    if std::mem::take(&mut away) {
                        tracing::info!("Redis is back: messages go to other nodes again");
                    }
                    backoff.reset();
                    self.serve(connection, &lost).await;
                }
                Err(error) if !away => {
                    away = true;
                    tracing::warn!(%error, "Redis can't be reached: messages to other nodes wait");
                }
                Err(_) => {}
            }
            self.queue.lock().away = true;
            // What could be sent has been sent.
            if self.queue.lock().ended {
                return;
            }
            sleep(backoff.next()).await;
        }
    }

    /// An idle connection that is lost is replaced before anything is lost on it.
    fn on_push(self: &Arc<Self>, lost: &Arc<AtomicBool>) -> OnPush {
        let (shared, lost) = (Arc::downgrade(self), Arc::clone(lost));
        Arc::new(move |push| {
            if push == Push::Lost {
                lost.store(true, Ordering::Release);
                if let Some(shared) = shared.upgrade() {
                    shared.wake.notify_one();
                }
            }
        })
    }

    /// Sends what is queued until the connection breaks.
    async fn serve(&self, mut connection: Box<dyn Connection>, lost: &AtomicBool) {
        while !lost.load(Ordering::Acquire) {
            let (commands, answers) = self.take();
            if commands.is_empty() {
                if self.queue.lock().ended {
                    return;
                }
                self.wake.notified().await;
                continue;
            }
            match timeout(SILENCE, connection.send(&commands)).await {
                Ok(Ok(replies)) => self.answer(&commands, answers, replies),
                Ok(Err(_)) | Err(_) => {
                    let published = commands.iter().filter(|command| is_publish(command)).count();
                    self.counts.unsure.add(published);
                    for done in answers {
                        let _ = done.send(Err(PublishError::Unsure));
                    }
                    return;
                }
            }
        }
    }

    /// Takes the next commands to be sent together. Questions that nobody asks any more are left out.
    fn take(&self) -> (Vec<Command>, Vec<oneshot::Sender<Result<Told, PublishError>>>) {
        let (mut commands, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut queue = self.queue.lock();
        while commands.len() < BATCH && bytes < BATCH_BYTES {
            let Some(Waiting { command, done }) = queue.waiting.pop_front() else { break };
            let cost = command.cost();
            queue.bytes -= cost;
            if is_question(&command) && done.is_closed() {
                continue;
            }
            bytes += cost;
            commands.push(command);
            answers.push(done);
        }
        if queue.waiting.is_empty() {
            queue.overflowed = false;
        }
        (commands, answers)
    }

    fn answer(
        &self,
        commands: &[Command],
        answers: Vec<oneshot::Sender<Result<Told, PublishError>>>,
        replies: Vec<Reply>,
    ) {
        for ((command, done), reply) in commands.iter().zip(answers).zip(replies) {
            match &reply {
                Ok(_) if is_publish(command) => self.counts.published.add(1),
                Ok(_) => {}
                Err(error) => {
                    if self.counts.refused() == 0 {
                        tracing::warn!(%error, "Redis refuses a command; this is said once");
                    }
                    self.counts.refused.add(1);
                }
            }
            // Whoever does not care has dropped the other end.
            let _ = done.send(reply.map_err(PublishError::Refused));
        }
    }
}

/// Whether a command is of no use to those who don't wait for its answer.
fn is_question(command: &Command) -> bool {
    matches!(
        command,
        Command::Count(_) | Command::Channels(_) | Command::Ping | Command::Take(_) | Command::Range { .. }
    )
}

fn is_publish(command: &Command) -> bool {
    matches!(command, Command::Publish { .. } | Command::Append { .. })
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Full => f.write_str("too much waits for Redis already"),
            PublishError::Unsure => {
                f.write_str("the connection to Redis broke while the message was on its way")
            }
            PublishError::Refused(error) => write!(f, "Redis refused it: {error}"),
            PublishError::Ended => f.write_str("the adapter has ended"),
            PublishError::Unwritable(error) => write!(f, "it can't be written: {error}"),
        }
    }
}

impl std::error::Error for PublishError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Channel;
    use crate::link::fake::FakeRedis;

    fn started(limit: usize) -> (FakeRedis, Publisher, Arc<Counts>) {
        let (redis, counts) = (FakeRedis::new(), Arc::new(Counts::default()));
        let publisher = Publisher::start(redis.dial(), limit, Arc::clone(&counts));
        (redis, publisher, counts)
    }

    fn message(n: usize) -> Command {
        Command::Publish { channel: Channel::Exact("c".into()), payload: n.to_string().into() }
    }

    fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| n.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn messages_keep_their_order_and_go_in_batches() {
        let (redis, publisher, counts) = started(1_000_000);
        let mut last = None;
        for n in 0..2000 {
            last = Some(publisher.send(message(n)));
        }
        last.unwrap().await.unwrap();
        assert_eq!(redis.published(), numbers(0..2000));
        assert_eq!(redis.batches(), [512, 512, 512, 464]);
        assert_eq!(counts.published(), 2000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_while_redis_is_away_goes_out_once_when_it_is_back() {
        let (redis, publisher, counts) = started(1_000_000);
        publisher.send(message(0)).await.unwrap();
        redis.set_up(false);
        for n in 1..100 {
            drop(publisher.send(message(n)));
            sleep(Duration::from_millis(500)).await;
        }
        redis.set_up(true);
        publisher.send(message(100)).await.unwrap();
        assert_eq!(redis.published(), numbers(0..101));
        assert_eq!((counts.published(), counts.unsure(), counts.dropped()), (101, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded_and_what_is_too_much_is_counted() {
        let (redis, publisher, counts) = started(10 * message(0).cost());
        redis.set_up(false);
        let mut full = 0;
        let mut waiting = Vec::new();
        for n in 0..25 {
            let sent = publisher.0.push(message(n % 10));
            match sent {
                Ok(answer) => waiting.push(answer),
                Err(PublishError::Full) => full += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((waiting.len(), full, counts.dropped()), (10, 15, 15));
        redis.set_up(true);
        for answer in waiting {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(redis.published(), numbers(0..10));
        // One that is larger than the bound goes, if nothing else waits.
        let large = Command::Publish { channel: Channel::Exact("c".into()), payload: vec![0; 10_000].into() };
        publisher.send(large).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_on_its_way_is_not_sent_again() {
        let (redis, publisher, counts) = started(1_000_000);
        redis.set_silent(true);
        let first = publisher.send(message(0));
        sleep(Duration::from_millis(1)).await;
        let second = publisher.send(message(1));
        redis.set_up(true);
        redis.set_silent(false);
        assert!(matches!(first.await, Err(PublishError::Unsure)));
        second.await.unwrap();
        assert_eq!((redis.published(), counts.unsure()), (numbers(1..2), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_redis_that_is_silent_for_long_is_given_up() {
        let (redis, publisher, counts) = started(1_000_000);
        redis.set_silent(true);
        let sent = publisher.send(message(0));
        assert!(matches!(sent.await, Err(PublishError::Unsure)));
        assert_eq!(counts.unsure(), 1);
        // A pause that is shorter delays what is sent, and nothing else.
        let sent = publisher.send(message(1));
        sleep(SILENCE / 2).await;
        redis.set_silent(false);
        sent.await.unwrap();
        assert_eq!(redis.published(), numbers(1..2));
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_nobody_waits_for_are_not_asked() {
        let (redis, publisher, _) = started(1_000_000);
        redis.set_up(false);
        for _ in 0..10 {
            drop(publisher.send(Command::Count(Channel::Exact("c".into()))));
        }
        redis.set_up(true);
        publisher.send(message(0)).await.unwrap();
        assert_eq!(redis.batches(), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_redis_refuses_is_an_error_of_that_message() {
        let (redis, publisher, counts) = started(1_000_000);
        redis.refuse(true);
        let error = publisher.send(message(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "Redis refused it: NOPERM no");
        redis.refuse(false);
        publisher.send(message(1)).await.unwrap();
        assert_eq!((counts.refused(), counts.published()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_waits_for_what_was_left_before_but_not_for_a_redis_that_is_away() {
        let (redis, publisher, _) = started(1_000_000);
        drop(publisher.send(message(0)));
        publisher.flushed().await;
        assert_eq!(redis.published(), numbers(0..1));
        redis.set_up(false);
        sleep(Duration::from_secs(1)).await;
        drop(publisher.send(message(1)));
        let since = tokio::time::Instant::now();
        publisher.flushed().await;
        assert_eq!(since.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn its_task_ends_with_it() {
        let (redis, publisher, counts) = started(1_000_000);
        let sent = publisher.send(message(0));
        drop(publisher);
        sent.await.unwrap();
        sleep(Duration::from_secs(5)).await;
        assert_eq!((redis.published().len(), Arc::strong_count(&counts)), (1, 1));
    }
}
