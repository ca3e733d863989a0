//! What is there: sockets, rooms, the node.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use socketio::{Broadcast, FetchError, FetchedSocket, HandshakeDetails, Namespace, Socket};

use super::fault::{Code, Fault};
use super::query::Query;
use super::{Api, Reply};
use crate::node::{NodeInfo, Scope};
use crate::operations::namespace;

/// Header fields that are shown. Others may be credentials.
const SHOWN_HEADERS: [&str; 3] = ["host", "origin", "user-agent"];

#[derive(Serialize)]
struct SocketView {
    id: String,
    namespace: String,
    rooms: Vec<String>,
    data: Value,
    handshake: HandshakeView,
    /// Not known of other nodes' sockets.
    transport: Option<&'static str>,
    /// The name of this node; not known of other nodes' sockets.
    node: Option<String>,
}

/// A handshake without what may be secret: auth, cookies, the query.
#[derive(Serialize)]
struct HandshakeView {
    address: String,
    secure: bool,
    /// In milliseconds since 1970.
    issued: u64,
    headers: BTreeMap<&'static str, Value>,
}

#[derive(Serialize)]
struct Sockets {
    sockets: Vec<SocketView>,
    /// What to send as `after` to get the next page.
    next: Option<String>,
    scope: Scope,
}

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<RoomView>,
    next: Option<String>,
    scope: Scope,
}

#[derive(Serialize)]
struct RoomView {
    name: String,
    sockets: usize,
}

#[derive(Serialize)]
struct Info {
    version: &'static str,
    node: String,
    epoch: u64,
    /// How many nodes have the namespace `/`, this one included.
    nodes: usize,
    /// This node's.
    sessions: usize,
    namespaces: BTreeMap<String, NamespaceView>,
}

#[derive(Serialize)]
struct NamespaceView {
    sockets: usize,
    rooms: usize,
}

impl SocketView {
    fn local(socket: &Socket, node: &NodeInfo) -> SocketView {
        let handshake = socket.handshake();
        let shown = |name: &'static str| Some((name, handshake.headers.get(name)?.into()));
        SocketView {
            id: socket.id().to_owned(),
            namespace: socket.namespace().name().to_owned(),
            rooms: socket.rooms().iter().map(|room| (**room).to_owned()).collect(),
            data: socket.data().unwrap_or_default(),
            handshake: HandshakeView {
                address: handshake.address.map(|address| address.ip().to_string()).unwrap_or_default(),
                secure: handshake.secure,
                issued: crate::time::millis(handshake.time),
                headers: SHOWN_HEADERS.into_iter().filter_map(shown).collect(),
            },
            transport: Some(socket.transport().as_str()),
            node: Some(node.name.to_string()),
        }
    }

    fn of(fetched: &FetchedSocket, namespace: &Namespace, node: &NodeInfo) -> SocketView {
        if let Some(socket) = fetched.socket() {
            return SocketView::local(socket, node);
        }
        SocketView {
            id: fetched.id().to_owned(),
            namespace: namespace.name().to_owned(),
            rooms: fetched.rooms().map(str::to_owned).collect(),
            data: fetched.data().unwrap_or_default(),
            handshake: HandshakeView::of(fetched.handshake()),
            transport: None,
            node: None,
        }
    }
}

impl HandshakeView {
    fn of(details: &HandshakeDetails) -> HandshakeView {
        let shown = |name: &'static str| Some((name, details.headers.get(name)?.clone()));
        HandshakeView {
            address: details.address.clone(),
            secure: details.secure,
            issued: details.issued,
            headers: SHOWN_HEADERS.into_iter().filter_map(shown).collect(),
        }
    }
}

/// Cuts a page out of sorted entries. Gives the key of the last one if others follow.
fn page<T>(
    entries: &mut Vec<T>,
    after: Option<&str>,
    limit: usize,
    key: impl Fn(&T) -> &str,
) -> Option<String> {
    entries.sort_by(|one, other| key(one).cmp(key(other)));
    let start = after.map_or(0, |after| entries.partition_point(|entry| key(entry) <= after));
    entries.drain(..start);
    let more = entries.len() > limit;
    entries.truncate(limit);
    more.then(|| entries.last().map(|entry| key(entry).to_owned()))?
}

impl Api {
    /// The sockets of all nodes, as far as they can be asked.
    async fn fetch(&self, broadcast: &Broadcast) -> (Vec<FetchedSocket>, Scope) {
        match broadcast.fetch_sockets().await {
            Ok(found) => (found, Scope::Cluster),
            Err(FetchError { found, error, .. }) => {
                tracing::warn!(%error, "the API only lists the sockets of some nodes");
                (found, Scope::Node)
            }
        }
    }

