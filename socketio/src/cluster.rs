//! This node among others: what it asks of them, and what they ask of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::Sid;
use parking_lot::Mutex;
use tokio::time::timeout_at;

use crate::adapter::{Adapter, AdapterError, AdapterFuture, Flags, Message, MessageBody, NodeId, RequestId};
use crate::answers::{Answer, Answers, BroadcastAck, RawAnswer};
use crate::args::{Args, FromArgs};
use crate::broadcast::Broadcast;
use crate::deadline;
use crate::error::{AckError, SendError};
use crate::fetched::SocketDetails;
use crate::gathering::Gathering;
use crate::handler::{ServerEventHandler, finish, guarded};
use crate::io::WeakIo;
use crate::log::Excerpt;
use crate::rooms::Selection;
use crate::{Event, Namespace};

#[cfg(test)]
mod tests;

/// The other nodes, as this one sees them.
pub(crate) struct Cluster {
    adapter: Box<dyn Adapter>,
    id: NodeId,
    /// What takes the answers to requests that others have not answered yet. Whoever awaits them takes the
    /// entry out.
    requests: Mutex<HashMap<RequestId, TakeAnswer>>,
}

type TakeAnswer = Arc<dyn Fn(MessageBody) + Send + Sync>;

/// A request that others may still answer. Dropped, it is forgotten.
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

/// Why other nodes could not be asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClusterError {
    /// Not all nodes answered in time.
    Timeout {
        /// How many did not.
        missing: usize,
    },
    /// The adapter could not bring the request to them.
    Adapter(AdapterError),
}

/// Why other servers did not answer an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerSideError {
    /// It could not be sent.
    Send(SendError),
    /// The other nodes could not be asked.
    Cluster(ClusterError),
}

impl Cluster {
    /// Joins a cluster.
    pub(crate) fn start(adapter: Box<dyn Adapter>, io: WeakIo) -> Arc<Cluster> {
        let id = random_id();
        adapter.start(Node { io, id: Arc::clone(&id) });
        Arc::new(Cluster { adapter, id, requests: Mutex::default() })
    }

    pub(crate) fn close(&self) {
        self.adapter.close();
    }

    /// Tells other nodes something about a namespace.
    pub(crate) fn publish(
        &self,
        namespace: &Arc<str>,
        to: Option<NodeId>,
        body: MessageBody,
    ) -> AdapterFuture<Result<(), AdapterError>> {
        self.adapter.publish(Message {
            from: Arc::clone(&self.id),
            to,
            namespace: Arc::clone(namespace),
            body,
        })
    }

