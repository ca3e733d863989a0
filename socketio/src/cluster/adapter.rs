//! The interface of adapters, which connect the nodes of a cluster.
//!
//! Sockets and rooms of this node are always in this node's memory, and sending to them needs no adapter.
//! An adapter brings messages to the other nodes of a cluster and back.

use std::future::ready;
use std::sync::Arc;

use crate::cluster::Nodes;
use crate::cluster::message::{AdapterError, AdapterFuture, NodeId, NodeMessage};
use crate::cluster::node::Node;
use crate::cluster::sessions::SessionStore;
use crate::namespace::Namespace;

/// Takes messages to the other nodes of a cluster, and brings theirs to this one.
///
/// It only moves [`NodeMessage`]s. The rest of this crate finds the receivers of a broadcast, answers requests, and
/// decides when to stop waiting. The messages are those of socket.io's own cluster adapters (`BROADCAST`,
/// `SOCKETS_JOIN`, `FETCH_SOCKETS`, ..). An adapter that writes the same format can share a cluster with servers in
/// JavaScript: [`RawJson`](crate::RawJson) reads and writes their values.
///
/// No method may block, or call the [`Io`](crate::Io), a socket or the node back before it returns: some are called under
/// their locks. Do that in a task. The crate `socketio-adapter-contract` tests all of these rules.
///
/// ```
/// use socketio::{Adapter, AdapterError, AdapterFuture, Io, NodeMessage, Node};
///
/// /// A cluster of one.
/// struct Alone;
///
/// impl Adapter for Alone {
///     fn start(&self, _node: Node) {}
///
///     fn other_nodes(&self, _namespace: &str) -> AdapterFuture<usize> {
///         Box::pin(async { 0 })
///     }
///
///     fn publish(&self, _message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
///         Box::pin(async { Ok(()) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let io = Io::with_adapter(socketio::IoConfig::default(), Alone);
/// # }
/// ```
pub trait Adapter: Send + Sync + 'static {
    /// Starts. Pass the messages of other nodes to [`Node::receive`]. Called once, before all other methods.
    fn start(&self, node: Node);

    /// A namespace was created. Called for each, also for `/`, in order.
    ///
    /// It runs under a lock: don't ask the [`Io`](crate::Io) or the node for namespaces.
    fn namespace_opened(&self, namespace: &Namespace) {
        let _ = namespace;
    }

    /// The namespace with this name was removed. It runs under the same lock.
    fn namespace_closed(&self, name: &str) {
        let _ = name;
    }

    /// Waits until messages of other nodes reach the namespaces that exist now.
    fn ready(&self) -> AdapterFuture<()> {
        Box::pin(ready(()))
    }

    /// How many other nodes answer for a namespace. It is called again while answers are missing, so that a
    /// request doesn't wait long for a node that has gone.
    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize>;

    /// The ids with which these nodes sign, if the adapter can tell. It is called while answers are missing, together with
    /// [`other_nodes`](Adapter::other_nodes). With it, an application learns which nodes are silent.
    fn other_node_ids(&self, namespace: &str) -> AdapterFuture<Option<Vec<NodeId>>> {
        let _ = namespace;
        Box::pin(ready(None))
    }

    /// Sends a message to the node that [`NodeMessage::to`] names, or to all other nodes.
    ///
    /// The message is on its way when this returns: messages arrive in the order of the calls, even if the
    /// future is dropped. The future says whether the message was sent.
    ///
    /// It is called under the lock that keeps this order, and under that of a socket which is being let in. So it must not
    /// wait for anything, and not call [`Node::receive`] or [`Node::returned`]: queue the message.
    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>>;

    /// The store with which clients recover on any node, if the adapter has one.
    ///
    /// With it, and if [clients may recover](Node::recovers), there is one order of all broadcasts, joins and the
    /// like: every [`NodeMessage`] without an answer has its [`offset`](NodeMessage::offset), and all nodes receive
    /// them in this order. A message of this node that has a [`serial`](NodeMessage::serial) comes back too, at its
    /// position in that order: pass it to [`Node::returned`].
    fn sessions(&self) -> Option<&dyn SessionStore> {
        None
    }

    /// Counts for metrics, by name, such as messages that were sent or lost. Names are in lower case.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Stops: the node gets no more messages, and the others stop counting it. Messages that are published before or
    /// after this are still sent, since clients that disconnect may cause some. The future is ready when the others
    /// no longer count this node; dropping it stops nothing. It may be called again.
    fn close(&self) -> AdapterFuture<()> {
        Box::pin(ready(()))
    }
}

impl Nodes for Arc<dyn Adapter> {
    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        (**self).publish(message)
    }

    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        (**self).other_nodes(namespace)
    }

    fn other_node_ids(&self, namespace: &str) -> AdapterFuture<Option<Vec<NodeId>>> {
        (**self).other_node_ids(namespace)
    }

    fn namespace_closed(&self, name: &str) {
        (**self).namespace_closed(name);
    }

    fn sessions(&self) -> Option<&dyn SessionStore> {
        (**self).sessions()
    }
}
