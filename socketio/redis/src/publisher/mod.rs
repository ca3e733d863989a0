//! Sends to Redis, in the order of the calls, without making a session wait.
//!
//! Commands wait in a queue that is bounded by bytes. One task takes them in batches: a batch is on its way while
//! the next one gathers, so that a busy node sends few large ones. While Redis is away the queue stays, up to its
//! bound. What was on its way when the connection broke is not sent again, since Redis may have taken it. What Redis refuses
//! for now, as a replica does, waits as well, and the next connection looks for another server. What is for a part of a
//! cluster that has no server [waits aside](held).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout, timeout_at};

use crate::backoff::Backoff;
use crate::counts::Counts;
use crate::link::{Command, Connection, Dial, OnPush, Push, Told};

mod held;
mod replies;
#[cfg(test)]
mod tests;

use held::Held;

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
    /// What came before these, for parts of a cluster that are away.
    held: Held<Waiting>,
    /// Those of both.
    bytes: usize,
    ended: bool,
    /// There is no connection.
    away: bool,
    /// Something was thrown away since the queue was last empty, and it was said.
    overflowed: bool,
}

struct Waiting {
    command: Command,
    done: Done,
}

type Done = oneshot::Sender<Result<Told, PublishError>>;

/// How it stands with the connection to Redis.
#[derive(Default)]
struct Link {
    backoff: Backoff,
    /// The last connection ended because a server takes nothing.
    is_refused: bool,
    /// It was said that messages wait.
    is_warned: bool,
}

/// Commands that are sent together.
#[derive(Default)]
struct Batch {
    commands: Vec<Command>,
    answers: Vec<Done>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.commands.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Returns the bytes that don't wait any more.
    fn add(&mut self, Waiting { command, done }: Waiting) -> usize {
        let cost = command.cost();
        if !(is_question(&command) && done.is_closed()) {
            self.bytes += cost;
            self.commands.push(command);
            self.answers.push(done);
        }
        cost
    }
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
        if queue.bytes + cost > self.limit && queue.bytes > 0 {
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
        let mut link = Link::default();
        loop {
            let lost = Arc::new(AtomicBool::new(false));
            match dial.dial(self.on_push(&lost)).await {
                Ok(connection) => {
                    // A server that refused what it was sent has to take it first.
                    if !link.is_refused {
                        self.is_back(&mut link);
                    }
                    if let Err(error) = self.serve(connection, &lost, &mut link).await {
                        link.is_refused = true;
                        if !std::mem::replace(&mut link.is_warned, true) {
                            tracing::warn!(%error, "Redis takes nothing now: messages to other nodes wait");
                        }
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut link.is_warned, true) {
                        tracing::warn!(%error, "Redis can't be reached: messages to other nodes wait");
                    }
                }
            }
            self.queue.lock().away = true;
            // What could be sent has been sent.
            if self.queue.lock().ended {
                return;
            }
            sleep(link.backoff.next()).await;
        }
    }

    fn is_back(&self, link: &mut Link) {
        link.is_refused = false;
        link.backoff.reset();
        self.queue.lock().away = false;
        if std::mem::take(&mut link.is_warned) {
            tracing::info!("Redis is back: messages go to other nodes again");
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

    /// Sends what is queued until the connection breaks. The error says why the server takes nothing.
    async fn serve(
        &self,
        mut connection: Box<dyn Connection>,
        lost: &AtomicBool,
        link: &mut Link,
    ) -> Result<(), Box<str>> {
        while !lost.load(Ordering::Acquire) {
            let Batch { commands, answers, .. } = self.take(&*connection);
            if commands.is_empty() {
                self.is_back(link);
                let (ended, next_try) = {
                    let queue = self.queue.lock();
                    (queue.ended, queue.held.next_try())
                };
                match next_try {
                    _ if ended => return Ok(()),
                    Some(next_try) => drop(timeout_at(next_try, self.wake.notified()).await),
                    None => self.wake.notified().await,
                }
                continue;
            }
            match timeout(SILENCE, connection.send(&commands)).await {
                Ok(Ok(replies)) => {
                    self.answer(&*connection, commands, answers, replies)?;
                    if link.is_refused {
                        self.is_back(link);
                    }
                }
                Ok(Err(_)) | Err(_) => {
                    let published = commands.iter().filter(|command| is_publish(command)).count();
                    self.counts.unsure.add(published);
                    for done in answers {
                        let _ = done.send(Err(PublishError::Unsure));
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes the next commands to be sent together. Questions that nobody asks any more are left out.
    fn take(&self, connection: &dyn Connection) -> Batch {
        let mut queue = self.queue.lock();
        let mut batch = Batch::default();
        for tried in queue.held.first_of_each(BATCH) {
            queue.bytes -= batch.add(tried);
        }
        while !batch.is_full() {
            let Some(next) = queue.waiting.pop_front() else { break };
            let part = connection.part(&next.command);
            if let Some(next) = queue.held.keep_behind(part, next) {
                queue.bytes -= batch.add(next);
            }
        }
        if queue.waiting.is_empty() {
            queue.overflowed = false;
        }
        batch
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
