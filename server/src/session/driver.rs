//! The task that owns a session: it moves what arrives into the state machine and what comes out of it onto
//! the wires. The protocol's rules are the session's. What is decided here is the flow: how much is taken in or
//! written before something else has its turn, and when a client's packets wait.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use engineio::memory::Held;
use engineio::observe::{Carrier, Direction, Watch, What};
use engineio::{
    Answer, CloseReason, Config, Frame, Input, Layer, Limit, MailboxReceiver, Outlet, Output, Packet,
    PayloadReader, Stalled, StateMachine, Violation,
};
use tokio::sync::oneshot;
use tokio::time::error::Elapsed;

use crate::net::alarm::Alarm;
use crate::session::life::Life;
use crate::session::polling::{Knock, Posted};
use crate::session::registry::{Entry, Registered};
use crate::session::websocket::{Ending, Incoming, WebSocket};

/// Packets that are taken in before what they brought about is written. Without a limit, the answers to a
/// burst would pile up to the session's budget while the client waits to read them.
const ROUND: usize = 32;

/// Rounds after which other tasks have their turn, though there is more to be done here.
const ROUNDS: usize = 8;

/// What is taken from the mailbox for a WebSocket at once, in bytes. What stays there is let go at once when the
/// client is put out.
const LOAD: usize = 256 * 1024;

/// What a POST that waits takes beside its body.
const INBOX_OVERHEAD: usize = 256;

/// A session, its layer and its transports: a future that is ready when the session has ended and its client
/// has been told. It belongs to one task, and is polled by no other.
///
/// What every turn looks at comes first, side by side. A broadcast finds the drivers of its receivers in cold memory,
/// and each line of it that one has to wait for costs as much as a hundred instructions.
#[repr(C)]
pub(crate) struct Driver<L> {
    mailbox: MailboxReceiver,
    entry: Arc<Entry>,
    config: Arc<Config>,
    /// The session has ended, and its WebSocket is being closed.
    goodbye: Option<Goodbye>,
    alarm: Alarm,
    /// The session or the layer was called since the alarm was set, and may have another deadline.
    stirred: bool,
    /// The code of the close frame that ends the WebSocket in use.
    close_code: Option<u16>,
    /// How many packets came and went, for the log.
    received: u32,
    sent: u32,
    session: StateMachine,
    /// The WebSocket in use; `None` while the session polls.
    link: Option<WebSocket>,
    /// The WebSocket that is being probed.
    probe: Option<Box<WebSocket>>,
    /// The packets of POSTs that have not been taken in; nearly always of one at most.
    inbox: VecDeque<Inbox>,
    /// What they take.
    inbox_bytes: usize,
    /// A POST waits at its door until there is room for it.
    held_back: bool,
    /// The client took something that was sent since this was noted last.
    moved: bool,
    stalled: Stalled,
    /// The session's outputs; kept for its memory.
    out: Vec<Output>,
    layer: L,
    /// Frames taken from the mailbox for a poll, and cut from its answer.
    outbox: VecDeque<Frame>,
    registered: Registered,
    /// What the log says of it, if there is one.
    life: Option<Box<Life>>,
}

/// A WebSocket that is being closed, which may take so long and no longer.
type Goodbye = Pin<Box<dyn Future<Output = Result<(), Elapsed>> + Send>>;

/// A POST that is being taken in.
pub(crate) struct Inbox {
    packets: PayloadReader,
    accepted: Option<oneshot::Sender<()>>,
    held: Held,
}

/// Nothing in it is pinned where it lies.
impl<L> Unpin for Driver<L> {}

impl<L: Layer> Future for Driver<L> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.goodbye.is_none() {
            ready!(self.poll_session(cx));
            self.goodbye = self.leave();
            if let Some(life) = self.life.take() {
                life.session_closed(self.entry.known().transport, self.received, self.sent);
            }
        }
        if self.goodbye.is_some() && self.is_put_out(cx) {
            self.goodbye = None;
        }
        match &mut self.goodbye {
            Some(goodbye) => goodbye.as_mut().poll(cx).map(drop),
            None => Poll::Ready(()),
        }
    }
}

impl<L: Layer> Driver<L> {
    pub(crate) fn new(
        session: StateMachine,
        layer: L,
        link: Option<WebSocket>,
        config: Arc<Config>,
        mailbox: MailboxReceiver,
        registered: Registered,
        life: Option<Box<Life>>,
    ) -> Driver<L> {
        let entry = registered.entry().clone();
        let sent = u32::from(link.is_none());
        Driver {
            mailbox,
            alarm: Alarm::new(),
            stirred: true,
            close_code: None,
            session,
            link,
            probe: None,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            held_back: false,
            moved: false,
            stalled: Stalled::default(),
            entry,
            config,
            out: Vec::new(),
            layer,
            outbox: VecDeque::new(),
            registered,
            life,
            received: 0,
            // By polling, the open packet has been the answer to the handshake.
            sent,
            goodbye: None,
        }
    }

