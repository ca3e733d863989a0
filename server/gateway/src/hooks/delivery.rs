//! Calls of the backend, each in its turn: [`queue`](super::queue) says when, [`circuit`](super::circuit) whether, and
//! [`client`](super::client) makes it.
//!
//! A call is made by the task that waits for its answer, which is never a session's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use socketio::Room;
use tokio::sync::{Notify, oneshot};

use super::LIMIT;
use super::circuit::{Changed, Circuit};
use super::client::{Answered, Client, Failure, FailureKind};
use super::counts::{Counts, family};
use super::queue::{Queue, Ticket};

/// How many calls may wait, and how many bytes of bodies.
const MAX_WAITING: usize = 20_000;
const MAX_BYTES: usize = 64_000_000;

/// A failure of the same kind is logged again after this time.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct Delivery(Arc<State>);

struct State {
    client: Client,
    turns: Mutex<Turns>,
    counts: Arc<Counts>,
    /// Told when nothing runs and nothing waits.
    idle: Notify,
}

struct Turns {
    queue: Queue<Room>,
    waiting: HashMap<Ticket, oneshot::Sender<Granted>>,
    circuit: Circuit,
    next: Ticket,
    told: HashMap<FailureKind, Instant>,
    /// Calls that failed since the backend was last left alone.
    lost: u64,
}

/// Whether a call may be made, now that its turn has come.
enum Granted {
    Call,
    CircuitOpen,
}

/// One call.
pub(super) struct Call {
    pub(super) hook: &'static str,
    /// Calls of one socket are made one after the other.
    pub(super) socket: Room,
    pub(super) id: String,
    pub(super) body: Bytes,
    /// Until when it may wait for its turn.
    pub(super) deadline: Instant,
    /// How long it may take from then on.
    pub(super) limit: Duration,
}

impl Delivery {
    pub(super) fn new(client: Client, counts: Arc<Counts>) -> Delivery {
        let turns = Turns {
            queue: Queue::new(LIMIT, MAX_WAITING, MAX_BYTES),
            waiting: HashMap::new(),
            circuit: Circuit::new(),
            next: 0,
            told: HashMap::new(),
            lost: 0,
        };
        Delivery(Arc::new(State { client, turns: Mutex::new(turns), counts, idle: Notify::new() }))
    }

    /// Calls the backend when its turn comes, and reads the answer. What `read` can't read is a failure like others.
    pub(super) async fn call<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Answered) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let hook = call.hook;
        let called = self.call_in_turn(call, read).await;
        let outcome = called.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| "answered");
        self.0.counts.call(hook, outcome);
        called
    }

    async fn call_in_turn<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Answered) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut turn, granted) = self.enter(&call)?;
        match tokio::time::timeout_at(call.deadline.into(), granted).await {
            Ok(Ok(Granted::Call)) => {}
            Ok(Ok(Granted::CircuitOpen) | Err(_)) => {
                turn.ended = true;
                return Err(circuit_open());
            }
            Err(_) => {
                let failure = Failure::new(FailureKind::Waited, "too many calls were before it");
                self.0.turns.lock().tell(self.0.client.host(), &failure);
                return Err(failure);
            }
        }
        let began = Instant::now();
        let result = self.0.client.post(&call.id, call.body, call.limit).await;
        let result = result.and_then(|answered| read(&answered));
        self.0.counts.took(began.elapsed());
        turn.ended(result.as_ref().err());
        result
    }

    fn enter(&self, call: &Call) -> Result<(Turn, oneshot::Receiver<Granted>), Failure> {
        let mut turns = self.0.turns.lock();
        if turns.circuit.is_open(Instant::now()) {
            turns.lost += 1;
            return Err(circuit_open());
        }
        let ticket = turns.next;
        turns.next += 1;
        if turns.queue.enter(&call.socket, ticket, call.body.len()).is_err() {
            let failure = Failure::new(FailureKind::QueueFull, "too many calls wait");
            turns.tell(self.0.client.host(), &failure);
            return Err(failure);
        }
        let (sender, granted) = oneshot::channel();
        turns.waiting.insert(ticket, sender);
        turns.grant();
        let turn = Turn { delivery: self.clone(), socket: Arc::clone(&call.socket), ticket, ended: false };
        Ok((turn, granted))
    }

    /// Waits until nothing runs and nothing waits.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.0.turns.lock().is_idle() {
                return;
            }
            idle.await;
        }
    }

    #[cfg(test)]
    pub(super) fn calls(&self) -> usize {
        let turns = self.0.turns.lock();
        turns.queue.running() + turns.queue.waiting()
    }

    pub(super) fn write_metrics(&self, out: &mut String) {
        let (running, waiting, open) = {
            let turns = self.0.turns.lock();
            (turns.queue.running(), turns.queue.waiting(), turns.circuit.is_open(Instant::now()))
        };
        for (name, help, value) in [
            ("socketio_gateway_calls_running", "Calls of the backend that run.", running),
            ("socketio_gateway_calls_waiting", "Calls of the backend that wait for their turn.", waiting),
            (
                "socketio_gateway_circuit_open",
                "Whether the backend is left alone after failures.",
                usize::from(open),
            ),
        ] {
            family(out, name, "gauge", help);
            out.push_str(&format!("{name} {value}\n"));
        }
    }
}

