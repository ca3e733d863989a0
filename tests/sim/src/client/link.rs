//! A client on one connection.

use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use engineio::{Message, Revision};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Client, Memory};
use crate::oracle::{count, oracle};
use crate::plan::Sabotage;
use crate::session::{Event, Session};
use crate::world::Phase;

/// A client on one connection.
pub(super) struct Link {
    pub(super) client: Rc<Client>,
    pub(super) session: Session,
    pub(super) at: usize,
    pub(super) presented: Option<Memory>,
    pub(super) memory: Option<Memory>,
    pub(super) confirmed: bool,
    /// It sends events until they are acknowledged. Of two connections of a client one does.
    pub(super) retries: bool,
    pub(super) incomplete: Option<(Value, usize, Vec<Bytes>)>,
    /// An event that the sabotage holds back.
    pub(super) held: Option<Value>,
    pub(super) next_id: u64,
    /// The question that carries the first of what is sent until it is acknowledged.
    pub(super) retry: Option<(u64, Instant)>,
    /// Those that carried it and have no answer.
    pub(super) tries: BTreeSet<u64>,
    /// The sabotage has dropped something.
    pub(super) dropped: bool,
    /// Something bad has happened to it.
    pub(super) harmed: bool,
}

impl Link {
    pub(super) async fn run(&mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        let world = self.client.world.clone();
        if self.client.plan.revision == Revision::V4 {
            self.session.send([self.connect_packet()]);
            if self.client.draw(|chance| chance.one_in(4)) {
                // What comes early waits.
                self.emit();
            }
        }
        let mut next = self.pause();
        loop {
            let retry = self.retry.map_or(next, |(_, at)| at);
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(Event::Message(message)) => {
                        if self.message(message).is_break() {
                            break;
                        }
                    }
                    Some(Event::Closed) | None => {
                        // Whose queue is full can't be told anything.
                        let plan = &world.plan;
                        if !self.harmed && !plan.restarts && plan.engine.send_budget > 6000 {
                            oracle(|oracle| oracle.untold(self.at, plan.engine.close_timeout));
                        }
                        break;
                    }
                },
                () = world.changed.notified() => {
                    if world.phase() == Phase::End {
                        break;
                    }
                }
                () = sleep_until(retry), if self.retry.is_some() => self.send_sure(),
                () = sleep_until(next), if world.phase() == Phase::Storm => {
                    if self.act().is_break() {
                        break;
                    }
                    next = self.pause();
                }
            }
        }
        if world.phase() == Phase::Drain && self.confirmed {
            count("told of a drain");
            oracle(|oracle| oracle.told(self.at));
        }
    }

    fn pause(&self) -> Instant {
        let pace = self.client.world.plan.pace;
        Instant::now() + self.client.draw(|chance| chance.millis(0..2 * pace))
    }

    fn connect_packet(&self) -> Message {
        let Some(memory) = &self.presented else { return Message::Text("0".into()) };
        let mut auth = json!({ "pid": memory.pid });
        if let Some(offset) = &memory.offset {
            auth["offset"] = json!(offset);
        }
        if self.client.world.sabotages(Sabotage::OldOffset) && memory.before.is_some() {
            auth["offset"] = json!(memory.before);
        }
        Message::Text(format!("0{auth}").into())
    }
}
