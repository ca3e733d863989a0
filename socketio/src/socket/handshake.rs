//! How a client came.

use std::ops::Deref;

use serde::Deserialize;

/// How a client came: the request that opened its session, and its auth for one namespace.
///
/// It dereferences to [`engineio::Handshake`]: `time`, `address`, `secure`, `url`, `headers` and `query()`.
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

impl Deref for Handshake<'_> {
    type Target = engineio::Handshake;

    fn deref(&self) -> &engineio::Handshake {
        self.request
    }
}