    pub(super) async fn sockets(&self, mut query: Query<'_>) -> Result<Reply, Fault> {
        let namespace = self.namespace(&mut query)?;
        let (room, after, limit) = (query.take("room"), query.take("after"), query.limit()?);
        query.end()?;
        let Some(namespace) = namespace else {
            return Ok(Reply::ok(&Sockets { sockets: Vec::new(), next: None, scope: Scope::Cluster }));
        };
        let no_rooms: [&str; 0] = [];
        let mut broadcast = namespace.except(no_rooms);
        if let Some(room) = room {
            broadcast = broadcast.to(room);
        }
        let node = &self.0.node;
        if !node.clustered {
            let mut sockets = broadcast.sockets();
            let next = page(&mut sockets, after.as_deref(), limit, Socket::id);
            let sockets = sockets.iter().map(|socket| SocketView::local(socket, node)).collect();
            return Ok(Reply::ok(&Sockets { sockets, next, scope: Scope::Cluster }));
        }
        let (mut fetched, scope) = self.fetch(&broadcast).await;
        let next = page(&mut fetched, after.as_deref(), limit, FetchedSocket::id);
        let sockets = fetched.iter().map(|socket| SocketView::of(socket, &namespace, node)).collect();
        Ok(Reply::ok(&Sockets { sockets, next, scope }))
    }

    pub(super) async fn socket(&self, id: &str, mut query: Query<'_>) -> Result<Reply, Fault> {
        let namespace = self.namespace(&mut query)?;
        query.end()?;
        let unknown = || Fault::new(Code::UnknownSocket, "no socket has this id, or it has left");
        let namespace = namespace.ok_or_else(unknown)?;
        if let Some(socket) = namespace.socket(id) {
            return Ok(Reply::ok(&SocketView::local(&socket, &self.0.node)));
        }
        let (fetched, _) = if self.0.node.clustered {
            self.fetch(&namespace.to(id)).await
        } else {
            (Vec::new(), Scope::Cluster)
        };
        // Others may have joined a room of that name.
        match fetched.iter().find(|socket| socket.id() == id) {
            Some(socket) => Ok(Reply::ok(&SocketView::of(socket, &namespace, &self.0.node))),
            None => Err(unknown()),
        }
    }

    pub(super) async fn rooms(&self, mut query: Query<'_>) -> Result<Reply, Fault> {
        let namespace = self.namespace(&mut query)?;
        let prefix = query.take("prefix").unwrap_or_default();
        let (after, limit) = (query.take("after"), query.limit()?);
        query.end()?;
        let Some(namespace) = namespace else {
            return Ok(Reply::ok(&Rooms { rooms: Vec::new(), next: None, scope: Scope::Cluster }));
        };
        let (mut rooms, scope): (Vec<RoomView>, Scope) = if self.0.node.clustered {
            let no_rooms: [&str; 0] = [];
            let (fetched, scope) = self.fetch(&namespace.except(no_rooms)).await;
            let mut rooms: BTreeMap<&str, usize> = BTreeMap::new();
            for room in fetched.iter().flat_map(FetchedSocket::rooms) {
                *rooms.entry(room).or_default() += 1;
            }
            (
                rooms
                    .into_iter()
                    .map(|(name, sockets)| RoomView { name: name.to_owned(), sockets })
                    .collect(),
                scope,
            )
        } else {
            let rooms = namespace.rooms().into_iter();
            (
                rooms.map(|(name, sockets)| RoomView { name: (*name).to_owned(), sockets }).collect(),
                Scope::Cluster,
            )
        };
        rooms.retain(|room| room.name.starts_with(&prefix));
        let next = page(&mut rooms, after.as_deref(), limit, |room| &room.name);
        Ok(Reply::ok(&Rooms { rooms, next, scope }))
    }

    pub(super) async fn info(&self, query: Query<'_>) -> Result<Reply, Fault> {
        query.end()?;
        let State { io, node, .. } = &*self.0;
        let view = |namespace: &Namespace| NamespaceView {
            sockets: namespace.socket_count(),
            rooms: namespace.rooms().len(),
        };
        let namespaces = io.namespaces();
        Ok(Reply::ok(&Info {
            version: env!("CARGO_PKG_VERSION"),
            node: node.name.to_string(),
            epoch: node.epoch,
            nodes: io.server_count().await,
            sessions: io.session_count(),
            namespaces: namespaces.iter().map(|one| (one.name().to_owned(), view(one))).collect(),
        }))
    }

    fn namespace(&self, query: &mut Query<'_>) -> Result<Option<Namespace>, Fault> {
        Ok(namespace(&self.0.io, &query.namespace()?)?)
    }
}

use super::State;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let all = || vec!["c", "a", "e", "b", "d"];
        let mut one = all();
        let next = page(&mut one, None, 2, |entry| entry);
        assert_eq!((one, next.as_deref()), (vec!["a", "b"], Some("b")));
        let mut two = all();
        // The entry that a page ended with may be gone by now.
        let next = page(&mut two, Some("bb"), 2, |entry| entry);
        assert_eq!((two, next.as_deref()), (vec!["c", "d"], Some("d")));
        let mut three = all();
        let next = page(&mut three, Some("d"), 2, |entry| entry);
        assert_eq!((three, next), (vec!["e"], None));
    }
}
