//! What an adapter keeps for clients that come back to another node.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::cluster::message::Message;
use crate::cluster::message::{AdapterError, AdapterFuture};
use crate::namespace::room::Room;
use crate::recovery::offset::Offset;

/// Lets clients recover on any node: an adapter that has a common order of all broadcasts, and a place that all
/// nodes reach, can offer this. See [`Adapter::sessions`](crate::Adapter::sessions).
///
/// The session of a client that loses its connection is kept there. The node that the client comes back to takes it,
/// and asks for the broadcasts that the client has missed.
///
/// ```
/// use socketio::{AdapterError, Sessions};
///
/// /// What the node does to which a client comes back.
/// async fn taken(sessions: &dyn Sessions, pid: &str) -> Result<bool, AdapterError> {
///     Ok(sessions.take(pid).await?.is_some())
/// }
/// ```
pub trait Sessions: Send + Sync {
    /// Keeps a session, for so long at most. What is kept and taken on one node is done in the order of the calls.
    fn keep(&self, session: Session, time: Duration);

    /// Takes the session with that pid. Of all that ask for it, on whichever node, one gets it.
    fn take(&self, pid: &str) -> AdapterFuture<Result<Option<Session>, AdapterError>>;

    /// Nobody may take the session with that pid any more.
    fn forget(&self, pid: &str);

    /// The broadcasts of a namespace after one, in their order, each with its offset; `None` if there is no broadcast
    /// with that offset in the namespace, or it is not kept any more.
    fn missed(
        &self,
        namespace: &str,
        after: Offset,
    ) -> AdapterFuture<Result<Option<Vec<Message>>, AdapterError>>;
}

/// What is kept of a client that has lost its connection. It is `{sid, pid, rooms, data}` in socket.io's
/// adapters.
///
/// ```
/// use serde_json::Map;
/// use socketio::Session;
///
/// let session = Session::new("sid".into(), "pid".into(), vec!["sid".into(), "lobby".into()], Map::new());
/// assert_eq!(session.rooms.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// The socket's id.
    pub sid: Room,
    /// What the client identifies itself by when it comes back.
    pub pid: Box<str>,
    /// The socket's rooms, its own first.
    pub rooms: Vec<Room>,
    /// What [`Socket::set_data`](crate::Socket::set_data) has kept with it.
    pub data: Map<String, Value>,
}

impl Session {
    /// A session, as an adapter has read it.
    #[must_use]
    pub fn new(sid: Room, pid: Box<str>, rooms: Vec<Room>, data: Map<String, Value>) -> Session {
        Session { sid, pid, rooms, data }
    }
}
