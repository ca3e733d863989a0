//! The clients' connections.

use std::collections::{BTreeSet, HashMap};

use super::{Oracle, Property};

#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) line: Option<usize>,
    /// What arrived before the connect was confirmed.
    pub(super) early: Vec<u64>,
    /// What the client said that it has, on the line that it came back for.
    pub(super) presented: Option<(usize, usize)>,
    pub(super) got: usize,
    /// Skipped on the way down, and on the way up.
    pub(super) missed: BTreeSet<u64>,
    pub(super) missed_up: BTreeSet<u64>,
    pub(super) up: Vec<u64>,
    pub(super) up_got: usize,
    /// The client's questions: id, number, answered.
    pub(super) asked: HashMap<u64, (u64, bool)>,
    pub(super) over: bool,
    /// Its client asked twice for messages, and may have thrown some away.
    pub(super) careless: bool,
}

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
}
