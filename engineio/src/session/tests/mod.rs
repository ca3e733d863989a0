//! The rules of a session's flow, in virtual time: what waits for what, who is put out, and in which order things go.
//! The wires are lists.

mod progress;
mod slow;
mod upgrade;
mod waiting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::in_memory::{InMemory, InMemoryWebSocket, Slot};
use super::*;
use crate::memory::Held;
use crate::observe::{Observation, Observer};
use crate::{
    Application, Attached, Engine, EngineConfig, HandshakeRequest, Headers, Limit, Mailbox, Message, Opened,
    Packet, Payload, PayloadFormat, Revision, Sid, Transport,
};

/// How long a client may read nothing while too much waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection holds before its client reads.
const BUFFERS: usize = 64 * 1024;

/// A session, its wires and its clock.
struct Rig {
    session: Session<App, InMemory>,
    wires: InMemory,
    start: Instant,
    now: Instant,
    over: bool,
}

impl InMemoryWebSocket {
    /// The client sends a text frame.
    fn says(&mut self, text: &str) {
        let text = Bytes::copy_from_slice(text.as_bytes()).try_into().unwrap();
        self.incoming.push_back(Incoming::Message(Message::Text(text)));
    }

    /// What the client has received.
    fn texts(&self) -> Vec<String> {
        self.sent.iter().map(text).collect()
    }
}

fn text(frame: &Frame) -> String {
    String::from_utf8(frame.packet().to_vec()).unwrap()
}

/// An application that echoes, or owes so many messages of 10,000 bytes for each that comes.
#[derive(Clone, Default)]
struct Owing {
    messages: Option<usize>,
    came: Arc<AtomicUsize>,
    /// It wants to be called so long after each message.
    waits: Option<Duration>,
    /// How often it was called for that.
    woken: Arc<AtomicUsize>,
    /// A GET whose client goes away as soon as a message comes.
    gives_up: Arc<Mutex<Option<Get>>>,
}

struct App {
    owing: Owing,
    mailbox: Arc<Mailbox>,
    due: Option<Instant>,
}

impl Application for Owing {
    type Layer = App;

    fn open(&self, opened: Opened, _: Instant) -> App {
        App { owing: self.clone(), mailbox: opened.mailbox, due: None }
    }
}

