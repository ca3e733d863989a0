//! A client's Socket.IO side: it connects, sends, asks, answers, leaves, loses its connection, comes back.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use engineio::{Message, Revision, Transport};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::chance::Chance;
use crate::oracle::{Oracle, Property, count, oracle};
use crate::plan::{ClientPlan, Plan, ROOMS, Sabotage};
use crate::server::Server;
use crate::session::{Event, Harm, Opening, Probe, Session};
use crate::trace::step;

/// What a run is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything may happen.
    Storm,
    /// Nothing bad happens, and whoever is away comes back.
    Calm,
    /// The server stops: clients wait to be told.
    Drain,
    /// Clients go.
    End,
}

/// What everybody in a run shares.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) server: RefCell<Rc<Server>>,
    phase: Cell<Phase>,
    changed: Notify,
}

impl World {
    pub(crate) fn new(plan: Plan, server: Rc<Server>) -> World {
        World { plan, server: server.into(), phase: Cell::new(Phase::Storm), changed: Notify::new() }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        step!("== {phase:?}");
        self.phase.set(phase);
        self.changed.notify_waiters();
    }

    fn sabotages(&self, sabotage: Sabotage) -> bool {
        self.plan.sabotage == Some(sabotage)
    }
}

/// What a client needs to get its socket back.
#[derive(Debug, Clone)]
struct Memory {
    connection: usize,
    /// How much of its line that connection had got.
    got: usize,
    pid: String,
    offset: Option<String>,
    /// The offset before that, for a client that lies.
    before: Option<String>,
}

/// A client.
pub(crate) struct Client {
    world: Rc<World>,
    plan: ClientPlan,
    number: u64,
    chance: RefCell<Chance>,
    memory: RefCell<Option<Memory>>,
    /// What is sent until it is acknowledged, and how often it was.
    sure: RefCell<VecDeque<(u64, u32)>>,
}

impl Client {
    pub(crate) fn new(world: Rc<World>, plan: ClientPlan, number: u64, chance: Chance) -> Client {
        let (chance, memory, sure) = (chance.into(), RefCell::default(), RefCell::default());
        Client { world, plan, number, chance, memory, sure }
    }

    fn draw<R>(&self, draw: impl FnOnce(&mut Chance) -> R) -> R {
        draw(&mut self.chance.borrow_mut())
    }

    /// Lives until the end of the run.
    pub(crate) async fn live(self: Rc<Self>) {
        while self.world.phase() < Phase::Drain {
            let memory = self.memory.borrow().clone();
            self.connect(memory, self.plan.retries).await;
            if self.world.phase() < Phase::Drain {
                sleep(self.draw(|chance| chance.millis(1..2500))).await;
            }
        }
    }

    /// One connection, from its handshake to its end.
    async fn connect(self: &Rc<Self>, memory: Option<Memory>, retries: bool) {
        let at = oracle(|oracle| oracle.opens(memory.as_ref().map(|memory| (memory.connection, memory.got))));
        step!("client {} opens connection {at}", self.number);
        let calm = self.world.phase() == Phase::Calm;
        let opening = Opening {
            name: at,
            revision: self.plan.revision,
            transport: if self.draw(|chance| chance.one_in(self.plan.websocket)) {
                Transport::WebSocket
            } else {
                Transport::Polling
            },
            upgrade: self
                .draw(|chance| (!chance.one_in(4)).then(|| (chance.millis(0..2000), probe(chance, calm)))),
            ping_interval: self.world.plan.engine.ping_interval,
            max_payload: self.world.plan.engine.max_payload,
        };
        let world = self.world.clone();
        let dial = Rc::new(move || world.server.borrow().dial());
        let opened =
            timeout(Duration::from_secs(20), Session::open(opening, dial, self.draw(Chance::split))).await;
        let Ok(Ok((session, events))) = opened else {
            step!("connection {at} could not be opened");
            return oracle(|oracle| oracle.over(at));
        };
        let mut link = Link {
            client: self.clone(),
            session,
            at,
            memory: memory.clone(),
            presented: memory,
            confirmed: false,
            retries,
            incomplete: None,
            held: None,
            next_id: 0,
            retry: None,
            tries: BTreeSet::new(),
            dropped: false,
            harmed: false,
        };
        link.run(events).await;
        link.session.abandon();
        oracle(|oracle| oracle.over(at));
    }
}

fn probe(chance: &mut Chance, calm: bool) -> Probe {
    if calm || chance.one_in(2) {
        return Probe::Honest;
    }
    match chance.below(8) {
        0 => Probe::Silent,
        1 => Probe::SilentLater,
        2 => Probe::Hasty,
        3 => Probe::Confused,
        step => Probe::Cut((step - 4) as u8),
    }
}

/// A client on one connection.
struct Link {
    client: Rc<Client>,
    session: Session,
    at: usize,
    presented: Option<Memory>,
    memory: Option<Memory>,
    confirmed: bool,
    /// It sends events until they are acknowledged. Of two connections of a client one does.
    retries: bool,
    incomplete: Option<(Value, usize, Vec<Bytes>)>,
    /// An event that the sabotage holds back.
    held: Option<Value>,
    next_id: u64,
    /// The question that carries the first of what is sent until it is acknowledged.
    retry: Option<(u64, Instant)>,
    /// Those that carried it and have no answer.
    tries: BTreeSet<u64>,
    /// The sabotage has dropped something.
    dropped: bool,
    /// Something bad has happened to it.
    harmed: bool,
}

impl Link {
    async fn run(&mut self, mut events: mpsc::UnboundedReceiver<Event>) {
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

/// # What a client does
impl Link {
    fn act(&mut self) -> std::ops::ControlFlow<()> {
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
    fn emit(&mut self) {
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
    fn send_sure(&mut self) {
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

/// # What a client gets
impl Link {
    fn message(&mut self, message: Message) -> std::ops::ControlFlow<()> {
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
