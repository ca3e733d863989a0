//! Several nodes in one cluster, on a [bus](crate::bus) that loses messages.
//!
//! ```text
//!   client ── node ══ bus ══ node ── client        what a client gets, and when, is known beforehand: the model
//!                └──── bus ──── node ── client     hears of each message just before the node does
//! ```
//!
//! Clients are no more than mailboxes, so that this costs little beside the whole server.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio::{Broadcast, ClusterError, Io, IoConfig, MessageBody, NodeId, NodeMessage, Selection};
use socketio_adapter_contract::TestClient;
use tokio::time::{Instant, sleep_until};

use crate::bus::{Bus, NODES, Shared, State, lock, number};
use crate::chance::Chance;
use crate::oracle::{Oracle, Property, count, oracle};
use crate::plan::{ROOMS, Sabotage};
use crate::trace::step;

/// How long clients and nodes may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client, and what it should get.
struct Member {
    node: usize,
    client: TestClient,
    id: String,
    rooms: BTreeSet<&'static str>,
    /// Who sent what it is about to get.
    expected: VecDeque<(usize, u64)>,
    /// The last that it got of each node.
    last: [u64; NODES],
    had: BTreeSet<u64>,
}

struct Storm {
    chance: Chance,
    sabotage: Option<Sabotage>,
    nodes: Vec<Io>,
    bus: Shared,
    members: Vec<Member>,
    /// How many clients have answered a question.
    answers: Rc<RefCell<BTreeMap<u64, usize>>>,
}

/// Has nodes and clients do whatever they can for a while.
pub(crate) async fn storm(mut chance: Chance, sabotage: Option<Sabotage>) {
    let bus = State {
        chance: chance.split(),
        sabotage,
        nodes: Vec::new(),
        links: BTreeMap::new(),
        down: BTreeMap::new(),
        requests: BTreeMap::new(),
        lossy: BTreeSet::new(),
    };
    let bus = Arc::new(Mutex::new(bus));
    let config = IoConfig { cluster_timeout: PATIENCE, ack_timeout: PATIENCE, ..IoConfig::default() };
    let nodes = (0..NODES).map(|at| Io::with_adapter(config.clone(), Bus { at, shared: Arc::clone(&bus) }));
    let nodes = nodes.collect();
    let mut storm = Storm { chance, sabotage, nodes, bus, members: Vec::new(), answers: Rc::default() };
    for _ in 0..4 {
        storm.join();
    }
    for _ in 0..storm.chance.within(20..60) {
        storm.act();
        let pause = storm.chance.millis(0..100);
        storm.pass(pause).await;
        if oracle(|oracle| oracle.failed()) {
            return;
        }
    }
    // Questions come to their end.
    storm.pass(PATIENCE * 3).await;
    let left: usize = storm.nodes.iter().map(|io| io.pending_ack_count()).sum();
    if left > 0 {
        oracle(|oracle| oracle.fail(Property::Acks, format!("{left} entries are left in the tables")));
    }
}

