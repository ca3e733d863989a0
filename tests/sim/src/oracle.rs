//! Which socket was sent what, which client got what, and whether that is right. It sees both sides at once,
//! and learns of every step when it happens: a run is one thread.
//!
//! A *line* is what one socket is sent, over all connections with which a client recovers it. A *connection* is
//! a client's: one session, from its handshake on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::SLOWEST;
use crate::trace::step;

/// What must hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// What one side sends on a connection arrives in the order of sending.
    Order,
    /// It arrives once at most.
    Once,
    /// With no disconnect, everything arrives, whatever becomes of an upgrade; attachments stay with their event.
    Lossless,
    /// On a disconnect, what has arrived is a prefix of what was sent.
    Prefix,
    /// Each acknowledgement comes once: with its value, or as a timeout or a disconnect.
    Acks,
    /// With retries, first occurrences arrive in order.
    Retries,
    /// A recovered socket is the same as before and gets what it missed, once; any other gets nothing of it.
    Recovery,
    /// A broadcast reaches the members of its rooms, once each.
    Rooms,
    /// A drain tells every client, after what was sent to it, and ends. Whoever is put out is told so as well.
    Drain,
    /// A session without a client ends in time, and leaves nothing behind.
    Liveness,
    /// Nothing panics.
    Panic,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 11] = [
        Property::Order,
        Property::Once,
        Property::Lossless,
        Property::Prefix,
        Property::Acks,
        Property::Retries,
        Property::Recovery,
        Property::Rooms,
        Property::Drain,
        Property::Liveness,
        Property::Panic,
    ];
}

/// A property that did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which.
    pub property: Property,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.what)
    }
}

/// How often something happened, by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// How an acknowledgement that the server asked for came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value(u64),
    Timeout,
    Disconnected,
    /// It was not sent: nothing is awaited.
    NotSent,
    TooMany,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    n: u64,
    /// A volatile event may be lost.
    volatile: bool,
    /// It is sent again after a recovery.
    kept: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connected,
    Away(Instant),
    Over,
}

#[derive(Debug)]
struct Line {
    id: String,
    stage: Stage,
    sent: Vec<Sent>,
    rooms: BTreeSet<String>,
    mark: u64,
    /// How much had been sent when it was last recovered.
    resumed_at: usize,
    pending_acks: usize,
    /// The server has put its client out, and it has to hear of that.
    put_out: Option<PutOut>,
}

#[derive(Clone, Copy, Debug)]
struct PutOut {
    at: Instant,
    /// Its session closes too, and waits for `close_timeout` until the client has been told.
    closes: bool,
}

#[derive(Debug, Default)]
struct Connection {
    line: Option<usize>,
    /// What arrived before the connect was confirmed.
    early: Vec<u64>,
    /// What the client said that it has, on the line that it came back for.
    presented: Option<(usize, usize)>,
    got: usize,
    /// Skipped on the way down, and on the way up.
    missed: BTreeSet<u64>,
    missed_up: BTreeSet<u64>,
    up: Vec<u64>,
    up_got: usize,
    /// The client's questions: id, number, answered.
    asked: HashMap<u64, (u64, bool)>,
    over: bool,
    /// Its client asked twice for messages, and may have thrown some away.
    careless: bool,
}

#[derive(Debug)]
struct Question {
    line: usize,
    patient: bool,
    /// The connection on which the client has answered.
    answered: Option<usize>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Default)]
struct Retrier {
    seen: BTreeSet<u64>,
    given_up: BTreeSet<u64>,
}

/// The oracle of a run.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    failure: Option<Failure>,
    counts: Counts,
    lines: Vec<Line>,
    by_id: HashMap<String, usize>,
    connections: Vec<Connection>,
    questions: BTreeMap<u64, Question>,
    retriers: HashMap<u64, Retrier>,
    last: u64,
}

thread_local! {
    static ORACLE: RefCell<Oracle> = RefCell::default();
}

