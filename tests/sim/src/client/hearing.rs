//! What a client gets on a connection.

use engineio::Message;
use serde_json::Value;
use tokio::time::sleep;

use super::Memory;
use super::link::Link;
use crate::oracle::{Property, count, oracle};
use crate::plan::Sabotage;
use crate::session::Harm;
use crate::trace::step;
use crate::world::Phase;

impl Link {
    pub(super) fn message(&mut self, message: Message) -> std::ops::ControlFlow<()> {
        let split = |what: &str| {
            oracle(|oracle| oracle.fail(Property::Lossless, format!("connection {}: {what}", self.at)));
            std::ops::ControlFlow::Break(())
        };
        let text = match (message, self.incomplete.take()) {
            (Message::Text(text), None) => text,
            (Message::Text(_), Some(_)) => return split("text among attachments"),
            (Message::Binary(_), None) => return split("an attachment of nothing"),
            (Message::Binary(bytes), Some((event, missing, mut attachments))) => {
                attachments.push(bytes);
                if missing > 1 {
                    self.incomplete = Some((event, missing - 1, attachments));
                    return std::ops::ControlFlow::Continue(());
                }
                let n = event[1].as_u64().unwrap_or_default();
                if attachments[0] != n.to_be_bytes()[..] || attachments[1] != (!n).to_be_bytes()[..] {
                    return split("attachments of another event");
                }
                self.event(event, None);
                return std::ops::ControlFlow::Continue(());
            }
        };
        step!("connection {} gets {text}", self.at);
        let (kind, rest) = (*text).split_at(1);
        let (count, rest) = match rest.split_once('-').filter(|_| kind == "5") {
            Some((count, rest)) => (count.parse().unwrap_or(0), rest),
            None => (0, rest),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let id = rest[..digits].parse().ok();
        let payload = serde_json::from_str(&rest[digits..]).unwrap_or(Value::Null);
        match kind {
            "0" => self.confirm(&payload),
            "2" => self.event(payload, id),
            "3" => self.answer(id, &payload),
            "5" if count > 0 => self.incomplete = Some((payload, count, Vec::new())),
            // Put out, refused, or something that should not be.
            _ => {
                if kind == "1" {
                    // Who is put out is not recovered.
                    self.client.memory.take();
                    oracle(|oracle| oracle.told(self.at));
                }
                return std::ops::ControlFlow::Break(());
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn confirm(&mut self, payload: &Value) {
        self.confirmed = true;
        let pid = payload["pid"].as_str();
        let recovered = pid.is_some() && pid == self.presented.as_ref().map(|memory| memory.pid.as_str());
        let id = payload["sid"].as_str().map_or_else(|| self.session.sid(), str::to_owned);
        count(if recovered { "recoveries" } else { "connects" });
        oracle(|oracle| oracle.confirmed(self.at, &id, recovered));
        if let Some(pid) = pid {
            match &mut self.memory {
                // What it missed came before, and moved the offset on.
                Some(memory) if recovered => {
                    (memory.connection, memory.got) = (self.at, oracle(|oracle| oracle.got(self.at)));
                }
                memory => {
                    let (pid, offset, before) = (pid.to_owned(), None, None);
                    *memory = Some(Memory { connection: self.at, got: 0, pid, offset, before });
                }
            }
            self.client.memory.replace(self.memory.clone());
        }
        if self.retries && !self.client.sure.borrow().is_empty() {
            self.send_sure();
        }
    }

    fn event(&mut self, event: Value, id: Option<u64>) {
        let storm = self.client.world.phase() == Phase::Storm;
        let rarely = || self.client.draw(|chance| chance.one_in(6));
        match self.client.world.plan.sabotage {
            Some(Sabotage::Swap) if self.held.is_none() && id.is_none() && rarely() => {
                self.held = Some(event);
                return;
            }
            Some(Sabotage::Repeat) if rarely() => self.take(&event, id),
            Some(Sabotage::Lose) if !storm && rarely() => return,
            Some(Sabotage::Gap) if storm && rarely() => {
                self.dropped = true;
                return;
            }
            Some(Sabotage::Drain) if self.client.world.phase() == Phase::Drain => return,
            _ => {}
        }
        self.take(&event, id);
        if let Some(held) = self.held.take() {
            self.take(&held, None);
        }
        if self.dropped {
            self.session.harm(Harm::Cut);
        }
    }

    fn take(&mut self, event: &Value, id: Option<u64>) {
        let Some(n) = event[1].as_u64() else { return };
        count("events");
        oracle(|oracle| oracle.receives(self.at, n));
        // "The client must store the offset": a last argument that is a string.
        if let Some(offset) = event.as_array().and_then(|args| args.last()?.as_str())
            && event.as_array().is_some_and(|args| args.len() > 2)
            && let Some(memory) = &mut self.memory
        {
            memory.before = memory.offset.replace(offset.to_owned());
            if self.confirmed {
                memory.got = oracle(|oracle| oracle.got(self.at));
                self.client.memory.replace(self.memory.clone());
            }
        }
        let Some(id) = id else { return };
        let patient = event[2].as_bool().unwrap_or(false);
        let session = self.session.clone();
        let reply = move |id: u64| session.send([Message::Text(format!("3{id}[{n}]").into())]);
        let at = self.at;
        match self.client.draw(|chance| chance.below(6)) {
            0 if !patient => {}
            1 if !patient => {
                let wait = self.client.draw(|chance| chance.millis(1..3000));
                tokio::task::spawn_local(async move {
                    sleep(wait).await;
                    oracle(|oracle| oracle.answers(at, n));
                    reply(id);
                });
            }
            choice => {
                oracle(|oracle| oracle.answers(at, n));
                if choice == 2 {
                    reply(id + 1_000_000);
                }
                reply(id);
                if choice == 3 {
                    reply(id);
                }
            }
        }
    }

    fn answer(&mut self, id: Option<u64>, payload: &Value) {
        let Some(id) = id else { return };
        let value = payload[0].as_u64();
        if self.tries.remove(&id) {
            // The answer to an earlier try comes too late.
            if self.retry.is_some_and(|(retry, _)| retry == id) {
                self.acknowledged(value);
            }
            return;
        }
        let repeat =
            self.client.world.sabotages(Sabotage::AnswerTwice) && self.client.draw(|chance| chance.one_in(4));
        for _ in 0..=usize::from(repeat) {
            oracle(|oracle| oracle.answered(self.at, id, value));
        }
    }

    /// What was sent until it was acknowledged has been.
    fn acknowledged(&mut self, value: Option<u64>) {
        let Some((n, _)) = self.client.sure.borrow_mut().pop_front() else { return };
        if value != Some(n) {
            oracle(|oracle| oracle.fail(Property::Retries, format!("{n} was acknowledged with {value:?}")));
        }
        oracle(|oracle| oracle.sure(self.client.number, n));
        count("retried until acknowledged");
        self.send_sure();
    }
}
