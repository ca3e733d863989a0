//! A client that is only a mailbox.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::{Duration, Instant, SystemTime};

use engineio::observe::Observers;
use engineio::{
    Application as _, Attached, CloseReason, Frame, HandshakeRequest, Headers, Layer as _, Mailbox,
    MailboxReceiver, Message, Opened, Outlet, Revision, Sid, Transport,
};
use serde_json::Value;
use socketio::{Client, Io, Socket};

/// How long what has to come is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client of a node, in this process and without a connection.
#[derive(Debug)]
pub struct TestClient {
    client: Client,
    driver: MailboxReceiver,
    /// What was sent to it and not looked at yet.
    received: VecDeque<String>,
    socket: Option<Socket>,
}

impl TestClient {
    /// A client that has joined `/`.
    ///
    /// # Panics
    /// If it is not accepted at once.
    #[must_use]
    pub fn join(io: &Io) -> TestClient {
        let mut client = TestClient::open(io);
        client.send("0");
        let reply = client.received();
        let reply =
            reply.first().and_then(|reply| serde_json::from_str::<Value>(reply.strip_prefix('0')?).ok());
        client.socket = reply.and_then(|reply| io.socket(reply["sid"].as_str()?));
        assert!(client.socket.is_some(), "the client has joined");
        client
    }

    /// A client that has joined nothing.
    #[must_use]
    pub fn open(io: &Io) -> TestClient {
        let (mailbox, driver) = Mailbox::new(10_000_000).split();
        let handshake = HandshakeRequest {
            time: SystemTime::now(),
            address: Some(([127, 0, 0, 1], 50_000).into()),
            secure: false,
            url: "/socket.io/?EIO=4&transport=polling".into(),
            headers: Headers::new([("User-Agent", &b"contract"[..])].into_iter()),
            attached: Attached::default(),
        };
        let opened = Opened {
            sid: Sid::generate(),
            revision: Revision::V4,
            transport: Transport::Polling,
            mailbox,
            handshake,
            observers: Observers::default(),
        };
        let client = io.open(opened, Instant::now());
        TestClient { client, driver, received: VecDeque::new(), socket: None }
    }

    /// Its socket, if it has [joined](TestClient::join).
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("the client has joined")
    }

    /// Sends a packet of Socket.IO, as text.
    pub fn send(&mut self, packet: &str) {
        self.client.message(Message::Text(packet.into()), Instant::now());
    }

    /// The next packet, or attachment, that is sent to it.
    ///
    /// # Panics
    /// If nothing comes within half a minute.
    pub async fn next(&mut self) -> String {
        loop {
            self.take();
            if let Some(next) = self.received.pop_front() {
                return next;
            }
            let left = poll_fn(|cx| self.driver.poll_left(cx, Outlet::Open));
            tokio::time::timeout(PATIENCE, left)
                .await
                .expect("nothing comes to a client that should get something");
            self.driver.look(Outlet::Open);
            self.client.poll(Instant::now());
        }
    }

    /// What was sent to it and not looked at yet: packets and attachments.
    pub fn received(&mut self) -> Vec<String> {
        self.take();
        self.received.drain(..).collect()
    }

    /// Expects these packets and no others before them.
    ///
    /// # Panics
    /// If something else comes, or nothing.
    pub async fn expect(&mut self, what: &str, packets: &[&str]) {
        for packet in packets {
            assert_eq!(self.next().await, *packet, "{what}");
        }
    }

    /// Its session ends as the server wants it to.
    pub(crate) fn close_as_told(&mut self) {
        let reason = self.driver.take_close().expect("the server ends the session");
        self.driver.shut();
        self.client.closed(reason);
    }

    fn take(&mut self) {
        let mut frames = VecDeque::new();
        self.driver.take(&mut frames);
        self.driver.written(frames.iter().map(Frame::cost).sum());
        // Text comes with the `4` of Engine.IO.
        self.received.extend(frames.iter().map(|frame| match (frame.is_binary(), frame.packet()) {
            (true, packet) => format!("bytes {packet:?}"),
            (false, packet) => String::from_utf8_lossy(&packet[1..]).into_owned(),
        }));
    }
}

/// Its session ends, as with any client that goes.
impl Drop for TestClient {
    fn drop(&mut self) {
        self.driver.shut();
        self.client.closed(CloseReason::TransportClose);
    }
}
