//! A server in this process, on a port of its own.

use std::net::SocketAddr;

use engineio::EngineConfig;
use socketio::Io;
use socketio_server::{Builder, Listener, Server, Service};
use socketio_server_cli::apps;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http::LIMIT;
use crate::{Connection, Response, WebSocket};

/// A running server. It drains when it is stopped, and is gone when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    service: Service,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl TestServer {
    /// The echo application: Socket.IO at `/socket.io/` and plain Engine.IO at `/engine.io/`.
    pub async fn echo(config: EngineConfig) -> TestServer {
        TestServer::echo_with(config, |builder| builder).await
    }

    /// The same, with more settings.
    pub async fn echo_with(config: EngineConfig, settings: impl FnOnce(Builder) -> Builder) -> TestServer {
        let io = Io::new();
        apps::echo(&io);
        let builder = Server::builder().config(config).socketio("/socket.io/", io);
        TestServer::start(settings(builder.engineio("/engine.io/", apps::EngineEcho))).await
    }

    /// Any server.
    pub async fn start(builder: Builder) -> TestServer {
        TestServer::start_on(builder, |listener| listener).await
    }

    /// Any server, on a listener with more settings.
    pub async fn start_on(builder: Builder, settings: impl FnOnce(Listener) -> Listener) -> TestServer {
        let server = builder.build().expect("the server's settings are right");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let listener = settings(listener.into());
        let service = server.service();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            server.serve(listener, async { drop(stopped.await) }).await;
        });
        TestServer { address, service, stop: Some(stop), serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server as a service: how many sessions there are, and how often limits were met.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// A new connection.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// A new connection, which is reset when it is dropped.
    pub async fn connect_to_reset(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.set_zero_linger().expect("a connection that lingers for no time");
        Connection::over(stream)
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, target: &str) -> Response {
        self.connect().await.request("GET", target, &[], b"").await
    }

    /// One POST of text on a connection of its own.
    pub async fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        let headers = [("Content-Type", "text/plain;charset=UTF-8")];
        self.connect().await.request("POST", target, &headers, body.as_ref()).await
    }

    /// A WebSocket.
    pub async fn websocket(&self, target: &str) -> WebSocket {
        WebSocket::open(self.address, target).await
    }

    /// A session by polling at `path`; its target for further requests.
    pub async fn open_polling(&self, path: &str, revision: u8) -> String {
        let target = format!("{path}?EIO={revision}&transport=polling");
        let opened = self.get(&target).await;
        assert_eq!(opened.status, 200, "a handshake: {opened:?}");
        format!("{target}&sid={}", opened.sid())
    }

    /// Stops the server and waits for its drain.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let ended = timeout(LIMIT, &mut self.serving).await;
        ended.expect("the server ends in time").expect("the server ends well");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