    /// Gives up the session's place, and says goodbye on the WebSocket in use.
    fn leave(&mut self) -> Option<Goodbye> {
        // The goodbye may take a while, and nobody should find the session meanwhile.
        self.registered.unlist();
        self.mailbox.shut();
        if self.link.as_ref().is_none_or(WebSocket::is_gone) {
            return None;
        }
        self.load(usize::MAX);
        let link = self.link.take()?;
        watch(&self.config, &self.entry, Carrier::WebSocket).closing(self.close_code);
        let close = tokio::time::timeout(self.config.close_timeout, link.close(self.close_code));
        Some(Box::pin(close))
    }

    /// Whether the client is put out while it is said goodbye to.
    fn is_put_out(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            self.mailbox.look(Outlet::Shut);
            if self.mailbox.take_put_out().is_some() {
                return true;
            }
            if self.mailbox.poll_left(cx, Outlet::Shut).is_pending() {
                return false;
            }
        }
    }

    /// Ready once the session is over.
    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(link) = &mut self.link {
            link.begin_turn();
        }
        if let Some(probe) = &mut self.probe {
            probe.begin_turn();
        }
        for _ in 0..ROUNDS {
            let now = Instant::from(tokio::time::Instant::now());
            if self.mailbox.look(self.outlet()) || self.held_back {
                self.rung(now);
            }
            let before = (self.outlet(), self.listens());
            self.answer_if_queued(now);
            let mut busy = self.take_in(now);
            busy |= self.read(cx, now);
            busy |= self.poll_probe(cx, now);
            busy |= self.expire(cx, now);
            self.answer_if_queued(now);
            self.write(cx, now);
            if self.session.is_over() {
                return Poll::Ready(());
            }
            let moved = std::mem::take(&mut self.moved);
            if self.stalled.note(now, self.mailbox.is_over_budget(), moved) {
                (self.stirred, busy) = (true, true);
            }
            // What has been written may let the client's next packets through.
            let after = (self.outlet(), self.listens());
            let opened = after.0 == Outlet::Open && before.0 != Outlet::Open;
            let eased = opened || (after.1 && !before.1);
            if !busy && !eased && self.mailbox.poll_left(cx, after.0).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// How a message that is queued now would go out.
    fn outlet(&self) -> Outlet {
        match &self.link {
            Some(link) if self.session.is_open() && link.is_drained() => Outlet::Open,
            None if self.session.is_parked() => Outlet::Open,
            None if self.session.parks() && self.outbox.is_empty() => Outlet::NextPoll,
            Some(_) | None => Outlet::Shut,
        }
    }

    /// Whether the client's packets are taken in. They wait while a good part of what earlier ones brought
    /// about has not been sent. What shows then that the client lives is that it takes what is sent: packets that
    /// have waited say nothing of who sent them.
    fn listens(&self) -> bool {
        !self.mailbox.is_crowded()
    }

    /// Looks at what others left: requests at the doors, work for the layer, frames, a wish to close.
    fn rung(&mut self, now: Instant) {
        if let Some(limit) = self.mailbox.take_put_out() {
            return self.put_out(now, limit);
        }
        while let Some(knock) = self.next_knock() {
            match knock {
                Knock::PollAborted { lost } => self.handle(now, Input::PollAborted { lost }),
                Knock::Broken(violation) => self.handle(now, Input::Broken(violation)),
                Knock::Poll => {
                    let queued = !self.outbox.is_empty() || self.mailbox.has_frames();
                    self.handle(now, Input::PollOpened { queued });
                }
                Knock::Post(Posted { body, binary, accepted, held }) => {
                    self.inbox_bytes += held.bytes() + INBOX_OVERHEAD;
                    let packets = self.entry.format.decode(body, binary, self.config.max_packets);
                    self.inbox.push_back(Inbox { packets, accepted: Some(accepted), held });
                    self.mailbox.note_incoming(self.inbox_bytes);
                }
                Knock::Probe(websocket) => {
                    self.see(|| What::ProbeOpened);
                    self.probe = Some(websocket);
                    self.handle(now, Input::ProbeOpened);
                }
            }
        }
        if self.session.is_open() {
            self.poll_layer(now);
        }
        self.answer_if_queued(now);
        if let Some(reason) = self.mailbox.take_close() {
            self.handle(now, Input::Close(reason));
        }
    }

    fn next_knock(&mut self) -> Option<Knock> {
        // Many a client takes nothing until its POST is answered: one that posts and polls in turn, or has
        // stopped polling for an upgrade. So POSTs are answered though what they bring has to wait.
        let posts = self.inbox.is_empty() || self.mailbox.may_bring(self.inbox_bytes);
        let mut doors = self.entry.doors.lock();
        let knock = doors.next(posts);
        self.held_back = !posts && doors.has_post();
        knock
    }

    /// Ends the session of a client that met that limit, and lets go of what is held for it.
    fn put_out(&mut self, now: Instant, limit: Limit) {
        let why = match limit {
            Limit::SendBudget => "it took nothing of what waited for it",
            _ => "memory runs short, and it held most",
        };
        tracing::warn!(limit = limit.name(), "a client was put out: {why}");
        self.outbox.clear();
        self.clear_inbox();
        if let Some(link) = &mut self.link {
            link.abandon();
        }
        self.handle(now, Input::PutOut);
        self.mailbox.let_go();
    }

    fn answer_if_queued(&mut self, now: Instant) {
        if self.session.is_parked() && self.mailbox.has_frames() {
            self.handle(now, Input::Queued);
        }
    }

    /// Takes in packets of a POST. Says whether there are more.
    fn take_in(&mut self, now: Instant) -> bool {
        let mut taken = 0;
        while taken < ROUND
            && self.session.is_open()
            && self.listens()
            && let Some(inbox) = self.inbox.front_mut()
        {
            match inbox.packets.next() {
                Some(packet) => self.packet(now, Carrier::Post, packet),
                None => {
                    self.end_inbox();
                    self.let_next_in();
                }
            }
            taken += 1;
        }
        // It is answered before any handler of its packets has ended; what has to wait is accepted too.
        for accepted in self.inbox.iter_mut().filter_map(|inbox| inbox.accepted.take()) {
            // The client may be gone, and then nobody is there to be told.
            let _ = accepted.send(());
        }
        if !self.session.is_open() && !self.inbox.is_empty() {
            self.clear_inbox();
            self.let_next_in();
        }
        taken > 0 && !self.inbox.is_empty()
    }

    fn end_inbox(&mut self) {
        let Some(inbox) = self.inbox.pop_front() else { return };
        self.inbox_bytes -= inbox.held.bytes() + INBOX_OVERHEAD;
        self.mailbox.note_incoming(self.inbox_bytes);
        if let Some(accepted) = inbox.accepted {
            let _ = accepted.send(());
        }
    }

    fn clear_inbox(&mut self) {
        self.inbox.clear();
        self.inbox_bytes = 0;
        self.mailbox.note_incoming(0);
    }

    /// Has a POST that waits at its door looked at, now that there is room for it.
    fn let_next_in(&self) {
        if self.entry.doors.lock().has_post() {
            self.entry.mailbox.wake();
        }
    }

    /// Takes in a packet of the transport in use.
    fn packet(&mut self, now: Instant, carrier: Carrier, packet: Result<Packet, Violation>) {
        self.received = self.received.wrapping_add(1);
        self.see_incoming(carrier, &packet);
        if !matches!(packet, Ok(Packet::Message(_))) {
            // It may be the end. What earlier packets brought about is sent before it.
            self.answer_if_queued(now);
        }
        self.handle(now, Input::Packet(packet));
    }

    /// Reads from the WebSocket in use. Says whether there may be more. What was posted before the upgrade comes
    /// first.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut read = 0;
        while read < ROUND
            && self.link.is_some()
            && self.inbox.is_empty()
            && self.session.is_open()
            && self.listens()
            && let Some(link) = &mut self.link
        {
            let watch = watch(&self.config, &self.entry, Carrier::WebSocket);
            let incoming = link.poll_packet(cx, watch);
            if let Some(bytes) = link.take_grown() {
                self.mailbox.note_incoming(bytes);
            }
            let Poll::Ready(incoming) = incoming else { return false };
            read += 1;
            match incoming {
                Incoming::Packet(packet) => self.packet(now, Carrier::WebSocket, packet),
                Incoming::Ended(ending) => {
                    link.discard();
                    self.close_code = ending.code;
                    self.broken(ending);
                    self.handle(now, Input::TransportClosed(ending.reason));
                }
            }
        }
        read > 0
    }

    /// Notes a rule of WebSocket that the client broke, or a limit that was met.
    fn broken(&self, ending: Ending) {
        if let Some(breach) = ending.breach {
            self.broke(breach.name(), breach.section(), &breach);
        }
        if let Some(limit) = ending.limit {
            self.config.hits.count(limit);
        }
    }

    /// Writes to and reads from the probing WebSocket. Says whether anything came.
    fn poll_probe(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Some(probe) = &mut self.probe {
            // Whoever repeats `2probe` reads the answers before it is read from again.
            if probe.queue().len() >= ROUND {
                match probe.poll_write(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => self.end_probe(now, None),
                    Poll::Pending => break,
                }
                continue;
            }
            match probe.poll_packet(cx, watch(&self.config, &self.entry, Carrier::Probe)) {
                Poll::Ready(Incoming::Packet(packet)) => {
                    self.received = self.received.wrapping_add(1);
                    self.see_incoming(Carrier::Probe, &packet);
                    self.handle(now, Input::ProbePacket(packet));
                }
                Poll::Ready(Incoming::Ended(ending)) => {
                    probe.discard();
                    self.broken(ending);
                    self.end_probe(now, ending.code);
                }
                Poll::Pending => match probe.poll_write(cx) {
                    Poll::Ready(Err(_)) => self.end_probe(now, None),
                    Poll::Ready(Ok(())) | Poll::Pending => break,
                },
            }
            any = true;
        }
        any
    }

    fn end_probe(&mut self, now: Instant, code: Option<u16>) {
        self.drop_probe(code);
        self.handle(now, Input::ProbeClosed);
    }

    fn drop_probe(&mut self, code: Option<u16>) {
        if let Some(probe) = self.probe.take() {
            if !probe.is_gone() {
                watch(&self.config, &self.entry, Carrier::Probe).closing(code);
                tokio::spawn(tokio::time::timeout(self.config.close_timeout, probe.close(code)));
            }
            self.see(|| What::ProbeDropped);
            self.entry.doors.lock().free_probe();
        }
    }

    /// Sees to deadlines that have passed, and sets the alarm for the next. Says whether one had passed.
    fn expire(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if !std::mem::take(&mut self.stirred) && self.alarm.is_set(now) {
            return false;
        }
        let layer = self.layer.deadline().filter(|_| self.session.is_open());
        let session = self.session.deadline();
        let stalled = self.stalled.until(self.registered.write_timeout());
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if passed(session) {
            self.handle(now, Input::Timeout);
        }
        if passed(layer) && self.session.is_open() {
            self.poll_layer(now);
        }
        if passed(stalled) {
            self.entry.mailbox.put_out(Limit::SendBudget);
        }
        if passed(session) || passed(layer) || passed(stalled) {
            return true;
        }
        let next = session.into_iter().chain(layer).chain(stalled).min();
        self.stirred = next.is_some_and(|next| self.alarm.poll(cx, now, next).is_ready());
        self.stirred
    }

    fn poll_layer(&mut self, now: Instant) {
        self.stirred = true;
        self.layer.poll(now);
    }

    /// Writes what is queued to the WebSocket in use.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) {
        if !self.session.is_open() {
            return;
        }
        if self.link.as_ref().is_some_and(WebSocket::is_drained) {
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
            tracing::debug!(%error, "the WebSocket can't be written to");
            link.discard();
            self.handle(now, Input::TransportClosed(CloseReason::TransportError));
        } else if moved && waited {
            self.handle(now, Input::Taken);
        }
        self.moved |= moved;
    }

    /// Moves so much of what is queued to the WebSocket in use.
    fn load(&mut self, bytes: usize) {
        let Some(link) = &mut self.link else { return };
        let loaded = link.queue().len();
        self.mailbox.take_some(link.queue(), bytes);
        self.sent = self.sent.wrapping_add((link.queue().len() - loaded) as u32);
        self.see_loaded(loaded);
    }

    fn handle(&mut self, now: Instant, input: Input) {
        self.stirred = true;
        let mut out = std::mem::take(&mut self.out);
        self.session.handle(now, input, &mut out);
        for output in out.drain(..) {
            self.apply(now, output);
        }
        self.out = out;
    }

    fn apply(&mut self, now: Instant, output: Output) {
        match output {
            Output::Answer(answer) => {
                let taken = answer == Answer::Queued && !self.listens();
                self.answer(answer);
                if taken {
                    self.handle(now, Input::Taken);
                }
            }
            Output::Send(packet) => self.mailbox.push_control(Frame::from(&packet)),
            Output::SendProbe(packet) => {
                let frame = Frame::from(&packet);
                watch(&self.config, &self.entry, Carrier::Probe).outgoing(&frame);
                self.see_outgoing(Carrier::Probe, &frame);
                if let Some(probe) = &mut self.probe {
                    probe.queue().push_back(frame);
                    self.sent = self.sent.wrapping_add(1);
                }
            }
            Output::Deliver(message) => self.layer.message(message, now),
            Output::Upgrade => self.upgrade(),
            Output::DropProbe => self.drop_probe(None),
            Output::Broken(violation) => {
                self.broke(violation.name(), violation.section(), &violation);
            }
            Output::Closed(reason) => {
                let transport = self.entry.known().transport;
                self.see(|| What::Closed { reason, transport });
                if let Some(life) = &mut self.life {
                    life.reason = Some(reason);
                }
                self.mailbox.shut();
                self.layer.closed(reason);
            }
        }
    }

    fn upgrade(&mut self) {
        let Some(mut link) = self.probe.take() else { return };
        // What a probe is sent counts for nothing until now. If `5` comes right behind `2probe`, `3probe` still waits.
        link.take_freed();
        let unsent = link.queue().len();
        self.mailbox.charge(link.queue().iter().map(Frame::cost).sum());
        link.queue().append(&mut self.outbox);
        self.link = Some(*link);
        self.entry.upgraded();
        self.see(|| What::Upgraded);
        self.see_loaded(unsent);
        // A session that closes goes over to say so, and its layer is done.
        if self.session.is_open() {
            self.layer.upgraded();
        }
    }

    fn answer(&mut self, answer: Answer) {
        let messages = answer == Answer::Queued;
        // Who has gone gets nothing. That it has gone is news of its own, which comes by the door.
        let Some(waiting) = self.entry.doors.lock().answer(messages) else { return };
        let format = self.entry.format;
        let packets: &[Packet] = match answer {
            Answer::Queued => {
                self.mailbox.take_some(&mut self.outbox, self.config.max_payload);
                let before = self.is_watched().then(|| self.outbox.clone());
                let queued = self.outbox.len();
                let (payload, cost) = format.encode(&mut self.outbox, self.config.max_payload);
                self.sent = self.sent.wrapping_add((queued - self.outbox.len()) as u32);
                self.mailbox.written(cost);
                self.moved = true;
                if let Some(mut before) = before {
                    before.truncate(before.len() - self.outbox.len());
                    before.iter().for_each(|frame| self.see_outgoing(Carrier::Get, frame));
                }
                // If it goes before it has the answer, the door tells.
                return drop(waiting.send(payload));
            }
            Answer::Noop => &[Packet::Noop],
            Answer::Close => &[Packet::Close],
            Answer::NoopClose => &[Packet::Noop, Packet::Close],
        };
        let mut frames: VecDeque<Frame> = packets.iter().map(Frame::from).collect();
        frames.iter().for_each(|frame| self.see_outgoing(Carrier::Get, frame));
        self.sent = self.sent.wrapping_add(frames.len() as u32);
        let (payload, _) = format.encode(&mut frames, usize::MAX);
        drop(waiting.send(payload));
    }
}

