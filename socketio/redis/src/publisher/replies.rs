//! What Redis replies, and what becomes of that which it refuses for now.

use std::collections::{BTreeMap, HashMap};

use super::{Done, PublishError, Shared, Waiting, is_publish, is_question};
use crate::link::{Command, Connection, Reply, is_passing};

impl Shared {
    /// Tells the replies. What was refused for now waits, unless Redis took something later for the same channel: it would
    /// come out of order. The error says why all that is sent on this connection has to wait.
    pub(super) fn answer(
        &self,
        connection: &dyn Connection,
        commands: Vec<Command>,
        answers: Vec<Done>,
        replies: Vec<Reply>,
    ) -> Result<(), Box<str>> {
        let is_refused = |reply: &Reply| reply.as_ref().is_err_and(|error| is_passing(error));
        let mut overtaken = vec![false; commands.len()];
        if replies.iter().any(is_refused) {
            let mut last_taken = HashMap::new();
            for (at, (command, reply)) in commands.iter().zip(&replies).enumerate() {
                // A replica answers questions.
                if !is_refused(reply) && !is_question(command) {
                    last_taken.insert(command.place(), at);
                }
            }
            for (at, command) in commands.iter().enumerate() {
                overtaken[at] = last_taken.get(&command.place()).is_some_and(|last| *last > at);
            }
        }
        let mut refused: BTreeMap<Option<u16>, (Box<str>, Vec<Waiting>)> = BTreeMap::new();
        let sent = commands.into_iter().zip(answers).zip(replies).zip(overtaken);
        for (((command, done), reply), is_overtaken) in sent {
            let part = connection.part(&command);
            match reply {
                Err(error) if is_passing(&error) && !is_overtaken => {
                    let (_, waiting) = refused.entry(part).or_insert_with(|| (error, Vec::new()));
                    waiting.push(Waiting { command, done });
                }
                reply => {
                    self.release(part);
                    self.tell(&command, done, reply);
                }
            }
        }
        let mut outcome = Ok(());
        for (part, (error, waiting)) in refused {
            let mut queue = self.queue.lock();
            queue.bytes += waiting.iter().map(|waiting| waiting.command.cost()).sum::<usize>();
            let Some(part) = part else {
                waiting.into_iter().rev().for_each(|waiting| queue.waiting.push_front(waiting));
                outcome = Err(error);
                continue;
            };
            let given_up = queue.held.refused(part, waiting);
            queue.bytes -= given_up.iter().map(|waiting| waiting.command.cost()).sum::<usize>();
            drop(queue);
            for Waiting { command, done } in given_up {
                self.tell(&command, done, Err(error.clone()));
            }
        }
        outcome
    }

    /// A part of a cluster has a server: what waits for it is next.
    fn release(&self, part: Option<u16>) {
        let Some(part) = part else { return };
        let mut queue = self.queue.lock();
        for waiting in queue.held.is_back(part).into_iter().rev() {
            queue.waiting.push_front(waiting);
        }
    }

    fn tell(&self, command: &Command, done: Done, reply: Reply) {
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
