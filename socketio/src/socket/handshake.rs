//! How a client came.

use std::ops::Deref;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::cluster::details::HandshakeDetails;
use crate::packet::date::date_text;

/// The request that opened a client's session, and its auth for one namespace.
///
/// It dereferences to [`engineio::HandshakeRequest`], which has `time`, `address`, `secure`, `url`, `headers` and
/// `query()`. It serialises as the object that `socket.handshake` is in JavaScript; see [`HandshakeDetails`].
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
        HandshakeDetails::of(self).serialize(serializer)
    }
}

impl Deref for Handshake<'_> {
    type Target = engineio::HandshakeRequest;

    fn deref(&self) -> &engineio::HandshakeRequest {
        self.request
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
