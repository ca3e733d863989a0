//! What a client does on a connection, and what it suffers.

use bytes::Bytes;
use engineio::Message;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::link::Link;
use crate::oracle::{Oracle, count, oracle};
use crate::plan::{ROOMS, Sabotage};
use crate::session::Harm;
use crate::trace::step;
use crate::world::Phase;

impl Link {
    pub(super) fn act(&mut self) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        let harm = self.client.world.plan.harm;
        if harm.is_some_and(|often| self.client.draw(|chance| chance.one_in(often))) {
            return self.suffer();
        }
        match self.client.draw(|chance| chance.below(24)) {
            0 if harm.is_some() => {
                step!("connection {}: leaves", self.at);
                self.session.send([Message::Text("1".into())]);
                self.client.memory.take();
                return Break(());
            }
            1..7 if self.retries => {
                let n = oracle(Oracle::number);
                self.client.sure.borrow_mut().push_back((n, 0));
                if self.retry.is_none() && self.confirmed {
                    self.send_sure();
                }
            }
            7 => (0..self.client.draw(|chance| chance.within(2..60))).for_each(|_| self.emit()),
            _ => self.emit(),
        }
        Continue(())
    }

    fn suffer(&mut self) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        let choice = self.client.draw(|chance| chance.below(12));
        count("harm");
        self.harmed = true;
        match choice {
            0 => {
                step!("connection {} is given up", self.at);
                return Break(());
            }
            1 | 2 if self.confirmed && self.client.memory.borrow().is_some() => {
                // The same client, twice at once: the connection is given up, and two come back for it.
                let (client, memory) = (self.client.clone(), self.client.memory.borrow().clone());
                step!("client {} comes back twice at once", client.number);
                count("twins");
                self.session.abandon();
                let wait = client.draw(|chance| chance.millis(0..1200));
                tokio::task::spawn_local(async move {
                    sleep(wait).await;
                    if client.world.phase() < Phase::Drain {
                        client.connect(memory, false).await;
                    }
                });
                return Break(());
            }
            _ => {}
        }
        let harm = self.client.draw(|chance| *chance.pick(&Harm::ALL));
        self.session.harm(harm);
        Continue(())
    }

    /// Sends an event of one kind or another.
    pub(super) fn emit(&mut self) {
        let n = oracle(Oracle::number);
        let ask = self.client.draw(|chance| chance.one_in(3)).then(|| self.id());
        let id = ask.map(|id| id.to_string()).unwrap_or_default();
        let room = self.client.draw(|chance| *chance.pick(&ROOMS));
        let text = match self.client.draw(|chance| chance.below(10)) {
            0 | 1 => {
                let places = json!([{ "_placeholder": true, "num": 0 }, { "_placeholder": true, "num": 1 }]);
                format!("52-{id}{}", json!(["bin", n, places[0], places[1]]))
            }
            2 => format!("2{id}{}", json!(["join", n, room])),
            3 => format!("2{id}{}", json!(["leave", n, room])),
            4 => format!("2{id}{}", json!(["say", n])),
            _ => format!("2{id}{}", json!(["up", n])),
        };
        step!("connection {} sends {text}", self.at);
        oracle(|oracle| oracle.sends_up(self.at, n, ask));
        let attachments =
            if text.starts_with('5') { vec![n.to_be_bytes(), (!n).to_be_bytes()] } else { Vec::new() };
        let attachments = attachments.iter().map(|bytes| Message::Binary(Bytes::copy_from_slice(bytes)));
        self.session.send(std::iter::once(Message::Text(text.into())).chain(attachments));
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends the first of what is sent until it is acknowledged, for the first time or again.
    pub(super) fn send_sure(&mut self) {
        let client = self.client.clone();
        let mut sure = client.sure.borrow_mut();
        self.retry = None;
        if client.world.sabotages(Sabotage::Overtake) && sure.len() > 1 {
            sure.swap(0, 1);
        }
        while let Some((n, tries)) = sure.front_mut() {
            if *tries == 4 {
                oracle(|oracle| oracle.gives_up(client.number, *n));
                sure.pop_front();
                continue;
            }
            *tries += 1;
            let id = self.id();
            self.tries.insert(id);
            let text = format!("2{id}{}", json!(["sure", client.number, *n]));
            step!("connection {} sends {text}, try {tries}", self.at);
            self.session.send([Message::Text(text.into())]);
            self.retry = Some((id, Instant::now() + client.draw(|chance| chance.millis(500..4000))));
            return;
        }
    }
}
