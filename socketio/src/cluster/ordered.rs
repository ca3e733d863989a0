//! The order in which clients get broadcasts on all nodes, where an adapter has one. It may have several, each for some of
//! the namespaces.
//!
//! ```text
//!   emit ──▶ waiting ──▶ the adapter ──▶ comes back, with its offset ──▶ ready ──▶ clients of this node
//!                                        another node's, with its own ──▶   │
//! ```
//!
//! What this node sends reaches its own clients when it comes back, so a client that has an offset has received
//! everything before it. If nothing comes back for a while, clients get it anyway, without an offset.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::handler::task::guarded;
use crate::recovery::offset::Offset;

/// Where an event is in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderPosition {
    At(Offset),
    /// It is delivered early. Clients that have received everything up to this offset, if there is one, have it
    /// already.
    Early(Option<Offset>),
    /// It has no position.
    Nowhere,
}

/// The lowest bits of a serial number say which of the adapter's orders it belongs to.
const NUMBER_BITS: u32 = u16::BITS;

/// Which of the adapter's orders a serial number belongs to.
pub(crate) fn number(serial: u64) -> u16 {
    // The lowest bits alone.
    serial as u16
}

/// Sends an event to the clients of this node.
pub(crate) type Deliver = Box<dyn FnOnce(OrderPosition) + Send>;

pub(crate) struct Ordered {
    state: Mutex<State>,
    /// How long a message of this node may take to come back.
    patience: Duration,
    /// Where the node was started.
    runtime: Option<Handle>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// What has not come back, and what has to follow it, by serial number.
    waiting: BTreeMap<u64, Waiting>,
    ready: VecDeque<(Deliver, OrderPosition)>,
    delivering: bool,
    /// Nothing comes back at the moment.
    stalled: bool,
    /// The [`Watchdog`] runs.
    watched: bool,
}

struct Waiting {
    /// When it is delivered if it has not come back.
    due: Instant,
    /// It is not sent: it only waits for what was sent before.
    is_sequel: bool,
    /// Its position in the order, if that is known before it comes back.
    offset: Option<Offset>,
    deliver: Deliver,
}

impl Ordered {
    pub(crate) fn new(number: u16, patience: Duration) -> Arc<Ordered> {
        let runtime = Handle::try_current().ok();
        let state = Mutex::new(State { next: number.into(), ..State::default() });
        Arc::new(Ordered { state, patience, runtime })
    }

    /// Sends something, which is delivered when it comes back. `publish` gets its serial number.
    pub(crate) fn send(self: &Arc<Self>, publish: impl FnOnce(u64), deliver: Deliver) {
        let mut state = self.state.lock();
        let serial = state.wait(false, clock::after(self.patience), deliver);
        // Under the lock, so that the serial numbers are in the order of sending.
        publish(serial);
        if state.watched {
            return;
        }
        // Applications send from any thread.
        let runtime = Handle::try_current().ok().or_else(|| self.runtime.clone());
        if let Some(runtime) = runtime {
            state.watched = true;
            drop(state);
            runtime.spawn(Watchdog(Arc::clone(self)).run());
        }
    }

    /// Does something once everything sent before has been delivered, or at once.
    pub(crate) fn then(&self, act: impl FnOnce() + Send + 'static) {
        let act: Deliver = Box::new(|_| act());
        let mut state = self.state.lock();
        if state.waiting.is_empty() {
            state.ready.push_back((act, OrderPosition::Nowhere));
            deliver(state, &self.state);
        } else {
            state.wait(true, clock::after(self.patience), act);
        }
    }

    /// A message of this node has its position in the order, and may not have come back yet.
    pub(crate) fn placed(&self, serial: u64, offset: Offset) {
        if let Some(waiting) = self.state.lock().waiting.get_mut(&serial) {
            waiting.offset = Some(offset);
        }
    }

