//! What other nodes learn about a socket.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What other nodes learn about a socket, in the form of socket.io's adapters.
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
    #[serde(default, deserialize_with = "handshake")]
    pub handshake: HandshakeDetails,
    /// The rooms that it is in, the one named by its id included. Servers in JavaScript may have numbers among
    /// them.
    #[serde(default, deserialize_with = "room_names")]
    pub rooms: Vec<String>,
    /// What [`Socket::set_data`](crate::Socket::set_data) keeps: an object.
    #[serde(default)]
    pub data: Value,
}

/// The handshake of a socket, as other nodes get it.
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
fn or_default<'de, D: Deserializer<'de>, T: OfValue + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(T::of(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// What a value is taken apart into, without reading it a second time.
trait OfValue: Sized {
    fn of(value: Value) -> Option<Self>;
}

impl OfValue for String {
    fn of(value: Value) -> Option<String> {
        if let Value::String(text) = value { Some(text) } else { None }
    }
}

impl OfValue for Map<String, Value> {
    fn of(value: Value) -> Option<Map<String, Value>> {
        if let Value::Object(members) = value { Some(members) } else { None }
    }
}

impl OfValue for Vec<Value> {
    fn of(value: Value) -> Option<Vec<Value>> {
        if let Value::Array(elements) = value { Some(elements) } else { None }
    }
}

impl OfValue for bool {
    fn of(value: Value) -> Option<bool> {
        value.as_bool()
    }
}

impl OfValue for u64 {
    fn of(value: Value) -> Option<u64> {
        value.as_u64()
    }
}

/// The same for a handshake, which is read as it comes where it is an object.
fn handshake<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HandshakeDetails, D::Error> {
    struct Handshake;

    impl<'de> Visitor<'de> for Handshake {
        type Value = HandshakeDetails;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a handshake")
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<HandshakeDetails, A::Error> {
            HandshakeDetails::deserialize(MapAccessDeserializer::new(members))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<HandshakeDetails, A::Error> {
            IgnoredAny.visit_seq(elements).map(|_| HandshakeDetails::default())
        }

        fn visit_unit<E>(self) -> Result<HandshakeDetails, E> {
            Ok(HandshakeDetails::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<HandshakeDetails, E> {
            Ok(HandshakeDetails::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<HandshakeDetails, E> {
            Ok(HandshakeDetails::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<HandshakeDetails, E> {
            Ok(HandshakeDetails::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<HandshakeDetails, E> {
            Ok(HandshakeDetails::default())
        }

        fn visit_str<E>(self, _: &str) -> Result<HandshakeDetails, E> {
            Ok(HandshakeDetails::default())
        }
    }

    deserializer.deserialize_any(Handshake)
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
