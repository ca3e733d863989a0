//! The wire in bytes: what a real server answers to exactly these bytes.

mod admin;
mod bursts;
mod chat;
mod closing;
mod compression;
mod deflate;
mod handshake;
mod heartbeat;
mod hooks;
mod http;
mod inspect;
mod journal;
mod jsonp;
mod metrics;
mod observe;
mod offers;
mod plain;
mod polling;
mod proxies;
mod proxy_protocol;
mod slow_links;
mod socketio;
mod upgrade;
mod websocket;

use std::time::Duration;

use engineio::EngineConfig;
use socketio_tests::TestServer;

/// Polling at the plain echo, in revision 4.
const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
/// A WebSocket at the plain echo, in revision 4.
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

/// The echo application with the default settings.
async fn echo() -> TestServer {
    TestServer::echo(EngineConfig::default()).await
}

/// The echo application with a heartbeat that can be waited for.
async fn impatient_echo() -> TestServer {
    TestServer::echo(EngineConfig {
        ping_interval: Duration::from_secs(1),
        ping_timeout: Duration::from_secs(1),
        upgrade_timeout: Duration::from_secs(1),
        close_timeout: Duration::from_secs(1),
        ..EngineConfig::default()
    })
    .await
}

/// The target of a WebSocket that probes the session of a polling target.
fn probing(target: &str) -> String {
    target.replace("transport=polling", "transport=websocket")
}
