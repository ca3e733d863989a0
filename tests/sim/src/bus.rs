//! A bus between the nodes of a cluster: it loses messages, delays them, and keeps the order of each sender.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socketio::{Adapter, AdapterError, AdapterFuture, Event, MessageBody, Node, NodeId, NodeMessage};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::oracle::count;
use crate::plan::Sabotage;
use crate::trace::step;

/// How many nodes there are.
pub(crate) const NODES: usize = 3;

/// The bus, as one of the nodes knows it.
pub(crate) struct Bus {
    pub(crate) at: usize,
    pub(crate) shared: Shared,
}

pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) struct State {
    pub(crate) chance: Chance,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) nodes: Vec<Node>,
    /// From where to where, what is on its way and when it arrives, in the order of sending.
    pub(crate) links: BTreeMap<(usize, usize), VecDeque<(Instant, NodeMessage)>>,
    /// Links that lose everything until then.
    pub(crate) down: BTreeMap<(usize, usize), Instant>,
    /// Requests, and the numbers that they are about.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Those of which the bus has lost something.
    pub(crate) lossy: BTreeSet<u64>,
}

pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Adapter for Bus {
    fn start(&self, node: Node) {
        lock(&self.shared).nodes.push(node);
    }

    fn other_nodes(&self, _: &str) -> AdapterFuture<usize> {
        Box::pin(ready(NODES - 1))
    }

    fn other_node_ids(&self, _: &str) -> AdapterFuture<Option<Vec<NodeId>>> {
        let state = lock(&self.shared);
        let others = state.nodes.iter().enumerate().filter(|(at, _)| *at != self.at);
        Box::pin(ready(Some(others.map(|(_, node)| Arc::clone(node.id())).collect())))
    }

    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        let mut state = lock(&self.shared);
        if let Some((request, n)) = question(&message.body) {
            state.requests.insert(request, n);
        }
        for to in (0..NODES).filter(|to| *to != self.at) {
            if message.to.as_ref().is_none_or(|id| *state.nodes[to].id() == *id) {
                state.send((self.at, to), message.clone());
            }
        }
        Box::pin(ready(Ok(())))
    }
}

impl State {
    fn send(&mut self, link: (usize, usize), message: NodeMessage) {
        let is_down = self.down.get(&link).is_some_and(|until| *until > Instant::now());
        if is_down || self.chance.one_in(20) {
            step!("the bus loses a message from {} to {}", link.0, link.1);
            count("lost between nodes");
            let request = message.body.answers().map(|id| id.to_string());
            let request = request.or_else(|| question(&message.body).map(|(id, _)| id));
            self.lossy.extend(request.and_then(|id| self.requests.get(&id)).copied());
            return;
        }
        let latency = self.chance.millis(0..200);
        let waiting = self.links.entry(link).or_default();
        let last = waiting.back().map_or_else(Instant::now, |(at, _)| *at);
        waiting.push_back((last.max(Instant::now() + latency), message));
        if self.sabotage == Some(Sabotage::Swap) && waiting.len() > 1 {
            let last = waiting.len() - 1;
            let (before, message) = (waiting[last - 1].1.clone(), waiting[last].1.clone());
            (waiting[last - 1].1, waiting[last].1) = (message, before);
        }
    }

    /// The next message that arrives, if there is one, and when.
    pub(crate) fn next(&self) -> Option<(Instant, (usize, usize))> {
        let firsts = self.links.iter().filter_map(|(link, waiting)| Some((waiting.front()?.0, *link)));
        firsts.min()
    }
}

/// The id of a question to other nodes, and the number that it is about.
fn question(body: &MessageBody) -> Option<(String, u64)> {
    match body {
        MessageBody::Broadcast { event, request: Some(request), .. } => {
            Some((request.to_string(), number(event)?))
        }
        // Nobody is in such a room.
        MessageBody::FetchSockets { selection, request } => {
            Some((request.to_string(), selection.except.first()?.parse().ok()?))
        }
        _ => None,
    }
}

pub(crate) fn number(event: &Event) -> Option<u64> {
    serde_json::from_str::<[u64; 1]>(event.args().to_raw().json()).ok().map(|[n]| n)
}