/// # What observers see
impl<L: Layer> Driver<L> {
    fn is_watched(&self) -> bool {
        !self.config.observers.is_empty()
    }

    fn see<'a>(&'a self, what: impl FnOnce() -> What<'a>) {
        self.config.observers.see(Some(&self.entry.sid), what);
    }

    fn see_incoming(&self, carrier: Carrier, packet: &Result<Packet, Violation>) {
        match packet {
            Ok(packet) => {
                self.see(|| What::Packet { direction: Direction::In, carrier, packet: packet.into() });
            }
            Err(violation) => self.broke(violation.name(), violation.section(), violation),
        }
    }

    /// Notes a rule that the client broke.
    fn broke(&self, rule: &'static str, section: &'static str, error: &dyn Error) {
        tracing::info!(rule, section, %error, "a client broke a rule");
        self.see(|| What::Violation { rule, section, error });
    }

    fn see_outgoing(&mut self, carrier: Carrier, frame: &Frame) {
        if self.is_watched() {
            self.see(|| What::Packet { direction: Direction::Out, carrier, packet: frame.into() });
            self.layer.sent(frame);
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
            watch(&self.config, &self.entry, Carrier::WebSocket).outgoing(&frame);
            self.see_outgoing(Carrier::WebSocket, &frame);
        }
    }
}

/// Who watches one of a session's WebSockets.
fn watch<'a>(config: &'a Config, entry: &'a Entry, carrier: Carrier) -> Watch<'a> {
    Watch::new(&config.observers, &entry.sid, entry.format.revision, carrier)
}

#[cfg(test)]
mod tests;
