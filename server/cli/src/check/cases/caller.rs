//! A client that does only what a script says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::client::OpenPacket;
use engineio::{Frame, Message, Packet, PayloadFormat, Revision, Transport};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Tungstenite;

use crate::check::session::get;
use crate::dial::{Lane, OpenedWebSocket, Reply, Stream, Target, within};
use crate::tasks::with_its_panic;

pub(super) type WebSocket = WebSocketStream<Box<dyn Stream>>;

/// How the end of a session shows by WebSocket, if it is told in order.
pub(super) const CLOSE_FRAME: &str = "a close frame";

/// A packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Text(String),
    Binary(Bytes),
    /// The session is over: how that showed.
    End(String),
    /// Nothing came in time.
    Nothing,
}

/// One session.
pub(super) struct Caller {
    pub(super) target: Arc<Target>,
    pub(super) revision: Revision,
    pub(super) opened: OpenPacket,
    websocket: Option<WebSocket>,
    inbox: VecDeque<Came>,
    /// The GET that waits.
    parked: Option<JoinHandle<std::io::Result<Reply>>>,
}

impl Caller {
    pub(super) async fn open(
        target: Arc<Target>,
        revision: Revision,
        by: Transport,
    ) -> Result<Caller, String> {
        let query = format!("EIO={}&transport={}", revision.number(), by.as_str());
        let mut websocket = None;
        let first = match by {
            Transport::Polling => {
                let reply = get(&target, &query, &[]).await.map_err(|error| error.to_string())?;
                read_payload(&reply, revision)
            }
            Transport::WebSocket => {
                let opened =
                    OpenedWebSocket::open(&target, &query).await.map_err(|error| error.to_string())?;
                let stream = websocket.insert(opened.stream);
                VecDeque::from([read_websocket(stream, revision, target.timeout).await])
            }
            Transport::WebTransport => return Err("no case uses WebTransport".to_owned()),
        };
        let mut inbox = first;
        let first = inbox.pop_front();
        let Some(Came::Text(text)) = &first else {
            return Err(format!("expected an open packet; seen: {first:?}"));
        };
        let packet = Packet::decode_text(&ByteString::from(text.as_str()), revision);
        let opened = packet.ok().and_then(|packet| OpenPacket::read(&packet));
        let opened = opened.ok_or_else(|| format!("expected an open packet; seen: {text}"))?;
        Ok(Caller { target, revision, opened, websocket, inbox, parked: None })
    }

    pub(super) fn query(&self, transport: Transport) -> String {
        format!("EIO={}&transport={}&sid={}", self.revision.number(), transport.as_str(), self.opened.sid)
    }

    /// From now on packets go by that WebSocket.
    pub(super) fn upgrade(&mut self, websocket: WebSocket) {
        self.websocket = Some(websocket);
    }

    pub(super) fn websocket(&mut self) -> Result<&mut WebSocket, String> {
        self.websocket.as_mut().ok_or_else(|| "there is no WebSocket".to_owned())
    }

    pub(super) async fn post(&self, body: Bytes) -> std::io::Result<Reply> {
        let query = self.query(Transport::Polling);
        within(self.target.timeout, Lane::default().post(&self.target, &query, body)).await
    }

    /// Begins a GET, which waits.
    pub(super) fn park(&mut self) {
        let (target, query) = (self.target.clone(), self.query(Transport::Polling));
        self.parked = Some(tokio::spawn(async move { Lane::default().get(&target, &query).await }));
    }

    /// The answer to the GET that waits; `None` if it goes on waiting.
    pub(super) async fn parked(&mut self, within: Duration) -> Option<std::io::Result<Reply>> {
        let parked = self.parked.as_mut()?;
        let reply = timeout(within, parked).await.ok()?;
        self.parked = None;
        with_its_panic(reply)
    }

    pub(super) fn keep(&mut self, reply: &Reply) {
        self.inbox.extend(read_payload(reply, self.revision));
    }

