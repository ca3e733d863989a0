//! Sockets of any node, as data.

use std::time::UNIX_EPOCH;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::args::ToArgs;
use crate::error::SendError;
use crate::namespace::Namespace;
use crate::namespace::broadcast::Broadcast;
use crate::namespace::to_rooms::ToRooms;
use crate::packet::date::date_text;
use crate::{Handshake, Socket};

/// What other nodes are told of a socket, in the form that socket.io's adapters give it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SocketDetails {
    /// The socket's id.
    pub id: String,
    /// How it came.
    #[serde(default, deserialize_with = "or_default")]
    pub handshake: HandshakeDetails,
    /// The rooms that it is in, the one named by its id included. Servers in JavaScript may have numbers among
    /// them.
    #[serde(default, deserialize_with = "room_names")]
    pub rooms: Vec<String>,
    /// What [`Socket::set_data`] keeps: an object.
    #[serde(default)]
    pub data: Value,
}

/// The handshake of a socket, as other nodes are told it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HandshakeDetails {
    /// The headers of the request that opened the session, with their names in lower case.
    #[serde(deserialize_with = "or_default")]
    pub headers: Map<String, Value>,
    /// When it came, as `Date.prototype.toString` writes it.
    #[serde(deserialize_with = "or_default")]
    pub time: String,
    /// The client's IP address.
    #[serde(deserialize_with = "or_default")]
    pub address: String,
    /// Whether the request had an `Origin`.
    #[serde(deserialize_with = "or_default")]
    pub xdomain: bool,
    /// Whether it came by TLS.
    #[serde(deserialize_with = "or_default")]
    pub secure: bool,
    /// When it came, in milliseconds since 1970.
    #[serde(deserialize_with = "or_default")]
    pub issued: u64,
    /// The request's path and query.
    #[serde(deserialize_with = "or_default")]
    pub url: String,
    /// The request's query.
    #[serde(deserialize_with = "or_default")]
    pub query: Map<String, Value>,
    /// What the client presented for the namespace.
    pub auth: Value,
}

/// Reads what another node tells, whatever it is: what doesn't fit is left at its default. One odd field must not
/// hide a socket.
fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(T::deserialize(Value::deserialize(deserializer)?).unwrap_or_default())
}

fn room_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let rooms: Vec<Value> = or_default(deserializer)?;
    let name = |room| match room {
        Value::String(name) => Some(name),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(rooms.into_iter().filter_map(name).collect())
}

/// A socket of this node or of another: what [`Broadcast::fetch_sockets`] finds.
#[derive(Clone, Debug)]
pub struct FetchedSocket {
    namespace: Namespace,
    local: Option<Socket>,
    details: SocketDetails,
}

impl SocketDetails {
    pub(crate) fn of(socket: &Socket) -> SocketDetails {
        let rooms = socket.rooms();
        SocketDetails {
            id: socket.id().to_owned(),
            rooms: [socket.id()]
                .into_iter()
                .chain(rooms.iter().map(|room| &**room))
                .map(str::to_owned)
                .collect(),
            data: Value::Object(socket.data_object()),
            handshake: HandshakeDetails::of(&socket.handshake()),
        }
    }
}

impl HandshakeDetails {
    pub(crate) fn of(handshake: &Handshake<'_>) -> HandshakeDetails {
        let headers = handshake.headers.iter();
        let query = handshake.query();
        let issued = handshake.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let issued = u64::try_from(issued.as_millis()).unwrap_or(u64::MAX);
        HandshakeDetails {
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.into())).collect(),
            address: handshake.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            xdomain: handshake.headers.get("origin").is_some(),
            secure: handshake.secure,
            issued,
            time: date_text(i64::try_from(issued).unwrap_or(i64::MAX)),
            url: handshake.url.to_string(),
            query: query.iter().map(|(key, value)| (key.into(), Value::String(value.into()))).collect(),
            auth: handshake.auth().unwrap_or_default(),
        }
    }
}

impl FetchedSocket {
    pub(crate) fn local(socket: Socket) -> FetchedSocket {
        let details = SocketDetails::of(&socket);
        FetchedSocket { namespace: socket.namespace().clone(), local: Some(socket), details }
    }

    pub(crate) fn remote(namespace: Namespace, details: SocketDetails) -> FetchedSocket {
        FetchedSocket { namespace, local: None, details }
    }

    /// The socket itself, if it is one of this node.
    #[must_use]
    pub fn socket(&self) -> Option<&Socket> {
        self.local.as_ref()
    }

    /// The socket's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.details.id
    }

    /// How it came.
    #[must_use]
    pub fn handshake(&self) -> &HandshakeDetails {
        &self.details.handshake
    }

    /// The rooms that it had joined when it was fetched, without the one named by its id.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.details.rooms.iter().map(String::as_str).filter(|room| *room != self.id())
    }

    /// The data that was kept with it when it was fetched, as `T`. See [`Socket::set_data`].
    ///
    /// # Errors
    /// If it is something else.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.details.data)
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

    /// Puts it out of the namespace; with `close`, its session ends.
    pub fn disconnect(&self, close: bool) {
        self.itself().disconnect_sockets(close);
    }

    fn itself(&self) -> Broadcast {
        self.namespace.to(self.id())
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
            read(json!({ "id": "a", "handshake": handshake })).unwrap().handshake,
            HandshakeDetails::default()
        );
        let data = json!({ "bytes": { "type": "Buffer", "data": [1] } });
        assert_eq!(
            read(json!({ "id": "a", "handshake": null, "rooms": 1, "data": data })).unwrap().data,
            data
        );
        assert!(read(json!({ "rooms": [] })).is_err(), "without an id");
    }
}
