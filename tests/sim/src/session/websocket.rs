//! The WebSocket that is a session's transport.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use engineio::{Frame as Encoded, Packet, Revision};
use tokio::time::sleep;

use super::Session;
use crate::wire::{Frame, WebSocket};

impl Session {
    /// Reads and writes a WebSocket that is the transport now.
    pub(super) fn direct(&self, websocket: WebSocket) {
        let websocket = Rc::new(websocket);
        tokio::task::spawn_local(self.clone().guard(self.clone().read(websocket.clone())));
        tokio::task::spawn_local(self.clone().guard(self.clone().write(websocket)));
    }

    async fn read(self, websocket: Rc<WebSocket>) -> io::Result<()> {
        loop {
            let packet = match websocket.next().await? {
                Frame::Text(text) => {
                    let text = String::from_utf8(text).map_err(io::Error::other)?;
                    Packet::decode_text(&text.into(), self.0.format.revision)
                }
                Frame::Binary(bytes) => Packet::decode_binary(&bytes.into(), self.0.format.revision),
            };
            self.packet(packet.map_err(io::Error::other)?);
            // A slow reader holds the server's writes up.
            let pause =
                self.draw(|chance| if chance.one_in(16) { chance.millis(0..200) } else { Duration::ZERO });
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    async fn write(self, websocket: Rc<WebSocket>) -> io::Result<()> {
        loop {
            self.until(|shared| !shared.outbox.borrow().is_empty()).await;
            let packets: Vec<Encoded> = self.0.outbox.borrow_mut().drain(..).collect();
            let mut bytes = Vec::new();
            for packet in &packets {
                if self.draw(|chance| chance.one_in(16)) {
                    bytes.extend_from_slice(&WebSocket::frame(0x89, b"between"));
                }
                self.frames(packet, &mut bytes);
            }
            websocket.write(&bytes).await?;
            if packets.iter().any(|packet| packet.packet() == b"1" && !packet.is_binary()) {
                return Err(io::Error::other("closed"));
            }
        }
    }

    /// The frames of a packet: one, or several fragments with a ping among them.
    fn frames(&self, encoded: &Encoded, bytes: &mut Vec<u8>) {
        let v3_binary = encoded.is_binary() && self.0.format.revision == Revision::V3;
        let payload = [if v3_binary { &[4][..] } else { &[] }, encoded.packet()].concat();
        let first = if encoded.is_binary() { 2 } else { 1 };
        if payload.len() < 2 || !self.draw(|chance| chance.one_in(8)) {
            return bytes.extend(WebSocket::frame(0x80 | first, &payload));
        }
        let cut = self.draw(|chance| chance.within(1..payload.len()));
        bytes.extend(WebSocket::frame(first, &payload[..cut]));
        bytes.extend(WebSocket::frame(0x89, b"among"));
        bytes.extend(WebSocket::frame(0x80, &payload[cut..]));
    }
}
