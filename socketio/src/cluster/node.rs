//! What other nodes ask of this one.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::Poll;

use super::Cluster;
use crate::ack::answers::Answer;
use crate::ack::broadcast::BroadcastAck;
use crate::args::Args;
use crate::args::event::Event;
use crate::cluster::details::SocketDetails;
use crate::cluster::message::{MessageBody, NodeId, NodeMessage, RequestId};
use crate::cluster::ordered::OrderPosition;
use crate::handler::ServerEventHandler;
use crate::handler::task::{Task, finish, first_poll, guarded};
use crate::log::Excerpt;
use crate::namespace::broadcast::Broadcast;
use crate::namespace::flags::Flags;
use crate::namespace::{Namespace, Namespaces};
use crate::recovery::offset::Offset;

/// This node, as its [`Adapter`](crate::Adapter) knows it: where messages of other nodes go. It does not keep the node alive.
///
/// ```
/// use socketio::{NodeMessage, Node};
///
/// /// What an adapter does with what it receives. The node ignores its own messages.
/// fn received(node: &Node, messages: Vec<NodeMessage>) {
///     for message in messages {
///         node.receive(message);
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Node {
    namespaces: Weak<dyn Namespaces>,
    id: NodeId,
    recovers: bool,
}

impl Node {
    pub(crate) fn new(namespaces: Weak<dyn Namespaces>, id: NodeId, recovers: bool) -> Node {
        Node { namespaces, id, recovers }
    }

    /// The node's id, unique in its cluster.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Whether clients of this node may recover: [`IoConfig::recovery`](crate::IoConfig::recovery).
    #[must_use]
    pub fn recovers(&self) -> bool {
        self.recovers
    }

    /// A namespace, if it exists. An adapter needs it to answer requests for which there is no [`NodeMessage`].
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.upgrade()?.find(name)
    }

    /// Whether answers to a request of this id are awaited here. An adapter need not read others.
    #[must_use]
    pub fn awaits(&self, request: &str) -> bool {
        let namespaces = self.namespaces.upgrade();
        namespaces
            .as_ref()
            .and_then(|namespaces| namespaces.cluster())
            .is_some_and(|cluster| cluster.awaits(request))
    }

    /// Does what another node asks, or takes its answer. Messages of this node and messages for other nodes are
    /// ignored, so you can pass everything that arrives on a channel.
    ///
    /// It doesn't wait: answers that take time are [published](crate::Adapter::publish) by tasks of their own, so
    /// call it within a tokio runtime.
    pub fn receive(&self, message: NodeMessage) {
        let NodeMessage { from, to, namespace, body, offset, .. } = message;
        if from.as_ref() == Some(&self.id) || to.is_some_and(|to| to != self.id) {
            return;
        }
        let Some(namespaces) = self.namespaces.upgrade() else { return };
        let Some(cluster) = namespaces.cluster() else { return };
        if let Some(request) = body.answers().cloned() {
            return cluster.answered(&request, from.as_ref(), body);
        }
        let requester = Requester { cluster: Arc::clone(cluster), namespace, node: from, offset };
        match namespaces.find(&requester.namespace) {
            Some(namespace) if cluster.shares_sessions && offset.is_some() => {
                cluster.order(&requester.namespace).heard(move || requester.serve(&namespace, body));
            }
            Some(namespace) => requester.serve(&namespace, body),
            None => requester.decline(body),
        }
    }

    /// A message of this node has come back, at its position in the order: see
    /// [`Adapter::sessions`](crate::Adapter::sessions).
    pub fn returned(&self, serial: u64, offset: Offset) {
        let namespaces = self.namespaces.upgrade();
        if let Some(cluster) = namespaces.as_ref().and_then(|namespaces| namespaces.cluster()) {
            cluster.returned(serial, offset);
        }
    }
}

/// The node that asks for something, and for which namespace.
struct Requester {
    cluster: Arc<Cluster>,
    namespace: Arc<str>,
    /// If the node has no name, the answer is sent to all nodes.
    node: Option<NodeId>,
    offset: Option<Offset>,
}

impl Requester {
    fn answer(&self, body: MessageBody) {
        drop(self.cluster.publish(&self.namespace, self.node.clone(), body));
    }

    fn serve(self, namespace: &Namespace, body: MessageBody) {
        let select = |selection, flags| Broadcast::here(namespace.clone(), selection, flags);
        match body {
            MessageBody::Broadcast { event, selection, flags, request } => {
                let position = self.offset.map_or(OrderPosition::Nowhere, OrderPosition::At);
                let sent = match request {
                    None if self.cluster.shares_sessions => {
                        select(selection, flags).deliver(event.name(), event.args(), position)
                    }
                    None => select(selection, flags).emit(event.name(), event.args()),
                    Some(request) => select(selection, flags)
                        .emit_with_ack(event.name(), event.args())
                        .map(|answers| drop(tokio::spawn(self.pass_on(answers, request)))),
                };
                if let Err(error) = sent {
                    tracing::debug!(event = %Excerpt(event.name()), %error, "another node's event can't be sent");
                }
            }
            // These don't wait for what this node has sent and not got back yet.
            MessageBody::SocketsJoin { selection, rooms } => {
                select(selection, Flags::default()).join_at_once(&rooms);
            }
            MessageBody::SocketsLeave { selection, rooms } => {
                select(selection, Flags::default()).leave_at_once(&rooms);
            }
            MessageBody::DisconnectSockets { selection, close } => {
                select(selection, Flags::default()).disconnect_at_once(close);
            }
            MessageBody::FetchSockets { selection, request } => {
                let found = select(selection, Flags::default()).sockets();
                let sockets = found.iter().map(SocketDetails::of).collect();
                self.answer(MessageBody::FetchedSockets { request, sockets });
            }
            MessageBody::ServerSideEmit { event, request } => {
                let handler = namespace.find_handler(|table| table.server_events.get(event.name()).cloned());
                if let Some(handler) = handler {
                    // It begins here, so that handlers begin in the order of the events.
                    let mut task: Task = Box::pin(self.handle(handler, event, request));
                    if let Ok(Poll::Pending) = first_poll(&mut task) {
                        tokio::spawn(finish(task));
                    }
                }
            }
            _ => {}
        }
    }

    /// No client of this node has joined the namespace, so it doesn't exist here. The other node still waits for an
    /// answer.
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

    /// Passes on what clients of this node answer. The node that asks decides how long to wait.
    async fn pass_on(self, mut answers: BroadcastAck<Args>, request: RequestId) {
        let clients = answers.asked_here();
        self.answer(MessageBody::ClientCount { request: Arc::clone(&request), clients });
        while let Some(Answer { result, .. }) = answers.next().await {
            if let Ok(answer) = result {
                self.answer(MessageBody::ClientAnswer { request: Arc::clone(&request), answer });
            }
        }
    }

    /// Runs a handler for an event between servers.
    async fn handle(self, handler: ServerEventHandler, event: Event, request: Option<RequestId>) {
        let (name, args) = event.into_parts();
        let (namespace, event) = (&*self.namespace, &*name);
        let answer = match guarded(|| handler(args)) {
            Ok(Ok(task)) => finish(task).await,
            Ok(Err(error)) => {
                let error = error.to_string();
                tracing::warn!(
                    namespace,
                    event,
                    error,
                    "the arguments of another server's event do not fit its handler"
                );
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

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.id).finish()
    }
}
