//! The API over real connections, with real clients' bytes. What a backend that is called does is tested in `hooks`.

mod lists;
mod mistakes;
mod operations;
mod requests;

use std::net::SocketAddr;

use serde_json::{Value, json};
use socketio::{Io, Socket};
use socketio_server::Server;
use socketio_tests::{Connection, Received, Response, TestServer, WebSocket};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

const KEY: &str = "the-key-0123456789";

struct Running {
    io: Io,
    clients: TestServer,
    api: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Running {
    async fn start(keys: Keys) -> Running {
        let io = Io::new();
        io.of("/chat");
        // Real clients would have joined by an event.
        io.on_sync("join", |socket: Socket, room: String| socket.join(room).is_ok());
        let clients = TestServer::start(Server::builder().socketio("/socket.io/", io.clone())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap();
        let serving = Api::new(io.clone(), NodeInfo::new("here", false), keys);
        let serving = tokio::spawn(serving.serve(listener, std::future::pending()));
        Running { io, clients, api, serving }
    }

    async fn open() -> Running {
        Running::start(Keys::default()).await
    }

    async fn client(&self) -> (WebSocket, String) {
        let mut client = self.clients.websocket("/socket.io/?EIO=4&transport=websocket").await;
        assert!(client.next_text().await.starts_with('0'));
        client.text("40").await;
        let connected = client.next_text().await;
        let sid: Value = serde_json::from_str(connected.strip_prefix("40").unwrap()).unwrap();
        (client, sid["sid"].as_str().unwrap().to_owned())
    }

    async fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.api).await;
        connection.host = self.api.to_string();
        connection
    }

    async fn post_with(&self, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Response {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(fields);
        self.connect().await.request("POST", path, &headers, body).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.post_with(path, &[], body.to_string().as_bytes()).await;
        (answer.status, serde_json::from_str(answer.text()).unwrap())
    }

    async fn get(&self, target: &str) -> (u16, Value) {
        let answer = self.connect().await.request("GET", target, &[], b"").await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, serde_json::from_str(answer.text()).unwrap())
    }
}

/// The status, code and place of an error.
fn told((status, body): (u16, Value)) -> (u16, String, String) {
    let word = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (status, word("code"), word("at"))
}

fn error(status: u16, code: &str, at: &str) -> (u16, String, String) {
    (status, code.to_owned(), at.to_owned())
}
