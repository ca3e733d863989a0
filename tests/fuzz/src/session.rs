//! The session: anything that requests, WebSockets, the application and time can do, in any order.

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use engineio::memory::{Held, Holder as _};
use engineio::session::in_memory::{InMemory, InMemoryWebSocket, Slot};
use engineio::session::{Ending, Incoming, OpenGet, OpenPost, OpenProbe, Opening, Round, SessionHandle};
use engineio::{
    Application, Attached, CloseReason, Engine, EngineConfig, Frame, HandshakeRequest, Headers, Layer, Limit,
    Mailbox, Message, Opened, Packet, Payload, PayloadFormat, Revision, Session, Sid, Transport,
};

use crate::Choices;

/// What a WebSocket takes before its client reads.
const BUFFERS: usize = 4096;

/// Anything in any order. The end comes once and is the last word to the layer. Whatever is queued goes out once and in
/// order. In the end every session is over, whoever waits is told, and nothing is held for it.
pub fn session(input: &[u8]) {
    let mut choices = Choices(input);
    let start = choices.byte();
    let revision = if start & 1 > 0 { Revision::V3 } else { Revision::V4 };
    let mut rig = Rig::new(revision, start & 2 > 0, start & 4 > 0);
    while !choices.is_empty() && !rig.over {
        rig.act(&mut choices);
        if choices.byte() & 1 > 0 {
            rig.turn();
        }
    }
    rig.finish();
}

/// What the layer was told, and what came of it.
#[derive(Default)]
struct Told {
    pushed: u64,
    closed: bool,
}

/// An application that answers each message with a number. It shares what it knows.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<Told>>);

struct Numbering {
    told: Arc<Mutex<Told>>,
    mailbox: Arc<Mailbox>,
}

impl Application for Numbers {
    type Layer = Numbering;

    fn open(&self, opened: Opened, _: Instant) -> Numbering {
        Numbering { told: Arc::clone(&self.0), mailbox: opened.mailbox }
    }
}

impl Layer for Numbering {
    fn message(&mut self, _: Message, _: Instant) {
        assert!(!self.told.lock().expect("one thread").closed, "a message behind the end");
        push(&self.told, &self.mailbox);
    }

    fn poll(&mut self, _: Instant) {
        assert!(!self.told.lock().expect("one thread").closed, "it is looked at behind the end");
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {
        let before = std::mem::replace(&mut self.told.lock().expect("one thread").closed, true);
        assert!(!before, "it ended twice");
    }
}

/// Sends the next number.
fn push(told: &Mutex<Told>, mailbox: &Mailbox) {
    let mut told = told.lock().expect("one thread");
    if mailbox.push(&[Frame::text(&format!("#{};", told.pushed))]).is_ok() {
        told.pushed += 1;
    }
}

struct Rig {
    session: Session<Numbering, InMemory>,
    handle: Arc<SessionHandle<InMemory>>,
    wires: InMemory,
    numbers: Numbers,
    now: Instant,
    over: bool,
    /// GETs, POSTs that are read and those that wait, and a probe that is being opened.
    get: Option<(OpenGet<InMemory>, Slot<Payload>)>,
    reading: Option<OpenPost<InMemory>>,
    posted: Vec<Slot<()>>,
    probing: Option<OpenProbe<InMemory>>,
    /// The GET has its answer.
    answered: bool,
    /// The number that is to be sent next.
    next: u64,
}

impl Rig {
    fn new(revision: Revision, direct: bool, small: bool) -> Rig {
        // A small session's client is slowed down soon, and gets little with each answer.
        let (send_budget, max_payload) = if small { (1000, 20) } else { (1_000_000, 1_000_000) };
        let config = EngineConfig { send_budget, max_payload, max_packets: 100, ..EngineConfig::default() };
        let engine = Arc::new(Engine::new(config));
        let format = PayloadFormat { revision, base64: true };
        let transport = if direct { Transport::WebSocket } else { Transport::Polling };
        let (handle, mailbox) = SessionHandle::new(Sid::generate(), format, transport, None, &engine);
        let handshake = HandshakeRequest {
            time: SystemTime::UNIX_EPOCH,
            address: None,
            secure: false,
            url: "/engine.io/".into(),
            headers: Headers::default(),
            attached: Attached::default(),
        };
        let (numbers, now) = (Numbers::default(), Instant::now());
        let link = direct.then(|| InMemoryWebSocket::new(BUFFERS));
        let opening = Opening { handle: Arc::clone(&handle), mailbox, link, handshake, exchange: 0 };
        Rig {
            session: Session::open(&numbers, opening, engine, now),
            handle,
            wires: InMemory::default(),
            numbers,
            now,
            over: false,
            get: None,
            reading: None,
            posted: Vec::new(),
            probing: None,
            answered: false,
            next: 0,
        }
    }

