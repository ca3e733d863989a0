//! This node and the others: what they ask each other, the messages, the trait for adapters, and the view of clients
//! on other nodes. Adapters are in their own crates, such as `socketio-redis`.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use engineio::Sid;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout_at};

use crate::ack::answers::{Answer, Answers, RawAnswer};
use crate::ack::collector::Collector;
use crate::args::FromArgs;
use crate::args::event::Event;
use crate::clock;
use crate::cluster::awaited_nodes::AwaitedNodes;
use crate::cluster::details::SocketDetails;
use crate::cluster::error::ClusterError;
use crate::cluster::message::{AdapterError, AdapterFuture, MessageBody, NodeId, NodeMessage, RequestId};
use crate::cluster::ordered::{Deliver, Ordered};
use crate::cluster::sessions::SessionStore;
use crate::error::AckError;
use crate::namespace::flags::Flags;
use crate::namespace::room::Selection;
use crate::recovery::offset::Offset;
use crate::recovery::settings::Recovery;

pub(crate) mod adapter;
pub(crate) mod awaited_nodes;
pub(crate) mod details;
pub(crate) mod error;
pub(crate) mod fetched;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod ordered;
pub(crate) mod sessions;
#[cfg(test)]
mod tests;

/// The other nodes, as this one sees them.
pub(crate) struct Cluster {
    nodes: Box<dyn Nodes>,
    id: NodeId,
    /// Where to put the answers to requests that are not answered yet. The task that awaits them removes the entry.
    requests: Mutex<HashMap<RequestId, TakeAnswer>>,
    /// Whether clients recover on any node.
    shares_sessions: bool,
    /// Each order that the adapter has.
    orders: Mutex<HashMap<u16, Arc<Ordered>>>,
    patience: Duration,
}

/// What code that sends to other nodes needs of the [`Adapter`](crate::Adapter).
pub(crate) trait Nodes: Send + Sync {
    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>>;
    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize>;
    fn other_node_ids(&self, namespace: &str) -> AdapterFuture<Option<Vec<NodeId>>>;
    fn namespace_closed(&self, name: &str);
    fn sessions(&self) -> Option<&dyn SessionStore>;
}

/// How often other nodes are counted again while their answers are awaited: some may have gone.
const RECOUNT: Duration = Duration::from_millis(500);

/// If the timeout is short, they are counted early enough to know who is silent.
pub(crate) fn recount_pause(timeout: Duration) -> Duration {
    RECOUNT.min(timeout / 2).max(Duration::from_millis(1))
}

/// It gets the answer, and the node that sent it if the answer says so.
type TakeAnswer = Arc<dyn Fn(Option<&NodeId>, MessageBody) + Send + Sync>;

/// A request that others may still answer. When this is dropped, answers are ignored.
pub(crate) struct Request {
    cluster: Arc<Cluster>,
    pub(crate) id: RequestId,
}

impl Drop for Request {
    fn drop(&mut self) {
        let forgotten = self.cluster.requests.lock().remove(&self.id);
        drop(forgotten);
    }
}

impl Cluster {
    /// With `recovery`, clients can recover here.
    pub(crate) fn new(nodes: Box<dyn Nodes>, id: NodeId, recovery: Option<&Recovery>) -> Arc<Cluster> {
        let shares_sessions = recovery.is_some() && nodes.sessions().is_some();
        let patience = recovery.map(|recovery| recovery.adapter_patience).unwrap_or_default();
        let (requests, orders) = (Mutex::default(), Mutex::default());
        Arc::new(Cluster { nodes, id, requests, shares_sessions, orders, patience })
    }

    /// The order of a namespace.
    fn order(&self, namespace: &str) -> Arc<Ordered> {
        let number = self.sessions().map_or(0, |sessions| sessions.order(namespace));
        let mut orders = self.orders.lock();
        Arc::clone(orders.entry(number).or_insert_with(|| Ordered::new(number, self.patience)))
    }

    /// The order of messages that this node sends.
    fn order_of(&self, serial: u64) -> Option<Arc<Ordered>> {
        self.orders.lock().get(&ordered::number(serial)).cloned()
    }

