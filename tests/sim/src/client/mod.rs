//! A client's Socket.IO side: it connects, sends, asks, answers, leaves, loses its connection, comes back. How its packets
//! travel is in `session`.
//!
//! | file | of a client |
//! |---|---|
//! | `mod` | its life, from one connection to the next |
//! | `link` | one connection |
//! | `acting` | what it does on that |
//! | `hearing` | what it gets there |

mod acting;
mod hearing;
mod link;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use engineio::Transport;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::oracle::oracle;
use crate::plan::ClientPlan;
use crate::session::{Opening, Probe, Session};
use crate::trace::step;
use crate::world::{Phase, World};
use link::Link;

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