    /// How many other nodes answer for a namespace.
    pub(crate) fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        self.adapter.other_nodes(namespace)
    }

    fn request(self: &Arc<Self>, take: impl Fn(MessageBody) + Send + Sync + 'static) -> Request {
        let id = random_id();
        self.requests.lock().insert(Arc::clone(&id), Arc::new(take));
        Request { cluster: Arc::clone(self), id }
    }

    /// An answer came. Whoever asked may have given up.
    fn answered(&self, request: &RequestId, answer: MessageBody) {
        let take = self.requests.lock().get(request).cloned();
        if let Some(take) = take {
            take(answer);
        }
    }

    /// Has the clients of other nodes acknowledge an event.
    pub(crate) fn ask_clients(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        event: Event,
        selection: Selection,
        flags: Flags,
        gathering: &Arc<Gathering<RawAnswer>>,
    ) -> Request {
        let answers = Arc::clone(gathering);
        let request = self.request(move |answer| match answer {
            MessageBody::ClientCount { clients, .. } => answers.node_expects(clients),
            MessageBody::ClientAnswer { answer, .. } => answers.add((None, Ok(answer))),
            _ => {}
        });
        let id = Some(Arc::clone(&request.id));
        drop(self.publish(namespace, None, MessageBody::Broadcast { event, selection, flags, request: id }));
        request
    }

    /// The sockets of other nodes.
    pub(crate) async fn fetch_sockets(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        selection: Selection,
        timeout: Duration,
    ) -> Result<Vec<SocketDetails>, ClusterError> {
        let gathering = Arc::new(Gathering::default());
        let found = Arc::clone(&gathering);
        let request = self.request(move |answer| {
            if let MessageBody::FetchedSockets { sockets, .. } = answer {
                found.add(sockets);
            }
        });
        let body = MessageBody::FetchSockets { selection, request: Arc::clone(&request.id) };
        let sockets = self.ask(namespace, body, &gathering, timeout).await?;
        match gathering.missing() {
            (0, _) => Ok(sockets.into_iter().flatten().collect()),
            (missing, _) => Err(ClusterError::Timeout { missing }),
        }
    }

    /// What other nodes answer to an event for the servers themselves.
    pub(crate) async fn ask_servers<T: FromArgs>(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        event: Event,
        timeout: Duration,
    ) -> Result<Answers<T>, ClusterError> {
        let gathering = Arc::new(Gathering::default());
        let answers = Arc::clone(&gathering);
        let request = self.request(move |answer| {
            if let MessageBody::ServerSideAnswer { answer, .. } = answer {
                answers.add(answer);
            }
        });
        let body = MessageBody::ServerSideEmit { event, request: Some(Arc::clone(&request.id)) };
        let answers = self.ask(namespace, body, &gathering, timeout).await?;
        let read = |args| Answer { socket: None, result: T::from_args(args).map_err(AckError::Args) };
        Ok(Answers { answers: answers.into_iter().map(read).collect(), silent_nodes: gathering.missing().0 })
    }

    /// Asks all other nodes something that each answers once.
    async fn ask<A>(
        &self,
        namespace: &Arc<str>,
        body: MessageBody,
        gathering: &Gathering<A>,
        timeout: Duration,
    ) -> Result<Vec<A>, ClusterError> {
        let deadline = deadline::after(timeout);
        let nodes = timeout_at(deadline, self.other_nodes(namespace)).await;
        let nodes = nodes.map_err(|_| ClusterError::Timeout { missing: 0 })?;
        if nodes == 0 {
            return Ok(Vec::new());
        }
        gathering.expect(nodes);
        let published = timeout_at(deadline, self.publish(namespace, None, body)).await;
        published.map_err(|_| ClusterError::Timeout { missing: nodes })?.map_err(ClusterError::Adapter)?;
        Ok(gathering.collect(deadline).await)
    }
}

/// This node, as its [`Adapter`] knows it: where messages of other nodes go. It does not keep the node alive.
#[derive(Clone)]
pub struct Node {
    io: WeakIo,
    id: NodeId,
}

impl Node {
    /// The node's id, unique in its cluster.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Does what another node asks, or takes its answer. Messages of this node and those that are for another
    /// are ignored, so that all that is heard on a channel can be handed in.
    ///
    /// It doesn't wait: answers that take time are [published](Adapter::publish) by tasks of their own, so it
    /// must be called where tokio's tasks can be spawned.
    pub fn receive(&self, message: Message) {
        let Message { from, to, namespace, body } = message;
        if from == self.id || to.is_some_and(|to| to != self.id) {
            return;
        }
        let Some(io) = self.io.upgrade() else { return };
        let Some(cluster) = io.cluster() else { return };
        if let Some(request) = body.answers().cloned() {
            return cluster.answered(&request, body);
        }
        let asker = Asker { cluster: Arc::clone(cluster), namespace, node: from };
        match io.namespace(&asker.namespace) {
            Some(namespace) => asker.serve(&namespace, body),
            None => asker.decline(body),
        }
    }
}

/// The node that asks for something, and for which namespace.
struct Asker {
    cluster: Arc<Cluster>,
    namespace: Arc<str>,
    node: NodeId,
}

impl Asker {
    fn answer(&self, body: MessageBody) {
        drop(self.cluster.publish(&self.namespace, Some(Arc::clone(&self.node)), body));
    }

