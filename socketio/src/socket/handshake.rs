//! How a client came.

use std::ops::Deref;

use serde::{Deserialize, Serialize, Serializer};

use crate::fetched::HandshakeDetails;

/// How a client came: the request that opened its session, and its auth for one namespace.
///
/// It dereferences to [`engineio::Handshake`]: `time`, `address`, `secure`, `url`, `headers` and `query()`. It
/// serialises as the object that `socket.handshake` is in JavaScript; see [`HandshakeDetails`].
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    pub(super) request: &'a engineio::Handshake,
    pub(super) auth: &'a str,
}

impl<'a> Handshake<'a> {
    /// The JSON object that the client presented for this namespace, `{}` if it presented none. From clients
    /// of socket.io 1 and 2 it is the query of the namespace.
    #[must_use]
    pub fn auth_json(&self) -> &'a str {
        self.auth
    }

    /// What the client presented for this namespace, as `T`.
    ///
    /// # Errors
    /// If it is something else.
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
