//! The smallest possible adapter: nodes of one process.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use std::collections::HashMap;
use std::time::Duration;

use socketio::{
    Adapter, AdapterError, AdapterFuture, MessageBody, Namespace, Node, NodeId, NodeMessage, Offset,
    PersistedSession, SessionStore,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Links nodes of one process: clones are adapters of one cluster. It serves tests, and as an example.
#[derive(Clone, Debug, Default)]
pub struct Loopback {
    cluster: Arc<Mutex<Cluster>>,
    /// This node, once it has started.
    own: Arc<Mutex<Option<NodeId>>>,
    slow: watch::Sender<bool>,
}

/// What all nodes share.
#[derive(Debug, Default)]
struct Cluster {
    members: Vec<Member>,
    /// Everything that was sent and needs no answer, in the order that all nodes see.
    log: Vec<NodeMessage>,
    sessions: HashMap<Box<str>, (PersistedSession, Instant)>,
}

#[derive(Debug)]
struct Member {
    id: NodeId,
    namespaces: Vec<String>,
    messages: mpsc::UnboundedSender<NodeMessage>,
}

impl Loopback {
    /// An adapter for a further node of the same cluster.
    #[must_use]
    pub fn another(&self) -> Loopback {
        Loopback { cluster: Arc::clone(&self.cluster), own: Arc::default(), slow: watch::Sender::default() }
    }

    /// Whether this node is slow: then what is sent to it waits until it is not.
    pub fn set_slow(&self, slow: bool) {
        self.slow.send_replace(slow);
    }

    fn with_cluster<R>(&self, change: impl FnOnce(&mut Cluster) -> R) -> R {
        change(&mut self.cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn own(&self) -> Option<NodeId> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The other nodes that have a namespace.
    fn others(&self, namespace: &str) -> Vec<NodeId> {
        let own = self.own();
        let counts = |member: &&Member| {
            Some(&member.id) != own.as_ref() && member.namespaces.iter().any(|open| open == namespace)
        };
        self.with_cluster(|cluster| {
            cluster.members.iter().filter(counts).map(|member| Arc::clone(&member.id)).collect()
        })
    }

    fn with_own(&self, change: impl FnOnce(&mut Vec<String>)) {
        let own = self.own();
        self.with_cluster(|cluster| {
            if let Some(member) = cluster.members.iter_mut().find(|member| Some(&member.id) == own.as_ref()) {
                change(&mut member.namespaces);
            }
        });
    }
}

impl Adapter for Loopback {
    fn start(&self, node: Node) {
        let (messages, mut heard) = mpsc::unbounded_channel();
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(node.id()));
        let member = Member { id: Arc::clone(node.id()), namespaces: Vec::new(), messages };
        self.with_cluster(|cluster| cluster.members.push(member));
        let mut slow = self.slow.subscribe();
        tokio::spawn(async move {
            while let Some(message) = heard.recv().await {
                // Whoever could say that it is slow has gone.
                let _ = slow.wait_for(|slow| !slow).await;
                match (message.serial, message.offset) {
                    (Some(serial), Some(offset)) if message.from.as_ref() == Some(node.id()) => {
                        node.returned(serial, offset);
                    }
                    _ => node.receive(message),
                }
            }
        });
    }

    fn namespace_opened(&self, namespace: &Namespace) {
        self.with_own(|namespaces| namespaces.push(namespace.name().to_owned()));
    }

    fn namespace_closed(&self, name: &str) {
        self.with_own(|namespaces| namespaces.retain(|open| open != name));
    }

    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        Box::pin(ready(self.others(namespace).len()))
    }

    fn other_node_ids(&self, namespace: &str) -> AdapterFuture<Option<Vec<NodeId>>> {
        Box::pin(ready(Some(self.others(namespace))))
    }

    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        self.with_cluster(|cluster| {
            let message = cluster.place(message);
            for member in &cluster.members {
                // A node that has ended takes nothing.
                let _ = member.messages.send(message.clone());
            }
        });
        Box::pin(ready(Ok(())))
    }

    fn sessions(&self) -> Option<&dyn SessionStore> {
        Some(self)
    }

    fn close(&self) -> AdapterFuture<()> {
        let own = self.own();
        self.with_cluster(|cluster| cluster.members.retain(|member| Some(&member.id) != own.as_ref()));
        Box::pin(ready(()))
    }
}

impl Cluster {
    /// Gives a message its place, if it needs no answer.
    fn place(&mut self, message: NodeMessage) -> NodeMessage {
        let placed = match &message.body {
            MessageBody::Broadcast { request, .. } => request.is_none(),
            MessageBody::SocketsJoin { .. }
            | MessageBody::SocketsLeave { .. }
            | MessageBody::DisconnectSockets { .. } => true,
            _ => false,
        };
        if !placed {
            return message;
        }
        let message = message.at(Offset::new(self.log.len() as u64, 0));
        self.log.push(message.clone());
        message
    }
}

impl SessionStore for Loopback {
    fn keep(&self, session: PersistedSession, time: Duration) {
        let until = Instant::now() + time;
        self.with_cluster(|cluster| cluster.sessions.insert(session.pid.clone(), (session, until)));
    }

    fn take(&self, pid: &str) -> AdapterFuture<Result<Option<PersistedSession>, AdapterError>> {
        let taken = self.with_cluster(|cluster| cluster.sessions.remove(pid));
        let session = taken.filter(|(_, until)| *until > Instant::now()).map(|(session, _)| session);
        Box::pin(ready(Ok(session)))
    }

    fn forget(&self, pid: &str) {
        self.with_cluster(|cluster| cluster.sessions.remove(pid));
    }

    fn missed(
        &self,
        namespace: &str,
        after: Offset,
    ) -> AdapterFuture<Result<Option<Vec<NodeMessage>>, AdapterError>> {
        let missed = self.with_cluster(|cluster| {
            let mut broadcasts = cluster.log.iter().filter(|message| {
                *message.namespace == *namespace && matches!(message.body, MessageBody::Broadcast { .. })
            });
            broadcasts.find(|message| message.offset == Some(after))?;
            Some(broadcasts.cloned().collect())
        });
        Box::pin(ready(Ok(missed)))
    }
}
