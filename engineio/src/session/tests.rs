//! The rules of a session's flow, in virtual time: what waits for what, who is put out, and in which order things go.
//! The wires are lists.

mod slow;
mod upgrade;
mod waiting;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::*;
use crate::memory::Held;
use crate::{Attached, Config, Headers, Mailbox, Message, Payload, PayloadFormat, Revision, Sid};

/// How long a client may take nothing of too much.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection holds before its client reads.
const BUFFERS: usize = 64 * 1024;

/// A session, its wires and its clock.
struct Rig {
    session: Session<App, Lists>,
    wires: Lists,
    start: Instant,
    now: Instant,
    over: bool,
}

/// The wires of a session that has no network.
#[derive(Default)]
struct Lists {
    alarm: Option<Instant>,
    /// The WebSockets that were probed and given up.
    closed: Vec<Line>,
}

impl Wires for Lists {
    type WebSocket = Line;
    type Answer = Slot<Payload>;
    type Accepted = Slot<()>;

    fn is_alarm_set(&self, now: Instant) -> bool {
        self.alarm.is_some_and(|alarm| now < alarm)
    }

    fn poll_alarm(&mut self, _: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        if next <= now {
            return Poll::Ready(());
        }
        self.alarm = Some(next);
        Poll::Pending
    }

    fn write_timeout(&self) -> Duration {
        PATIENCE
    }

    fn close_probe(&mut self, probe: Line, _: Option<u16>, _: Duration) {
        self.closed.push(probe);
    }

    fn log(&mut self, _: super::Line<'_>) {}
}

/// Somebody who waits for an answer, and where it goes.
struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Reply<T> for Slot<T> {
    fn is_gone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn send(self, answer: T) {
        *self.0.lock() = Some(answer);
    }
}

/// A WebSocket whose client sends this, and reads as much as it has room for.
struct Line {
    incoming: VecDeque<Incoming>,
    queue: VecDeque<Frame>,
    /// How many bytes may go out, and how many of the first frame did.
    room: usize,
    begun: usize,
    /// What the client has.
    sent: Vec<Frame>,
    freed: usize,
    moved: bool,
    gone: bool,
}

impl Line {
    fn new(room: usize) -> Line {
        let (incoming, queue) = (VecDeque::new(), VecDeque::new());
        Line { incoming, queue, room, begun: 0, sent: Vec::new(), freed: 0, moved: false, gone: false }
    }

    /// The client sends a text frame.
    fn says(&mut self, text: &str) {
        let packet =
            Packet::decode_text(&Bytes::copy_from_slice(text.as_bytes()).try_into().unwrap(), Revision::V4);
        self.incoming.push_back(Incoming::Packet(packet));
    }

    /// What the client has got.
    fn texts(&self) -> Vec<String> {
        self.sent.iter().map(text).collect()
    }
}

fn text(frame: &Frame) -> String {
    String::from_utf8(frame.packet().to_vec()).unwrap()
}

impl WebSocketWire for Line {
    fn begin_turn(&mut self) {}

    fn poll_packet(&mut self, _: &mut Context<'_>, _: Watch<'_>) -> Poll<Incoming> {
        self.incoming.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    fn poll_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(frame) = self.queue.front() {
            let left = frame.packet().len() - self.begun;
            let most = left.min(self.room);
            self.moved |= most > 0;
            self.room -= most;
            if most < left {
                self.begun += most;
                return Poll::Pending;
            }
            self.begun = 0;
            self.freed += frame.cost();
            self.sent.extend(self.queue.pop_front());
        }
        Poll::Ready(Ok(()))
    }

    fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn take_grown(&mut self) -> Option<usize> {
        None
    }

    fn discard(&mut self) {
        self.queue.clear();
    }

