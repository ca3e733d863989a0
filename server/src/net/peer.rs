//! Who sent a request.

use std::net::SocketAddr;

/// The other end of a connection, as a socket's handshake tells it.
///
/// ```
/// use std::net::SocketAddr;
/// use socketio_server::Peer;
///
/// // What an HTTP server of your own tells the service about a connection.
/// let address: SocketAddr = "192.0.2.1:5000".parse()?;
/// let peer = Peer::from(address).secure(true);
/// assert_eq!(peer.address, Some(address));
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Peer {
    /// Its address; `None` on a Unix socket, or if it is unknown.
    pub address: Option<SocketAddr>,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

impl Peer {
    /// With the connection encrypted, or not.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Peer {
        self.secure = secure;
        self
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer { address: Some(address), secure: false }
    }
}
