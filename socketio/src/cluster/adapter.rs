//! Other nodes: what an adapter is, and the messages that go between nodes.
//!
//! Sockets and rooms of this node are always in this node's memory, and sending to them needs no adapter.
//! An adapter brings messages to the other nodes of a cluster and back.

use std::future::ready;
use std::sync::Arc;

use crate::cluster::Nodes;
use crate::cluster::message::{AdapterError, AdapterFuture, Message};
use crate::cluster::node::Node;
use crate::cluster::sessions::Sessions;
use crate::namespace::Namespace;

/// Brings messages to the other nodes of a cluster, and theirs to this one.
///
/// It moves [`Message`]s and nothing else. Who gets a broadcast, what answers a request and when it is given up
/// is decided on both sides of it. The messages are those of socket.io's own cluster adapters (`BROADCAST`,
/// `SOCKETS_JOIN`, `FETCH_SOCKETS`, ..). An adapter that writes them as these do can share a cluster with
/// servers in JavaScript: [`RawJson`](crate::RawJson) reads and writes their values.
///
/// No method may block. The crate `socketio-adapter-contract` tests what is asked of an adapter here.
///
/// ```
/// use socketio::{Adapter, AdapterError, AdapterFuture, Io, Message, Node};
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
///     fn publish(&self, _message: Message) -> AdapterFuture<Result<(), AdapterError>> {
///         Box::pin(async { Ok(()) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let io = Io::with_adapter(socketio::Config::default(), Alone);
/// # }
/// ```
pub trait Adapter: Send + Sync + 'static {
    /// The node begins. Messages of other nodes go to [`Node::receive`]. Called once, before anything else.
    fn start(&self, node: Node);

    /// A namespace is there from now on, with its handlers and clients to come. Called for each, `/` included,
    /// in the order in which they come and go.
    ///
    /// It is called under a lock, and must not ask the [`Io`](crate::Io) or the node for namespaces.
    fn namespace_opened(&self, namespace: &Namespace) {
        let _ = namespace;
    }

    /// The namespace of that name is gone. Called under the same lock.
    fn namespace_closed(&self, name: &str) {
        let _ = name;
    }

    /// Waits until messages of other nodes reach the namespaces that are there now.
    fn ready(&self) -> AdapterFuture<()> {
        Box::pin(ready(()))
    }

    /// How many other nodes there are that answer for a namespace. It is asked again while answers are awaited,
    /// so that nobody waits long for a node that has gone.
    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize>;

    /// Brings a message to the node that [`Message::to`] names, or to all other nodes.
    ///
    /// The message is on its way when this returns: messages arrive in the order of the calls, and dropping
    /// the future stops nothing. The future tells whether the message was handed on.
    fn publish(&self, message: Message) -> AdapterFuture<Result<(), AdapterError>>;

    /// What lets clients recover on any node, if the adapter has it.
    ///
    /// With it, and if [clients may recover](Node::recovers), there is one order of all broadcasts, joins and
    /// the like: every [`Message`] without an answer has its [`offset`](Message::offset), and all nodes receive them
    /// in this order. A message of this node that has a [`serial`](Message::serial) comes back too, in its place:
    /// hand it to [`Node::returned`], but not while `publish` runs.
    fn sessions(&self) -> Option<&dyn Sessions> {
        None
    }

    /// What has passed, and what was lost, by name, since it began: for metrics. Names are lower case.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The node ends: it takes no further messages, and others stop counting it. What is published before and
    /// after still goes out, since clients that are put out may have something to tell. The future is done
    /// when others count it no longer; dropping it stops nothing. It may be called again.
    fn close(&self) -> AdapterFuture<()> {
        Box::pin(ready(()))
    }
}

impl Nodes for Arc<dyn Adapter> {
    fn publish(&self, message: Message) -> AdapterFuture<Result<(), AdapterError>> {
        (**self).publish(message)
    }

    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        (**self).other_nodes(namespace)
    }

    fn namespace_closed(&self, name: &str) {
        (**self).namespace_closed(name);
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        (**self).sessions()
    }
}
