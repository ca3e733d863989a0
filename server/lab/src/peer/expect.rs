//! What a script expects.

use std::time::Duration;

use engineio::Revision;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{LabPeer, Result};
use crate::case::Needs;
use crate::packet::{SocketIoPacket, Wire, same, same_packet};
use crate::verdict::{Unmet, Verdict};

/// What an agent may take to report why its client has left.
const LAST_WORDS: Duration = Duration::from_millis(300);

impl LabPeer {
    /// The next packet, if one comes in time. Pongs count.
    pub async fn packet_within(&mut self, time: Duration) -> Option<Wire> {
        self.wait(time, |peer| peer.packets.pop_front()).await
    }

    /// The next packet. Once the session's WebSocket has gone, none can come.
    pub async fn packet(&mut self, wanted: &str) -> Result<Wire> {
        let within = self.patience;
        let next = |peer: &mut LabPeer| match peer.packets.pop_front() {
            Some(packet) => Some(Some(packet)),
            None => peer.websocket_has_gone().then_some(None),
        };
        match self.wait(within, next).await {
            Some(Some(packet)) => return Ok(packet),
            // What the agent says of it comes by another connection.
            Some(None) => self.pause(LAST_WORDS).await,
            None => {}
        }
        Err(Unmet::fail(wanted, self.instead()))
    }

    /// The next packet must be this one; spaces in JSON and the order of an object don't count.
    pub async fn expect(&mut self, text: &str) -> Result {
        match self.packet(&crate::packet::shown(text)).await? {
            Wire::Text(seen) if same_packet(text, &seen) => Ok(()),
            other => Err(Unmet::fail(crate::packet::shown(text), other.shown())),
        }
    }

    /// The next packet must be these bytes.
    pub async fn expect_binary(&mut self, bytes: &[u8]) -> Result {
        match self.packet("an attachment").await? {
            Wire::Binary(seen) if seen == bytes => Ok(()),
            Wire::Binary(seen) => {
                let shown = |bytes: &[u8]| {
                    format!("{} bytes that begin with {:02x?}", bytes.len(), &bytes[..bytes.len().min(8)])
                };
                Err(Unmet::fail(shown(bytes), shown(&seen)))
            }
            Wire::Text(seen) => Err(Unmet::fail("an attachment", crate::packet::shown(&seen))),
        }
    }

    /// The next packet must be one of Socket.IO.
    pub async fn socket_packet(&mut self, wanted: &str) -> Result<SocketIoPacket> {
        let packet = self.packet(wanted).await?;
        let Wire::Text(text) = &packet else { return Err(Unmet::fail(wanted, packet.shown())) };
        let read = text.strip_prefix('4').and_then(SocketIoPacket::read);
        read.ok_or_else(|| Unmet::fail(wanted, packet.shown()))
    }

    /// The next packet must be an event of this name.
    pub async fn event(&mut self, name: &str) -> Result<SocketIoPacket> {
        let wanted = format!("the event `{name}`");
        let packet = self.socket_packet(&wanted).await?;
        if packet.event() == Some(name) {
            return Ok(packet);
        }
        Err(Unmet::fail(wanted, format!("{} {}", packet.name(), crate::packet::shown(&packet.raw))))
    }

    /// Nothing may come for a time.
    pub async fn silence_for(&mut self, time: Duration) -> Result {
        match self.packet_within(time).await {
            None => Ok(()),
            Some(packet) => Err(Unmet::fail("no packet", packet.shown())),
        }
    }

    /// Sends an event `echo`, and expects it back with the same arguments.
    pub async fn echo(&mut self, args: &[Value]) -> Result {
        let text = format!("42{}", event("echo", args));
        self.echo_text(&text, &text).await
    }

    /// Sends a packet as it is written, and expects another.
    pub async fn echo_text(&mut self, sent: &str, expected: &str) -> Result {
        self.send(sent).await?;
        self.expect(expected).await
    }

    /// Sends an event `echo` with attachments, and expects it back. The arguments have the placeholders.
    pub async fn echo_attached(&mut self, args: &[Value], attachments: &[&[u8]]) -> Result {
        self.send_attached("", "echo", args, attachments).await?;
        self.expect_attached("echo", args, attachments).await.map(drop)
    }

    /// Sends an event with attachments. `before` is its namespace and id, as they are written.
    pub async fn send_attached(
        &mut self,
        before: &str,
        name: &str,
        args: &[Value],
        attachments: &[&[u8]],
    ) -> Result {
        let text = format!("45{}-{before}{}", attachments.len(), event(name, args));
        let mut packets = vec![Wire::Text(text)];
        packets.extend(attachments.iter().map(|bytes| Wire::from(*bytes)));
        self.send_all(&packets).await
    }

    /// The next packet must be an event of this name, or with an empty name an acknowledgement, with these arguments. The client
    /// may number its attachments as it likes.
    pub async fn expect_attached(
        &mut self,
        name: &str,
        args: &[Value],
        attachments: &[&[u8]],
    ) -> Result<SocketIoPacket> {
        let packet = self.socket_packet("an event with attachments").await?;
        let mut came: Vec<bytes::Bytes> = Vec::new();
        for _ in 0..packet.attachments {
            match self.packet("an attachment").await? {
                Wire::Binary(bytes) => came.push(bytes),
                Wire::Text(text) => return Err(Unmet::fail("an attachment", crate::packet::shown(&text))),
            }
        }
        let came: Vec<&[u8]> = came.iter().map(|bytes| &bytes[..]).collect();
        let wanted = if name.is_empty() { Value::from(args) } else { event(name, args) };
        let wanted = with_bytes(&wanted, attachments);
        let seen = with_bytes(packet.data.as_ref().unwrap_or(&Value::Null), &came);
        self.check_same("the packet", &wanted, &seen)?;
        Ok(packet)
    }