    fn act(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 18 {
            0 | 1 => self.open_get(),
            // Its client goes away, with an answer or without.
            2 => drop(self.get.take()),
            3 => self.read_answer(),
            4 => {
                if let Ok(post) = Arc::clone(&self.handle).open_post() {
                    self.reading = Some(post);
                }
            }
            5 | 6 => self.post(choices),
            7 => drop(self.reading.take()),
            8 => self.probing = Arc::clone(&self.handle).open_probe().ok(),
            9 => {
                if let Some(probing) = self.probing.take() {
                    probing.opened(InMemoryWebSocket::new(BUFFERS), None);
                }
            }
            10 | 11 => {
                let incoming = incoming(choices);
                let websocket = match choices.byte() & 1 {
                    0 => self.session.link_mut(),
                    _ => self.session.probe_mut(),
                };
                if let Some(websocket) = websocket {
                    websocket.incoming.push_back(incoming);
                }
            }
            12 => {
                if let Some(link) = self.session.link_mut() {
                    link.room += usize::from(choices.byte()) * 10;
                }
            }
            13 => push(&self.numbers.0, &self.handle.mailbox),
            14 => self.handle.mailbox.ring(),
            15 if choices.byte() < 20 => self.handle.mailbox.close(CloseReason::ForcedClose),
            16 if choices.byte() < 10 => self.handle.mailbox.evict(Limit::Memory),
            _ => self.now += Duration::from_millis(u64::from(choices.byte()) * 20),
        }
    }

    fn open_get(&mut self) {
        let answer = Slot::default();
        if let Ok(get) = Arc::clone(&self.handle).open_get(answer.clone()) {
            assert!(self.get.is_none(), "two GETs at once");
            self.get = Some((get, answer));
            self.answered = false;
        }
    }

    /// The client of a GET takes its answer, if there is one.
    fn read_answer(&mut self) {
        if self.answered
            && let Some((mut get, _)) = self.get.take()
        {
            get.written();
        }
    }

    fn post(&mut self, choices: &mut Choices<'_>) {
        let Some(post) = self.reading.take() else { return };
        let body = match choices.byte() % 8 {
            0 => Bytes::copy_from_slice(choices.bytes()),
            count => {
                let mut frames =
                    (0..count).map(|_| packet(choices)).map(|packet| Frame::from(&packet)).collect();
                self.handle.format.encode(&mut frames, usize::MAX).0.to_bytes()
            }
        };
        let accepted = Slot::default();
        post.submit(body.clone(), false, Held::new(body.len()), accepted.clone());
        self.posted.push(accepted);
    }

    /// What goes out: numbers, each once and in order.
    fn sent(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for number in text.split('#').skip(1) {
            let number: u64 = number.split(';').next().unwrap_or_default().parse().expect("a number");
            assert_eq!(number, self.next, "sent out of order");
            self.next += 1;
        }
    }

    fn turn(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.session.begin_turn();
        loop {
            match self.session.round(&mut cx, self.now, &mut self.wires) {
                Round::Again => {}
                Round::Yield => self.session.begin_turn(),
                Round::Sleep => break,
                Round::Over => {
                    self.over = true;
                    break;
                }
            }
        }
        // A poll is answered before the session goes over to a WebSocket.
        if let Some((_, answer)) = &self.get
            && let Some(payload) = answer.take()
        {
            assert!(!std::mem::replace(&mut self.answered, true), "it is answered twice");
            self.sent(&payload.to_bytes());
        }
        if let Some(link) = self.session.link_mut() {
            for frame in std::mem::take(&mut link.sent) {
                self.sent(frame.packet());
            }
        }
        assert!(
            self.over || self.wires.alarm.is_some_and(|alarm| alarm >= self.now),
            "it sleeps without an alarm"
        );
    }

    /// Nobody does anything any more.
    fn finish(mut self) {
        // Each alarm brings it nearer to its end.
        for _ in 0..1000 {
            if self.over {
                break;
            }
            self.turn();
            self.now = self.wires.alarm.take().map_or(self.now, |alarm| alarm.max(self.now));
        }
        assert!(self.over, "it lives for ever");
        assert!(self.numbers.0.lock().expect("one thread").closed, "the layer was not told");
        drop(self.session.farewell());
        if let Some((_, answer)) = &self.get {
            assert!(self.answered || !is_waited_for(answer), "a GET waits for ever");
        }
        assert!(!self.posted.iter().any(is_waited_for), "a POST waits for ever");
        drop(self.session);
        assert_eq!(self.handle.mailbox.holds(), 0, "something is held");
        assert!(Arc::clone(&self.handle).open_get(Slot::default()).is_err(), "a GET is let in");
    }
}

/// Whether the session may still answer.
fn is_waited_for<T>(slot: &Slot<T>) -> bool {
    use engineio::session::Reply as _;
    !slot.is_gone()
}

fn incoming(choices: &mut Choices<'_>) -> Incoming {
    match choices.byte() % 20 {
        0 => Incoming::Ended(Ending::GONE),
        1 => Incoming::Ended(Ending::CROWDED),
        2 => Incoming::Message(Message::from("")),
        _ => Incoming::Message(message(choices)),
    }
}

/// A packet, as a WebSocket carries it.
fn message(choices: &mut Choices<'_>) -> Message {
    let frame = Frame::from(&packet(choices));
    if frame.is_binary() {
        // Its type, which revision 4 takes for a part of it.
        return Message::from([&[4], frame.packet()].concat());
    }
    Message::from(std::str::from_utf8(frame.packet()).expect("text"))
}

fn packet(choices: &mut Choices<'_>) -> Packet {
    match choices.byte() % 9 {
        0 => Packet::Open("{}".into()),
        1 => Packet::Close,
        2 => Packet::Ping("probe".into()),
        3 => Packet::Ping("".into()),
        4 => Packet::Pong("".into()),
        5 => Packet::Message(Message::Text("text".into())),
        6 => Packet::Message(Message::Binary(Bytes::from_static(b"binary"))),
        7 => Packet::Upgrade,
        _ => Packet::Noop,
    }
}
