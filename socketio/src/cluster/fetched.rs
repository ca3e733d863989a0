//! Sockets of any node, as data.

use std::fmt;
use std::iter;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::args::ToArgs;
use crate::cluster::details::{HandshakeDetails, SocketDetails, WrittenHandshake};
use crate::cluster::error::ClusterError;
use crate::error::SendError;
use crate::namespace::Namespace;
use crate::namespace::broadcast::Broadcast;
use crate::namespace::room::Room;
use crate::namespace::to_rooms::ToRooms;
use crate::socket::Socket;

/// A socket of this node or of another: what [`Broadcast::fetch_sockets`] finds.
///
/// ```
/// use socketio::{Error, Io};
///
/// async fn welcome(io: &Io) -> Result<(), Error> {
///     for socket in io.to("lobby").fetch_sockets().await? {
///         socket.emit("welcome", socket.id())?;
///         socket.join("hall");
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FetchedSocket {
    namespace: Namespace,
    found: Found,
}

/// Where a socket was found.
#[derive(Clone, Debug)]
enum Found {
    Here(Box<LocalSocket>),
    Elsewhere(Box<SocketDetails>),
}

/// A socket of this node, with a copy of what can change. The other details are made when they are asked for.
#[derive(Clone, Debug)]
struct LocalSocket {
    socket: Socket,
    rooms: Vec<Room>,
    data: Map<String, Value>,
    details: OnceLock<Box<SocketDetails>>,
}

impl SocketDetails {
    pub(crate) fn of(socket: &Socket) -> SocketDetails {
        SocketDetails::with(socket, &socket.rooms(), socket.data_object())
    }

    fn with(socket: &Socket, rooms: &[Room], data: Map<String, Value>) -> SocketDetails {
        let rooms = rooms.iter().map(|room| &**room);
        SocketDetails {
            id: socket.id().to_owned(),
            rooms: iter::once(socket.id()).chain(rooms).map(str::to_owned).collect(),
            data: Value::Object(data),
            handshake: WrittenHandshake::of(&socket.handshake()),
        }
    }
}

/// # Other nodes
impl Socket {
    /// What other servers of a cluster learn about this socket.
    #[must_use]
    pub fn details(&self) -> SocketDetails {
        SocketDetails::of(self)
    }
}

/// # Sockets of all nodes
impl Broadcast {
    /// The selected sockets of all nodes, in no particular order: `fetchSockets()` in JavaScript. Other nodes
    /// send copies of their sockets' details.
    ///
    /// # Errors
    /// If a node doesn't answer in time, or can't be reached. The error contains the sockets that were found.
    pub async fn fetch_sockets(&self) -> Result<Vec<FetchedSocket>, FetchError> {
        let mut found: Vec<_> = self.sockets().into_iter().map(FetchedSocket::local).collect();
        let mut complete = Ok(());
        for Broadcast { namespace, selection, flags, .. } in self.each() {
            let Some(cluster) = namespace.cluster().filter(|_| !flags.local) else { continue };
            let timeout = flags.timeout.unwrap_or(namespace.config().cluster_timeout);
            let (answers, all) = cluster.fetch_sockets(namespace.shared_name(), selection, timeout).await;
            for sockets in answers {
                let remote = |details| FetchedSocket::remote(namespace.clone(), details);
                found.extend(sockets.into_iter().map(remote));
            }
            complete = complete.and(all);
        }
        match complete {
            Ok(()) => Ok(found),
            Err(error) => Err(FetchError { found, error }),
        }
    }
}

impl FetchedSocket {
    pub(crate) fn local(socket: Socket) -> FetchedSocket {
        let (rooms, data) = (socket.rooms(), socket.data_object());
        let namespace = socket.namespace().clone();
        let here = LocalSocket { socket, rooms, data, details: OnceLock::new() };
        FetchedSocket { namespace, found: Found::Here(Box::new(here)) }
    }

    pub(crate) fn remote(namespace: Namespace, details: SocketDetails) -> FetchedSocket {
        FetchedSocket { namespace, found: Found::Elsewhere(Box::new(details)) }
    }

    /// The socket itself, if it is one of this node.
    #[must_use]
    pub fn socket(&self) -> Option<&Socket> {
        match &self.found {
            Found::Here(here) => Some(&here.socket),
            Found::Elsewhere(_) => None,
        }
    }

