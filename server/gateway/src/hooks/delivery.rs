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
use super::client::{Client, Failure, FailureKind};
use super::counts::{ANSWERED, Counts, family};
use super::queue::{Queue, Ticket};
use super::sign::Secrets;
use crate::told::Told;
use crate::web::{Answered, Authorities, UrlError};

/// How many calls may wait, and how many bytes of bodies.
const MAX_WAITING: usize = 20_000;
const MAX_BYTES: usize = 64_000_000;

/// The line that says that the backend is left alone.
const LEFT_ALONE: About = About { kind: FailureKind::CircuitOpen, hook: "", event: None };

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
    told: Told<About>,
    /// Calls that failed, or were not made, since the backend answered last.
    failed: u64,
}

/// What a line of the log is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct About {
    kind: FailureKind,
    hook: &'static str,
    event: Option<Box<str>>,
}

/// Whether a call may be made, now that its turn has come.
enum Granted {
    Call,
    CircuitOpen,
}

/// One call.
pub(super) struct Call {
    pub(super) hook: &'static str,
    /// The name of the client's event, if it is one.
    pub(super) event: Option<Box<str>>,
    /// Calls of one socket are made one after the other.
    pub(super) socket: Room,
    pub(super) id: String,
    /// How many bytes of memory it takes while it waits.
    pub(super) size: usize,
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
            told: Told::new(),
            failed: 0,
        };
        Delivery(Arc::new(State { client, turns: Mutex::new(turns), counts, idle: Notify::new() }))
    }

    /// Calls the backend when its turn comes, with what `body` gives then. `take` reads the answer, and does what it
    /// says: the socket's next call is not made before. What `take` can't read is a failure like others.
    pub(super) async fn call<T>(
        &self,
        call: Call,
        body: impl FnOnce() -> Bytes,
        take: impl FnOnce(&Answered) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let hook = call.hook;
        let called = self.call_in_turn(call, body, take).await;
        let outcome = called.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| ANSWERED);
        self.0.counts.call(hook, outcome);
        called
    }

    async fn call_in_turn<T>(
        &self,
        call: Call,
        body: impl FnOnce() -> Bytes,
        take: impl FnOnce(&Answered) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut turn, granted) = self.enter(&call)?;
        match tokio::time::timeout_at(call.deadline.into(), granted).await {
            Ok(Ok(Granted::Call)) => {}
            Ok(Ok(Granted::CircuitOpen) | Err(_)) => {
                turn.ended = true;
                return Err(circuit_open());
            }
            Err(_) => {
                let failure = Failure::new(FailureKind::Waited, "too many calls waited before it");
                self.0.turns.lock().tell(self.0.client.place(), &call, &failure);
                return Err(failure);
            }
        }
        let began = Instant::now();
        let result = self.0.client.post(&call.id, body(), call.limit).await;
        self.0.counts.took(began.elapsed());
        let result = result.and_then(|answered| take(&answered));
        turn.ended(&call, result.as_ref().err());
        result
    }

    fn enter(&self, call: &Call) -> Result<(Turn, oneshot::Receiver<Granted>), Failure> {
        let mut turns = self.0.turns.lock();
        if turns.circuit.is_open(Instant::now()) {
            turns.failed += 1;
            return Err(circuit_open());
        }
        let ticket = turns.next;
        turns.next += 1;
        if turns.queue.enter(&call.socket, ticket, call.size).is_err() {
            let failure = Failure::new(FailureKind::QueueFull, "too many calls are waiting");
            turns.tell(self.0.client.place(), call, &failure);
            return Err(failure);
        }
        let (sender, granted) = oneshot::channel();
        turns.waiting.insert(ticket, sender);
        turns.grant();
        let turn = Turn { delivery: self.clone(), socket: Arc::clone(&call.socket), ticket, ended: false };
        Ok((turn, granted))
    }

    pub(super) fn set_secrets(&self, secrets: Secrets) {
        self.0.client.set_secrets(secrets);
    }

    pub(super) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.0.client.trust(authorities)
    }

    /// Calls the backend again, even if it was to be left alone.
    pub(super) fn forget_failures(&self) {
        self.0.turns.lock().circuit = Circuit::new();
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

    /// How many calls run or wait.
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
            ("socketio_gateway_calls_running", "Calls of the backend in progress.", running),
            ("socketio_gateway_calls_waiting", "Calls of the backend that wait.", waiting),
            (
                "socketio_gateway_circuit_open",
                "Whether the backend gets no calls after failures.",
                usize::from(open),
            ),
        ] {
            family(out, name, "gauge", help);
            out.push_str(&format!("{name} {value}\n"));
        }
    }
}

/// What a failure of a hook means for clients, and what is lost.
fn consequence(hook: &str) -> &'static str {
    match hook {
        "connect" => "the client is closed, and comes back",
        "event" => "the event is lost, and gets no acknowledgement",
        _ => "it is sent again",
    }
}

fn circuit_open() -> Failure {
    Failure::new(FailureKind::CircuitOpen, "the backend gets no calls for a while after failures")
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
                    self.failed += 1;
                    Granted::CircuitOpen
                }
            };
            // One that is not there any more has its turn taken back when it is dropped.
            if let Some(sender) = self.waiting.remove(&ticket) {
                let _ = sender.send(granted);
            }
        }
    }

    /// Logs a failure, unless it did so of late.
    fn tell(&mut self, url: &str, call: &Call, failure: &Failure) {
        self.failed += 1;
        let now = Instant::now();
        let (kind, hook) = (failure.kind, call.hook);
        let mut about = About { kind, hook, event: call.event.clone() };
        if !self.told.knows(&about, now) {
            about.event = None;
        }
        let Some(left_out) = self.told.say(about, now) else { return };
        tracing::warn!(
            hook,
            event = call.event.as_deref(),
            url,
            kind = kind.as_str(),
            error = %failure,
            left_out = Some(left_out).filter(|left_out| *left_out > 0),
            "a hook failed: {}",
            consequence(hook)
        );
    }

    fn ended(&mut self, url: &str, call: &Call, failure: Option<&Failure>) {
        let now = Instant::now();
        let changed = match failure {
            Some(failure) if failure.is_outage() => self.circuit.failed(now, failure.retry_after),
            Some(_) | None => self.circuit.succeeded(),
        };
        if let Some(failure) = failure {
            self.tell(url, call, failure);
        }
        match changed {
            Changed::Nothing => {}
            Changed::Opened(pause) => {
                // While it stays down, each try opens the circuit again.
                if self.told.say(LEFT_ALONE, now).is_some() {
                    tracing::warn!(
                        url,
                        ?pause,
                        "the backend is left alone for a while: clients that connect are closed and come back, and events get no acknowledgement"
                    );
                }
            }
            Changed::Closed => {
                self.told.forget(&LEFT_ALONE);
                tracing::info!(url, failed_calls = self.failed, "the backend answers again");
            }
        }
        if self.circuit.is_closed() && !failure.is_some_and(Failure::is_outage) {
            self.failed = 0;
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
    fn ended(&mut self, call: &Call, failure: Option<&Failure>) {
        self.ended = true;
        let state = &self.delivery.0;
        state.turns.lock().ended(state.client.place(), call, failure);
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
