//! The task that owns a session: it moves what arrives into the state machine and what comes out of it onto
//! the wires. The protocol's rules are the session's; nothing here decides anything.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use engineio::{Answer, Config, Frame, Input, Layer, Output, Packet, Session};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::polling::{Knock, Posted};
use crate::registry::{Entry, Registered};
use crate::websocket::{Incoming, WebSocket};

/// A session, its layer and its transports.
pub(crate) struct Driver<L> {
    pub(crate) session: Session,
    pub(crate) layer: L,
    pub(crate) entry: Arc<Entry>,
    pub(crate) config: Arc<Config>,
    /// The WebSocket in use; `None` while the session polls.
    pub(crate) link: Option<WebSocket>,
    /// The WebSocket that is being probed, and what it is to be sent.
    pub(crate) probe: Option<(Box<WebSocket>, VecDeque<Frame>)>,
    /// Frames taken from the mailbox and not yet written.
    pub(crate) outbox: VecDeque<Frame>,
    /// The code of the close frame that ends the WebSocket in use.
    pub(crate) farewell: Option<CloseCode>,
    /// The session's outputs; kept for its memory.
    pub(crate) out: Vec<Output>,
}

impl<L: Layer> Driver<L> {
    /// Drives the session to its end.
    pub(crate) async fn run(mut self, registered: Registered) {
        {
            let mut alarm =
                Alarm { at: Instant::now(), sleep: pin!(tokio::time::sleep(std::time::Duration::ZERO)) };
            std::future::poll_fn(|cx| self.poll(cx, &mut alarm)).await;
        }
        registered.unlist();
        if let Some(link) = self.link.take() {
            self.entry.mailbox.take(&mut self.outbox);
            let close = Box::pin(link.close(std::mem::take(&mut self.outbox), self.farewell));
            drop(tokio::time::timeout(self.config.close_timeout, close).await);
        }
    }

    /// Ready once the session is over.
    fn poll(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm<'_>) -> Poll<()> {
        loop {
            let now = Instant::from(tokio::time::Instant::now());
            let mut busy = false;
            if self.entry.mailbox.poll_rung(cx, self.is_writable()).is_ready() {
                self.rung(now);
                busy = true;
            }
            busy |= self.read(cx, now);
            busy |= self.poll_probe(cx, now);
            busy |= self.expire(cx, now, alarm);
            self.write(cx, now);
            if self.session.is_over() {
                return Poll::Ready(());
            }
            if !busy {
                return Poll::Pending;
            }
        }
    }

    /// Whether a message that is queued now would go out at once.
    fn is_writable(&self) -> bool {
        match &self.link {
            Some(link) => self.outbox.is_empty() && link.is_writable(),
            None => self.session.is_parked(),
        }
    }

    /// Looks at what others left: requests at the doors, work for the layer, frames, a wish to close.
    fn rung(&mut self, now: Instant) {
        while let Some(knock) = self.next_knock() {
            match knock {
                Knock::PollAborted => self.handle(now, Input::PollAborted),
                Knock::PostAborted => self.handle(now, Input::PostAborted),
                Knock::Overlap => self.handle(now, Input::Overlap),
                Knock::Poll => {
                    let queued = !self.outbox.is_empty() || self.entry.mailbox.has_frames();
                    self.handle(now, Input::PollOpened { queued });
                }
                Knock::Post(posted) => self.post(now, posted),
                Knock::Probe(websocket) => {
                    self.probe = Some((websocket, VecDeque::new()));
                    self.handle(now, Input::ProbeOpened);
                }
            }
        }
        if self.session.is_open() {
            self.layer.poll(now);
        }
        if self.session.is_parked() && self.entry.mailbox.has_frames() {
            self.handle(now, Input::Queued);
        }
        if let Some(reason) = self.entry.mailbox.take_close() {
            self.handle(now, Input::Close(reason));
        }
    }

    fn next_knock(&self) -> Option<Knock> {
        self.entry.doors.lock().next()
    }

    /// Accepts a POST's packets. It is answered before any handler of theirs has ended.
    fn post(&mut self, now: Instant, posted: Posted) {
        let format = self.entry.format;
        let (packets, violation) = format.decode(&posted.body, posted.binary, self.config.max_packets);
        for packet in packets {
            self.handle(now, Input::Packet(Ok(packet)));
        }
        if let Some(violation) = violation {
            tracing::debug!(%violation, "malformed payload");
            self.handle(now, Input::Packet(Err(violation)));
        }
        // The client may be gone, and then nobody is there to be told.
        let _ = posted.accepted.send(());
    }