/// # What happens
impl Storm {
    /// Lets time pass. What arrives meanwhile is delivered.
    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            // Nodes send from tasks of their own too: what isn't on its way yet may come at any time.
            let soon = Instant::now() + Duration::from_millis(10);
            let next = lock(&self.bus).next().filter(|(at, _)| *at <= soon.min(end));
            let Some((at, link)) = next else {
                if soon >= end {
                    break;
                }
                sleep_until(soon).await;
                continue;
            };
            sleep_until(at).await;
            let arrived = lock(&self.bus).links.get_mut(&link).and_then(VecDeque::pop_front);
            if let Some((_, message)) = arrived {
                self.deliver(link, message);
            }
        }
        sleep_until(end).await;
        self.look();
    }

    fn deliver(&mut self, (from, to): (usize, usize), message: NodeMessage) {
        match &message.body {
            MessageBody::Broadcast { event, selection, .. } => {
                if let Some(n) = number(event) {
                    step!("node {to} hears {n} of node {from}");
                    self.expect(to, from, n, selection);
                }
            }
            MessageBody::SocketsJoin { selection, rooms } => {
                let rooms: Vec<_> = rooms.iter().map(ToString::to_string).collect();
                self.joins(to, selection, &rooms);
            }
            _ => {}
        }
        let node = lock(&self.bus).nodes[to].clone();
        let is_broadcast = matches!(message.body, MessageBody::Broadcast { .. });
        if is_broadcast && self.sabotage == Some(Sabotage::Lose) && self.chance.one_in(4) {
            return;
        }
        if is_broadcast && self.sabotage == Some(Sabotage::Repeat) && self.chance.one_in(4) {
            node.receive(message.clone());
        }
        node.receive(message);
        self.look();
    }

    fn join(&mut self) {
        let node = self.chance.within(0..NODES);
        let client = TestClient::join(&self.nodes[node]);
        let id = client.socket().id().to_owned();
        step!("{id} joins node {node}");
        self.members.push(Member {
            node,
            client,
            id,
            rooms: BTreeSet::new(),
            expected: VecDeque::new(),
            last: [0; NODES],
            had: BTreeSet::new(),
        });
    }

    fn act(&mut self) {
        let at = self.chance.within(0..self.members.len());
        let room = *self.chance.pick(&ROOMS);
        match self.chance.below(16) {
            0 => self.join(),
            1 if self.members.len() > 2 => drop(self.members.swap_remove(at)),
            2 | 3 => {
                let member = &mut self.members[at];
                if member.client.socket().join(room).is_ok() {
                    member.rooms.insert(room);
                }
            }
            4 => {
                let member = &mut self.members[at];
                member.rooms.remove(room);
                if self.sabotage != Some(Sabotage::Room) {
                    member.client.socket().leave(room);
                }
            }
            5 => {
                let (node, selection) = (self.chance.within(0..NODES), self.selection());
                self.joins(node, &selection, &[room.to_owned()]);
                self.whom(node, &selection).sockets_join(room);
            }
            6 => {
                let link = (self.chance.within(0..NODES), self.chance.within(0..NODES));
                let until = Instant::now() + self.chance.millis(0..1000);
                lock(&self.bus).down.insert(link, until);
            }
            7 | 8 => self.ask(),
            9 => self.fetch(),
            _ => {
                let (from, selection) = (self.chance.within(0..NODES), self.selection());
                let n = oracle(Oracle::number);
                step!("node {from} sends {n} to {selection:?}");
                self.expect(from, from, n, &selection);
                if self.whom(from, &selection).emit("e", n).is_err() {
                    oracle(|oracle| oracle.fail(Property::Lossless, format!("{n} was not sent")));
                }
                count("events between nodes");
                self.look();
            }
        }
    }

    /// Asks the clients of all nodes something.
    fn ask(&mut self) {
        let (from, selection) = (self.chance.within(0..NODES), self.selection());
        let n = oracle(Oracle::number);
        step!("node {from} asks {n} of {selection:?}");
        self.expect(from, from, n, &selection);
        let Ok(asking) = self.whom(from, &selection).emit_with_ack::<u64>("q", n) else { return };
        self.look();
        let (bus, answers, began) = (Arc::clone(&self.bus), Rc::clone(&self.answers), Instant::now());
        tokio::task::spawn_local(async move {
            let got = asking.await;
            let (lossy, others) = known(&bus, n, from);
            let silent = (got.silent_nodes, got.silent_ids.clone());
            let values: Vec<u64> = got.received().collect();
            let given = answers.borrow().get(&n).copied().unwrap_or_default();
            let what = format!("{values:?} of {given} answers to {n} came, and {silent:?} were silent");
            step!("{what}");
            count("questions between nodes");
            let fits = values.iter().all(|value| *value == n) && values.len() <= given;
            let complete = lossy || (values.len() == given && silent.0 == 0);
            let in_time = began.elapsed() <= PATIENCE + Duration::from_millis(1);
            if !fits || !complete || !in_time || !named(&silent, &others) {
                oracle(|oracle| oracle.fail(Property::Acks, what));
            }
        });
    }

    /// Fetches the sockets of all nodes.
    fn fetch(&mut self) {
        let from = self.chance.within(0..NODES);
        let n = oracle(Oracle::number);
        let (io, bus, began) = (self.nodes[from].clone(), Arc::clone(&self.bus), Instant::now());
        let own: Vec<_> = io.socket_ids().iter().map(ToString::to_string).collect();
        tokio::task::spawn_local(async move {
            let (found, silent) = match io.except(n.to_string()).fetch_sockets().await {
                Ok(found) => (found, (0, Vec::new())),
                Err(error) => match error.error {
                    ClusterError::Timeout { missing, nodes } => (error.found, (missing, nodes)),
                    _ => (error.found, (usize::MAX, Vec::new())),
                },
            };
            let (lossy, others) = known(&bus, n, from);
            let ids: BTreeSet<_> = found.iter().map(|socket| socket.id().to_owned()).collect();
            let what = format!("{} sockets were found, and {silent:?} were silent", found.len());
            let fits = ids.len() == found.len() && own.iter().all(|id| ids.contains(id));
            let in_time = began.elapsed() <= PATIENCE + Duration::from_millis(1);
            if !fits || !in_time || (!lossy && silent.0 > 0) || !named(&silent, &others) {
                oracle(|oracle| oracle.fail(Property::Liveness, what));
            }
        });
    }
}