    /// Sends packets together.
    pub(super) async fn send(&mut self, packets: &[Came]) -> Result<(), String> {
        if let Some(websocket) = &mut self.websocket {
            for packet in packets {
                let message = match packet {
                    Came::Text(text) => Tungstenite::text(text.clone()),
                    Came::Binary(bytes) if self.revision == Revision::V3 => {
                        Tungstenite::binary([&[4], &bytes[..]].concat())
                    }
                    Came::Binary(bytes) => Tungstenite::Binary(bytes.clone()),
                    Came::End(_) | Came::Nothing => continue,
                };
                // If the server has closed it, what follows tells.
                let _ = websocket.send(message).await;
            }
            return Ok(());
        }
        let body = payload(packets, self.revision);
        // What the answer is shows in what comes then.
        let _ = self.post(body).await.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The next packet, beside heartbeats and noops.
    pub(super) async fn next(&mut self, within: Duration) -> Came {
        let until = Instant::now() + within;
        loop {
            let came = self.any(until.saturating_duration_since(Instant::now())).await;
            match &came {
                Came::Text(text) if text == "6" => {}
                Came::Text(text) if text == "2" && self.revision == Revision::V4 => {
                    let _ = self.send(&[Came::Text("3".to_owned())]).await;
                }
                Came::Text(text) if text == "1" => return Came::End("a close packet".to_owned()),
                _ => return came,
            }
        }
    }

    /// The next packet, whatever it is.
    pub(super) async fn any(&mut self, within: Duration) -> Came {
        let until = Instant::now() + within;
        loop {
            if let Some(came) = self.inbox.pop_front() {
                return came;
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.parked.is_none()
                && let Some(websocket) = &mut self.websocket
            {
                return read_websocket(websocket, self.revision, left).await;
            }
            if self.parked.is_none() {
                self.park();
            }
            match self.parked(left).await {
                None => return Came::Nothing,
                Some(Err(error)) => return Came::End(error.to_string()),
                Some(Ok(reply)) if reply.status != 200 => {
                    return Came::End(format!("status {}", reply.status));
                }
                Some(Ok(reply)) => self.keep(&reply),
            }
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(parked) = &self.parked {
            parked.abort();
        }
    }
}

/// A payload of packets as they stand, right or wrong.
pub(super) fn payload(packets: &[Came], revision: Revision) -> Bytes {
    let mut body = String::new();
    for (at, packet) in packets.iter().enumerate() {
        let text = match packet {
            Came::Text(text) => text.clone(),
            Came::Binary(bytes) => {
                let frame = Frame::binary(bytes);
                let format = PayloadFormat { revision, base64: true };
                let encoded = format.encode(&mut [frame].into(), usize::MAX).0.to_bytes();
                let encoded = String::from_utf8_lossy(&encoded).into_owned();
                match revision {
                    Revision::V4 => encoded,
                    Revision::V3 => {
                        encoded.split_once(':').map_or(String::new(), |(_, text)| text.to_owned())
                    }
                }
            }
            Came::End(_) | Came::Nothing => continue,
        };
        match revision {
            Revision::V4 if at > 0 => body += &format!("\x1e{text}"),
            Revision::V4 => body += &text,
            Revision::V3 => body += &format!("{}:{text}", text.encode_utf16().count()),
        }
    }
    body.into()
}

/// The packets of an answer. What is none is text as it stands.
fn read_payload(reply: &Reply, revision: Revision) -> VecDeque<Came> {
    let format = PayloadFormat { revision, base64: false };
    let packets = format.reader(reply.body.clone(), reply.is_binary(), 100_000);
    packets
        .map(|packet| match packet {
            Ok(Packet::Message(Message::Binary(bytes))) => Came::Binary(bytes),
            Ok(packet) => Came::Text(String::from_utf8_lossy(Frame::from(&packet).packet()).into_owned()),
            Err(error) => Came::End(format!("{error}: {:?}", String::from_utf8_lossy(&reply.body))),
        })
        .collect()
}

/// The next message of a WebSocket.
pub(super) async fn read_websocket(websocket: &mut WebSocket, revision: Revision, within: Duration) -> Came {
    let next = timeout(within, async {
        loop {
            match websocket.next().await {
                Some(Ok(Tungstenite::Text(text))) => return Came::Text(text.to_string()),
                Some(Ok(Tungstenite::Binary(bytes))) if revision == Revision::V3 => {
                    return Came::Binary(bytes.slice(1.min(bytes.len())..));
                }
                Some(Ok(Tungstenite::Binary(bytes))) => return Came::Binary(bytes),
                Some(Ok(Tungstenite::Close(_))) => return Came::End(CLOSE_FRAME.to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Came::End(error.to_string()),
                None => return Came::End("the connection ended".to_owned()),
            }
        }
    });
    next.await.unwrap_or(Came::Nothing)
}
