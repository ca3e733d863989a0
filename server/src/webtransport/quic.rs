//! How QUIC is spoken: the limits of a connection, and its place among those of the server.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ServerConfig, TransportConfig};
use tokio_rustls::rustls;

use crate::net::admission::ConnectionPermit;

/// Streams that a client may open at once: the one for its session, the one for packets, and those of HTTP/3.
const STREAMS: u8 = 8;

/// What a client may have sent that was not read, and what may have been written that it has not acknowledged, in bytes.
/// Neither counts for its session.
const WINDOW: u32 = 128 * 1024;

/// Time without a packet after which a connection is kept awake. Browsers end one after 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// What an endpoint begins with.
pub(super) fn config(tls: &rustls::ServerConfig) -> io::Result<ServerConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    Ok(ServerConfig::with_crypto(Arc::new(crypto)))
}

/// The same for one connection, which has that place for as long as there is anything left of it. Streams of a client
/// that nobody waits for any more keep their connection open.
pub(super) fn with_place(config: &ServerConfig, place: ConnectionPermit) -> Arc<ServerConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS.into())
        .max_concurrent_uni_streams(STREAMS.into())
        .stream_receive_window(WINDOW.into())
        .receive_window(WINDOW.into())
        .send_window(WINDOW.into())
        .datagram_receive_buffer_size(Some(WINDOW as usize / 32))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .congestion_controller_factory(Arc::new(Placed { usual: Arc::default(), _place: place }));
    let mut config = config.clone();
    config.transport_config(Arc::new(transport));
    Arc::new(config)
}

/// The usual congestion control. A connection keeps what it is made by, and nothing else of ours.
struct Placed {
    usual: Arc<CubicConfig>,
    _place: ConnectionPermit,
}

impl ControllerFactory for Placed {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        self.usual.clone().build(now, mtu)
    }
}
