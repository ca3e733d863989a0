//! How a client goes about its session.

use std::time::Duration;

use crate::{Revision, Transport};

/// A client's settings.
///
/// ```
/// use engineio::Transport;
/// use engineio::client::ClientConfig;
///
/// let direct = ClientConfig { transport: Transport::WebSocket, ..ClientConfig::default() };
/// assert!(direct.upgrade);
/// ```
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The revision that it speaks. Default: 4.
    pub revision: Revision,
    /// The transport of the handshake. Default: polling.
    pub transport: Transport,
    /// Whether it goes over from polling to WebSocket, if the server offers that. Default: yes.
    pub upgrade: bool,
    /// How long the handshake may take. Default: 20 s, as `socket.io-client` has it.
    pub open_timeout: Duration,
    /// How long an upgrade may take. Default: 10 s.
    pub upgrade_timeout: Duration,
    /// How long the goodbye by polling may take. Default: 5 s.
    pub close_timeout: Duration,
    /// The most packets of one poll. Default: 100,000.
    pub max_packets: usize,
    /// Bytes of messages that may wait to be sent. Default: 100 MB.
    pub send_budget: usize,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            revision: Revision::V4,
            transport: Transport::Polling,
            upgrade: true,
            open_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_packets: 100_000,
            send_budget: 100_000_000,
        }
    }
}
