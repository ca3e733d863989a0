//! What the peer sends.

use std::time::Duration;

use engineio::Revision;
use socketio_explain::journal::{Carrier, Direction};

use super::{LabPeer, Result};
use crate::packet::{Wire, encode_payload};
use crate::record::RecordPlace;
use crate::verdict::Unmet;
use crate::wire::frame;
use crate::wire::request::Request;

/// What a client may take to read what it was sent, before its connection ends.
const TO_READ: Duration = Duration::from_millis(100);

impl LabPeer {
    /// Sends a packet. By polling, it waits for a poll.
    pub async fn send(&mut self, packet: impl Into<Wire>) -> Result {
        self.send_all(&[packet.into()]).await
    }

    /// Sends packets, by polling in one payload.
    pub async fn send_all(&mut self, packets: &[Wire]) -> Result {
        if self.on_websocket() {
            for packet in packets {
                self.pings += usize::from(is_ping(packet));
                match packet {
                    Wire::Text(text) => self.write_frame(frame::TEXT, true, text.as_bytes()).await,
                    Wire::Binary(bytes) => {
                        let bytes = self.binary(bytes);
                        self.write_frame(frame::BINARY, true, &bytes).await;
                    }
                }
            }
            return Ok(());
        }
        let poll = self.poll().await?;
        self.answer_poll(poll, packets).await;
        Ok(())
    }

    /// A binary message as the revision has it in a frame.
    #[must_use]
    pub fn binary(&self, bytes: &[u8]) -> Vec<u8> {
        match self.revision {
            Revision::V3 => [&[4], bytes].concat(),
            Revision::V4 => bytes.to_vec(),
        }
    }

    /// Answers a poll with packets.
    pub async fn answer_poll(&mut self, poll: Request, packets: &[Wire]) {
        for packet in packets {
            self.pings += usize::from(is_ping(packet));
            let (direction, carrier) = (Some(Direction::Out), Some(Carrier::Get));
            self.recorder
                .packet(RecordPlace { sid: self.sid(), direction, carrier, from: poll.record }, packet);
        }
        let base64 = self.session.as_ref().is_some_and(|session| session.base64);
        let (body, binary) = encode_payload(self.revision, base64, packets);
        let kind = if binary { "application/octet-stream" } else { "text/plain; charset=UTF-8" };
        poll.answer(200, &[("Content-Type", kind), ("Cache-Control", "no-store")], &body).await;
    }

    /// The next poll, or the one that is parked.
    pub async fn poll(&mut self) -> Result<Request> {
        let within = self.patience;
        self.poll_within(within).await.ok_or_else(|| Unmet::fail("a poll", self.instead()))
    }

    /// The next poll, if one comes in time.
    pub async fn poll_within(&mut self, time: Duration) -> Option<Request> {
        self.wait(time, |peer| peer.session.as_mut()?.parked.take()).await
    }

    /// The next POST, if POSTs are held. Its packets are there before it is answered.
    pub async fn post(&mut self) -> Result<Request> {
        let within = self.patience;
        let post = self.wait(within, |peer| peer.posts.pop_front()).await;
        post.ok_or_else(|| Unmet::fail("a POST", self.instead()))
    }

    /// The same, but one with packets that the script waits for: one with heartbeats alone is answered.
    pub async fn post_with_packets(&mut self) -> Result<Request> {
        loop {
            let post = self.post().await?;
            if !self.packets.is_empty() {
                return Ok(post);
            }
            post.answer(200, &[("Content-Type", "text/html")], b"ok").await;
        }
    }

    /// The next POST, if POSTs are held and one comes in time.
    pub async fn post_within(&mut self, time: Duration) -> Option<Request> {
        self.wait(time, |peer| peer.posts.pop_front()).await
    }

    /// What to say if something didn't come.
    pub(super) fn instead(&self) -> String {
        match (&self.seen.end, self.seen.broken.last()) {
            (Some(end), _) => format!("the client had left: {end}"),
            (None, Some(broken)) => broken.clone(),
            (None, None) => format!("nothing came within {:?}", self.patience),
        }
    }

    /// Writes a frame to the session's WebSocket.
    pub async fn write_frame(&mut self, opcode: u8, fin: bool, payload: &[u8]) {
        let from =
            self.session.as_ref().and_then(|session| session.websocket.as_ref()).map_or(0, |ws| ws.record);
        let (direction, carrier) = (Some(Direction::Out), Some(Carrier::WebSocket));
        self.recorder.frame(RecordPlace { sid: self.sid(), direction, carrier, from }, opcode, fin, payload);
        if let Some(session) = self.session.as_mut().filter(|_| opcode == frame::CLOSE) {
            session.closing = true;
        }
        self.write_bytes(&frame::frame(opcode, fin, payload)).await;
    }

    /// Writes bytes of any kind to the session's WebSocket.
    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        if let Some(websocket) = self.session.as_mut().and_then(|session| session.websocket.as_mut()) {
            websocket.write(bytes).await;
        }
    }

    /// Sends a close frame.
    pub async fn close_frame(&mut self, code: u16, reason: &str) {
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        self.write_frame(frame::CLOSE, true, &payload).await;
    }

    /// Drops the session's connection, in order: a FIN. By polling, the poll that is parked. The client gets the time to take what
    /// was sent before.
    pub async fn drop_connection(&mut self) {
        self.pause(TO_READ).await;
        self.recorder.note(self.sid(), "fin", "the connection was closed");
        let Some(session) = &mut self.session else { return };
        session.parked = None;
        if let Some(mut websocket) = session.websocket.take() {
            websocket.shut().await;
        }
    }

    /// Drops the session's connection, and forgets the session. By polling, the next poll is told that it is unknown.
    pub async fn drop_connection_and_forget(&mut self) {
        self.drop_connection().await;
        self.forget();
    }

    /// Cuts the session's connection off: a reset. The client gets the time to take what was sent before.
    pub async fn reset_connection(&mut self) {
        self.pause(TO_READ).await;
        self.recorder.note(self.sid(), "reset", "the connection was cut off");
        let Some(session) = &mut self.session else { return };
        if let Some(poll) = session.parked.take() {
            poll.reset();
        }
        if let Some(websocket) = session.websocket.take() {
            websocket.reset();
        }
    }

    /// Forgets the session: requests that name it get "Session ID unknown".
    pub fn forget(&mut self) {
        self.session = None;
    }

    /// Refuses connections from here on, and drops those that are open.
    pub async fn shut_door(&mut self) {
        self.recorder.note(self.sid(), "refusing", "connections are refused");
        self.session = None;
        self.door.shut().await;
    }

    /// Takes connections again.
    pub async fn open_door(&mut self) -> Result {
        let opened = self.door.reopen().await;
        opened.map_err(|error| {
            Unmet::fail("the lab listens again", error.to_string()).rather(crate::verdict::Verdict::NotRun)
        })
    }
}

fn is_ping(packet: &Wire) -> bool {
    matches!(packet, Wire::Text(text) if text.starts_with('2'))
}