fn circuit_open() -> Failure {
    Failure::new(FailureKind::CircuitOpen, "the backend is left alone after failures")
}

impl Turns {
    fn is_idle(&self) -> bool {
        self.queue.running() == 0 && self.queue.waiting() == 0
    }

    /// Grants turns to those that may have them.
    fn grant(&mut self) {
        while let Some(ticket) = self.queue.next() {
            let granted = match self.circuit.admit(Instant::now()) {
                true => Granted::Call,
                false => {
                    self.lost += 1;
                    Granted::CircuitOpen
                }
            };
            // One that is not there any more has its turn taken back when it is dropped.
            if let Some(sender) = self.waiting.remove(&ticket) {
                let _ = sender.send(granted);
            }
        }
    }

    /// Logs a failure, if no other of its kind was lately.
    fn tell(&mut self, host: &str, failure: &Failure) {
        self.lost += 1;
        let now = Instant::now();
        let told = self.told.entry(failure.kind).or_insert(now);
        if *told == now || now.duration_since(*told) >= SILENCE {
            *told = now;
            tracing::warn!(backend = host, kind = failure.kind.as_str(), error = %failure, "a hook failed");
        }
    }

    fn ended(&mut self, host: &str, failure: Option<&Failure>) {
        let now = Instant::now();
        let changed = match failure {
            None => self.circuit.succeeded(),
            Some(failure) => {
                self.tell(host, failure);
                self.circuit.failed(now, failure.retry_after)
            }
        };
        match changed {
            Changed::Nothing => {}
            Changed::Opened(pause) => {
                if self.told.insert(FailureKind::CircuitOpen, now).is_none() {
                    tracing::warn!(
                        backend = host,
                        ?pause,
                        "the backend is left alone for a while: clients are to connect again later, and events get no acknowledgement"
                    );
                }
            }
            Changed::Closed => {
                let lost = std::mem::take(&mut self.lost);
                self.told.clear();
                tracing::info!(
                    backend = host,
                    lost,
                    "the backend answers again; so many calls were lost meanwhile"
                );
            }
        }
    }
}

/// A call's place in the queue, and then its turn. Dropped, it is given to others.
struct Turn {
    delivery: Delivery,
    socket: Room,
    ticket: Ticket,
    ended: bool,
}

impl Turn {
    fn ended(&mut self, failure: Option<&Failure>) {
        self.ended = true;
        let state = &self.delivery.0;
        state.turns.lock().ended(state.client.host(), failure);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.delivery.0.turns.lock();
        if turns.waiting.remove(&self.ticket).is_some() {
            turns.queue.give_up(&self.socket, self.ticket);
        } else {
            if !self.ended {
                turns.circuit.abandoned(Instant::now());
            }
            turns.queue.done(&self.socket);
        }
        turns.grant();
        if turns.is_idle() {
            self.delivery.0.idle.notify_waiters();
        }
    }
}