    /// Reads the WebSocket in use until it has nothing more. Says whether anything came.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while self.session.is_open()
            && let Some(link) = &mut self.link
            && let Poll::Ready(incoming) = link.poll_packet(cx)
        {
            any = true;
            match incoming {
                Incoming::Packet(packet) => {
                    if let Err(violation) = packet {
                        tracing::debug!(%violation, "malformed packet");
                    }
                    self.handle(now, Input::Packet(packet));
                }
                Incoming::Ended(ending) => {
                    self.farewell = ending.code;
                    self.outbox.clear();
                    self.handle(now, Input::TransportClosed(ending.reason));
                }
            }
        }
        any
    }

    /// Writes to and reads from the probing WebSocket. Says whether anything came.
    fn poll_probe(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Some((probe, frames)) = &mut self.probe {
            let failed = matches!(probe.poll_write(cx, frames, &mut 0), Poll::Ready(Err(_)));
            match probe.poll_packet(cx) {
                Poll::Ready(Incoming::Packet(packet)) => self.handle(now, Input::ProbePacket(packet)),
                Poll::Ready(Incoming::Ended(ending)) => self.end_probe(now, ending.code),
                Poll::Pending if failed => self.end_probe(now, None),
                Poll::Pending => break,
            }
            any = true;
        }
        any
    }

    fn end_probe(&mut self, now: Instant, code: Option<CloseCode>) {
        self.drop_probe(code);
        self.handle(now, Input::ProbeClosed);
    }

    fn drop_probe(&mut self, code: Option<CloseCode>) {
        if let Some((probe, frames)) = self.probe.take() {
            self.entry.doors.lock().free_probe();
            tokio::spawn(tokio::time::timeout(self.config.close_timeout, probe.close(frames, code)));
        }
    }

    /// Sees to deadlines that have passed, and sets the alarm for the next. Says whether one had passed.
    fn expire(&mut self, cx: &mut Context<'_>, now: Instant, alarm: &mut Alarm<'_>) -> bool {
        let layer = self.layer.deadline().filter(|_| self.session.is_open());
        let session = self.session.deadline();
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if passed(session) {
            self.handle(now, Input::Timeout);
        }
        if passed(layer) && self.session.is_open() {
            self.layer.poll(now);
        }
        if passed(session) || passed(layer) {
            return true;
        }
        match session.into_iter().chain(layer).min() {
            Some(next) => alarm.poll(cx, now, next).is_ready(),
            None => false,
        }
    }

    /// Writes what is queued to the WebSocket in use.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(link) = &mut self.link else { return };
        if !self.session.is_open() {
            return;
        }
        if self.outbox.is_empty() {
            self.entry.mailbox.take(&mut self.outbox);
        }
        let mut freed = 0;
        let written = link.poll_write(cx, &mut self.outbox, &mut freed);
        if freed > 0 {
            self.entry.mailbox.written(freed);
        }
        if let Poll::Ready(Err(error)) = written {
            tracing::debug!(%error, "the WebSocket can't be written to");
            self.outbox.clear();
            self.handle(now, Input::TransportClosed(engineio::CloseReason::TransportError));
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        let mut out = std::mem::take(&mut self.out);
        self.session.handle(now, input, &mut out);
        for output in out.drain(..) {
            self.apply(now, output);
        }
        self.out = out;
    }

    fn apply(&mut self, now: Instant, output: Output) {
        match output {
            Output::Answer(answer) => self.answer(answer),
            Output::Send(packet) => self.entry.mailbox.push_control(Frame::from(&packet)),
            Output::SendProbe(packet) => {
                if let Some((_, frames)) = &mut self.probe {
                    frames.push_back(Frame::from(&packet));
                }
            }
            Output::Deliver(message) => self.layer.message(message, now),
            Output::Upgrade => {
                if let Some((probe, mut frames)) = self.probe.take() {
                    // What the probe has not written yet is counted from here on like everything else.
                    self.entry.mailbox.charge(frames.iter().map(Frame::cost).sum());
                    frames.append(&mut self.outbox);
                    self.outbox = frames;
                    self.link = Some(*probe);
                    self.entry.upgraded();
                }
            }
            Output::DropProbe => self.drop_probe(None),
            Output::Closed(reason) => {
                self.entry.mailbox.shut();
                self.layer.closed(reason);
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        let format = self.entry.format;
        let packets: &[Packet] = match answer {
            Answer::Queued => {
                self.entry.mailbox.take(&mut self.outbox);
                let before: usize = self.outbox.iter().map(Frame::cost).sum();
                let payload = format.encode(&mut self.outbox, self.config.max_payload);
                let after: usize = self.outbox.iter().map(Frame::cost).sum();
                self.entry.mailbox.written(before - after);
                return self.entry.doors.lock().answer(payload);
            }
            Answer::Noop => &[Packet::Noop],
            Answer::Close => &[Packet::Close],
            Answer::NoopClose => &[Packet::Noop, Packet::Close],
        };
        let mut frames = packets.iter().map(Frame::from).collect();
        let payload = format.encode(&mut frames, usize::MAX);
        self.entry.doors.lock().answer(payload);
    }
}

/// The session's one timer. It is set anew only when it has gone off or a deadline moved closer, since a
/// deadline that moves away, as a heartbeat's does with every packet, need not touch the timer wheel.
struct Alarm<'a> {
    at: Instant,
    sleep: Pin<&'a mut Sleep>,
}

impl Alarm<'_> {
    /// Ready when the alarm went off, which may be before `next`.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        if next < self.at || self.at <= now {
            self.at = next;
            self.sleep.as_mut().reset(next.into());
        }
        self.sleep.as_mut().poll(cx)
    }
}
