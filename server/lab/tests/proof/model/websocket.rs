//! The WebSocket: as the first transport, and by an upgrade.

use std::time::Duration;

use bytes::Bytes;
use engineio::Revision;
use socketio_lab::packet::Wire;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Event, Model, Upgrade};
use crate::faults::Fault;
use crate::net::{self, Frame};

impl Model {
    /// Opens a WebSocket of this number, and reads it to its end.
    pub(super) fn websocket(&mut self, number: u64, sid: Option<&str>, wait: Duration) {
        let target = self.target("websocket", sid);
        let (sender, fault) = (self.sender.clone(), self.fault);
        let host = self.host.clone();
        tokio::spawn(async move {
            let opened = timeout(wait, net::websocket(&host, &target, fault)).await.ok().flatten();
            let Some((mut frames, mut to)) = opened else {
                drop(sender.send((number, Event::WebSocket(None))));
                return;
            };
            let (writer, mut written) = mpsc::unbounded_channel::<Vec<u8>>();
            drop(sender.send((number, Event::WebSocket(Some(writer)))));
            tokio::spawn(async move {
                while let Some(bytes) = written.recv().await {
                    if to.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            });
            loop {
                let frame = frames.next().await;
                let gone = matches!(frame, Frame::Gone);
                if sender.send((number, Event::Frame(frame))).is_err() || gone {
                    return;
                }
            }
        });
    }

    pub(super) fn probe(&mut self) {
        let Some(session) = &mut self.session else { return };
        self.number += 1;
        let number = self.number;
        session.upgrade = Upgrade::Opening(number);
        let sid = session.sid.clone();
        let sid = if self.has(Fault::ProbesWithoutSid) { None } else { Some(&*sid) };
        self.websocket(number, sid, Duration::from_secs(20));
    }

    pub(super) fn write(&mut self, number: u64, opcode: u8, payload: &[u8]) {
        if let Some(writer) = self.writers.get(&number) {
            drop(writer.send(net::masked(opcode, payload, self.fault)));
        }
    }

    /// Moves to the WebSocket, once nothing is out by polling.
    pub(super) fn finish_upgrade(&mut self) {
        let hurried = self.has(Fault::HurriesToUpgrade);
        let twice = self.has(Fault::UpgradesTwice);
        let Some(session) = &mut self.session else { return };
        let Upgrade::Pausing(number) = session.upgrade else { return };
        if (session.polling || session.posting) && !hurried {
            return;
        }
        session.upgrade = Upgrade::No;
        session.websocket = Some(number);
        self.upgraded = true;
        self.write(number, 1, b"5");
        if twice {
            self.write(number, 1, b"5");
        }
        if self.has(Fault::PollsAfterUpgrade) {
            let session = self.session.as_mut().unwrap();
            session.websocket = None;
            self.poll();
            self.session.as_mut().unwrap().websocket = Some(number);
        }
        self.flush();
    }

    pub(super) async fn websocket_opened(
        &mut self,
        from: u64,
        writer: Option<mpsc::UnboundedSender<Vec<u8>>>,
    ) {
        let Some(session) = &mut self.session else {
            match writer {
                Some(writer) if from == self.current => drop(self.writers.insert(from, writer)),
                None if from == self.current => self.failed("websocket error").await,
                _ => {}
            }
            return;
        };
        if session.upgrade != Upgrade::Opening(from) {
            return;
        }
        match writer {
            Some(writer) => {
                session.upgrade = Upgrade::Probing(from);
                self.writers.insert(from, writer);
                let probe = if self.has(Fault::PlainProbe) { &b"2"[..] } else { b"2probe" };
                self.write(from, 1, probe);
                if self.has(Fault::UpgradesUnasked) {
                    self.write(from, 1, b"5");
                }
            }
            None => self.probe_failed().await,
        }
    }

    pub(super) async fn probe_failed(&mut self) {
        if self.has(Fault::ProbeIsVital) {
            return self.close("transport error").await;
        }
        let again = self.has(Fault::ProbesAgain);
        if let Some(session) = &mut self.session {
            session.upgrade = Upgrade::No;
        }
        if again {
            self.probe();
        }
        self.poll();
        self.flush();
    }

    pub(super) async fn frame(&mut self, from: u64, frame: Frame) {
        let Some(session) = &mut self.session else {
            if from == self.current {
                match frame {
                    Frame::Text(open) => {
                        if !self.begin(&open, Some(from)).await {
                            self.failed("parse error").await;
                        }
                    }
                    Frame::Ping(payload) => self.write(from, 10, &payload),
                    _ => self.failed("websocket error").await,
                }
            }
            return;
        };
        if session.websocket == Some(from) {
            return match frame {
                Frame::Text(_) if self.has(Fault::LosesFirstFrame) && std::mem::take(&mut self.upgraded) => {}
                Frame::Text(text) => self.packets(vec![Wire::Text(text)]).await,
                Frame::Binary(bytes) => {
                    let strips = self.revision == Revision::V3 || self.has(Fault::StripsFour);
                    let skipped = usize::from(strips && bytes.first() == Some(&4));
                    let mut bytes = Bytes::from(bytes).slice(skipped..);
                    if self.has(Fault::SplitsBinary) {
                        bytes = bytes
                            .split(|byte| *byte == 0x1e)
                            .next()
                            .map(Bytes::copy_from_slice)
                            .unwrap_or_default();
                    }
                    self.packets(vec![Wire::Binary(bytes)]).await;
                }
                Frame::Ping(_) if self.has(Fault::NoPongFrames) => {}
                Frame::Ping(_) if self.has(Fault::EmptyPongFrames) => self.write(from, 10, b""),
                Frame::Ping(payload) => self.write(from, 10, &payload),
                Frame::Close(_) if self.has(Fault::IgnoresClose) => {}
                Frame::Close(payload) if self.has(Fault::CloseNeedsCode) && payload.len() != 2 => {}
                Frame::Close(payload) => {
                    self.write(from, 8, &payload);
                    self.close("transport close").await;
                }
                Frame::Gone if self.has(Fault::IgnoresEnd) => {}
                Frame::Gone => self.close("transport close").await,
            };
        }
        if session.upgrade == Upgrade::Probing(from) {
            match frame {
                Frame::Text(answer)
                    if answer == "3probe" || (self.fault == Some(Fault::AnyAnswerUpgrades)) =>
                {
                    session.upgrade = Upgrade::Pausing(from);
                    if self.has(Fault::StaysWithPolling) {
                        self.session.as_mut().unwrap().upgrade = Upgrade::No;
                        return;
                    }
                    self.finish_upgrade();
                }
                _ => {
                    self.write(from, 8, b"");
                    self.writers.remove(&from);
                    self.probe_failed().await;
                }
            }
        }
    }
}