/// Tells this thread's oracle something, or asks it.
pub(crate) fn oracle<R>(tell: impl FnOnce(&mut Oracle) -> R) -> R {
    ORACLE.with_borrow_mut(tell)
}

/// Counts something.
pub(crate) fn count(what: &'static str) {
    oracle(|oracle| *oracle.counts.entry(what).or_default() += 1);
}

/// # In general
impl Oracle {
    /// Something did not hold. The first failure stands.
    pub(crate) fn fail(&mut self, property: Property, what: String) {
        step!("FAILURE {property:?}: {what}");
        self.failure.get_or_insert(Failure { property, what });
    }

    pub(crate) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn finish(&mut self) -> (Option<Failure>, Counts) {
        (self.failure.take(), std::mem::take(&mut self.counts))
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// # The server's sockets
impl Oracle {
    /// A new server knows nothing of earlier sockets.
    pub(crate) fn server_restarted(&mut self) {
        self.by_id.clear();
        self.lines.iter_mut().for_each(|line| line.stage = Stage::Over);
    }

    pub(crate) fn socket_connected(&mut self, id: &str) -> u64 {
        let mark = self.number();
        self.by_id.insert(id.to_owned(), self.lines.len());
        self.lines.push(Line {
            id: id.to_owned(),
            stage: Stage::Connected,
            sent: Vec::new(),
            rooms: BTreeSet::new(),
            mark,
            resumed_at: 0,
            pending_acks: 0,
            put_out: None,
        });
        mark
    }

    pub(crate) fn socket_recovered(
        &mut self,
        id: &str,
        rooms: &BTreeSet<String>,
        mark: Option<u64>,
        window: Duration,
    ) {
        let Some(&at) = self.by_id.get(id) else {
            return self.fail(Property::Recovery, format!("{id} was recovered and never connected"));
        };
        let line = &mut self.lines[at];
        let (stage, sent) = (std::mem::replace(&mut line.stage, Stage::Connected), line.sent.len());
        line.resumed_at = sent;
        let (had_rooms, had_mark) = (line.rooms.clone(), line.mark);
        match stage {
            // The middlewares may have taken their time.
            Stage::Away(since) if since.elapsed() > window + SLOWEST => {
                self.fail(
                    Property::Recovery,
                    format!("{id} was recovered too late, after {:?}", since.elapsed()),
                );
            }
            Stage::Away(_) => {}
            other => self.fail(Property::Recovery, format!("{id} was recovered while it was {other:?}")),
        }
        if had_rooms != *rooms {
            self.fail(Property::Recovery, format!("{id} was in {had_rooms:?}, and recovered in {rooms:?}"));
        }
        if mark != Some(had_mark) {
            self.fail(Property::Recovery, format!("{id} had {had_mark}, and recovered with {mark:?}"));
        }
    }

    pub(crate) fn socket_ended(&mut self, id: &str, may_come_back: bool) {
        if let Some(&at) = self.by_id.get(id)
            && self.lines[at].stage == Stage::Connected
        {
            self.lines[at].stage = if may_come_back { Stage::Away(Instant::now()) } else { Stage::Over };
        }
    }

    /// The server puts a client out, which is to be told so in any case, or if there is time. `closes` says whether
    /// its session ends as well.
    pub(crate) fn put_out(&mut self, id: &str, in_any_case: bool, closes: bool) {
        self.socket_ended(id, false);
        if let Some(line) = self.line(id) {
            line.put_out = in_any_case.then(|| PutOut { at: Instant::now(), closes });
        }
    }

    fn line(&mut self, id: &str) -> Option<&mut Line> {
        self.by_id.get(id).map(|at| &mut self.lines[*at])
    }

    pub(crate) fn joined(&mut self, id: &str, room: &str) {
        if let Some(line) = self.line(id).filter(|line| line.stage == Stage::Connected) {
            line.rooms.insert(room.to_owned());
        }
    }

    pub(crate) fn left(&mut self, id: &str, room: &str) {
        if let Some(line) = self.line(id).filter(|line| line.stage == Stage::Connected) {
            line.rooms.remove(room);
        }
    }

    /// An event was sent to one socket.
    pub(crate) fn sent(&mut self, id: &str, n: u64, volatile: bool, kept: bool) {
        step!("server sends {n} to {id}");
        if let Some(line) = self.line(id).filter(|line| line.stage != Stage::Over) {
            line.sent.push(Sent { n, volatile, kept });
        }
    }

    /// An event was sent to all who are in one of the rooms, or to all; perhaps from a socket.
    pub(crate) fn broadcast(
        &mut self,
        from: Option<&str>,
        rooms: &[String],
        except: &[String],
        n: u64,
        volatile: bool,
    ) {
        if from.is_some_and(|id| !self.by_id.contains_key(id)) {
            // A handler of a server that was killed runs to its end, and reaches nobody.
            return;
        }
        step!("server broadcasts {n} to {rooms:?} without {except:?}");
        for line in self.lines.iter_mut().filter(|line| line.stage != Stage::Over) {
            let is_in = |room: &String| *room == line.id || line.rooms.contains(room);
            if (rooms.is_empty() || rooms.iter().any(is_in)) && !except.iter().any(is_in) {
                line.sent.push(Sent { n, volatile, kept: !volatile });
            }
        }
    }
}

/// # What the server asks
impl Oracle {
    /// The server asks a client; before that is sent.
    pub(crate) fn asks(&mut self, id: &str, n: u64, patient: bool) {
        let Some(&line) = self.by_id.get(id) else { return };
        self.lines[line].pending_acks += 1;
        self.questions.insert(n, Question { line, patient, answered: None, outcome: None });
    }

    pub(crate) fn answers(&mut self, connection: usize, n: u64) {
        if let Some(question) = self.questions.get_mut(&n) {
            question.answered.get_or_insert(connection);
        }
    }

    pub(crate) fn resolved(&mut self, n: u64, outcome: Outcome, limit: usize) {
        step!("the question {n} comes out as {outcome:?}");
        let Some(question) = self.questions.get_mut(&n) else { return };
        if question.outcome.replace(outcome).is_some() {
            return self.fail(Property::Acks, format!("the question {n} came out twice"));
        }
        let (line, answered) = (question.line, question.answered);
        let pending = self.lines[line].pending_acks;
        self.lines[line].pending_acks -= 1;
        match outcome {
            Outcome::Value(value) if value != n || answered.is_none() => {
                self.fail(Property::Acks, format!("the question {n} was answered with {value}"));
            }
            Outcome::TooMany if pending <= limit => {
                self.fail(
                    Property::Acks,
                    format!("{} of {limit} answers are awaited, and no more allowed", pending - 1),
                );
            }
            _ => {}
        }
    }
}

/// # The client's connections
impl Oracle {
    /// A client opens a connection. It may come back for the line of an earlier one, of which it had got so
    /// much.
    pub(crate) fn opens(&mut self, back_for: Option<(usize, usize)>) -> usize {
        let presented = back_for.and_then(|(earlier, got)| Some((self.connections[earlier].line?, got)));
        self.connections.push(Connection { presented, ..Connection::default() });
        self.connections.len() - 1
    }

    /// A connect is confirmed. `recovered` is what the client makes of it.
    pub(crate) fn confirmed(&mut self, at: usize, id: &str, recovered: bool) {
        let Some(&line) = self.by_id.get(id) else {
            // The server that confirmed it is gone.
            return;
        };
        let connection = &mut self.connections[at];
        let early = std::mem::take(&mut connection.early);
        connection.line = Some(line);
        match connection.presented {
            Some((presented, got)) if recovered => {
                connection.got = got;
                if presented != line {
                    self.fail(Property::Recovery, format!("{id} was recovered, and is another"));
                }
            }
            _ if recovered => self.fail(Property::Recovery, format!("{id} was recovered unasked")),
            _ if !early.is_empty() => {
                self.fail(Property::Recovery, format!("{id} is new, and was sent {early:?} of an old one"));
            }
            _ => {}
        }
        for n in early {
            self.receives(at, n);
        }
    }

    /// How much of its line a connection has got.
    pub(crate) fn got(&self, at: usize) -> usize {
        self.connections[at].got
    }

    /// A client receives an event.
    pub(crate) fn receives(&mut self, at: usize, n: u64) {
        let connection = &mut self.connections[at];
        let Some(line) = connection.line else { return connection.early.push(n) };
        let line = &self.lines[line];
        let id = &line.id;
        let behind = line.sent[connection.got..].iter().position(|sent| sent.n == n);
        let failure = match behind {
            Some(behind) => {
                let from = connection.got;
                for (index, skipped) in line.sent.iter().enumerate().skip(from).take(behind) {
                    let lost = !skipped.kept && index < line.resumed_at;
                    if !skipped.volatile && !lost && !connection.careless {
                        connection.missed.insert(skipped.n);
                    }
                }
                connection.got += behind + 1;
                return;
            }
            None if connection.missed.contains(&n) => (Property::Order, format!("{id} got {n} too late")),
            None => match line.sent[..connection.got].iter().position(|sent| sent.n == n) {
                Some(index) if connection.presented.is_some_and(|(_, got)| index < got) => {
                    (Property::Recovery, format!("{id} got {n} again, which it had said to have"))
                }
                Some(_) => (Property::Once, format!("{id} got {n} again")),
                None => (Property::Rooms, format!("{id} got {n}, which is not for it")),
            },
        };
        self.fail(failure.0, failure.1);
    }

    pub(crate) fn is_careless(&mut self, at: usize) {
        self.connections[at].careless = true;
    }

    /// A client sends an event.
    pub(crate) fn sends_up(&mut self, at: usize, n: u64, ask: Option<u64>) {
        self.connections[at].up.push(n);
        if let Some(id) = ask {
            self.connections[at].asked.insert(id, (n, false));
        }
    }

    /// A handler starts with a client's event.
    pub(crate) fn arrives_up(&mut self, at: usize, n: u64) {
        let Some(connection) = self.connections.get_mut(at) else {
            return self.fail(Property::Once, format!("{n} of the unknown connection {at}"));
        };
        let failure = match connection.up[connection.up_got..].iter().position(|up| *up == n) {
            Some(behind) => {
                let skipped = connection.up[connection.up_got..].iter().take(behind);
                connection.missed_up.extend(skipped);
                connection.up_got += behind + 1;
                return;
            }
            None if connection.missed_up.contains(&n) => {
                (Property::Order, format!("{n} of {at} arrived too late"))
            }
            None => (Property::Once, format!("{n} of {at} arrived again")),
        };
        self.fail(failure.0, failure.1);
    }

    /// The server answers a client's question.
    pub(crate) fn answered(&mut self, at: usize, id: u64, value: Option<u64>) {
        match self.connections[at].asked.get_mut(&id) {
            Some((n, answered)) if !*answered && value == Some(*n) => *answered = true,
            other => {
                let what = format!("{at} got the answer {value:?} to {id}, of which is known {other:?}");
                self.fail(Property::Acks, what);
            }
        }
    }

    /// The client gives a connection up, or hears of its end.
    pub(crate) fn over(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        connection.over = true;
        let (down, up) = (connection.missed.clone(), connection.missed_up.clone());
        for missed in [down, up] {
            if !missed.is_empty() {
                self.fail(Property::Prefix, format!("{at} has gaps at {missed:?}"));
            }
        }
    }

    /// All that was under way has had its time: nothing may be missing on connections that live.
    pub(crate) fn settled(&mut self) {
        let mut failures = Vec::new();
        for (at, connection) in self.connections.iter().enumerate().filter(|(_, connection)| !connection.over)
        {
            let Some(line) = connection.line.map(|line| &self.lines[line]) else {
                failures.push((Property::Liveness, format!("{at} lives, and was never connected")));
                continue;
            };
            if line.stage != Stage::Connected {
                failures.push((
                    Property::Liveness,
                    format!("{at} lives, and the server has it as {:?}", line.stage),
                ));
                continue;
            }
            let due = line.sent[connection.got..].iter().filter(|sent| !sent.volatile).map(|sent| sent.n);
            let down: Vec<u64> = connection.missed.iter().copied().chain(due).collect();
            let due = connection.up[connection.up_got..].iter();
            let up: Vec<u64> = connection.missed_up.iter().chain(due).copied().collect();
            if !down.is_empty() {
                failures.push((Property::Lossless, format!("{at} lives, and never got {down:?}")));
            }
            if !up.is_empty() {
                failures.push((Property::Lossless, format!("{at} lives, and {up:?} of it never arrived")));
            }
            for (id, (n, answered)) in &connection.asked {
                if !answered {
                    failures.push((
                        Property::Acks,
                        format!("{at} lives, and its question {id} ({n}) has no answer"),
                    ));
                }
            }
        }
        for (n, question) in &self.questions {
            match question.outcome {
                None => failures.push((Property::Acks, format!("the question {n} never came out"))),
                Some(Outcome::Timeout | Outcome::Disconnected)
                    if question.patient && question.answered.is_some_and(|at| !self.connections[at].over) =>
                {
                    failures.push((Property::Acks, format!("the answer to {n} was not heard")));
                }
                Some(_) => {}
            }
        }
        for (property, what) in failures {
            self.fail(property, what);
        }
    }

    /// A client that nothing bad happened to loses its connection. One whose polls bring too little at a time may need
    /// longer than `close_timeout` for what waits before the end.
    pub(crate) fn untold(&mut self, at: usize, close_timeout: Duration) {
        let put_out = self.connections[at].line.and_then(|line| self.lines[line].put_out);
        if put_out.is_some_and(|put_out| !put_out.closes || put_out.at.elapsed() < close_timeout) {
            self.fail(Property::Drain, format!("{at} was put out, and never told so"));
        }
    }

    /// A client that is told of the end, by a drain or because it is put out, must have got all.
    pub(crate) fn told(&mut self, at: usize) {
        let connection = &self.connections[at];
        let Some(line) = connection.line.map(|line| &self.lines[line]) else { return };
        let due: Vec<u64> =
            line.sent[connection.got..].iter().filter(|sent| !sent.volatile).map(|sent| sent.n).collect();
        if !due.is_empty() {
            self.fail(Property::Drain, format!("{at} was told of the end, and never got {due:?}"));
        }
    }
}

/// # Retries
impl Oracle {
    /// A client's event arrives that it sends until it is acknowledged.
    pub(crate) fn arrives_sure(&mut self, client: u64, n: u64) {
        let retrier = self.retriers.entry(client).or_default();
        let early = retrier.seen.last().is_some_and(|last| *last > n) && !retrier.given_up.contains(&n);
        if retrier.seen.insert(n) && early {
            self.fail(Property::Retries, format!("{n} of client {client} first arrived behind later ones"));
        }
    }

    /// The client has its acknowledgement.
    pub(crate) fn sure(&mut self, client: u64, n: u64) {
        if !self.retriers.entry(client).or_default().seen.contains(&n) {
            self.fail(
                Property::Retries,
                format!("{n} of client {client} was acknowledged, and never arrived"),
            );
        }
    }

    /// The client has tried often enough.
    pub(crate) fn gives_up(&mut self, client: u64, n: u64) {
        self.retriers.entry(client).or_default().given_up.insert(n);
    }
}
