//! What comes in packets of Engine.IO and Socket.IO.

use bytes::Bytes;
use engineio::Revision;
use serde_json::{Value, json};
use socketio_lab::packet::{SocketIoPacket as Packet, Wire};
use std::time::Duration;
use tokio::time::Instant;

use super::{Event, Model, Upgrade, text};
use crate::faults::Fault;

impl Model {
    pub(super) async fn packets(&mut self, packets: Vec<Wire>) {
        for packet in packets {
            if self.session.is_none() {
                return;
            }
            self.packet(packet).await;
        }
    }

    pub(super) async fn packet(&mut self, packet: Wire) {
        if self.revision == Revision::V3
            && let Some(session) = &mut self.session
            && self.fault != Some(Fault::NeverGivesUp)
            && self.fault != Some(Fault::IgnoresPongs)
        {
            session.deadline = Instant::now() + session.interval + session.timeout;
            if self.fault == Some(Fault::GivesUpEarly) {
                session.deadline = Instant::now() + session.interval;
            }
        }
        let Wire::Text(content) = packet else {
            let Wire::Binary(bytes) = packet else { return };
            return self.attachment(bytes).await;
        };
        match content.chars().next() {
            Some('1') if self.has(Fault::IgnoresClosePackets) => {}
            Some('1') => self.close("transport close").await,
            Some('2') => self.ping().await,
            Some('4') => self.message(&content[1..]).await,
            Some('6') if self.has(Fault::NoopIsAnError) => self.close("parse error").await,
            Some('0' | '3' | '5' | '6') => {}
            _ => self.close("parse error").await,
        }
    }

    pub(super) async fn ping(&mut self) {
        let waits =
            self.has(Fault::PongsAfterJoining) && !self.sockets.values().any(|socket| socket.connected);
        let probing = self.has(Fault::NoPongsWhileProbing)
            && self.session.as_ref().is_some_and(|one| one.upgrade != Upgrade::No);
        let on_websocket = self.session.as_ref().is_some_and(|session| session.websocket.is_some());
        let partial = self.has(Fault::NoPingsAmongAttachments)
            && self.session.as_ref().is_some_and(|session| session.partial.is_some());
        if partial {
            return self.close("parse error").await;
        }
        let forgets =
            self.has(Fault::DropsWhatWaits) && self.session.as_ref().is_some_and(|session| session.posting);
        if waits
            || probing
            || forgets
            || self.has(Fault::NoPongs)
            || (self.has(Fault::NoPongsByWebSocket) && on_websocket)
            || (self.has(Fault::NoPongsByPolling) && !on_websocket)
        {
            return;
        }
        if let Some(session) = &mut self.session
            && !matches!(self.fault, Some(Fault::IgnoresPings | Fault::NeverGivesUp))
        {
            session.deadline = Instant::now() + session.interval + session.timeout;
        }
        self.send(text("3"));
    }