    /// Where sessions are kept, if clients recover on any node.
    pub(crate) fn sessions(&self) -> Option<&dyn SessionStore> {
        if self.shares_sessions { self.nodes.sessions() } else { None }
    }

    /// Sends something to all nodes, including this one, in the one order that all have.
    pub(crate) fn publish_to_all(&self, namespace: &Arc<str>, body: MessageBody, deliver: Deliver) {
        let publish = |serial| {
            let from = Some(Arc::clone(&self.id));
            let message = NodeMessage::new(from, None, Arc::clone(namespace), body);
            drop(self.nodes.publish(NodeMessage { serial: Some(serial), ..message }));
        };
        self.order(namespace).send(publish, deliver);
    }

    pub(crate) fn id(&self) -> &NodeId {
        &self.id
    }

    /// Whether this node is meant.
    pub(crate) fn is_node(&self, node: Option<&NodeId>) -> bool {
        node == Some(&self.id)
    }

    /// Whether this node has sent it.
    pub(crate) fn is_own(&self, message: &NodeMessage) -> bool {
        self.is_node(message.from.as_ref())
    }

    /// A message that this node has sent to all was found in the order.
    pub(crate) fn placed(&self, serial: u64, offset: Offset) {
        if let Some(order) = self.order_of(serial) {
            order.placed(serial, offset);
        }
    }

    /// A message that this node has sent to all has come back.
    fn returned(&self, serial: u64, offset: Offset) {
        if let Some(order) = self.order_of(serial) {
            order.returned(serial, offset);
        }
    }

    /// Does something after everything that this node has sent to a namespace before.
    pub(crate) fn then(&self, namespace: &str, act: impl FnOnce() + Send + 'static) {
        self.order(namespace).then(act);
    }

    pub(crate) fn namespace_closed(&self, name: &str) {
        self.nodes.namespace_closed(name);
    }

    /// Sends a message about a namespace to other nodes.
    pub(crate) fn publish(
        &self,
        namespace: &Arc<str>,
        to: Option<NodeId>,
        body: MessageBody,
    ) -> AdapterFuture<Result<(), AdapterError>> {
        self.nodes.publish(NodeMessage::new(Some(Arc::clone(&self.id)), to, Arc::clone(namespace), body))
    }

