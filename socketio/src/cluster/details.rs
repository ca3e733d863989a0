//! What other nodes learn about a socket.

use std::fmt;

use std::ops::Deref;
use std::sync::OnceLock;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::packet::json::replace_lone_surrogates;
use crate::socket::handshake::Handshake;

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
    #[serde(default)]
    pub handshake: WrittenHandshake,
    /// The rooms that it is in, including the one named by its id. Servers in JavaScript may have numbers among them.
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

/// A [`HandshakeDetails`] as JSON, which is read when somebody looks at it: few of those who fetch sockets do. It
/// dereferences to what it says.
///
/// ```
/// use socketio::{SocketDetails, WrittenHandshake};
///
/// let mut details = SocketDetails::default();
/// details.handshake = serde_json::from_str::<WrittenHandshake>(r#"{"secure":true}"#)?;
/// assert!(details.handshake.secure);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WrittenHandshake {
    /// `None` if it was made of a `HandshakeDetails`.
    json: Option<Box<RawValue>>,
    /// Apart, since few are read.
    read: OnceLock<Box<HandshakeDetails>>,
}

impl WrittenHandshake {
    pub(crate) fn of(handshake: &Handshake<'_>) -> WrittenHandshake {
        // There are strings and numbers in it, all of which can be written, and JSON.
        WrittenHandshake { json: to_raw_value(handshake).ok(), read: OnceLock::new() }
    }
}

impl Deref for WrittenHandshake {
    type Target = HandshakeDetails;

    fn deref(&self) -> &HandshakeDetails {
        self.read.get_or_init(|| {
            let read = |json: &RawValue| {
                // A server in JavaScript may send lone surrogates.
                let json = replace_lone_surrogates(json.get());
                handshake(&mut serde_json::Deserializer::from_str(&json)).ok()
            };
            Box::new(self.json.as_deref().and_then(read).unwrap_or_default())
        })
    }
}

impl From<HandshakeDetails> for WrittenHandshake {
    fn from(details: HandshakeDetails) -> WrittenHandshake {
        WrittenHandshake { json: None, read: OnceLock::from(Box::new(details)) }
    }
}

impl PartialEq for WrittenHandshake {
    fn eq(&self, other: &WrittenHandshake) -> bool {
        **self == **other
    }
}

impl Serialize for WrittenHandshake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.json {
            Some(json) => json.serialize(serializer),
            None => (**self).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for WrittenHandshake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WrittenHandshake, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Ok(WrittenHandshake { json: Some(json), read: OnceLock::new() })
    }
}

/// Reads what another node has sent. A field that can't be read gets its default, since one odd field must not hide a
/// socket.
fn or_default<'de, D: Deserializer<'de>, T: OfValue + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(T::of(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Reads a field from a value that is already parsed.
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

/// The same for a handshake: its fields are read one by one if it is an object.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Io;
    use crate::testing::Peer;

    #[tokio::test]
    async fn a_handshake_is_the_same_whatever_it_is_read_from() {
        let io = Io::new();
        let _peer = Peer::join(&io);
        let socket = io.sockets().remove(0);
        let written = serde_json::to_value(socket.handshake()).unwrap();
        assert_eq!(written["headers"]["user-agent"], "test");
        let told = socket.details().handshake;
        let made = WrittenHandshake::from((*told).clone());
        for handshake in [told, made] {
            assert_eq!(serde_json::to_value(&handshake).unwrap(), written);
            assert_eq!(handshake.headers["user-agent"], "test");
        }
    }
}
