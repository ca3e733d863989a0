//! What may not be missing: on connections that live once all has had its time, and on those that were told of their end.

use std::time::Duration;

use super::sockets::Stage;
use super::{Oracle, Outcome, Property};

impl Oracle {
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
