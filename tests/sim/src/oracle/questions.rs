//! What the server asks.

use super::{Oracle, Property};
use crate::trace::step;

#[derive(Debug)]
pub(super) struct Question {
    pub(super) line: usize,
    pub(super) patient: bool,
    /// The connection on which the client has answered.
    pub(super) answered: Option<usize>,
    pub(super) outcome: Option<Outcome>,
}

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