    /// The client must either work on, or end the session, or tell the application.
    pub async fn ends_or_works(&mut self) -> Result {
        let soon = Duration::from_millis(300);
        if self.wait(soon, |peer| peer.seen.end.clone()).await.is_some() {
            return Ok(());
        }
        // If there is no poll, the client has left, or will.
        drop(self.send("42[\"echo\",[\"still here?\"]]").await);
        let within = self.patience;
        let answer = self.wait(within, |peer| {
            let echoes = |packet: &Wire| matches!(packet, Wire::Text(text) if text.contains("still here?"));
            (peer.seen.end.is_some() || peer.packets.iter().any(echoes)).then_some(())
        });
        match answer.await {
            Some(()) => Ok(()),
            None => Err(Unmet::fail("the client works on, or ends the session", "it did neither")),
        }
    }

    /// The client must still be there, and work: an agent that echoes echoes, any other keeps its heartbeat.
    pub async fn alive(&mut self) -> Result {
        match (self.level, self.revision) {
            (Needs::Passive, Revision::V4) => self.echo_text("2", "3").await,
            (Needs::Passive, Revision::V3) => {
                let (before, within) = (self.seen.heartbeats.len(), self.patience);
                let came =
                    self.wait(within, |peer| (peer.seen.heartbeats.len() > before).then_some(())).await;
                came.ok_or_else(|| Unmet::fail("a ping of the client", self.instead()))
            }
            _ => self.echo(&[json!(["still here?"])]).await,
        }
    }

    /// The client must end the session in a time: by a close, by leaving, or by opening another; or the application is told.
    pub async fn gives_up_within(&mut self, time: Duration) -> Result<Duration> {
        let began = Instant::now();
        let end = self.wait(time, |peer| peer.seen.end.clone()).await;
        end.map(|_| began.elapsed()).ok_or_else(|| {
            Unmet::fail(
                format!("the client gives the session up within {} ms", time.as_millis()),
                "it kept the session",
            )
        })
    }

    /// The same, but only what is seen on the wire counts: a close, a connection that closes, or that polls cease.
    pub async fn gives_up_on_wire_within(&mut self, time: Duration) -> Result {
        let quiet = Duration::from_millis(600);
        let until = Instant::now() + time;
        while Instant::now() < until {
            let left = |end: &String| !end.contains("told");
            if self.seen.end.as_ref().is_some_and(left) {
                return Ok(());
            }
            if !self.on_websocket() {
                // A poll that is parked is answered, to see whether another comes.
                match self.poll_within(quiet).await {
                    None => return Ok(()),
                    Some(poll) => self.answer_poll(poll, &["6".into()]).await,
                }
            }
            self.pause(Duration::from_millis(50)).await;
        }
        Err(Unmet::fail("the client ends the session", "it goes on"))
    }

    /// The application must be told of the session's end, or the client opens another.
    pub async fn told_or_left(&mut self) -> Result {
        self.forget();
        let within = self.patience;
        self.gives_up_within(within).await.map(drop)
    }

    /// The next text packet, or none once the session has ended.
    pub async fn packet_or_end(&mut self, within: Duration) -> Option<String> {
        let found = self.wait(within, |peer| match peer.packets.pop_front() {
            Some(packet) => Some(Some(packet)),
            // What the application is told may come before what is on the wire.
            None => peer.seen.end.as_ref().filter(|end| !end.contains("told")).map(|_| None),
        });
        found.await.flatten().map(|packet| match packet {
            Wire::Text(text) => text,
            Wire::Binary(_) => packet.shown(),
        })
    }

    /// The client must keep the session for a time.
    pub async fn keeps_for(&mut self, time: Duration) -> Result {
        match self.wait(time, |peer| peer.seen.end.clone()).await {
            None => Ok(()),
            Some(end) => Err(Unmet::fail("the client keeps the session", end)),
        }
    }

    /// A condition, in words.
    pub fn check(&self, met: bool, expected: &str, seen: impl Into<String>) -> Result {
        if met { Ok(()) } else { Err(Unmet::fail(expected, seen)) }
    }

    /// Two values must mean the same.
    pub fn check_same(&self, what: &str, expected: &Value, seen: &Value) -> Result {
        self.check(same(expected, seen), &format!("{what} {expected}"), seen.to_string())
    }

    /// Notes that something works, but not as the text says. The case goes on.
    pub fn non_strict(&mut self, met: bool, expected: &str, seen: impl Into<String>) {
        self.remark(Verdict::NonStrict, met, expected, seen);
    }

    /// Notes how the client decides what nothing settles. The case goes on.
    pub fn informational(&mut self, met: bool, expected: &str, seen: impl Into<String>) {
        self.remark(Verdict::Informational, met, expected, seen);
    }

    fn remark(&mut self, verdict: Verdict, met: bool, expected: &str, seen: impl Into<String>) {
        if !met {
            self.remarks.push(Unmet::fail(expected, seen).rather(verdict));
        }
    }
}

/// A payload with its attachments in the place of their placeholders.
fn with_bytes(value: &Value, attachments: &[&[u8]]) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| with_bytes(value, attachments)).collect(),
        Value::Object(fields) if fields.get("_placeholder") == Some(&json!(true)) => {
            let number =
                fields.get("num").and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
            let bytes = number.and_then(|number| attachments.get(number));
            bytes.map_or_else(|| value.clone(), |bytes| json!({"bytes": bytes}))
        }
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), with_bytes(value, attachments))).collect()
        }
        other => other.clone(),
    }
}

/// The payload of an event.
fn event(name: &str, args: &[Value]) -> Value {
    let mut all = vec![json!(name)];
    all.extend_from_slice(args);
    Value::Array(all)
}
