//! Plain WebSockets in bytes and in virtual time: a peer in memory, a clock that the tests turn, and the application's two
//! ends. How frames are read is tested beside the reader, in `websocket`.

mod closing;
mod eviction;
mod limits;
mod messages;
mod timing;

use std::collections::VecDeque;
use std::io;
use std::task::Waker;

use super::*;
use crate::memory::Holder as _;
use crate::session::{Ending, Incoming, WebSocketWire};
use crate::websocket::{self, FrameEvent, Place, Reader};
use crate::{Attached, Engine, EngineConfig, Frame, Framing, Headers, Limit, QueueError};

/// A peer: its bytes come in whole frames, and it reads as much as it has room for.
#[derive(Debug)]
struct Peer {
    reader: Reader,
    room: usize,
    /// What it has got.
    got: Vec<u8>,
    queue: VecDeque<Frame>,
    control: Vec<u8>,
    freed: usize,
    moved: usize,
    grown: Option<usize>,
    read: bool,
    gone: bool,
}

impl WebSocketWire for Peer {
    fn framing(&self) -> Framing {
        Framing::WebSocket(Revision::V4)
    }

    fn begin_turn(&mut self) {
        self.read = false;
    }

    fn poll_message(&mut self, _: &mut Context<'_>, watch: Watch<'_>) -> Poll<Incoming> {
        loop {
            let event = match self.reader.next() {
                Ok(Some(event)) => event,
                Ok(None) if self.gone => return Poll::Ready(Incoming::Ended(Ending::GONE)),
                Ok(None) => return Poll::Pending,
                Err(violation) => return Poll::Ready(Incoming::Ended(violation.into())),
            };
            watch.incoming(&event, None);
            return Poll::Ready(match event {
                FrameEvent::Text(text) => Incoming::Message(Message::Text(text)),
                FrameEvent::Binary(bytes) => Incoming::Message(Message::Binary(bytes)),
                FrameEvent::Close { code, payload } => Incoming::Closed { code, payload },
                FrameEvent::Ping(payload) => {
                    websocket::pong(&payload, &mut self.control);
                    continue;
                }
                FrameEvent::Pong(_) => continue,
            });
        }
    }

    fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    fn poll_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.got.append(&mut self.control);
        while let Some(frame) = self.queue.front() {
            let bytes = frame.websocket(Revision::V4);
            if bytes.len() > self.room {
                return Poll::Pending;
            }
            self.room -= bytes.len();
            self.got.extend_from_slice(bytes);
            self.freed += frame.cost();
            self.moved += bytes.len();
            self.queue.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.control.is_empty()
    }

    fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    fn take_moved(&mut self) -> usize {
        std::mem::take(&mut self.moved)
    }

    fn take_grown(&mut self) -> Option<usize> {
        self.grown.take()
    }

    fn partial(&self) -> usize {
        self.reader.pending()
    }

    fn discard(&mut self) {
        self.queue.clear();
    }

    fn abandon(&mut self) {
        self.discard();
        self.gone = true;
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

impl PlainWire for Peer {
    fn has_read(&self) -> bool {
        self.read
    }

    fn place(&self) -> Place {
        self.reader.place()
    }

    fn ping(&mut self) {
        websocket::ping(&mut self.control);
    }

    fn close(&mut self, code: Option<u16>, reason: &str) {
        websocket::close(code, reason, &mut self.control);
    }
}

/// The alarm is looked at by the tests, which turn the clock.
#[derive(Default)]
struct Alarm {
    next: Option<Instant>,
    /// What the log says of clients that were put out.
    evicted: Vec<Limit>,
}

impl PlainWires for Alarm {
    fn poll_alarm(&mut self, _: &mut Context<'_>, _: Instant, next: Instant) -> Poll<()> {
        self.next = Some(next);
        Poll::Pending
    }

    fn log(&mut self, line: Line<'_>) {
        if let Line::Evicted(limit) = line {
            self.evicted.push(limit);
        }
    }
}

struct Rig {
    websocket: PlainWebSocket<Peer>,
    sender: Sender,
    inbox: Inbox,
    alarm: Alarm,
    start: Instant,
    now: Instant,
    over: bool,
}

impl Rig {
    fn new() -> Rig {
        Rig::on(&Engine::default(), |_| {})
    }

    fn on(engine: &Engine, terms: impl FnOnce(&mut Terms)) -> Rig {
        let seconds = Duration::from_secs;
        let mut on = Terms::new(engine, seconds(30), seconds(40));
        on.close_timeout = seconds(5);
        terms(&mut on);
        let link = Peer {
            reader: Reader::new(on.frames),
            room: usize::MAX,
            got: Vec::new(),
            queue: VecDeque::new(),
            control: Vec::new(),
            freed: 0,
            moved: 0,
            grown: None,
            read: false,
            gone: false,
        };
        let handshake = HandshakeRequest {
            time: std::time::SystemTime::UNIX_EPOCH,
            address: None,
            secure: false,
            url: "/".into(),
            headers: Headers::default(),
            attached: Attached::default(),
        };
        let now = Instant::now();
        let (websocket, sender, inbox) =
            PlainWebSocket::open(link, on, engine.observers.clone(), 1, &handshake, now);
        Rig { websocket, sender, inbox, alarm: Alarm::default(), start: now, now, over: false }
    }

    fn turn(&mut self) {
        self.websocket.begin_turn();
        self.goes_on();
    }

    fn goes_on(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            match self.websocket.round(&mut cx, self.now, &mut self.alarm) {
                Round::Again | Round::Yield => {}
                Round::Sleep => return,
                Round::Over => return self.over = true,
            }
        }
        panic!("it never sleeps");
    }

    /// The peer sends these bytes.
    fn comes(&mut self, bytes: &[u8]) {
        self.websocket.begin_turn();
        self.websocket.link.reader.feed(bytes);
        self.websocket.link.read = true;
        self.goes_on();
    }

    /// The clock is turned to that many seconds after the start, from one alarm to the next.
    fn at(&mut self, seconds: u64) {
        let to = self.start + Duration::from_secs(seconds);
        self.turn();
        while let Some(next) = self.alarm.next.take().filter(|next| *next <= to && !self.over) {
            self.now = next;
            self.turn();
        }
        self.now = to;
        if !self.over {
            self.turn();
        }
    }

    /// What the peer has got since it was last asked.
    fn got(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.websocket.link.got)
    }

    /// What the application gets, if there is something.
    fn next(&mut self) -> Poll<Option<Message>> {
        let mut next = std::pin::pin!(self.inbox.next());
        next.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn ended(&self) -> Option<(u16, String)> {
        self.sender.ended().map(|close| (close.code, close.reason.into()))
    }
}

/// A client's frame, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn text(text: &str) -> Poll<Option<Message>> {
    Poll::Ready(Some(text.into()))
}