    fn abandon(&mut self) {
        self.queue.clear();
        self.gone = true;
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

/// An application that echoes, or owes so many messages of 10,000 bytes for each that comes.
#[derive(Clone, Default)]
struct Owing {
    messages: Option<usize>,
    came: Arc<AtomicUsize>,
    /// A GET whose client goes away as soon as a message comes.
    gives_up: Arc<Mutex<Option<Get>>>,
}

struct App {
    owing: Owing,
    mailbox: Arc<Mailbox>,
}

impl Application for Owing {
    type Layer = App;

    fn open(&self, opened: Opened, _: Instant) -> App {
        App { owing: self.clone(), mailbox: opened.mailbox }
    }
}

impl Layer for App {
    fn message(&mut self, message: Message, _: Instant) {
        self.owing.came.fetch_add(1, Ordering::Relaxed);
        drop(self.owing.gives_up.lock().take());
        let Some(messages) = self.owing.messages else {
            let frame = Frame::from(&Packet::Message(message));
            return assert_eq!(self.mailbox.push(&[frame]), Ok(()));
        };
        for _ in 0..messages {
            self.mailbox.push_owed(&[Frame::text(&"x".repeat(10_000))]);
        }
    }

    fn poll(&mut self, _: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {}
}

/// A GET under way.
struct Get {
    open: Option<OpenGet<Lists>>,
    answer: Arc<Mutex<Option<Payload>>>,
}

impl Get {
    /// Its answer, if it has one: the client reads it.
    fn body(&mut self) -> Option<String> {
        let payload = self.answer.lock().take()?;
        self.open.take().expect("the first answer").written();
        Some(String::from_utf8(payload.to_bytes().to_vec()).unwrap())
    }
}

impl Rig {
    fn new(revision: Revision, link: Option<Line>, owing: &Owing, config: Config) -> Rig {
        let (config, start) = (Arc::new(config), Instant::now());
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        let format = PayloadFormat { revision, base64: false };
        let (handle, mailbox) = SessionHandle::new(Sid::generate(), format, transport, None, &config);
        let handshake = Handshake {
            time: std::time::SystemTime::UNIX_EPOCH,
            address: None,
            secure: false,
            url: "/engine.io/".into(),
            headers: Headers::default(),
            attached: Attached::default(),
        };
        let opening = Opening { handle, mailbox, link, handshake, exchange: 0 };
        let session = Session::open(owing, opening, config, start);
        let mut rig = Rig { session, wires: Lists::default(), start, now: start, over: false };
        rig.settle();
        rig
    }

    fn polling(revision: Revision) -> Rig {
        Rig::new(revision, None, &Owing::default(), Config::default())
    }

    /// One turn. Says what came after it.
    fn turn(&mut self) -> Round {
        let mut cx = Context::from_waker(Waker::noop());
        self.session.begin_turn();
        loop {
            match self.session.round(&mut cx, self.now, &mut self.wires) {
                Round::Again => {}
                other => {
                    self.over |= other == Round::Over;
                    return other;
                }
            }
        }
    }

    /// Turns until there is nothing left to do.
    fn settle(&mut self) {
        while !self.over && self.turn() == Round::Yield {}
    }

    /// Lets so much time pass, or less if the session ends.
    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(alarm) = self.wires.alarm.filter(|alarm| *alarm <= end && !self.over) {
            self.now = alarm.max(self.now);
            self.wires.alarm = None;
            self.settle();
        }
        if !self.over {
            self.now = end;
            self.settle();
        }
    }

    /// How long the session lives if nothing comes any more, from its beginning on.
    fn lives(&mut self) -> Duration {
        self.advance(Duration::from_secs(3600));
        assert!(self.over, "it lives for ever");
        self.now - self.start
    }

    fn get(&mut self) -> Get {
        let answer = Arc::default();
        let open = self.session.handle().clone().open_get(Slot(Arc::clone(&answer)));
        Get { open: Some(open.expect("no other GET")), answer }
    }

    /// A poll that is answered at once.
    fn poll(&mut self) -> String {
        let mut get = self.get();
        self.settle();
        get.body().expect("an answer")
    }

    /// A POST, which the session has not looked at.
    fn submit(&mut self, body: &str) -> Arc<Mutex<Option<()>>> {
        let accepted = Arc::default();
        let post = self.session.handle().clone().open_post().expect("no other POST");
        let body = Bytes::copy_from_slice(body.as_bytes());
        post.submit(body.clone(), false, Held::new(body.len()), Slot(Arc::clone(&accepted)));
        accepted
    }

    /// A POST of these packets. Says whether it is accepted.
    fn post(&mut self, packets: &[&str]) -> bool {
        let body = match self.revision() {
            Revision::V4 => packets.join("\u{1e}"),
            Revision::V3 => packets.iter().map(|packet| format!("{}:{packet}", packet.len())).collect(),
        };
        let accepted = self.submit(&body);
        self.settle();
        let accepted = accepted.lock().is_some();
        accepted
    }

    fn revision(&self) -> Revision {
        self.session.handle().format.revision
    }

    /// The WebSocket in use.
    fn link(&mut self) -> &mut Line {
        self.session.link.as_mut().expect("a WebSocket in use")
    }

    /// A WebSocket that may take the session over.
    fn probe(&mut self) -> &mut Line {
        let probe = self.session.handle().clone().open_probe().expect("no other probe");
        probe.opened(Line::new(BUFFERS));
        self.settle();
        self.session.probe.as_mut().expect("a probe")
    }

    fn mailbox(&self) -> Arc<Mailbox> {
        self.session.handle().mailbox.clone()
    }

    /// Which reason the session ended for.
    fn reason(&self) -> Option<CloseReason> {
        self.session.reason()
    }
}

/// What a client sends to show that it lives.
fn beat(revision: Revision) -> &'static str {
    match revision {
        Revision::V3 => "2",
        Revision::V4 => "3",
    }
}

const REVISIONS: [Revision; 2] = [Revision::V3, Revision::V4];

/// The time after which a silent client is gone.
fn heartbeat() -> Duration {
    let Config { ping_interval, ping_timeout, .. } = Config::default();
    ping_interval + ping_timeout
}

#[test]
fn a_poll_that_was_given_up_counts_before_the_next() {
    let mut rig = Rig::polling(Revision::V4);
    let parked = rig.get();
    rig.settle();
    drop(parked);
    // The client is back before the session has noticed that it was gone, and there is something for it.
    let mut get = rig.get();
    rig.mailbox().push(&[Frame::text("x")]).unwrap();
    rig.settle();
    assert_eq!((get.body().as_deref(), rig.over), (Some("1"), true));
    assert_eq!(rig.reason(), Some(CloseReason::TransportError));
}

#[test]
fn a_second_get_ends_the_session_and_the_first_is_told() {
    let mut rig = Rig::polling(Revision::V4);
    let mut first = rig.get();
    rig.settle();
    let second = rig.session.handle().clone().open_get(Slot(Arc::default()));
    assert_eq!(second.err(), Some(Shut::Taken));
    rig.settle();
    assert_eq!((first.body().as_deref(), rig.over), (Some("1"), true));
    assert_eq!(rig.reason(), Some(CloseReason::TransportError));
    rig.session.farewell();
    assert_eq!(rig.session.handle().clone().open_post().err(), Some(Shut::Ended));
}

#[test]
fn what_is_left_goes_out_with_the_goodbye() {
    let mut rig = Rig::new(Revision::V4, Some(Line::new(0)), &Owing::default(), Config::default());
    rig.mailbox().push(&[Frame::text("last")]).unwrap();
    rig.mailbox().close(CloseReason::ForcedClose);
    rig.settle();
    assert!(rig.over);
    let farewell = rig.session.farewell().expect("a WebSocket that is still there");
    assert_eq!(farewell.websocket.queue.iter().map(text).skip(1).collect::<Vec<_>>(), ["4last"]);
    assert_eq!((farewell.code, farewell.within), (None, Config::default().close_timeout));
    assert!(rig.session.farewell().is_none());
}

#[test]
fn a_websocket_that_breaks_a_rule_is_closed_with_its_code_and_gets_nothing_more() {
    let mut rig = Rig::new(Revision::V4, Some(Line::new(0)), &Owing::default(), Config::default());
    let ending = Ending::from(crate::websocket::Breach::TooManyPings);
    rig.link().incoming.push_back(Incoming::Ended(ending));
    rig.settle();
    let farewell = rig.session.farewell().expect("a WebSocket that is still there");
    assert_eq!((farewell.code, farewell.websocket.queue.len()), (Some(1008), 0));
    assert_eq!(rig.reason(), Some(CloseReason::TransportError));
}