    /// What this node has sent has come back.
    pub(crate) fn returned(&self, serial: u64, offset: Offset) {
        let mut state = self.state.lock();
        state.stalled = false;
        // Messages sent earlier that have not come back are lost.
        state.release(|(at, _)| at < serial, |waiting| OrderPosition::Early(waiting.offset));
        state.release(|(at, _)| at == serial, |_| OrderPosition::At(offset));
        state.release(|(_, waiting)| waiting.is_sequel, |_| OrderPosition::Nowhere);
        deliver(state, &self.state);
    }

    /// Something came from another node.
    pub(crate) fn heard(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        state.ready.push_back((Box::new(|_| act()), OrderPosition::Nowhere));
        deliver(state, &self.state);
    }

    /// Delivers what has not come back in time. Returns when to look again; `None` if nothing waits.
    fn look(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let Some((_, first)) = state.waiting.first_key_value() else {
            state.watched = false;
            return None;
        };
        let due = first.due;
        if state.stalled || due <= clock::now() {
            if !std::mem::replace(&mut state.stalled, true) {
                tracing::warn!(
                    "what this server sends does not come back to it: its own clients get events without \
                     an offset, and can't recover if they lose their connection soon"
                );
            }
            state.release(|_| true, |waiting| OrderPosition::Early(waiting.offset));
            deliver(state, &self.state);
            return Some(clock::now());
        }
        Some(due)
    }
}

/// The task that delivers what has not come back in time. When it ends, another may begin, even if its runtime has
/// shut down.
struct Watchdog(Arc<Ordered>);

impl Watchdog {
    async fn run(self) {
        while let Some(due) = self.0.look() {
            sleep_until(due).await;
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.state.lock().watched = false;
    }
}

impl State {
    fn wait(&mut self, is_sequel: bool, due: Instant, deliver: Deliver) -> u64 {
        let serial = self.next;
        self.next += 1 << NUMBER_BITS;
        self.waiting.insert(serial, Waiting { due, is_sequel, offset: None, deliver });
        serial
    }

