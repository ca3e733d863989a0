//! Hooks that nobody waits for: many in one call, in order, and again if it fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use socketio::Room;
use tokio::sync::{Notify, watch};

use super::client::{Failure, FailureKind};
use super::counts::Counts;
use super::delivery::{Call, Delivery};
use crate::node::NodeInfo;
use crate::time::timestamp;
use crate::told::Told;
use crate::web::Answered;

/// How many hooks one call has, and how long the first of them waits for others.
const MOST: usize = 50;

/// How many bytes the hooks of one call have at the most, unless one alone has more: PHP takes 8 MB, and others less.
const MOST_BYTES: usize = 1_000_000;

const WAIT: Duration = Duration::from_millis(500);

/// How long a call may take, and how long it is tried.
const LIMIT: Duration = Duration::from_secs(10);
const TRIES: Duration = Duration::from_secs(5 * 60);

/// How long to wait before the second try, and at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many hooks may wait, and how many bytes.
const MAX_WAITING: usize = 100_000;
const MAX_BYTES: usize = 20_000_000;

/// The hooks that wait. Cloning it is cheap.
#[derive(Clone)]
pub(super) struct Batches(Arc<State>);

struct State {
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// Told when the server ends.
    ending: Notify,
    node: NodeInfo,
    counts: Arc<Counts>,
    /// Has no sender any more when all have been sent.
    done: watch::Receiver<()>,
}

#[derive(Default)]
struct Waiting {
    hooks: VecDeque<Box<RawValue>>,
    bytes: usize,
    /// How many the current call has. They are not in `hooks` any more.
    sending: usize,
    /// When the first of them came.
    since: Option<Instant>,
    closing: bool,
    told: Told<&'static str>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    node: &'a str,
    epoch: u64,
    hooks: &'a [Box<RawValue>],
}

impl Batches {
    /// Starts the task that sends them.
    pub(super) fn start(delivery: Delivery, node: NodeInfo, counts: Arc<Counts>) -> Batches {
        let (sending, done) = watch::channel(());
        let (waiting, wake, ending) = (Mutex::default(), Notify::new(), Notify::new());
        let batches = Batches(Arc::new(State { waiting, wake, ending, node, counts, done }));
        let task = batches.clone();
        tokio::spawn(async move {
            task.run(&delivery).await;
            drop(sending);
        });
        batches
    }

    /// Adds a hook.
    pub(super) fn push(&self, hook: &impl Serialize) {
        let Ok(hook) = serde_json::value::to_raw_value(hook) else { return };
        let bytes = hook.get().len();
        let mut waiting = self.0.waiting.lock();
        if waiting.hooks.len() >= MAX_WAITING || waiting.bytes + bytes > MAX_BYTES {
            let left_out = waiting.told.say("queue full", Instant::now());
            drop(waiting);
            self.0.counts.dropped("queue_full", 1);
            if let Some(left_out) = left_out {
                let hooks = left_out + 1;
                tracing::error!(hooks, "hooks are lost: too many wait for the backend");
            }
            return;
        }
        waiting.bytes += bytes;
        waiting.hooks.push_back(hook);
        waiting.since.get_or_insert_with(Instant::now);
        let (first, full) = (waiting.hooks.len() == 1, waiting.hooks.len() == MOST);
        drop(waiting);
        if first || full {
            self.0.wake.notify_one();
        }
    }