    /// How many other nodes answer for a namespace.
    pub(crate) fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        self.nodes.other_nodes(namespace)
    }

    /// Counts which of the nodes that were asked are still there. Returns how many have gone without an answer.
    pub(crate) fn recount(&self, namespace: &str, awaited: &Arc<AwaitedNodes>) -> AdapterFuture<usize> {
        let (count, names) = (self.nodes.other_nodes(namespace), self.nodes.other_node_ids(namespace));
        let awaited = Arc::clone(awaited);
        Box::pin(async move { awaited.counted(count.await, names.await) })
    }

    fn request(
        self: &Arc<Self>,
        take: impl Fn(Option<&NodeId>, MessageBody) + Send + Sync + 'static,
    ) -> Request {
        let id = random_id();
        self.requests.lock().insert(Arc::clone(&id), Arc::new(take));
        Request { cluster: Arc::clone(self), id }
    }

    fn awaits(&self, request: &str) -> bool {
        self.requests.lock().contains_key(request)
    }

    /// An answer has arrived. The task that asked may have stopped waiting.
    fn answered(&self, request: &RequestId, from: Option<&NodeId>, answer: MessageBody) {
        let take = self.requests.lock().get(request).cloned();
        if let Some(take) = take {
            take(from, answer);
        }
    }

    /// Asks the clients of other nodes to acknowledge an event.
    pub(crate) fn ask_clients(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        event: Event,
        selection: Selection,
        flags: Flags,
        collector: &Arc<Collector<RawAnswer>>,
        awaited: &Arc<AwaitedNodes>,
    ) -> Request {
        let (answers, nodes) = (Arc::clone(collector), Arc::clone(awaited));
        let request = self.request(move |from, answer| match answer {
            MessageBody::ClientCount { clients, .. } if nodes.answered(from) => answers.node_expects(clients),
            MessageBody::ClientAnswer { answer, .. } => answers.add((None, Ok(answer))),
            _ => {}
        });
        let id = Some(Arc::clone(&request.id));
        drop(self.publish(namespace, None, MessageBody::Broadcast { event, selection, flags, request: id }));
        request
    }

    /// The sockets of other nodes, one list for each node, and why some may be missing.
    pub(crate) async fn fetch_sockets(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        selection: Selection,
        timeout: Duration,
    ) -> (Vec<Vec<SocketDetails>>, Result<(), ClusterError>) {
        let (collector, awaited) = (Arc::new(Collector::default()), Arc::new(AwaitedNodes::default()));
        let (found, nodes) = (Arc::clone(&collector), Arc::clone(&awaited));
        let request = self.request(move |from, answer| {
            if let MessageBody::FetchedSockets { sockets, .. } = answer
                && nodes.answered(from)
            {
                found.add(sockets);
            }
        });
        let body = MessageBody::FetchSockets { selection, request: Arc::clone(&request.id) };
        match self.ask(namespace, body, &collector, &awaited, timeout).await {
            Err(error) => (Vec::new(), Err(error)),
            Ok(sockets) => {
                let complete = match collector.missing() {
                    (0, _) => Ok(()),
                    (missing, _) => Err(ClusterError::Timeout { missing, nodes: awaited.silent() }),
                };
                (sockets, complete)
            }
        }
    }

    /// What other nodes answer to an event for the servers themselves.
    pub(crate) async fn ask_servers<T: FromArgs>(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        event: Event,
        timeout: Duration,
    ) -> Result<Answers<T>, ClusterError> {
        let (collector, awaited) = (Arc::new(Collector::default()), Arc::new(AwaitedNodes::default()));
        let (answers, nodes) = (Arc::clone(&collector), Arc::clone(&awaited));
        let request = self.request(move |from, answer| {
            if let MessageBody::ServerSideAnswer { answer, .. } = answer
                && nodes.answered(from)
            {
                answers.add(answer);
            }
        });
        let body = MessageBody::ServerSideEmit { event, request: Some(Arc::clone(&request.id)) };
        let answers = self.ask(namespace, body, &collector, &awaited, timeout).await?;
        let read = |args| Answer { socket: None, result: T::from_args(args).map_err(AckError::Args) };
        let (silent_nodes, _) = collector.missing();
        let silent_ids = if silent_nodes > 0 { awaited.silent() } else { Vec::new() };
        Ok(Answers { answers: answers.into_iter().map(read).collect(), silent_nodes, silent_ids })
    }

    /// Asks all other nodes something that each answers once.
    async fn ask<A>(
        &self,
        namespace: &Arc<str>,
        body: MessageBody,
        collector: &Collector<A>,
        awaited: &Arc<AwaitedNodes>,
        timeout: Duration,
    ) -> Result<Vec<A>, ClusterError> {
        let deadline = clock::after(timeout);
        let nodes = timeout_at(deadline, self.other_nodes(namespace)).await;
        let nodes = nodes.map_err(|_| ClusterError::NotCounted)?;
        if nodes == 0 {
            return Ok(Vec::new());
        }
        collector.expect(nodes);
        awaited.asked(nodes);
        let published = timeout_at(deadline, self.publish(namespace, None, body)).await;
        let not_in_time = |_| ClusterError::Timeout { missing: nodes, nodes: Vec::new() };
        published.map_err(not_in_time)?.map_err(ClusterError::Adapter)?;
        let mut answers = Vec::new();
        let recount = async {
            let pause = recount_pause(timeout);
            loop {
                sleep(pause).await;
                collector.expect_fewer(self.recount(namespace, awaited).await);
            }
        };
        {
            let (mut collect, mut recount) = (pin!(collector.collect(deadline, &mut answers)), pin!(recount));
            poll_fn(|cx| {
                let _: Poll<()> = recount.as_mut().poll(cx);
                collect.as_mut().poll(cx)
            })
            .await;
        }
        Ok(answers)
    }
}

pub(crate) fn random_id() -> Arc<str> {
    Sid::generate().as_str().into()
}

/// 16 hexadecimal digits, as socket.io's cluster adapters have them.
pub(crate) fn random_node_id() -> NodeId {
    format!("{:016x}", RandomState::new().hash_one(random_id())).into()
}
