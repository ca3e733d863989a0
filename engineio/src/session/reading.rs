//! How a client's packets reach the state machine: from POSTs, the current WebSocket, and the probing one.

use std::task::{Context, Poll};
use std::time::Instant;

use super::doors::Posted;
use super::observing::watch;
use super::wires::{Ending, Incoming, WebSocketWire as _, Wires};
use super::{Input, ROUND, Session};
use crate::observe::{Carrier, What};
use crate::{Frame, Layer, Message, Packet, Violation};

impl<L: Layer, W: Wires> Session<L, W> {
    /// Queues a POST. [`handle_posts`](Session::handle_posts) reads its packets.
    pub(super) fn queue_post(&mut self, posted: Posted<W>) {
        let Posted { body, binary, accepted, held } = posted;
        let packets = self.handle.format.reader(body, binary, self.machine.engine().config.max_packets);
        self.inbox.push(packets, held, accepted);
        self.mailbox.note_incoming(self.inbox.bytes());
    }

    /// Handles packets of the POSTs that are queued, and answers the POSTs. Returns whether the client's packets were
    /// being handled when this began, or there were none, and whether there are more to handle now.
    pub(super) fn handle_posts(&mut self, now: Instant, wires: &mut W) -> (bool, bool) {
        if self.inbox.is_empty() {
            return (true, false);
        }
        let listened = self.listens();
        let (mut listens, mut taken) = (listened, 0);
        while taken < ROUND && listens && self.machine.is_open() && !self.inbox.is_empty() {
            match self.inbox.next_packet() {
                Some(packet) => self.packet(now, Carrier::Post, packet, wires),
                None => {
                    self.inbox.end_first();
                    self.mailbox.note_incoming(self.inbox.bytes());
                    self.wake_for_next_post();
                }
            }
            taken += 1;
            listens = self.listens();
        }
        // POSTs whose packets have to wait are answered now; `end_first` has answered the others.
        self.inbox.accept();
        if !self.machine.is_open() && !self.inbox.is_empty() {
            self.clear_inbox();
            self.wake_for_next_post();
        }
        (listened, taken > 0 && !self.inbox.is_empty())
    }

    pub(super) fn clear_inbox(&mut self) {
        self.inbox.clear();
        self.mailbox.note_incoming(0);
    }

    /// There is room for another POST. If one waits at its door, wakes the session, whose next round queues it.
    fn wake_for_next_post(&self) {
        if self.handle.doors.lock().has_post() {
            self.handle.mailbox.ring();
        }
    }

    /// Handles a packet from the transport in use.
    fn packet(&mut self, now: Instant, carrier: Carrier, packet: Result<Packet, Violation>, wires: &mut W) {
        self.received = self.received.wrapping_add(1);
        self.see_incoming(carrier, &packet, wires);
        match packet {
            // Nearly always, so it takes the shortest way.
            Ok(Packet::Message(message)) => match self.machine.accept_message(now, message.len()) {
                Ok(()) => {
                    self.stirred = true;
                    self.layer.message(message, now);
                }
                Err(reason) => self.input(now, Input::Close(reason), wires),
            },
            // It may end the session. The answers to earlier packets are sent first.
            other => {
                self.answer_if_queued(now, wires);
                self.input(now, Input::Packet(other), wires);
            }
        }
    }

    /// Reads from the WebSocket in use, once the packets that were posted before the upgrade are handled. Returns
    /// whether the client's packets were being handled when this began, and whether there may be more to read.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> (bool, bool) {
        let listened = self.listens();
        let (mut listens, mut read) = (listened, 0);
        while read < ROUND
            && listens
            && self.inbox.is_empty()
            && self.machine.is_open()
            && let Some(link) = &mut self.link
        {
            let framing = link.framing();
            let incoming =
                link.poll_message(cx, watch(self.machine.engine(), &self.handle, framing, framing.into()));
            if let Some(bytes) = link.take_grown() {
                self.mailbox.note_incoming(bytes);
            }
            let Poll::Ready(incoming) = incoming else { return (listened, false) };
            read += 1;
            match self.decode_message(incoming) {
                Ok(packet) => self.packet(now, framing.into(), packet, wires),
                Err(ending) => self.ended(now, ending, wires),
            }
            listens = self.listens();
        }
        (listened, read > 0)
    }

    /// The packet in a WebSocket's message.
    ///
    /// # Errors
    /// How the WebSocket has ended.
    fn decode_message(&self, incoming: Incoming) -> Result<Result<Packet, Violation>, Ending> {
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

    /// Writes to and reads from the probing WebSocket. Returns whether anything was received.
    pub(super) fn poll_probe(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) -> bool {
        let mut any = false;
        while let Some(probe) = &mut self.probe {
            let probe = &mut probe.websocket;
            // A client that repeats `2probe` must read the answers before more is read from it.
            if probe.queue().len() >= ROUND {
                match probe.poll_write(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => self.end_probe(now, None, wires),
                    Poll::Pending => break,
                }
                continue;
            }
            let watch = watch(self.machine.engine(), &self.handle, probe.framing(), Carrier::Probe);
            let Poll::Ready(incoming) = probe.poll_message(cx, watch) else {
                match probe.poll_write(cx) {
                    Poll::Ready(Err(_)) => self.end_probe(now, None, wires),
                    Poll::Ready(Ok(())) | Poll::Pending => break,
                }
                any = true;
                continue;
            };
            match self.decode_message(incoming) {
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
                self.watch(websocket.framing(), Carrier::Probe).closing(code, "");
                wires.close_probe(websocket, code, self.machine.engine().config.close_timeout);
            }
            self.see(|| What::ProbeDropped);
            self.handle.doors.lock().free_probe();
        }
    }

    /// Queues a packet for the probing WebSocket.
    pub(super) fn send_probe(&mut self, packet: &Packet) {
        let frame = Frame::from(packet);
        let watched = self.is_watched();
        let Some(probe) = &mut self.probe else { return };
        let framing = probe.websocket.framing();
        let at = probe.websocket.queue().len();
        probe.websocket.queue().push_back(frame.clone());
        let compressed = if watched { probe.websocket.compressed(at) } else { None };
        self.sent = self.sent.wrapping_add(1);
        self.watch(framing, Carrier::Probe).outgoing(&frame, compressed);
        self.see_outgoing(Carrier::Probe, &frame);
    }
}