    /// Moves entries from waiting to ready, as long as the first one matches.
    fn release(
        &mut self,
        is_such: impl Fn((u64, &Waiting)) -> bool,
        position: impl Fn(&Waiting) -> OrderPosition,
    ) {
        while let Some(first) = self.waiting.first_entry() {
            if !is_such((*first.key(), first.get())) {
                return;
            }
            let waiting = first.remove();
            let position = position(&waiting);
            self.ready.push_back((waiting.deliver, position));
        }
    }
}

/// Delivers what is ready, one by one. If another call is already delivering, that call does it: listeners may send
/// again.
fn deliver<'a>(mut state: MutexGuard<'a, State>, ordered: &'a Mutex<State>) {
    if std::mem::replace(&mut state.delivering, true) {
        return;
    }
    loop {
        let Some((deliver, position)) = state.ready.pop_front() else {
            state.delivering = false;
            return;
        };
        drop(state);
        // What comes after it is still delivered.
        if guarded(|| deliver(position)).is_err() {
            tracing::error!(
                "an event was not sent to all clients of this server: a parser or an observer panicked"
            );
        }
        state = ordered.lock();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    type Log = Arc<Mutex<Vec<String>>>;

    fn logged(log: &Log, name: &'static str) -> Deliver {
        let log = Arc::clone(log);
        Box::new(move |position| {
            log.lock().push(match position {
                OrderPosition::At(offset) => format!("{name} at {offset}"),
                OrderPosition::Early(None) => format!("{name} early"),
                OrderPosition::Early(Some(offset)) => format!("{name} early, from {offset}"),
                OrderPosition::Nowhere => name.to_owned(),
            });
        })
    }

    fn take(log: &Log) -> Vec<String> {
        std::mem::take(&mut *log.lock())
    }

    fn offset(number: u64) -> Offset {
        Offset::new(number, 0)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_is_delivered_when_it_comes_back_and_what_follows_after_it() {
        let (ordered, log) = (Ordered::new(0, PATIENCE), Log::default());
        let mut serials = Vec::new();
        ordered.then({
            let deliver = logged(&log, "nothing before");
            move || deliver(OrderPosition::Nowhere)
        });
        assert_eq!(take(&log), ["nothing before"]);
        for name in ["a", "b"] {
            ordered.send(|serial| serials.push(serial), logged(&log, name));
            let after = logged(&log, "after");
            ordered.then(move || after(OrderPosition::Nowhere));
        }
        ordered.heard({
            let other = logged(&log, "another's");
            move || other(OrderPosition::Nowhere)
        });
        ordered.returned(serials[0], offset(7));
        ordered.returned(serials[1], offset(9));
        assert_eq!(take(&log), ["another's", "a at 7-0", "after", "b at 9-0", "after"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_back_is_delivered_in_time_and_once() {
        let (ordered, log) = (Ordered::new(0, PATIENCE), Log::default());
        let mut serials = Vec::new();
        for name in ["a", "b"] {
            ordered.send(|serial| serials.push(serial), logged(&log, name));
        }
        ordered.placed(serials[1], offset(2));
        tokio::task::yield_now().await;
        advance(PATIENCE).await;
        tokio::task::yield_now().await;
        assert_eq!(take(&log), ["a early", "b early, from 2-0"]);
        // Until something comes back, nothing waits.
        ordered.send(|serial| serials.push(serial), logged(&log, "c"));
        tokio::task::yield_now().await;
        assert_eq!(take(&log), ["c early"]);
        ordered.returned(serials[0], offset(1));
        ordered.send(|serial| serials.push(serial), logged(&log, "d"));
        ordered.send(|serial| serials.push(serial), logged(&log, "e"));
        tokio::task::yield_now().await;
        assert_eq!(take(&log), [""; 0]);
        // `d` never got anywhere.
        ordered.returned(serials[4], offset(5));
        assert_eq!(take(&log), ["d early", "e at 5-0"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_while_something_is_delivered_is_not_held_up_and_a_panic_ends_nothing() {
        let (ordered, log) = (Ordered::new(0, PATIENCE), Log::default());
        let (again, after) = (Arc::clone(&ordered), logged(&log, "after"));
        let deliver: Deliver = Box::new(move |_| {
            again.then(move || after(OrderPosition::Nowhere));
            panic!("a listener");
        });
        ordered.send(|_| (), deliver);
        ordered.returned(0, offset(1));
        assert_eq!(take(&log), ["after"]);
        // Also where it is delivered since it did not come back.
        ordered.send(|_| (), Box::new(|_| panic!("a parser")));
        ordered.send(|_| (), logged(&log, "next"));
        advance(PATIENCE).await;
        tokio::task::yield_now().await;
        assert_eq!(take(&log), ["next early"]);
        ordered.send(|_| (), logged(&log, "last"));
        tokio::task::yield_now().await;
        assert_eq!(take(&log), ["last early"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_from_a_thread_of_the_application_is_looked_after_too() {
        let (ordered, log) = (Ordered::new(0, PATIENCE), Log::default());
        let (sender, deliver) = (Arc::clone(&ordered), logged(&log, "a"));
        std::thread::spawn(move || sender.send(|_| (), deliver)).join().unwrap();
        tokio::task::yield_now().await;
        // The thread's clock was not paused.
        advance(100 * PATIENCE).await;
        tokio::task::yield_now().await;
        assert_eq!(take(&log), ["a early"]);
    }

    #[test]
    fn another_task_looks_after_what_waits_when_the_runtime_of_the_first_has_ended() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (ordered, log) = (Ordered::new(0, Duration::ZERO), Log::default());
        runtime().block_on(async { ordered.send(|_| (), logged(&log, "a")) });
        runtime().block_on(async {
            ordered.send(|_| (), logged(&log, "b"));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(take(&log), ["a early", "b early"]);
    }
}
