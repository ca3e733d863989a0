//! How a session ends, and what comes then.

use std::time::Duration;

use serde_json::json;
use socketio_lab::packet::{Wire, encode_payload};

use super::{Event, Model, Upgrade, text};
use crate::faults::Fault;
use crate::net;

impl Model {
    /// The application leaves a namespace.
    pub(super) async fn leave(&mut self, nsp: &str) {
        let Some(socket) = self.sockets.get_mut(nsp) else { return };
        let was = std::mem::take(&mut socket.connected);
        socket.active = false;
        let place = if nsp == "/" { String::new() } else { format!("{nsp},") };
        let place = if self.has(Fault::LeavesMain) { String::new() } else { place };
        if was && !self.has(Fault::LeavesWithoutWord) {
            self.send(text(format!("41{place}")));
        }
        self.tell("disconnect", vec![json!("io client disconnect")]).await;
        if self.has(Fault::ComesBackAlways) {
            self.sockets.get_mut(nsp).unwrap().active = true;
            return self.close("transport close").await;
        }
        if self.has(Fault::LeavesWithoutWord) || self.sockets.values().any(|socket| socket.active) {
            return;
        }
        self.stopped = true;
        let Some(session) = &mut self.session else { return };
        match session.websocket {
            Some(number) => {
                self.flush();
                self.write(number, 8, &1000u16.to_be_bytes());
                self.session = None;
            }
            None => {
                self.send(text("1"));
                // What waits is sent by the POST that is under way, or by one of its own.
                let session = self.session.take().unwrap();
                if session.posting && !session.out.is_empty() {
                    let packets: Vec<Wire> = session.out.into_iter().collect();
                    let (body, _) = encode_payload(self.revision, false, &packets);
                    let head = self.head(
                        "POST",
                        &self.target("polling", Some(&session.sid)),
                        "text/plain;charset=UTF-8",
                        body.len(),
                    );
                    let host = self.host.clone();
                    tokio::spawn(async move { net::request(&host, &head, &body, None).await });
                }
            }
        }
        self.current = 0;
    }

    /// The session ended.
    pub(super) async fn close(&mut self, reason: &str) {
        let Some(session) = self.session.take() else { return };
        if let Some(number) = session.websocket {
            self.write(number, 8, b"");
            self.writers.remove(&number);
        }
        if let Upgrade::Opening(number) | Upgrade::Probing(number) | Upgrade::Pausing(number) =
            session.upgrade
        {
            self.write(number, 8, b"");
            self.writers.remove(&number);
        }
        self.current = 0;
        let lost: Vec<String> =
            self.sockets.iter().filter(|(_, one)| one.connected).map(|(nsp, _)| nsp.clone()).collect();
        for nsp in &lost {
            self.sockets.get_mut(nsp).unwrap().connected = false;
        }
        let most = if self.has(Fault::TellsOneNamespace) { 1 } else { usize::MAX };
        for _ in lost.iter().take(most) {
            if !self.has(Fault::SilentEnds) {
                self.tell("disconnect", vec![json!(reason)]).await;
            }
        }
        if lost.is_empty() && !self.has(Fault::SilentFailures) {
            self.tell("connect_error", vec![json!(reason)]).await;
        }
        let quits = (self.has(Fault::CloseIsFinal) && reason == "transport close")
            || (self.has(Fault::TimeoutIsFinal) && reason == "ping timeout")
            || (self.has(Fault::ErrorIsFinal) && reason == "transport error");
        if !quits {
            self.reconnect();
        }
    }

    pub(super) fn reconnect(&mut self) {
        let wanted = self.options["reconnection"] == true || self.has(Fault::ReconnectsAlways);
        let most = self.options["reconnectionAttempts"].as_u64().unwrap_or(u64::MAX);
        let once = self.has(Fault::ReconnectsOnce) && self.connects > 1;
        let gives_up = once
            || self.has(Fault::TriesOnce) && self.attempts > 0
            || self.has(Fault::NeverFirst) && self.connects == 0;
        if !wanted
            || self.stopped
            || gives_up
            || self.attempts as u64 >= most
            || !self.sockets.values().any(|socket| socket.active)
        {
            return;
        }
        let least = self.options["reconnectionDelay"].as_u64().unwrap_or(100);
        let longest = self.options["reconnectionDelayMax"].as_u64().unwrap_or(400);
        let delay = (least << self.attempts.min(10)).min(longest) as f64;
        let spread = self.options["randomizationFactor"].as_f64().unwrap_or(0.5);
        let random = f64::from((self.attempts * 37 + 11) % 20) / 10.0 - 1.0;
        self.attempts += 1;
        self.after(Duration::from_millis((delay * (1.0 + spread * random)) as u64), Event::Connect);
    }
}
