//! Polls and POSTs.

use std::time::Duration;

use bytes::Bytes;
use engineio::Revision;
use socketio_lab::packet::{Wire, decode_payload, encode_payload};
use tokio::time::{sleep, timeout};

use super::{Event, Model, Upgrade, text};
use crate::faults::Fault;
use crate::net;

impl Model {
    /// Sends a packet of Engine.IO, now or when it is its turn.
    pub(super) fn send(&mut self, packet: Wire) {
        let Some(packet) = self.packed(packet) else { return };
        let drops =
            self.has(Fault::DropsWhatWaits) && self.session.as_ref().is_some_and(|session| session.posting);
        if let Some(session) = self.session.as_mut().filter(|_| !drops) {
            session.out.push_back(packet);
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        let fault = self.fault;
        let Some(session) = &mut self.session else { return };
        if let Some(number) = session.websocket {
            let packets: Vec<Wire> = session.out.drain(..).collect();
            for packet in packets {
                match packet {
                    Wire::Text(text) if fault == Some(Fault::SeparatesFrames) => {
                        self.write(number, 1, format!("{text}\u{1e}").as_bytes());
                    }
                    Wire::Text(text) => self.write(number, 1, text.as_bytes()),
                    Wire::Binary(bytes) if fault == Some(Fault::Base64OnWebSocket) => {
                        let (body, _) = encode_payload(Revision::V4, true, &[Wire::Binary(bytes)]);
                        self.write(number, 1, &body);
                    }
                    Wire::Binary(bytes) => {
                        let bytes = if self.revision == Revision::V3 {
                            [&[4], &bytes[..]].concat()
                        } else {
                            bytes.to_vec()
                        };
                        self.write(number, 2, &bytes);
                    }
                }
            }
            return;
        }
        let paused = matches!(session.upgrade, Upgrade::Pausing(_));
        let many = fault == Some(Fault::PostsOverlap);
        let first = fault == Some(Fault::UpgradesFirst) && session.upgrade != Upgrade::No;
        if session.out.is_empty() || (session.posting && !many) || paused || first {
            return;
        }
        let mut batch = Vec::new();
        let mut size = 0;
        let limit = if fault == Some(Fault::IgnoresMaxPayload) { usize::MAX } else { session.max_payload };
        while let Some(packet) = session.out.front() {
            let next = encode_payload(self.revision, true, std::slice::from_ref(packet)).0.len() + 1;
            if !batch.is_empty() && size + next > limit {
                break;
            }
            size += next;
            batch.extend(session.out.pop_front());
        }
        if fault == Some(Fault::ReversesBatches) {
            batch.reverse();
        }
        if fault == Some(Fault::SendsTwice) && batch.len() > 1 {
            batch.push(batch[0].clone());
        }
        session.posting = true;
        let sid = session.sid.clone();
        let (mut body, binary) = encode_payload(self.revision, false, &batch);
        if fault == Some(Fault::CutsPosts) && body.len() > 1_000 {
            body.truncate(body.len() - 1);
            while std::str::from_utf8(&body).is_err() {
                body.pop();
            }
            body.pop();
        }
        let kind = if binary || fault == Some(Fault::PostsBytes) {
            "application/octet-stream"
        } else {
            "text/plain;charset=UTF-8"
        };
        let sid = if fault == Some(Fault::PostsToNobody) { None } else { Some(&*sid) };
        let head = self.head("POST", &self.target("polling", sid), kind, body.len());
        let (sender, number, host) = (self.sender.clone(), self.current, self.host.clone());
        if fault == Some(Fault::ImpatientPosts) {
            self.after(Duration::from_millis(500), Event::Posted(None));
        }
        tokio::spawn(async move {
            let answer = net::request(&host, &head, &body, fault).await;
            drop(sender.send((number, Event::Posted(answer))));
        });
    }

    pub(super) fn poll(&mut self) {
        let fault = self.fault;
        let Some(session) = &mut self.session else { return };
        if session.websocket.is_some() || session.polling || matches!(session.upgrade, Upgrade::Pausing(_)) {
            return;
        }
        if fault == Some(Fault::NoPollWhilePosting) && session.posting
            || matches!(fault, Some(Fault::StopsPollingWhileProbing | Fault::UpgradesFirst))
                && session.upgrade != Upgrade::No
        {
            return;
        }
        session.polling = true;
        let sid = session.sid.clone();
        let target = self.target("polling", Some(&sid));
        let head = self.head("GET", &target, "", 0);
        let (sender, number, host) = (self.sender.clone(), self.current, self.host.clone());
        let task = async move {
            let wait = Duration::from_secs(if fault == Some(Fault::ImpatientPolls) { 2 } else { 60 });
            let answer = timeout(wait, net::request(&host, &head, b"", fault)).await.ok().flatten();
            drop(sender.send((number, Event::Polled(answer))));
        };
        if fault == Some(Fault::PollsOverlap) {
            let (head, host) = (self.head("GET", &target, "", 0), self.host.clone());
            tokio::spawn(async move {
                sleep(Duration::from_millis(50)).await;
                net::request(&host, &head, b"", None).await
            });
        }
        tokio::spawn(task);
    }

    pub(super) async fn polled(&mut self, answer: Option<net::Answer>) {
        let Some(session) = &mut self.session else { return };
        session.polling = false;
        let Some(answer) = answer else {
            if self.has(Fault::SilentPolls) {
                return;
            }
            return self.close("transport error").await;
        };
        if answer.status != 200 {
            if self.has(Fault::SilentPolls) {
                return;
            }
            return self.close("transport error").await;
        }
        if self.has(Fault::KeepAliveOnly) && answer.field("connection") == Some("close") {
            return self.close("transport close").await;
        }
        let binary = answer.field("content-type").is_some_and(|kind| kind.contains("octet-stream"));
        let mut body: Bytes = answer.body.into();
        if self.has(Fault::AsciiPayloads) {
            body = body.iter().copied().filter(u8::is_ascii).collect::<Vec<u8>>().into();
        }
        let packets = match decode_payload(self.revision, &body, binary) {
            Ok(packets) => packets,
            Err(_) if self.has(Fault::SilentPolls) => return,
            Err(_) => return self.close("parse error").await,
        };
        let mut packets = packets;
        let most = if self.has(Fault::SixteenPackets) { 16 } else { usize::MAX };
        if packets.len() > most {
            return self.close("parse error").await;
        }
        if self.has(Fault::FirstPacketOnly) {
            packets.truncate(1);
        }
        if self.has(Fault::BinaryIsText) {
            packets.retain(|packet| matches!(packet, Wire::Text(_)));
        }
        if self.has(Fault::NoopEndsPayload)
            && let Some(at) = packets.iter().position(|packet| *packet == text("6"))
        {
            packets.truncate(at);
        }
        if self.has(Fault::LosesLastPoll)
            && self.session.as_ref().is_some_and(|session| matches!(session.upgrade, Upgrade::Pausing(_)))
        {
            packets.clear();
        }
        self.packets(packets).await;
        if self.has(Fault::PollsOnce) {
            return;
        }
        self.finish_upgrade();
        self.poll();
    }

    pub(super) async fn posted(&mut self, answer: Option<net::Answer>) {
        let Some(session) = &mut self.session else { return };
        session.posting = false;
        let right = answer.as_ref().is_some_and(|answer| {
            answer.status == 200 && (self.fault != Some(Fault::WantsOk) || answer.body == b"ok")
        });
        if !right {
            if self.has(Fault::SilentPosts) {
                return;
            }
            return self.close("transport error").await;
        }
        if self.has(Fault::ForgetsToFlush) {
            return;
        }
        self.flush();
        self.finish_upgrade();
        self.poll();
    }
}
