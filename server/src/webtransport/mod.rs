//! WebTransport: a listener for HTTP/3, whose sessions each bring one stream for packets.
//!
//! A stream is a connection like any other to the rest of the server, with a [framing](engineio::Framing) of its own. It
//! comes before the request that asks what it is for, since the client says that on the stream.

mod accept;
mod http3;
mod quic;
mod stream;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;
use std::{fmt, io};

use quinn::{Endpoint, VarInt};

use crate::net::listener::{ListenAddress, ListenError};
use crate::net::tls::Tls;

pub(crate) use accept::accept;

/// What the client is told with the end of its connection: that nothing was wrong.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// Why a client does not get in.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long clients have to hear of the end of their connections, and the server to send it.
const LAST_PACKETS: Duration = Duration::from_secs(1);

/// An open socket for WebTransport. It needs a certificate, since HTTP/3 is always encrypted.
///
/// Clients find it at the host and port of the server's URL, so give it the port of a listener with TLS:
/// [`EngineConfig::webtransport`](crate::EngineConfig::webtransport) tells them that it is there. It is for clients of revision 4.
///
/// It needs the feature `webtransport`, which is off by default.
///
/// ```no_run
/// use socketio::Io;
/// use socketio_server::{BACKLOG, EngineConfig, Listener, Server, Tls, WebTransport};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = Tls::from_pem_files("chain.pem", "key.pem")?;
/// let listener = Listener::bind(&"0.0.0.0:443".parse()?, BACKLOG).await?.tls(tls.clone());
/// let server = Server::builder()
///     .config(EngineConfig { webtransport: true, ..EngineConfig::default() })
///     .socketio("/socket.io/", Io::new())
///     .build()?
///     .webtransport(WebTransport::bind("0.0.0.0:443".parse()?, tls)?);
/// server.serve(listener, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
pub struct WebTransport {
    endpoint: Endpoint,
    address: SocketAddr,
    tls: Tls,
}

impl WebTransport {
    /// Listens on a UDP address. Call it within a Tokio runtime.
    ///
    /// # Errors
    /// If it can't listen there. The error names the address.
    pub fn bind(address: SocketAddr, tls: Tls) -> Result<WebTransport, ListenError> {
        let bound = || -> io::Result<WebTransport> {
            let endpoint = Endpoint::server(quic::config(&tls.config())?, address)?;
            Ok(WebTransport { address: endpoint.local_addr()?, endpoint, tls })
        };
        bound().map_err(|error| ListenError { address: ListenAddress::Tcp(address), error })
    }

    /// For the [`end`].
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// The address, with the port that it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Display for WebTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/", self.address)
    }
}

impl fmt::Debug for WebTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTransport").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Ends what is left of an endpoint's connections, and waits until their clients have been told. Without that, the process
/// could end first, and they would notice it by their timeouts.
pub(crate) async fn end(endpoints: Vec<Endpoint>) {
    for endpoint in &endpoints {
        endpoint.close(NO_ERROR, b"");
    }
    let all = async {
        for endpoint in &endpoints {
            endpoint.wait_idle().await;
        }
    };
    drop(tokio::time::timeout(LAST_PACKETS, all).await);
}
