//! The messages that go between nodes.

use std::sync::Arc;

use crate::args::Args;
use crate::args::event::Event;
use crate::cluster::details::SocketDetails;
use crate::handler::task::Task;
use crate::namespace::flags::Flags;
use crate::namespace::room::{Room, Selection};
use crate::recovery::offset::Offset;

/// The id of a node, unique in its cluster.
pub type NodeId = Arc<str>;

/// The id of a request to other nodes, unique in its cluster.
pub type RequestId = Arc<str>;

/// What goes from one node to others.
///
/// ```
/// use socketio::{NodeMessage, MessageBody};
///
/// /// What an adapter finds out about a message before it sends it.
/// fn channel(message: &NodeMessage) -> String {
///     let to = message.to.as_deref().unwrap_or("all");
///     let kind = if matches!(message.body, MessageBody::Broadcast { .. }) { "broadcast" } else { "request" };
///     format!("{}/{to}/{kind}", message.namespace)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeMessage {
    /// The node that sent it, if it says so: some answers of servers in JavaScript don't, nor do programs that
    /// only send.
    pub from: Option<NodeId>,
    /// The node that it is for; `None` means all others.
    pub to: Option<NodeId>,
    /// The namespace that it is about.
    pub namespace: Arc<str>,
    /// Its position in the order of all messages, if the adapter [has one](crate::Adapter::sessions).
    pub offset: Option<Offset>,
    /// The number by which the node that sent it recognises it when it comes back. Other nodes ignore it.
    pub serial: Option<u64>,
    /// What it says.
    pub body: MessageBody,
}

impl NodeMessage {
    /// A message, as an adapter has read it.
    #[must_use]
    pub fn new(
        from: Option<NodeId>,
        to: Option<NodeId>,
        namespace: Arc<str>,
        body: MessageBody,
    ) -> NodeMessage {
        NodeMessage { from, to, namespace, offset: None, serial: None, body }
    }

    /// The same, with its position in the order of all messages.
    #[must_use]
    pub fn at(mut self, offset: Offset) -> NodeMessage {
        self.offset = Some(offset);
        self
    }
}

/// What a message says. Each has its type in socket.io's cluster adapters in parentheses.
///
/// ```
/// use socketio::MessageBody;
///
/// fn is_answer(body: &MessageBody) -> bool {
///     body.answers().is_some()
/// }
/// ```
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
        /// The arguments. Servers in JavaScript only use the first.
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
        /// The arguments. Servers in JavaScript only use the first.
        answer: Args,
    },
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

/// What an adapter's methods return: a boxed future.
pub type AdapterFuture<T> = Task<T>;

/// Why a message did not reach the other nodes: any error.
pub type AdapterError = Box<dyn std::error::Error + Send + Sync>;
