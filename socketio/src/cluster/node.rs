//! What other nodes ask of this one.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Cluster;
use crate::ack::answers::Answer;
use crate::ack::broadcast::BroadcastAck;
use crate::args::Args;
use crate::args::event::Event;
use crate::cluster::details::SocketDetails;
use crate::cluster::message::{MessageBody, NodeId, NodeMessage, RequestId};
use crate::cluster::ordered::Place;
use crate::handler::ServerEventHandler;
use crate::handler::task::{finish, guarded};
use crate::log::Excerpt;
use crate::namespace::broadcast::Broadcast;
use crate::namespace::flags::Flags;
use crate::namespace::{Namespace, Siblings};
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
    namespaces: Weak<dyn Siblings>,
    id: NodeId,
    recovers: bool,
}

impl Node {
    pub(crate) fn new(namespaces: Weak<dyn Siblings>, id: NodeId, recovers: bool) -> Node {
        Node { namespaces, id, recovers }
    }

    /// The node's id, unique in its cluster.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Whether clients of this node may recover: [`Config::recovery`](crate::Config::recovery).
    #[must_use]
    pub fn recovers(&self) -> bool {
        self.recovers
    }

    /// A namespace, if it is there. Adapters of clusters in which a node is asked for more than a [`NodeMessage`] can
    /// say answer by what they find in it.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.upgrade()?.find(name)
    }

    /// Does what another node asks, or takes its answer. Messages of this node and those that are for another
    /// are ignored, so that all that is heard on a channel can be handed in.
    ///
    /// It doesn't wait: answers that take time are [published](crate::Adapter::publish) by tasks of their own, so it
    /// must be called where tokio's tasks can be spawned.
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
        let asker = Asker { cluster: Arc::clone(cluster), namespace, node: from, offset };
        match namespaces.find(&asker.namespace) {
            Some(namespace) if cluster.shares_sessions && offset.is_some() => {
                cluster.order(&asker.namespace).heard(move || asker.serve(&namespace, body));
            }
            Some(namespace) => asker.serve(&namespace, body),
            None => asker.decline(body),
        }
    }

    /// A message of this node has come back, in its place: see [`Adapter::sessions`](crate::Adapter::sessions).
    pub fn returned(&self, serial: u64, offset: Offset) {
        let namespaces = self.namespaces.upgrade();
        if let Some(cluster) = namespaces.as_ref().and_then(|namespaces| namespaces.cluster()) {
            cluster.returned(serial, offset);
        }
    }
}

/// The node that asks for something, and for which namespace.
struct Asker {
    cluster: Arc<Cluster>,
    namespace: Arc<str>,
    /// Whoever has not signed gets the answer along with all others.
    node: Option<NodeId>,
    offset: Option<Offset>,
}

impl Asker {
    fn answer(&self, body: MessageBody) {
        drop(self.cluster.publish(&self.namespace, self.node.clone(), body));
    }

    fn serve(self, namespace: &Namespace, body: MessageBody) {
        let select = |selection, flags| Broadcast::here(namespace.clone(), selection, flags);
        match body {
            MessageBody::Broadcast { event, selection, flags, request } => {
                let place = self.offset.map_or(Place::Nowhere, Place::At);
                let sent = match request {
                    None if self.cluster.shares_sessions => {
                        select(selection, flags).deliver(event.name(), event.args(), place)
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
            // These have their place here, whatever this node has sent and not got back yet.
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