    /// How many hooks the backend has not accepted yet.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.0.waiting.lock();
        waiting.hooks.len() + waiting.sending
    }

    /// Sends what waits without waiting for more, and ends.
    pub(super) async fn finish(&self) {
        self.0.waiting.lock().closing = true;
        self.0.wake.notify_one();
        self.0.ending.notify_waiters();
        // An error says that the sender has gone.
        let _ = self.0.done.clone().changed().await;
    }

    async fn run(&self, delivery: &Delivery) {
        while self.due().await {
            let hooks = self.take();
            if !hooks.is_empty() {
                let id = super::id("batch");
                self.send(delivery, &id, &hooks).await;
                self.0.waiting.lock().sending = 0;
            }
        }
    }

    /// Waits until a call is due. `false` if none will be any more.
    async fn due(&self) -> bool {
        loop {
            let until = {
                let waiting = self.0.waiting.lock();
                match waiting.since {
                    None if waiting.closing => return false,
                    None => None,
                    Some(_) if waiting.closing || waiting.hooks.len() >= MOST => return true,
                    Some(since) => Some(since + WAIT),
                }
            };
            let woken = self.0.wake.notified();
            match until {
                None => woken.await,
                Some(until) => {
                    if tokio::time::timeout_at(until.into(), woken).await.is_err() {
                        return true;
                    }
                }
            }
        }
    }

    fn take(&self) -> Vec<Box<RawValue>> {
        let mut waiting = self.0.waiting.lock();
        let (mut count, mut bytes) = (0, 0);
        for hook in waiting.hooks.iter().take(MOST) {
            if count > 0 && bytes + hook.get().len() > MOST_BYTES {
                break;
            }
            (count, bytes) = (count + 1, bytes + hook.get().len());
        }
        let hooks: Vec<_> = waiting.hooks.drain(..count).collect();
        waiting.bytes -= bytes;
        waiting.sending = count;
        waiting.since = (!waiting.hooks.is_empty()).then(Instant::now);
        hooks
    }

    /// Sends a batch, again and again for some minutes.
    async fn send(&self, delivery: &Delivery, id: &str, hooks: &[Box<RawValue>]) {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let NodeInfo { name, epoch, .. } = &self.0.node;
            let body = Body {
                kind: "batch",
                timestamp: timestamp(SystemTime::now()),
                node: name,
                epoch: *epoch,
                hooks,
            };
            let call = Call {
                hook: "batch",
                event: None,
                socket: Room::from("batches"),
                id: id.to_owned(),
                size: 0,
                deadline: Instant::now() + LIMIT,
                limit: LIMIT,
            };
            let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
            let Err(failure) = delivery.call(call, || body, accepted).await else { return };
            let asked = failure.retry_after.unwrap_or_default().min(Duration::from_secs(60));
            let wait = pause.max(asked);
            if start.elapsed() + wait > TRIES {
                self.0.counts.dropped("retries", hooks.len());
                tracing::error!(hooks = hooks.len(), error = %failure, "hooks are lost: the backend accepted none for five minutes");
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            if self.ends_within(wait).await {
                // There is not time enough to leave the backend alone.
                pause = FIRST_PAUSE;
                delivery.forget_failures();
            }
        }
    }

    /// Waits for that long, or until the server ends. If it ends already, waits a little. Gives whether it ends.
    async fn ends_within(&self, wait: Duration) -> bool {
        let ending = self.0.ending.notified();
        let is_ending = || self.0.waiting.lock().closing;
        let wait = if is_ending() { FIRST_PAUSE } else { wait };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = ending => {}
        }
        is_ending()
    }
}

/// A batch is taken if the backend says so. What it says else is ignored.
fn accepted(answered: &Answered) -> Result<(), Failure> {
    match answered.status {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Ok(()),
        _ => Err(Failure::new(FailureKind::BadAnswer, format!("got {answered}, and expected 2xx"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata};

    use super::super::client::Client;
    use super::super::sign::Secrets;
    use super::*;
    use crate::web::Authorities;

    /// Counts the lines of the log.
    struct Lines(Arc<AtomicUsize>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn hooks_that_are_lost_for_want_of_room_are_in_the_log_once_a_minute() {
        let counts = Arc::new(Counts::default());
        let client = Client::new("http://127.0.0.1:1/", Secrets::default(), &Authorities::default()).unwrap();
        let delivery = Delivery::new(client, Arc::clone(&counts));
        let batches = Batches::start(delivery, NodeInfo::new("here", false), counts);
        let lines = Arc::new(AtomicUsize::new(0));
        tracing::subscriber::with_default(Lines(Arc::clone(&lines)), || {
            let large = "x".repeat(MAX_BYTES / 2);
            batches.push(&large);
            assert_eq!((lines.load(Ordering::Relaxed), batches.waiting()), (0, 1));
            (0..3).for_each(|_| batches.push(&large));
        });
        assert_eq!((lines.load(Ordering::Relaxed), batches.waiting()), (1, 1));
    }

    #[tokio::test]
    async fn a_call_has_so_many_hooks_and_so_many_bytes() {
        let counts = Arc::new(Counts::default());
        let client = Client::new("http://127.0.0.1:1/", Secrets::default(), &Authorities::default()).unwrap();
        let batches =
            Batches::start(Delivery::new(client, Arc::clone(&counts)), NodeInfo::new("here", false), counts);
        let large = "x".repeat(MOST_BYTES / 2 - 2);
        for hook in [&large, &large, "small", &"x".repeat(2 * MOST_BYTES)] {
            batches.push(&hook);
        }
        (0..MOST).for_each(|_| batches.push(&"small"));
        let taken: Vec<_> = (0..5).map(|_| batches.take().len()).collect();
        assert_eq!(taken, [2, 1, 1, MOST, 0]);
    }

    #[test]
    fn a_backend_that_does_not_take_batches_is_not_left_alone() {
        let answer = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            accepted(&Answered { status, content_type: None, body: Bytes::new() })
        };
        assert!([200, 202, 204, 410].into_iter().all(|status| answer(status).is_ok()));
        for status in [400, 401, 404, 413] {
            assert!(!answer(status).unwrap_err().is_outage(), "{status}");
        }
    }
}
