//! What other nodes are told of a socket.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What other nodes are told of a socket, in the form that socket.io's adapters give it.
///
/// ```
/// use socketio::{MessageBody, SocketDetails};
///
/// /// What an adapter is given to bring to the node that asked.
/// fn ids(body: &MessageBody) -> Vec<&str> {
///     let MessageBody::FetchedSockets { sockets, .. } = body else { return Vec::new() };
///     sockets.iter().map(|socket: &SocketDetails| socket.id.as_str()).collect()
/// }
/// ```
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
///
/// ```
/// use socketio::{FetchError, Io};
///
/// async fn addresses(io: &Io) -> Result<Vec<String>, FetchError> {
///     let sockets = io.fetch_sockets().await?;
///     Ok(sockets.iter().map(|socket| socket.handshake().address.clone()).collect())
/// }
/// ```
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
