//! How what is queued for a client goes out: as the answer to a poll, or on the WebSocket in use.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use super::doors::Probe;
use super::wires::{Line, Reply as _, WebSocketWire, Wires};
use super::{Input, PollAnswer, Session};
use crate::observe::{Carrier, What};
use crate::{CloseReason, Frame, Layer, Packet};

/// What is taken from the mailbox for a WebSocket at once, in bytes. What stays there is let go at once when the
/// client is put out.
const LOAD: usize = 256 * 1024;

impl<L: Layer, W: Wires> Session<L, W> {
    pub(super) fn answer_if_queued(&mut self, now: Instant, wires: &mut W) {
        if self.machine.is_parked() && self.mailbox.has_frames() {
            self.input(now, Input::Queued, wires);
        }
    }

    /// Answers the parked GET.
    pub(super) fn answer(&mut self, answer: PollAnswer) {
        let messages = answer == PollAnswer::Queued;
        // Who has gone gets nothing. That it has gone is news of its own, which comes by the door.
        let Some(waiting) = self.handle.doors.lock().answer(messages) else { return };
        let format = self.handle.format;
        let packets: &[Packet] = match answer {
            PollAnswer::Queued => {
                self.mailbox.take_some(&mut self.outbox, self.engine.config.max_payload);
                let before = self.is_watched().then(|| self.outbox.clone());
                let queued = self.outbox.len();
                let (payload, cost) = format.encode(&mut self.outbox, self.engine.config.max_payload);
                self.sent = self.sent.wrapping_add((queued - self.outbox.len()) as u32);
                self.mailbox.written(cost);
                self.moved = true;
                if let Some(mut before) = before {
                    before.truncate(before.len() - self.outbox.len());
                    before.iter().for_each(|frame| self.see_outgoing(Carrier::Get, frame));
                }
                // If it goes before it has the answer, the door tells.
                return waiting.send(payload);
            }
            PollAnswer::Noop => &[Packet::Noop],
            PollAnswer::Close => &[Packet::Close],
            PollAnswer::NoopClose => &[Packet::Noop, Packet::Close],
        };
        let mut frames: VecDeque<Frame> = packets.iter().map(Frame::from).collect();
        frames.iter().for_each(|frame| self.see_outgoing(Carrier::Get, frame));
        self.sent = self.sent.wrapping_add(frames.len() as u32);
        let (payload, _) = format.encode(&mut frames, usize::MAX);
        waiting.send(payload);
    }

    /// Writes what is queued to the WebSocket in use.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, now: Instant, wires: &mut W) {
        if !self.machine.is_open() {
            return;
        }
        if self.link.as_ref().is_some_and(W::WebSocket::is_drained) {
            self.load(LOAD);
        }
        // What goes out may let the client's packets through again.
        let waited = self.link.is_some() && !self.listens();
        let Some(link) = &mut self.link else { return };
        let written = link.poll_write(cx);
        let moved = link.take_moved();
        match link.take_freed() {
            0 => {}
            freed => self.mailbox.written(freed),
        }
        if let Poll::Ready(Err(error)) = written {
            wires.log(Line::CanNotWrite(&error));
            link.discard();
            self.input(now, Input::TransportClosed(CloseReason::TransportError), wires);
        } else if moved && waited {
            self.input(now, Input::Taken, wires);
        }
        self.moved |= moved;
    }

    /// Moves so much of what is queued to the WebSocket in use.
    pub(super) fn load(&mut self, bytes: usize) {
        let Some(link) = &mut self.link else { return };
        let loaded = link.queue().len();
        self.mailbox.take_some(link.queue(), bytes);
        self.sent = self.sent.wrapping_add((link.queue().len() - loaded) as u32);
        self.see_loaded(loaded);
    }

    /// The probing WebSocket is the one in use from now on.
    pub(super) fn upgrade(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        let Probe { websocket: mut link, request } = *probe;
        // What a probe is sent counts for nothing until now. If `5` comes right behind `2probe`, `3probe` still waits.
        link.take_freed();
        let unsent = link.queue().len();
        self.mailbox.charge(link.queue().iter().map(Frame::cost).sum());
        link.queue().append(&mut self.outbox);
        self.link = Some(link);
        self.handle.upgraded();
        self.see(|| What::Upgraded);
        self.see_loaded(unsent);
        // A session that closes goes over to say so, and its layer is done.
        if self.machine.is_open() {
            self.layer.upgraded(request.map(|request| *request));
        }
    }

    /// Shows the frames that were queued for the WebSocket in use, from `loaded` on.
    fn see_loaded(&mut self, loaded: usize) {
        if !self.is_watched() {
            return;
        }
        let Some(link) = &mut self.link else { return };
        let frames: Vec<Frame> = link.queue().iter().skip(loaded).cloned().collect();
        for frame in frames {
            self.watch(Carrier::WebSocket).outgoing(&frame);
            self.see_outgoing(Carrier::WebSocket, &frame);
        }
    }
}
