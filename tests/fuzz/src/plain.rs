//! Plain WebSockets.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use engineio::memory::Holder as _;
use engineio::plain::{Inbox, PlainWebSocket, Sender, Terms};
use engineio::session::in_memory::{InMemory, InMemoryWebSocket};
use engineio::session::{Ending, Incoming, Round};
use engineio::websocket::{FrameViolation, Place};
use engineio::{Attached, Engine, EngineConfig, HandshakeRequest, Headers, Limit, Message, QueueError};

use crate::Choices;

/// What a WebSocket takes before its peer reads.
const BUFFERS: usize = 4096;

/// Anything in any order. What comes reaches the application once and in order, and what it sends its peer, with nothing
/// after the close frame. In the end every WebSocket is over, and nothing is held for it.
pub fn plain(input: &[u8]) {
    let mut choices = Choices(input);
    let mut rig = Rig::new(choices.byte());
    while !choices.is_empty() && !rig.over {
        rig.act(&mut choices);
        if choices.byte() & 1 > 0 {
            rig.turn();
        }
    }
    rig.finish();
}

struct Rig {
    websocket: PlainWebSocket<InMemoryWebSocket>,
    sender: Sender,
    inbox: Inbox,
    wires: InMemory,
    now: Instant,
    over: bool,
    /// How many messages were queued, came, and were taken by the application.
    pushed: usize,
    came: usize,
    taken: usize,
}

impl Rig {
    fn new(start: u8) -> Rig {
        let send_budget = if start & 1 > 0 { 300 } else { 1_000_000 };
        let mut terms = Terms::new(
            &Engine::new(EngineConfig { send_budget, ..EngineConfig::default() }),
            Duration::from_secs(30),
            Duration::from_secs(30),
        );
        terms.messages_per_second = (start & 2 > 0).then_some(5);
        if start & 4 > 0 {
            terms.keepalive = None;
        }
        let handshake = HandshakeRequest {
            time: SystemTime::UNIX_EPOCH,
            address: None,
            secure: false,
            url: "/ws".into(),
            headers: Headers::default(),
            attached: Attached::default(),
        };
        let now = Instant::now();
        let link = InMemoryWebSocket::new(BUFFERS);
        let (websocket, sender, inbox) =
            PlainWebSocket::open(link, terms, Engine::default().observers, 0, &handshake, now);
        let wires = InMemory::default();
        Rig { websocket, sender, inbox, wires, now, over: false, pushed: 0, came: 0, taken: 0 }
    }

    fn act(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 12 {
            0..=2 => self.incoming(choices),
            3 => self.websocket.link_mut().room += usize::from(choices.byte()) * 10,
            4 | 5 => self.send(),
            6 | 7 => drop(self.take()),
            8 => {
                let places = [Place::Between, Place::InFrame, Place::InMessage];
                self.websocket.link_mut().place = places[usize::from(choices.byte() % 3)];
            }
            9 if choices.byte() < 20 => self.sender.close(4000, "enough"),
            10 if choices.byte() < 10 => self.websocket.mailbox().evict(Limit::Memory),
            _ => self.now += Duration::from_millis(u64::from(choices.byte()) * 20),
        }
    }

    fn incoming(&mut self, choices: &mut Choices<'_>) {
        let link = self.websocket.link_mut();
        link.has_read = true;
        link.incoming.push_back(match choices.byte() % 30 {
            0 => Incoming::Ended(Ending::GONE),
            1 => Incoming::Ended(Ending::CROWDED),
            2 => Incoming::Ended(FrameViolation::Utf8.into()),
            3 => Incoming::Closed { code: None, payload: Vec::new().into() },
            4 => Incoming::Closed { code: Some(1000), payload: b"\x03\xe8bye".to_vec().into() },
            _ => {
                self.came += 1;
                Incoming::Message(Message::from(self.came.to_string()))
            }
        });
    }

    fn send(&mut self) {
        if self.sender.send((self.pushed + 1).to_string()).is_ok() {
            self.pushed += 1;
        }
    }

    /// The application asks for a message. Says whether there is one, or the end.
    fn take(&mut self) -> Poll<bool> {
        let next = pin!(self.inbox.next()).poll(&mut Context::from_waker(Waker::noop()));
        next.map(|message| {
            let Some(message) = message else { return false };
            self.taken += 1;
            assert_eq!(message, Message::from(self.taken.to_string()), "out of order");
            true
        })
    }

    fn turn(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.websocket.begin_turn();
        for _ in 0..10_000 {
            match self.websocket.round(&mut cx, self.now, &mut self.wires) {
                Round::Again | Round::Yield => {}
                Round::Sleep => break,
                Round::Over => {
                    self.over = true;
                    break;
                }
            }
        }
        self.websocket.link_mut().has_read = false;
        let sent = &self.websocket.link_mut().sent;
        for (n, frame) in sent.iter().enumerate() {
            assert_eq!(frame.packet(), (n + 1).to_string().as_bytes(), "out of order");
        }
    }

    fn finish(mut self) {
        self.sender.close(1000, "");
        for _ in 0..20 {
            if self.over {
                break;
            }
            self.turn();
            self.now += Duration::from_secs(1);
        }
        assert!(self.over, "it lives for ever");
        while self.take() == Poll::Ready(true) {}
        assert_eq!(self.take(), Poll::Ready(false), "no end for the application");
        let ended = self.sender.ended().expect("an end");
        let link = self.websocket.link_mut();
        let (close, sent) = (link.closed, link.sent.len());
        assert_eq!(self.websocket.finish(), ended);
        if let Some((code, before)) = close {
            assert_eq!(sent, before, "something after the close frame");
            assert_eq!(code.unwrap_or(1005), ended.code, "the peer was told something else");
            assert_eq!(sent, self.pushed, "not all that was queued");
        }
        assert_eq!(self.sender.send("late"), Err(QueueError::Closed));
        let mailbox = self.websocket.mailbox().clone();
        drop((self.websocket, self.inbox));
        assert_eq!(mailbox.holds(), 0, "something is held");
    }
}
