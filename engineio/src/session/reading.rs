//! How a client's packets reach the state machine: from POSTs, the current WebSocket, and the probing one.

use std::task::{Context, Poll};
use std::time::Instant;

use super::doors::Posted;
use super::wires::{Ending, Incoming, WebSocketWire as _, Wires};
use super::{Input, ROUND, Session, watch};
use crate::observe::{Carrier, What};
use crate::{Frame, Layer, Message, Packet, Violation};

impl<L: Layer, W: Wires> Session<L, W> {
    /// Lets a POST in. Its packets are taken in later.
    pub(super) fn let_in(&mut self, posted: Posted<W>) {
        let Posted { body, binary, accepted, held } = posted;
        let packets = self.handle.format.decode(body, binary, self.engine.config.max_packets);
        self.inbox.push(packets, held, accepted);
        self.mailbox.note_incoming(self.inbox.bytes());
    }

    /// Takes in packets of a POST. Says whether it listened to the client, and whether there are more.
    pub(super) fn take_in(&mut self, now: Instant, wires: &mut W) -> (bool, bool) {
        let listened = self.listens();
        let (mut listens, mut taken) = (listened, 0);
        while taken < ROUND && listens && self.machine.is_open() && !self.inbox.is_empty() {
            match self.inbox.next_packet() {
                Some(packet) => self.packet(now, Carrier::Post, packet, wires),
                None => {
                    self.inbox.end_first();
                    self.mailbox.note_incoming(self.inbox.bytes());
                    self.let_next_in();
                }
            }
            taken += 1;
            listens = self.listens();
        }
        // It is answered before any handler of its packets has ended; what has to wait is accepted too.
        self.inbox.accept();
        if !self.machine.is_open() && !self.inbox.is_empty() {
            self.clear_inbox();
            self.let_next_in();
        }
        (listened, taken > 0 && !self.inbox.is_empty())
    }

    pub(super) fn clear_inbox(&mut self) {
        self.inbox.clear();
        self.mailbox.note_incoming(0);
    }

    /// Has a POST that waits at its door looked at, now that there is room for it.
    fn let_next_in(&self) {
        if self.handle.doors.lock().has_post() {
            self.handle.mailbox.wake();
        }
    }

    /// Takes in a packet of the transport in use.
    fn packet(&mut self, now: Instant, carrier: Carrier, packet: Result<Packet, Violation>, wires: &mut W) {
        self.received = self.received.wrapping_add(1);
        self.see_incoming(carrier, &packet, wires);
        if !matches!(packet, Ok(Packet::Message(_))) {
            // It may be the end. What earlier packets brought about is sent before it.
            self.answer_if_queued(now, wires);
        }
        self.input(now, Input::Packet(packet), wires);
    }

    /// Reads from the WebSocket in use. Says whether it listened to the client, and whether there may be more. What was
    /// posted before the upgrade comes first.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> (bool, bool) {
        let listened = self.listens();
        let (mut listens, mut read) = (listened, 0);
        while read < ROUND
            && listens
            && self.inbox.is_empty()
            && self.machine.is_open()
            && let Some(link) = &mut self.link
        {
            let incoming = link.poll_message(cx, watch(&self.engine, &self.handle, Carrier::WebSocket));
            if let Some(bytes) = link.take_grown() {
                self.mailbox.note_incoming(bytes);
            }
            let Poll::Ready(incoming) = incoming else { return (listened, false) };
            read += 1;
            match self.decode(incoming) {
                Ok(packet) => self.packet(now, Carrier::WebSocket, packet, wires),
                Err(ending) => self.ended(now, ending, wires),
            }
            listens = self.listens();
        }
        (listened, read > 0)
    }

    /// The packet in what a WebSocket brought.
    ///
    /// # Errors
    /// How the WebSocket has ended.
    fn decode(&self, incoming: Incoming) -> Result<Result<Packet, Violation>, Ending> {
        let revision = self.handle.format.revision;
        match incoming {
            Incoming::Message(Message::Text(text)) => Ok(Packet::decode_text(&text, revision)),
            Incoming::Message(Message::Binary(bytes)) => Ok(Packet::decode_binary(&bytes, revision)),
            Incoming::Closed { code, .. } => Err(Ending::closed(code)),
            Incoming::Ended(ending) => Err(ending),
        }
    }

    /// The WebSocket in use has ended.
    fn ended(&mut self, now: Instant, ending: Ending, wires: &mut W) {
        if let Some(link) = &mut self.link {
            link.discard();
        }
        self.close_code = ending.code;
        self.broken(ending, wires);
        self.input(now, Input::TransportClosed(ending.reason), wires);
    }

    /// Writes to and reads from the probing WebSocket. Says whether anything came.
    pub(super) fn poll_probe(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> bool {
        let mut any = false;
        while let Some(probe) = &mut self.probe {
            let probe = &mut probe.websocket;
            // Whoever repeats `2probe` reads the answers before it is read from again.
            if probe.queue().len() >= ROUND {
                match probe.poll_write(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => self.end_probe(now, None, wires),
                    Poll::Pending => break,
                }
                continue;
            }
            let Poll::Ready(incoming) =
                probe.poll_message(cx, watch(&self.engine, &self.handle, Carrier::Probe))
            else {
                match probe.poll_write(cx) {
                    Poll::Ready(Err(_)) => self.end_probe(now, None, wires),
                    Poll::Ready(Ok(())) | Poll::Pending => break,
                }
                any = true;
                continue;
            };
            match self.decode(incoming) {
                Ok(packet) => {
                    self.received = self.received.wrapping_add(1);
                    self.see_incoming(Carrier::Probe, &packet, wires);
                    self.input(now, Input::ProbePacket(packet), wires);
                }
                Err(ending) => {
                    if let Some(probe) = &mut self.probe {
                        probe.websocket.discard();
                    }
                    self.broken(ending, wires);
                    self.end_probe(now, ending.code, wires);
                }
            }
            any = true;
        }
        any
    }

    fn end_probe(&mut self, now: Instant, code: Option<u16>, wires: &mut W) {
        self.drop_probe(code, wires);
        self.input(now, Input::ProbeClosed, wires);
    }

    /// Gives up the probing WebSocket.
    pub(super) fn drop_probe(&mut self, code: Option<u16>, wires: &mut W) {
        if let Some(probe) = self.probe.take() {
            let websocket = probe.websocket;
            if !websocket.is_gone() {
                self.watch(Carrier::Probe).closing(code, "");
                wires.close_probe(websocket, code, self.engine.config.close_timeout);
            }
            self.see(|| What::ProbeDropped);
            self.handle.doors.lock().free_probe();
        }
    }

    /// Queues a packet for the probing WebSocket.
    pub(super) fn send_probe(&mut self, packet: &Packet) {
        let frame = Frame::from(packet);
        self.watch(Carrier::Probe).outgoing(&frame);
        self.see_outgoing(Carrier::Probe, &frame);
        if let Some(probe) = &mut self.probe {
            probe.websocket.queue().push_back(frame);
            self.sent = self.sent.wrapping_add(1);
        }
    }
}
