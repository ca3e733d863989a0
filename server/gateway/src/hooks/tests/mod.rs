//! Hooks with real clients' bytes and a backend that answers as each test says.

mod backend;
mod connect;
mod events;
mod faults;
mod tokens;
mod told;

use socketio::IoConfig;
use socketio_server::Server;
use socketio_tests::{TestServer, WebSocket};

use self::backend::{Asked, Backend};
use super::*;
use crate::app::{Gateway, GatewayConfig};

struct Running {
    io: Io,
    clients: TestServer,
    gateway: Gateway,
}

impl Running {
    async fn start(backend: &Backend, change: impl FnOnce(&mut GatewayConfig)) -> Running {
        Running::with(IoConfig::default(), backend, change).await
    }

    async fn with(config: IoConfig, backend: &Backend, change: impl FnOnce(&mut GatewayConfig)) -> Running {
        let io = Io::with_config(config);
        let mut webhook = Webhook::new(&backend.url);
        webhook.hooks = [HookType::Connect, HookType::Event].into();
        let mut settings = GatewayConfig { webhook: Some(webhook), ..GatewayConfig::default() };
        change(&mut settings);
        let gateway = Gateway::start(&io, NodeInfo::new("here", false), settings).unwrap();
        let clients = TestServer::start(Server::builder().socketio("/socket.io/", io.clone())).await;
        Running { io, clients, gateway }
    }

    /// A client that has asked to join `/`.
    async fn connect(&self, auth: &str) -> WebSocket {
        let mut client = self.clients.websocket("/socket.io/?EIO=4&transport=websocket&q=1").await;
        assert!(client.next_text().await.starts_with('0'));
        client.text(format!("40{auth}")).await;
        client
    }

    /// A client that the backend has let in.
    async fn join(&self, backend: &mut Backend) -> (WebSocket, String) {
        let mut client = self.connect("").await;
        let asked = backend.expect("connect").await;
        let id = asked.body["socket"].as_str().unwrap().to_owned();
        asked.answer(204, "");
        assert!(client.next_text().await.starts_with("40{"));
        (client, id)
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        self.gateway.write_metrics(&mut text);
        text
    }
}
