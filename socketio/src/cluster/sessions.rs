//! What an adapter keeps for clients that come back to another node.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::cluster::message::{AdapterError, AdapterFuture, NodeId, NodeMessage};
use crate::namespace::room::Room;
use crate::recovery::offset::Offset;

/// Lets clients recover on any node. An adapter can offer this if it has one order of all broadcasts, and
/// storage that all nodes reach. See [`Adapter::sessions`](crate::Adapter::sessions).
///
/// When a client loses its connection, its session is stored. The node to which the client comes back takes it,
/// and asks for the broadcasts that the client missed.
///
/// ```
/// use socketio::{AdapterError, SessionStore};
///
/// /// What the node does to which a client comes back.
/// async fn taken(sessions: &dyn SessionStore, pid: &str) -> Result<bool, AdapterError> {
///     Ok(sessions.take(pid).await?.is_some())
/// }
/// ```
pub trait SessionStore: Send + Sync {
    /// The order that a namespace's messages belong to. There is only one, 0, unless the adapter spreads namespaces
    /// over several streams: then each stream has its own, and messages in one don't wait for the others.
    fn order(&self, namespace: &str) -> u16 {
        let _ = namespace;
        0
    }

    /// Stores a session, at most for `time`. The calls of one node take effect in their order.
    fn keep(&self, session: PersistedSession, time: Duration);

    /// Takes the session with this pid. Only one caller on all nodes gets it.
    fn take(&self, pid: &str) -> AdapterFuture<Result<Option<PersistedSession>, AdapterError>>;

    /// Removes the session with this pid.
    fn forget(&self, pid: &str);

    /// The broadcasts of a namespace after this offset, in order, each with its own offset, and with the
    /// [`serial`](NodeMessage::serial) that it was sent with. `None` if the namespace has no broadcast with this offset,
    /// or no longer.
    fn missed(
        &self,
        namespace: &str,
        after: Offset,
    ) -> AdapterFuture<Result<Option<Vec<NodeMessage>>, AdapterError>>;
}

/// What is stored for a client that has lost its connection: `{sid, pid, rooms, data}` in socket.io's adapters,
/// which ignore other fields.
///
/// ```
/// use serde_json::Map;
/// use socketio::PersistedSession;
///
/// let session = PersistedSession::new("sid".into(), "pid".into(), vec!["sid".into(), "lobby".into()], Map::new());
/// assert_eq!(session.rooms.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PersistedSession {
    /// The socket's id.
    pub sid: Room,
    /// The secret that the client sends when it comes back.
    pub pid: Box<str>,
    /// The socket's rooms, its own first.
    pub rooms: Vec<Room>,
    /// The values of [`Socket::set_data`](crate::Socket::set_data).
    pub data: Map<String, Value>,
    /// The node that stored it, if that is known. A node that still has the socket looks here whether the client has
    /// been on another node since.
    pub node: Option<NodeId>,
}

impl PersistedSession {
    /// A session that an adapter has read.
    #[must_use]
    pub fn new(sid: Room, pid: Box<str>, rooms: Vec<Room>, data: Map<String, Value>) -> PersistedSession {
        PersistedSession { sid, pid, rooms, data, node: None }
    }

    /// The same, with the node that stored it.
    #[must_use]
    pub fn by(mut self, node: Option<NodeId>) -> PersistedSession {
        self.node = node;
        self
    }
}