    /// All that is known of it.
    #[must_use]
    pub fn details(&self) -> &SocketDetails {
        match &self.found {
            Found::Here(here) => here.details(),
            Found::Elsewhere(details) => details,
        }
    }

    /// The socket's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match &self.found {
            Found::Here(here) => here.socket.id(),
            Found::Elsewhere(details) => &details.id,
        }
    }

    /// How it came.
    #[must_use]
    pub fn handshake(&self) -> &HandshakeDetails {
        &self.details().handshake
    }

    /// The rooms that it had joined when it was fetched, without the one named by its id.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        let (here, elsewhere): (&[Room], &[String]) = match &self.found {
            Found::Here(here) => (&here.rooms, &[]),
            Found::Elsewhere(details) => (&[], &details.rooms),
        };
        let rooms = here.iter().map(|room| &**room).chain(elsewhere.iter().map(String::as_str));
        rooms.filter(|room| *room != self.id())
    }

    /// The data that was kept with it when it was fetched, as `T`. See [`Socket::set_data`].
    ///
    /// # Errors
    /// If it is something else.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.found {
            Found::Here(here) => T::deserialize(&here.data),
            Found::Elsewhere(details) => T::deserialize(&details.data),
        }
    }

    /// Sends it an event, wherever it is. See [`Broadcast::emit`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.itself().emit(event, args)
    }

    /// Has it join a room, or several.
    pub fn join(&self, rooms: impl ToRooms) {
        self.itself().sockets_join(rooms);
    }

    /// Has it leave a room, or several.
    pub fn leave(&self, rooms: impl ToRooms) {
        self.itself().sockets_leave(rooms);
    }

    /// Disconnects it from the namespace. With `close`, its session ends.
    pub fn disconnect(&self, close: bool) {
        self.itself().disconnect_sockets(close);
    }

    fn itself(&self) -> Broadcast {
        self.namespace.to(self.id())
    }
}

impl LocalSocket {
    fn details(&self) -> &SocketDetails {
        let details = || SocketDetails::with(&self.socket, &self.rooms, self.data.clone());
        self.details.get_or_init(|| Box::new(details()))
    }
}

/// Not all sockets could be fetched: some nodes did not answer, or could not be asked.
///
/// ```
/// use socketio::{FetchedSocket, Io};
///
/// /// Those that were found, even if a server did not answer in time.
/// async fn who(io: &Io) -> Vec<FetchedSocket> {
///     io.fetch_sockets().await.unwrap_or_else(|error| {
///         println!("{error}");
///         error.found
///     })
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct FetchError {
    /// The sockets that were found all the same: those of this node, and of the nodes that answered.
    pub found: Vec<FetchedSocket>,
    /// What went wrong; with [`ClusterError::Timeout`], how many nodes are missing.
    pub error: ClusterError,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_servers_in_javascript_tell_of_a_socket_is_read_leniently() {
        let read = |value: Value| serde_json::from_value::<SocketDetails>(value);
        let least = read(json!({ "id": "a", "handshake": {}, "rooms": ["a", 7, null], "data": {} })).unwrap();
        assert_eq!((least.id.as_str(), &least.rooms[..]), ("a", &["a".to_owned(), "7".to_owned()][..]));
        let handshake = json!({
            "headers": null, "time": 5, "address": null, "xdomain": null, "secure": null, "issued": "x", "url": null,
            "query": null, "auth": null, "more": 1,
        });
        assert_eq!(
            *read(json!({ "id": "a", "handshake": handshake })).unwrap().handshake,
            HandshakeDetails::default()
        );
        let data = json!({ "bytes": { "type": "Buffer", "data": [1] } });
        assert_eq!(
            read(json!({ "id": "a", "handshake": null, "rooms": 1, "data": data })).unwrap().data,
            data
        );
        assert!(read(json!({ "rooms": [] })).is_err(), "without an id");
        let alone = r#"{"id":"a","handshake":{"url":"/\ud800","secure":true}}"#;
        let alone: SocketDetails = serde_json::from_str(alone).unwrap();
        assert_eq!((&*alone.handshake.url, alone.handshake.secure), ("/\u{fffd}", true));
    }
}
