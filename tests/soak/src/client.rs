//! An honest client: it answers pings, and fails if the server ends its session.

use std::collections::VecDeque;
use std::net::SocketAddr;

use socketio_tests::{Connection, Received, WebSocket};
use tokio::net::TcpStream;

/// Where sessions by polling begin.
pub(crate) const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
/// Where sessions by WebSocket begin.
pub(crate) const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A connection that is reset when it is dropped.
pub(crate) async fn to_reset(server: SocketAddr) -> Connection {
    let stream = TcpStream::connect(server).await.expect("a connection");
    stream.set_nodelay(true).expect("a TCP connection");
    stream.set_zero_linger().expect("a connection that lingers for no time");
    Connection::over(stream)
}

/// One session.
pub(crate) struct Client {
    transport: Transport,
    /// Packets that have come and were not looked at yet.
    heard: VecDeque<Heard>,
}

enum Transport {
    WebSocket(WebSocket),
    Polling {
        server: SocketAddr,
        target: String,
        get: Connection,
        post: Connection,
        /// Whether a poll waits for its answer on `get`.
        parked: bool,
    },
}

/// What a client is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A packet, its digit included.
    Packet(String),
    /// An attachment. By polling it is in base64, and nobody needs to know what it holds.
    Attachment,
}

impl Client {
    /// A session by WebSocket over a connection.
    pub(crate) async fn websocket_over(connection: Connection) -> Client {
        let websocket = WebSocket::over(connection, WEBSOCKET).await;
        let mut client = Client { transport: Transport::WebSocket(websocket), heard: VecDeque::new() };
        client.hear_until("0{").await;
        client
    }

    /// A session by WebSocket.
    pub(crate) async fn websocket(server: SocketAddr) -> Client {
        Client::websocket_over(Connection::open(server).await).await
    }

    /// A session by polling.
    pub(crate) async fn polling(server: SocketAddr) -> Client {
        let mut get = Connection::open(server).await;
        let opened = get.request("GET", POLLING, &[], b"").await;
        assert_eq!(opened.status, 200, "a handshake");
        let target = format!("{POLLING}&sid={}", opened.sid());
        let post = Connection::open(server).await;
        let transport = Transport::Polling { server, target, get, post, parked: false };
        Client { transport, heard: VecDeque::new() }
    }

    /// Goes over from polling to WebSocket.
    pub(crate) async fn upgrade(&mut self) {
        self.park().await;
        let Transport::Polling { server, target, .. } = &self.transport else { return };
        let probe = target.replace("transport=polling", "transport=websocket");
        let mut websocket = WebSocket::open(*server, &probe).await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        // The poll must be through before the session goes over: the server lets it go.
        self.polled().await;
        websocket.text("5").await;
        self.transport = Transport::WebSocket(websocket);
    }

    /// Sends packets. By polling it is one payload.
    pub(crate) async fn say(&mut self, packets: &[&str]) {
        self.park().await;
        match &mut self.transport {
            Transport::WebSocket(websocket) => {
                for packet in packets {
                    websocket.text(packet).await;
                }
            }
            Transport::Polling { target, post, .. } => {
                let body = packets.join("\u{1e}");
                let answer = post.request("POST", target, &[], body.as_bytes()).await;
                assert_eq!((answer.status, answer.text()), (200, "ok"), "the answer to {body}");
            }
        }
    }

    /// Sends an event's text and its attachment.
    pub(crate) async fn say_with_attachment(&mut self, packet: &str) {
        match &mut self.transport {
            Transport::WebSocket(websocket) => {
                websocket.text(packet).await;
                websocket.binary([1, 2, 3]).await;
            }
            Transport::Polling { .. } => self.say(&[packet, "bAQID"]).await,
        }
    }

    /// The next packet but pings, which are answered.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            while self.heard.is_empty() {
                self.listen().await;
            }
            match self.heard.pop_front() {
                Some(Heard::Packet(ping)) if ping == "2" => self.say(&["3"]).await,
                Some(Heard::Packet(noop)) if noop == "6" => {}
                Some(heard) => return heard,
                None => {}
            }
        }
    }

    /// The next packet that begins so. Others are passed over.
    pub(crate) async fn hear_until(&mut self, beginning: &str) -> String {
        loop {
            if let Heard::Packet(packet) = self.hear().await
                && packet.starts_with(beginning)
            {
                return packet;
            }
        }
    }

    async fn listen(&mut self) {
        self.park().await;
        match &mut self.transport {
            Transport::WebSocket(websocket) => match websocket.next().await {
                Received::Text(packet) => self.heard.push_back(Heard::Packet(packet)),
                Received::Binary(_) => self.heard.push_back(Heard::Attachment),
                other => panic!("an honest client got {other:?}"),
            },
            Transport::Polling { .. } => self.polled().await,
        }
    }

    /// Sees to it that a poll waits: whoever polls is always reachable.
    async fn park(&mut self) {
        if let Transport::Polling { target, get, parked, .. } = &mut self.transport
            && !*parked
        {
            get.send("GET", target, &[], b"").await;
            *parked = true;
        }
    }

    /// Waits for the answer to the poll, if there is one.
    async fn polled(&mut self) {
        if let Transport::Polling { get, parked, .. } = &mut self.transport
            && *parked
        {
            let answer = get.response().await;
            assert_eq!(answer.status, 200, "the answer to a poll");
            *parked = false;
            for packet in answer.text().split('\u{1e}') {
                let attachment = packet.starts_with('b');
                self.heard.push_back(if attachment {
                    Heard::Attachment
                } else {
                    Heard::Packet(packet.into())
                });
            }
        }
    }

    /// Ends the session as Engine.IO has it.
    pub(crate) async fn close(mut self) {
        match &mut self.transport {
            Transport::WebSocket(websocket) => websocket.raw(WebSocket::frame(0x88, &[])).await,
            Transport::Polling { .. } => self.say(&["1"]).await,
        }
    }
}
