//! How a client came.

use std::ops::Deref;

use serde::{Deserialize, Serialize, Serializer};

use crate::cluster::fetched::HandshakeDetails;

/// The request that opened a client's session, and its auth for one namespace.
///
/// It dereferences to [`engineio::Handshake`], which has `time`, `address`, `secure`, `url`, `headers` and
/// `query()`. It serialises as the object that `socket.handshake` is in JavaScript; see [`HandshakeDetails`].
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    pub(super) request: &'a engineio::Handshake,
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
    type Target = engineio::Handshake;

    fn deref(&self) -> &engineio::Handshake {
        self.request
    }
}