    fn serve(self, namespace: &Namespace, body: MessageBody) {
        let select = |selection, flags| Broadcast::here(namespace.clone(), selection, flags);
        match body {
            MessageBody::Broadcast { event, selection, flags, request } => {
                let sent = match request {
                    None => select(selection, flags).emit(event.name(), event.args()),
                    Some(request) => select(selection, flags)
                        .emit_with_ack(event.name(), event.args())
                        .map(|answers| drop(tokio::spawn(self.pass_on(answers, request)))),
                };
                if let Err(error) = sent {
                    tracing::debug!(event = %Excerpt(event.name()), %error, "another node's event is not sent");
                }
            }
            MessageBody::SocketsJoin { selection, rooms } => {
                let sockets = select(selection, Flags::default());
                rooms.into_iter().for_each(|room| sockets.sockets_join(room));
            }
            MessageBody::SocketsLeave { selection, rooms } => {
                let sockets = select(selection, Flags::default());
                rooms.into_iter().for_each(|room| sockets.sockets_leave(room));
            }
            MessageBody::DisconnectSockets { selection, close } => {
                select(selection, Flags::default()).disconnect_sockets(close);
            }
            MessageBody::FetchSockets { selection, request } => {
                let found = select(selection, Flags::default()).sockets();
                let sockets = found.iter().map(SocketDetails::of).collect();
                self.answer(MessageBody::FetchedSockets { request, sockets });
            }
            MessageBody::ServerSideEmit { event, request } => {
                let handler = namespace.find_handler(|table| table.server_events.get(event.name()).cloned());
                if let Some(handler) = handler {
                    tokio::spawn(self.handle(handler, event, request));
                }
            }
            _ => {}
        }
    }

    /// The namespace is not there, since no client of this node has joined it. Who asks waits for each node.
    fn decline(self, body: MessageBody) {
        match body {
            MessageBody::Broadcast { request: Some(request), .. } => {
                self.answer(MessageBody::ClientCount { request, clients: 0 });
            }
            MessageBody::FetchSockets { request, .. } => {
                self.answer(MessageBody::FetchedSockets { request, sockets: Vec::new() });
            }
            _ => {}
        }
    }

    /// Passes on what clients of this node answer. Who asks knows how long it waits for the others.
    async fn pass_on(self, mut answers: BroadcastAck<Args>, request: RequestId) {
        let clients = answers.asked_here();
        self.answer(MessageBody::ClientCount { request: Arc::clone(&request), clients });
        while let Some(Answer { result, .. }) = answers.next().await {
            if let Ok(answer) = result {
                self.answer(MessageBody::ClientAnswer { request: Arc::clone(&request), answer });
            }
        }
    }

    /// Runs a handler of an event that is for the servers themselves.
    async fn handle(self, handler: ServerEventHandler, event: Event, request: Option<RequestId>) {
        let (name, args) = event.into_parts();
        let (namespace, event) = (&*self.namespace, &*name);
        let answer = match guarded(|| handler(args)) {
            Ok(Ok(task)) => finish(task).await,
            Ok(Err(error)) => {
                let error = error.to_string();
                tracing::warn!(namespace, event, error, "a server's event does not fit its handler");
                return;
            }
            Err(panicked) => Err(panicked),
        };
        match (answer, request) {
            (Ok(Ok(answer)), Some(request)) => self.answer(MessageBody::ServerSideAnswer { request, answer }),
            (Ok(Ok(_)), None) => {}
            (Ok(Err(error)), _) => tracing::error!(namespace, event, %error, "no answer to a server's event"),
            (Err(_), _) => tracing::error!(namespace, event, "a handler of a server's event panicked"),
        }
    }
}

fn random_id() -> Arc<str> {
    Sid::generate().as_str().into()
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.id).finish()
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::Timeout { missing } => write!(f, "{missing} other nodes did not answer in time"),
            ClusterError::Adapter(error) => write!(f, "other nodes were not reached: {error}"),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClusterError::Timeout { .. } => None,
            ClusterError::Adapter(error) => Some(&**error),
        }
    }
}

impl From<SendError> for ServerSideError {
    fn from(error: SendError) -> ServerSideError {
        ServerSideError::Send(error)
    }
}

impl From<ClusterError> for ServerSideError {
    fn from(error: ClusterError) -> ServerSideError {
        ServerSideError::Cluster(error)
    }
}

impl fmt::Display for ServerSideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerSideError::Send(error) => error.fmt(f),
            ServerSideError::Cluster(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServerSideError {}