/// Whether the bus has lost something of a question, and the ids of the other nodes.
fn known(bus: &Shared, n: u64, from: usize) -> (bool, Vec<NodeId>) {
    let state = lock(bus);
    let others = state.nodes.iter().enumerate().filter(|(at, _)| *at != from);
    (state.lossy.contains(&n), others.map(|(_, node)| Arc::clone(node.id())).collect())
}

/// Whether those who were silent are named, if they are, and are other nodes.
fn named((silent, ids): &(usize, Vec<NodeId>), others: &[NodeId]) -> bool {
    *silent < NODES && (ids.len() == *silent || ids.is_empty()) && ids.iter().all(|id| others.contains(id))
}

/// # What should come of it
impl Storm {
    fn selection(&mut self) -> Selection {
        let mut rooms = Vec::new();
        for _ in 0..self.chance.below(3) {
            rooms.push(match self.chance.one_in(4) {
                true => self.chance.pick(&self.members).id.as_str().into(),
                false => (*self.chance.pick(&ROOMS)).into(),
            });
        }
        let except =
            if self.chance.one_in(4) { vec![(*self.chance.pick(&ROOMS)).into()] } else { Vec::new() };
        Selection { rooms, except }
    }

    fn whom(&self, node: usize, selection: &Selection) -> Broadcast {
        let all = self.nodes[node].compress(true);
        let to = selection.rooms.iter().fold(all, |whom, room| whom.to(&**room));
        selection.except.iter().fold(to, |whom, room| whom.except(&**room))
    }

    fn selected(&mut self, node: usize, selection: &Selection) -> impl Iterator<Item = &mut Member> {
        self.members.iter_mut().filter(move |member| {
            let is_in = |room: &socketio::Room| member.id == **room || member.rooms.contains(&**room);
            member.node == node
                && (selection.rooms.is_empty() || selection.rooms.iter().any(is_in))
                && !selection.except.iter().any(is_in)
        })
    }

    /// Clients of a node that are selected are about to get something.
    fn expect(&mut self, node: usize, from: usize, n: u64, selection: &Selection) {
        self.selected(node, selection).for_each(|member| member.expected.push_back((from, n)));
    }

    fn joins(&mut self, node: usize, selection: &Selection, rooms: &[String]) {
        for member in self.selected(node, selection) {
            member.rooms.extend(ROOMS.iter().filter(|room| rooms.iter().any(|joined| joined == *room)));
        }
    }

    /// Looks at what clients have got, and has them answer.
    fn look(&mut self) {
        for member in &mut self.members {
            for packet in member.client.received() {
                let Some((id, name, n)) = read(&packet) else {
                    let what = format!("{} got {packet}", member.id);
                    return oracle(|oracle| oracle.fail(Property::Lossless, what));
                };
                let Member { expected, last, had, .. } = member;
                let place = expected.iter().position(|(_, expected)| *expected == n);
                let failure = match place {
                    _ if !had.insert(n) => Some(Property::Once),
                    None => Some(Property::Rooms),
                    Some(0) => None,
                    Some(_) => Some(Property::Lossless),
                };
                if let Some(property) = failure {
                    let what = format!("{} got {n} instead of {expected:?}", member.id);
                    return oracle(|oracle| oracle.fail(property, what));
                }
                if let Some((from, _)) = expected.pop_front()
                    && std::mem::replace(&mut last[from], n) > n
                {
                    let what = format!("{} got {n} of node {from} too late", member.id);
                    return oracle(|oracle| oracle.fail(Property::Order, what));
                }
                if name == "q" && !self.chance.one_in(6) {
                    *self.answers.borrow_mut().entry(n).or_default() += 1;
                    member.client.send(&format!("3{id}[{n}]"));
                }
            }
            if let Some((_, n)) = member.expected.front() {
                let what = format!("{} did not get {n}", member.id);
                return oracle(|oracle| oracle.fail(Property::Lossless, what));
            }
        }
    }
}

/// The id, the name and the number of an event.
fn read(packet: &str) -> Option<(&str, String, u64)> {
    let (id, event) = packet.strip_prefix('2')?.split_at(packet.find('[')? - 1);
    let (name, n) = serde_json::from_str(event).ok()?;
    Some((id, name, n))
}