impl Layer for App {
    fn message(&mut self, message: Message, now: Instant) {
        self.due = self.owing.waits.map(|waits| now + waits);
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

    fn poll(&mut self, now: Instant) {
        if self.due.take_if(|due| *due <= now).is_some() {
            self.owing.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn closed(&mut self, _: CloseReason) {}
}

/// A GET under way.
struct Get {
    open: Option<OpenGet<InMemory>>,
    answer: Slot<Payload>,
}

impl Get {
    /// Its answer, if it has one: the client reads it.
    fn body(&mut self) -> Option<String> {
        let payload = self.answer.take()?;
        self.open.take().expect("the first answer").written();
        Some(String::from_utf8(payload.to_bytes().to_vec()).unwrap())
    }
}

impl Rig {
    fn new(revision: Revision, link: Option<InMemoryWebSocket>, owing: &Owing, config: EngineConfig) -> Rig {
        Rig::on(Engine::new(config), revision, link, owing)
    }

    fn on(engine: Engine, revision: Revision, link: Option<InMemoryWebSocket>, owing: &Owing) -> Rig {
        let (engine, start) = (Arc::new(engine), Instant::now());
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        let format = PayloadFormat { revision, base64: false };
        let (handle, mailbox) = SessionHandle::new(Sid::generate(), format, transport, None, &engine);
        let handshake = HandshakeRequest {
            time: std::time::SystemTime::UNIX_EPOCH,
            address: None,
            secure: false,
            url: "/engine.io/".into(),
            headers: Headers::default(),
            attached: Attached::default(),
        };
        let opening = Opening { handle, mailbox, link, handshake, exchange: 0 };
        let session = Session::open(owing, opening, engine, start);
        let mut rig = Rig { session, wires: InMemory::default(), start, now: start, over: false };
        rig.settle();
        rig
    }

    fn polling(revision: Revision) -> Rig {
        Rig::new(revision, None, &Owing::default(), EngineConfig::default())
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
        let answer = Slot::default();
        let open = self.session.handle().clone().open_get(answer.clone());
        Get { open: Some(open.expect("no other GET")), answer }
    }

    /// A poll that is answered at once.
    fn poll(&mut self) -> String {
        let mut get = self.get();
        self.settle();
        get.body().expect("an answer")
    }

    /// A POST, which the session has not looked at.
    fn submit(&mut self, body: &str) -> Slot<()> {
        let accepted = Slot::default();
        let post = self.session.handle().clone().open_post().expect("no other POST");
        let body = Bytes::copy_from_slice(body.as_bytes());
        post.submit(body.clone(), false, Held::new(body.len()), accepted.clone());
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
        accepted.take().is_some()
    }

    fn revision(&self) -> Revision {
        self.session.handle().format.revision
    }

    /// The WebSocket in use.
    fn link(&mut self) -> &mut InMemoryWebSocket {
        self.session.link.as_mut().expect("a WebSocket in use")
    }

    /// A WebSocket that may take the session over.
    fn probe(&mut self) -> &mut InMemoryWebSocket {
        let probe = self.session.handle().clone().open_probe().expect("no other probe");
        probe.opened(InMemoryWebSocket::new(BUFFERS), None);
        self.settle();
        self.session.probe_mut().expect("a probe")
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
    let EngineConfig { ping_interval, ping_timeout, .. } = EngineConfig::default();
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
fn a_deadline_that_a_message_gives_the_layer_moves_the_alarm_closer() {
    let owing = Owing { waits: Some(Duration::from_secs(1)), ..Owing::default() };
    let link = Some(InMemoryWebSocket::new(BUFFERS));
    let mut rig = Rig::new(Revision::V4, link, &owing, EngineConfig::default());
    rig.link().says("4x");
    rig.settle();
    rig.advance(Duration::from_secs(2));
    assert_eq!(owing.woken.load(Ordering::Relaxed), 1);
}

#[test]
fn a_second_get_ends_the_session_and_the_first_is_told() {
    let mut rig = Rig::polling(Revision::V4);
    let mut first = rig.get();
    rig.settle();
    let second = rig.session.handle().clone().open_get(Slot::default());
    assert_eq!(second.err(), Some(OpenError::Taken));
    rig.settle();
    assert_eq!((first.body().as_deref(), rig.over), (Some("1"), true));
    assert_eq!(rig.reason(), Some(CloseReason::TransportError));
    rig.session.farewell();
    assert_eq!(rig.session.handle().clone().open_post().err(), Some(OpenError::Ended));
}

#[test]
fn what_is_left_goes_out_with_the_goodbye() {
    let mut rig =
        Rig::new(Revision::V4, Some(InMemoryWebSocket::new(0)), &Owing::default(), EngineConfig::default());
    rig.mailbox().push(&[Frame::text("last")]).unwrap();
    rig.mailbox().close(CloseReason::ForcedClose);
    rig.settle();
    assert!(rig.over);
    let mut farewell = rig.session.farewell().expect("a WebSocket that is still there");
    assert_eq!(farewell.websocket.queue().iter().map(text).skip(1).collect::<Vec<_>>(), ["4last"]);
    assert_eq!((farewell.code, farewell.within), (None, EngineConfig::default().close_timeout));
    assert!(rig.session.farewell().is_none());
}

#[test]
fn no_more_is_compressed_for_a_goodbye_than_is_written_at_once() {
    struct Nobody;
    impl Observer for Nobody {
        fn observe(&self, _: &Observation<'_>) {}
    }
    let mut engine = Engine::default();
    engine.observers.add(Arc::new(Nobody));
    let mut rig = Rig::on(engine, Revision::V4, Some(InMemoryWebSocket::new(0)), &Owing::default());
    for _ in 0..50 {
        rig.mailbox().push(&[Frame::text(&"x".repeat(10_000))]).unwrap();
    }
    rig.mailbox().close(CloseReason::ForcedClose);
    rig.settle();
    let mut farewell = rig.session.farewell().expect("a WebSocket that is still there");
    // The open packet, and as many as fill 64 KiB.
    assert_eq!((farewell.websocket.compressed, farewell.websocket.queue().len()), (8, 51));
}

#[test]
fn less_is_taken_at_once_where_it_is_compressed() {
    for (compresses, frames) in [(false, 27), (true, 7)] {
        let mut link = InMemoryWebSocket::new(BUFFERS);
        link.compresses = compresses;
        let mut rig = Rig::new(Revision::V4, Some(link), &Owing::default(), EngineConfig::default());
        rig.link().room = 0;
        for _ in 0..50 {
            rig.mailbox().push(&[Frame::text(&"x".repeat(10_000))]).unwrap();
        }
        rig.settle();
        assert_eq!(rig.link().queue().len(), frames);
    }
}

// proves: security/deflate-contexts
#[test]
fn what_is_held_to_compress_counts_though_the_client_is_not_read_from() {
    use crate::memory::Holder as _;
    let mut rig = Rig::new(
        Revision::V4,
        Some(InMemoryWebSocket::new(BUFFERS)),
        &Owing { messages: Some(50), ..Owing::default() },
        EngineConfig::default(),
    );
    rig.link().room = 0;
    rig.link().says("4go");
    rig.settle();
    assert!(!rig.session.listens());
    let before = rig.mailbox().holds();
    rig.link().grown = Some(300_000);
    rig.settle();
    assert_eq!(rig.mailbox().holds(), before + 300_000);
}

#[test]
fn a_websocket_that_breaks_a_rule_is_closed_with_its_code_and_gets_nothing_more() {
    let mut rig =
        Rig::new(Revision::V4, Some(InMemoryWebSocket::new(0)), &Owing::default(), EngineConfig::default());
    let ending = Ending::from(crate::websocket::FrameViolation::TooManyPings);
    rig.link().incoming.push_back(Incoming::Ended(ending));
    rig.settle();
    let mut farewell = rig.session.farewell().expect("a WebSocket that is still there");
    assert_eq!((farewell.code, farewell.websocket.queue().len()), (Some(1008), 0));
    assert_eq!(rig.reason(), Some(CloseReason::TransportError));
}