    pub(super) async fn attachment(&mut self, bytes: Bytes) {
        if self.packs() {
            return self.unpacked(&bytes).await;
        }
        let fault = self.fault;
        if fault == Some(Fault::GuessesText) && (bytes.starts_with(b"42") || bytes.starts_with(b"b")) {
            return self.close("parse error").await;
        }
        let Some(session) = &mut self.session else { return };
        let Some((packet, mut attachments)) = session.partial.take() else {
            return self.close("parse error").await;
        };
        if fault == Some(Fault::NoEmptyAttachments) && bytes.is_empty() {
            session.partial = Some((packet, attachments));
            return;
        }
        attachments.push(bytes);
        if attachments.len() < packet.attachments && fault != Some(Fault::OneAttachment) {
            session.partial = Some((packet, attachments));
            return;
        }
        if fault == Some(Fault::AttachmentsReversed) {
            attachments.reverse();
        }
        if fault == Some(Fault::AttachmentsAreUtf8) {
            attachments =
                attachments.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned().into()).collect();
        }
        let data = packet.data.clone().unwrap_or_default();
        if !placeholders_fit(&data, attachments.len()) {
            return self.close("parse error").await;
        }
        self.whole(packet, attachments).await;
    }

    pub(super) async fn message(&mut self, content: &str) {
        let Some(session) = &mut self.session else { return };
        if session.partial.is_some() {
            return self.close("parse error").await;
        }
        let mut content = content.to_owned();
        if self.has(Fault::AsciiOnly) {
            content.retain(|c| c.is_ascii());
        }
        if self.has(Fault::CompactJsonOnly)
            && let Some(Packet { data: Some(data), raw, .. }) = Packet::read(&content)
            && raw != *data.to_string()
        {
            return self.close("parse error").await;
        }
        let Some(packet) = Packet::read(&content) else { return self.close("parse error").await };
        let named = |packet: &Packet| {
            packet
                .data
                .as_ref()
                .and_then(|data| data.get(0))
                .is_some_and(|name| name.is_string() || name.is_number())
        };
        let right = match packet.kind {
            0 => true,
            1 => packet.raw.is_empty(),
            2 => packet.data.as_ref().is_some_and(Value::is_array) && named(&packet),
            3 | 6 => packet.id.is_some() && packet.data.as_ref().is_some_and(Value::is_array),
            4 => packet.data.is_some(),
            5 => packet.attachments > 0 && packet.attachments <= 10 && named(&packet),
            _ => false,
        };
        if !right {
            return self.close("parse error").await;
        }
        if packet.kind >= 5 && packet.attachments > 0 {
            self.session.as_mut().unwrap().partial = Some((packet, Vec::new()));
            return;
        }
        self.whole(packet, Vec::new()).await;
    }

    /// A packet of Socket.IO with its attachments.
    pub(super) async fn whole(&mut self, packet: Packet, attachments: Vec<Bytes>) {
        let nsp = if self.has(Fault::OneNamespace) { self.nsp.clone() } else { packet.nsp.clone() };
        if self.has(Fault::UnknownNamespacesAreErrors) && !self.sockets.contains_key(&nsp) {
            return self.close("parse error").await;
        }
        if packet.kind == 0 && nsp == "/" && self.revision == Revision::V3 {
            let others: Vec<String> = self
                .sockets
                .iter()
                .filter(|(name, one)| one.active && *name != "/")
                .map(|(name, _)| name.clone())
                .collect();
            let most = if self.has(Fault::RejoinsOne) { usize::from(self.connects < 2) } else { usize::MAX };
            for other in others.iter().take(most) {
                self.connect(other);
            }
        }
        if !self.sockets.contains_key(&nsp) {
            return;
        }
        let fault = self.fault;
        match packet.kind {
            0 => self.connected(&nsp, &packet).await,
            1 if fault == Some(Fault::DisconnectIsAnError) => self.close("parse error").await,
            1 => {
                let socket = self.sockets.get_mut(&nsp).unwrap();
                let was = std::mem::take(&mut socket.connected);
                socket.active = false;
                if was && fault != Some(Fault::SilentDisconnects) {
                    self.tell("disconnect", vec![json!("io server disconnect")]).await;
                }
                if fault == Some(Fault::DisconnectEndsAll) {
                    self.close("transport close").await;
                }
                if fault == Some(Fault::ComesBackAlways) {
                    self.sockets.get_mut(&nsp).unwrap().active = true;
                    self.close("transport close").await;
                }
            }
            3 | 6 => {
                let args = packet.data.unwrap_or_default().as_array().cloned().unwrap_or_default();
                let id = packet.id.unwrap_or_default();
                let socket = self.sockets.get_mut(&nsp).unwrap();
                let name = match fault {
                    Some(Fault::AnswersInOrder) => {
                        let first = socket.asked.keys().min().copied().unwrap_or_default();
                        socket.asked.remove(&first)
                    }
                    Some(Fault::AnswersAgain) => socket.asked.get(&id).cloned(),
                    _ => socket.asked.remove(&id),
                };
                let quiet = (fault == Some(Fault::EmptyAnswersAreLost) && args.is_empty())
                    || (fault == Some(Fault::BinaryAnswersAreLost) && packet.kind == 6);
                match name {
                    Some(name) if !quiet => {
                        let args = [vec![json!(name)], args].concat();
                        self.tell("ack", args).await;
                    }
                    None if fault == Some(Fault::UnknownAnswersAreErrors) => self.close("parse error").await,
                    _ => {}
                }
            }
            4 => {
                let data = packet.data.unwrap_or_default();
                let socket = self.sockets.get_mut(&nsp).unwrap();
                socket.refused = true;
                socket.connected = false;
                let message = data.get("message").cloned().unwrap_or_else(|| data.clone());
                let message = if fault == Some(Fault::NoMessage) { Value::Null } else { message };
                let more = data.get("data").cloned().unwrap_or_default();
                if fault != Some(Fault::SilentNamespaceRefusals) {
                    self.tell("connect_error", vec![message, more]).await;
                }
                if fault == Some(Fault::RefusalEndsAll) {
                    self.close("transport close").await;
                }
                if fault == Some(Fault::EmitsToRefusers) {
                    let waiting = std::mem::take(&mut self.sockets.get_mut(&nsp).unwrap().waiting);
                    waiting.into_iter().for_each(|packet| self.send(packet));
                }
            }
            _ => self.event(&nsp, packet, attachments).await,
        }
    }

    pub(super) async fn connected(&mut self, nsp: &str, packet: &Packet) {
        let data = packet.data.clone().unwrap_or_default();
        if self.revision == Revision::V4 && data["sid"].is_null() {
            return self.tell("connect_error", vec![json!("a server of version 2")]).await;
        }
        let socket = self.sockets.get_mut(nsp).unwrap();
        if socket.connected {
            return;
        }
        let recovered = socket.pid.is_some() && socket.pid.as_deref() == data["pid"].as_str();
        socket.pid = data["pid"].as_str().map(str::to_owned);
        socket.connected = true;
        let waiting = std::mem::take(&mut socket.waiting);
        if !self.has(Fault::SilentConnects) && !self.has(Fault::ConnectedTooEarly) {
            self.tell("connect", vec![json!(nsp), data["sid"].clone(), json!(recovered)]).await;
        }
        if self.has(Fault::BufferIsLost) {
            return;
        }
        for packet in waiting {
            self.send(packet);
        }
        if self.has(Fault::LosesEarlyEvents) {
            self.sockets.get_mut(nsp).unwrap().refused = true;
            self.after(Duration::from_millis(100), Event::Later(nsp.to_owned(), vec![json!("listen")]));
        }
    }
}

/// Whether each placeholder has its attachment.
fn placeholders_fit(value: &Value, count: usize) -> bool {
    match value {
        Value::Array(list) => list.iter().all(|value| placeholders_fit(value, count)),
        Value::Object(fields) if fields.get("_placeholder") == Some(&json!(true)) => {
            fields.get("num").and_then(Value::as_u64).is_some_and(|number| (number as usize) < count)
        }
        Value::Object(fields) => fields.values().all(|value| placeholders_fit(value, count)),
        _ => true,
    }
}
