//! How a client came.

use std::ops::Deref;
use std::time::UNIX_EPOCH;

use engineio::{Headers, Query};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::packet::date::date_text;

/// The request that opened a client's session, and its auth for one namespace.
///
/// It dereferences to [`engineio::HandshakeRequest`], which has `time`, `address`, `secure`, `url`, `headers` and
/// `query()`. It serialises as the object that `socket.handshake` is in JavaScript; see
/// [`HandshakeDetails`](crate::HandshakeDetails).
///
/// ```
/// use socketio::Socket;
///
/// fn who(socket: &Socket) -> String {
///     let handshake = socket.handshake();
///     let token: String = handshake.auth().unwrap_or_default();
///     let browser = handshake.headers.get("user-agent").unwrap_or("unknown");
///     format!("{token} with {browser} from {:?}", handshake.address)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    pub(super) request: &'a engineio::HandshakeRequest,
    pub(super) auth: &'a str,
}

impl<'a> Handshake<'a> {
    /// The client's auth for this namespace as JSON, `{}` if it sent none. For clients of socket.io 1 and 2,
    /// it is the namespace's query.
    #[must_use]
    pub fn auth_json(&self) -> &'a str {
        self.auth
    }

    /// The client's auth for this namespace, read as `T`.
    ///
    /// # Errors
    /// If the auth can't be read as `T`.
    pub fn auth<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.auth)
    }
}

impl Serialize for Handshake<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let issued = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let issued = u64::try_from(issued.as_millis()).unwrap_or(u64::MAX);
        let mut handshake = serializer.serialize_struct("Handshake", 9)?;
        handshake.serialize_field("headers", &HeaderMap(&self.headers))?;
        handshake.serialize_field("time", &date_text(i64::try_from(issued).unwrap_or(i64::MAX)))?;
        let address = self.address.map(|address| address.ip().to_string()).unwrap_or_default();
        handshake.serialize_field("address", &address)?;
        handshake.serialize_field("xdomain", &self.headers.get("origin").is_some())?;
        handshake.serialize_field("secure", &self.secure)?;
        handshake.serialize_field("issued", &issued)?;
        handshake.serialize_field("url", &*self.url)?;
        handshake.serialize_field("query", &QueryMap(&self.query()))?;
        handshake.serialize_field("auth", &serde_json::from_str::<&RawValue>(self.auth).ok())?;
        handshake.end()
    }
}

/// Their names are in lower case.
struct HeaderMap<'a>(&'a Headers);

impl Serialize for HeaderMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

struct QueryMap<'a>(&'a Query<'a>);

impl Serialize for QueryMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl Deref for Handshake<'_> {
    type Target = engineio::HandshakeRequest;

    fn deref(&self) -> &engineio::HandshakeRequest {
        self.request
    }
}
