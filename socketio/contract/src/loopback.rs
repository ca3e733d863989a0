//! The least adapter there can be: nodes of one process.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use socketio::{Adapter, AdapterError, AdapterFuture, Message, Namespace, Node, NodeId};
use tokio::sync::mpsc;

/// Links nodes of one process: clones are adapters of one cluster. It serves tests, and as an example.
#[derive(Clone, Debug, Default)]
pub struct Loopback {
    cluster: Arc<Mutex<Vec<Member>>>,
    /// This node, once it has started.
    own: Arc<Mutex<Option<NodeId>>>,
}

#[derive(Debug)]
struct Member {
    id: NodeId,
    namespaces: Vec<String>,
    messages: mpsc::UnboundedSender<Message>,
}

impl Loopback {
    /// An adapter for a further node of the same cluster.
    #[must_use]
    pub fn another(&self) -> Loopback {
        Loopback { cluster: Arc::clone(&self.cluster), own: Arc::default() }
    }

    fn with_cluster<R>(&self, change: impl FnOnce(&mut Vec<Member>) -> R) -> R {
        change(&mut self.cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn own(&self) -> Option<NodeId> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with_own(&self, change: impl FnOnce(&mut Vec<String>)) {
        let own = self.own();
        self.with_cluster(|cluster| {
            if let Some(member) = cluster.iter_mut().find(|member| Some(&member.id) == own.as_ref()) {
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
        self.with_cluster(|cluster| cluster.push(member));
        tokio::spawn(async move {
            while let Some(message) = heard.recv().await {
                node.receive(message);
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
        let own = self.own();
        let counts = |member: &&Member| {
            Some(&member.id) != own.as_ref() && member.namespaces.iter().any(|open| open == namespace)
        };
        Box::pin(ready(self.with_cluster(|cluster| cluster.iter().filter(counts).count())))
    }

    fn publish(&self, message: Message) -> AdapterFuture<Result<(), AdapterError>> {
        self.with_cluster(|cluster| {
            for member in cluster.iter() {
                // A node that has ended takes nothing.
                let _ = member.messages.send(message.clone());
            }
        });
        Box::pin(ready(Ok(())))
    }

    fn close(&self) -> AdapterFuture<()> {
        let own = self.own();
        self.with_cluster(|cluster| cluster.retain(|member| Some(&member.id) != own.as_ref()));
        Box::pin(ready(()))
    }
}
