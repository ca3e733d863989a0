//! Other nodes: what an adapter is, and the messages that go between nodes.
//!
//! Sockets and rooms of this node are always in this node's memory, and sending to them needs no adapter.
//! An adapter brings messages to the other nodes of a cluster and back.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::fetched::SocketDetails;
use crate::handler::Task;
use crate::namespace::rooms::{Room, Selection};
use crate::{Args, Event, Namespace, Node};

/// The id of a node, unique in its cluster.
pub type NodeId = Arc<str>;

/// The id of a request to other nodes, unique in its cluster.
pub type RequestId = Arc<str>;

/// What an adapter's methods return: a boxed future.
pub type AdapterFuture<T> = Task<T>;

/// Why a message did not reach the other nodes: any error.
pub type AdapterError = Box<dyn std::error::Error + Send + Sync>;

/// Brings messages to the other nodes of a cluster, and theirs to this one.
///
/// It moves [`Message`]s and nothing else. Who gets a broadcast, what answers a request and when it is given up
/// is decided on both sides of it. The messages are those of socket.io's own cluster adapters (`BROADCAST`,
/// `SOCKETS_JOIN`, `FETCH_SOCKETS`, ..). An adapter that writes them as these do can share a cluster with
/// servers in JavaScript: [`RawJson`](crate::RawJson) reads and writes their values.
///
/// No method may block. The crate `socketio-adapter-contract` tests what is asked of an adapter here.
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

/// What goes from one node to others.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The node that sent it, if it says so: some answers of servers in JavaScript don't, nor do programs that
    /// only send.
    pub from: Option<NodeId>,
    /// The node that it is for; all others if there is none.
    pub to: Option<NodeId>,
    /// The namespace that it is about.
    pub namespace: Arc<str>,
    /// What it says.
    pub body: MessageBody,
}

impl Message {
    /// A message, as an adapter has read it.
    #[must_use]
    pub fn new(from: Option<NodeId>, to: Option<NodeId>, namespace: Arc<str>, body: MessageBody) -> Message {
        Message { from, to, namespace, body }
    }
}

impl MessageBody {
    /// The request that this answers, if it is an answer.
    #[must_use]
    pub fn answers(&self) -> Option<&RequestId> {
        match self {
            MessageBody::FetchedSockets { request, .. }
            | MessageBody::ServerSideAnswer { request, .. }
            | MessageBody::ClientCount { request, .. }
            | MessageBody::ClientAnswer { request, .. } => Some(request),
            _ => None,
        }
    }
}

/// What a message says. Behind each stands, in parentheses, the type that it has in socket.io's cluster adapters.
#[derive(Clone, Debug)]
pub enum MessageBody {
    /// Send an event (`BROADCAST`, 3). With a request, the clients are to acknowledge it: answer with
    /// `ClientCount` and with one `ClientAnswer` for each.
    Broadcast {
        /// The event.
        event: Event,
        /// Who gets it.
        selection: Selection,
        /// How it is sent.
        flags: Flags,
        /// Where the answers go.
        request: Option<RequestId>,
    },
    /// Have sockets join a room (`SOCKETS_JOIN`, 4).
    SocketsJoin {
        /// Which sockets.
        selection: Selection,
        /// The rooms that they join.
        rooms: Vec<Room>,
    },
    /// Have sockets leave a room (`SOCKETS_LEAVE`, 5).
    SocketsLeave {
        /// Which sockets.
        selection: Selection,
        /// The rooms that they leave.
        rooms: Vec<Room>,
    },
    /// Put sockets out (`DISCONNECT_SOCKETS`, 6).
    DisconnectSockets {
        /// Which sockets.
        selection: Selection,
        /// Whether their sessions end as well.
        close: bool,
    },
    /// Tell which sockets there are (`FETCH_SOCKETS`, 7).
    FetchSockets {
        /// Which sockets.
        selection: Selection,
        /// Where the answer goes.
        request: RequestId,
    },
    /// The answer (`FETCH_SOCKETS_RESPONSE`, 8).
    FetchedSockets {
        /// What it answers.
        request: RequestId,
        /// The sockets.
        sockets: Vec<SocketDetails>,
    },
    /// An event for the servers themselves (`SERVER_SIDE_EMIT`, 9).
    ServerSideEmit {
        /// The event.
        event: Event,
        /// Where the answer goes, if one is wanted.
        request: Option<RequestId>,
    },
    /// The answer (`SERVER_SIDE_EMIT_RESPONSE`, 10).
    ServerSideAnswer {
        /// What it answers.
        request: RequestId,
        /// The arguments; servers in JavaScript know the first alone.
        answer: Args,
    },
    /// How many clients were sent a broadcast that is to be acknowledged (`BROADCAST_CLIENT_COUNT`, 11).
    ClientCount {
        /// What it answers.
        request: RequestId,
        /// The number of clients.
        clients: usize,
    },
    /// What one of these clients answered (`BROADCAST_ACK`, 12).
    ClientAnswer {
        /// What it answers.
        request: RequestId,
        /// The arguments; servers in JavaScript know the first alone.
        answer: Args,
    },
}

/// How an event is sent to many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flags {
    /// It may be lost to those to whom it can't be written at once.
    pub volatile: bool,
    /// Other nodes don't get it.
    pub local: bool,
    /// Whether it asks to be compressed; `None` is the same as yes.
    pub compress: Option<bool>,
    /// How long answers are awaited.
    pub timeout: Option<Duration>,
}
