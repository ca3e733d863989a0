//! Single requests, a session by polling, and WebSockets. A server that is silent is waited for no longer than `--timeout`
//! says.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use engineio::client::{HttpAnswer, OpenPacket, ServerRefusal};
use engineio::{Packet, PayloadFormat, Revision};
use http::{HeaderName, HeaderValue, Method};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;

use crate::dial::{Lane, Reply, Stream, Target, within};

/// A session, and the query of its requests.
pub(super) struct Polling {
    pub(super) query: String,
}

/// What a handshake came to.
pub(super) enum Handshake {
    Opened(OpenPacket),
    /// The server answered with an error.
    Refused(ServerRefusal),
    /// The answer is no Engine.IO.
    NotOpened(String),
}

pub(super) fn query(revision: Revision) -> String {
    format!("EIO={}&transport=polling", revision.number())
}

/// A GET on a connection of its own, with these header fields.
pub(super) async fn get(
    target: &Target,
    query: &str,
    fields: &[(HeaderName, HeaderValue)],
) -> io::Result<Reply> {
    let mut lane = Lane::default();
    within(target.timeout, lane.request(target, Method::GET, query, fields, Bytes::new())).await
}

/// Closes a WebSocket, if its server takes the close frame.
pub(super) async fn close(target: &Target, mut websocket: WebSocketStream<Box<dyn Stream>>) {
    let _ = timeout(target.timeout, websocket.close(None)).await;
}

impl Handshake {
    pub(super) fn of(reply: &Reply, revision: Revision) -> Handshake {
        let (binary, body) = (reply.is_binary(), reply.body.clone());
        if reply.status != 200 {
            return Handshake::Refused(ServerRefusal::of(&HttpAnswer { status: reply.status, binary, body }));
        }
        let format = PayloadFormat { revision, base64: true };
        match format.reader(body.clone(), binary, 100).next() {
            Some(Ok(packet)) if let Some(opened) = OpenPacket::read(&packet) => Handshake::Opened(opened),
            _ => Handshake::NotOpened(String::from_utf8_lossy(&body).chars().take(60).collect()),
        }
    }
}

impl Polling {
    /// Opens a session on a connection of its own.
    pub(super) async fn open(target: &Target, revision: Revision) -> io::Result<Polling> {
        let reply = get(target, &query(revision), &[]).await?;
        match Handshake::of(&reply, revision) {
            Handshake::Opened(opened) => {
                Ok(Polling { query: format!("{}&sid={}", query(revision), opened.sid) })
            }
            Handshake::Refused(refusal) => Err(io::Error::other(refusal.to_string())),
            Handshake::NotOpened(body) => Err(io::Error::other(format!("no session was opened: {body:?}"))),
        }
    }

    /// A GET on a connection of its own, which may wait for so long.
    pub(super) async fn poll(&self, target: &Target, time: Duration) -> io::Result<Reply> {
        within(time, Lane::default().get(target, &self.query)).await
    }

    /// A POST on a connection of its own.
    pub(super) async fn post(&self, target: &Target, body: impl Into<Bytes>) -> io::Result<Reply> {
        within(target.timeout, Lane::default().post(target, &self.query, body.into())).await
    }

    /// Ends the session. If that fails, the server's heartbeat ends it.
    pub(super) async fn close(self, target: &Target, revision: Revision) {
        let _ = self.post(target, packet(&Packet::Close, revision)).await;
    }
}

/// A payload of one packet.
pub(super) fn packet(packet: &Packet, revision: Revision) -> Bytes {
    let format = PayloadFormat { revision, base64: true };
    format.encode(&mut [engineio::Frame::from(packet)].into(), usize::MAX).0.to_bytes()
}
