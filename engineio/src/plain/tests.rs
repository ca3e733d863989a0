//! Plain WebSockets in bytes and in virtual time.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;

use super::*;
use crate::memory::Holder as _;
use crate::session::{Ending, Incoming, WebSocketWire};
use crate::websocket::{self, FrameEvent, Place, Reader};
use crate::{Attached, Config, Engine, Frame, Headers, Limit, QueueError};

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
    moved: bool,
    read: bool,
    gone: bool,
}

impl WebSocketWire for Peer {
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
            watch.incoming(&event);
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
            self.moved = true;
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
        self.discard();
        self.gone = true;
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

impl Wire for Peer {
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
    put_out: Vec<Limit>,
}

impl Wires for Alarm {
    fn poll_alarm(&mut self, _: &mut Context<'_>, _: Instant, next: Instant) -> Poll<()> {
        self.next = Some(next);
        Poll::Pending
    }

    fn log(&mut self, line: Line<'_>) {
        if let Line::PutOut(limit) = line {
            self.put_out.push(limit);
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
            moved: false,
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

#[test]
fn messages_come_and_go() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x02, &[1]), frame(0x80, &[2])].concat());
    assert_eq!(rig.next(), text("hi"));
    assert_eq!(rig.next(), Poll::Ready(Some(vec![1, 2].into())));
    assert_eq!(rig.next(), Poll::Pending);
    rig.sender.send("yes").unwrap();
    rig.sender.send(vec![0]).unwrap();
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x03yes\x82\x01\x00");
    assert_eq!(rig.websocket.mailbox().holds(), 0);
}

#[test]
fn one_message_for_many_is_encoded_once() {
    let news = Outgoing::from(vec![7; 1_000]);
    let mut rigs = [Rig::new(), Rig::new()];
    for rig in &mut rigs {
        rig.sender.send(news.clone()).unwrap();
    }
    let addresses = rigs.each_mut().map(|rig| {
        rig.websocket.load();
        rig.websocket.link.queue[0].address()
    });
    assert_eq!(addresses, [news.frame().address(); 2]);
}

// proves: websocket-node/fragmenting
#[test]
fn messages_over_the_threshold_go_in_fragments_and_a_pong_between_them() {
    let mut rig = Rig::on(&Engine::default(), |terms| terms.fragment = Some(3));
    rig.sender.send("abc").unwrap();
    rig.sender.send("abcdefg").unwrap();
    rig.websocket.link.room = 10;
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x03abc\x01\x03abc");
    rig.comes(&frame(0x89, b"p"));
    rig.websocket.link.room = 100;
    rig.turn();
    assert_eq!(rig.got(), b"\x8a\x01p\x00\x03def\x80\x01g");
}

#[test]
fn what_came_before_a_mistake_is_answered_before_the_close_frame() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x83, b"")].concat());
    assert_eq!((rig.got(), rig.ended()), (vec![], None));
    assert_eq!(rig.next(), text("hi"));
    rig.turn();
    assert_eq!(rig.got(), b"", "the application has not asked for more");
    rig.sender.send("yes").unwrap();
    assert_eq!(rig.next(), Poll::Pending);
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x03yes\x88\x02\x03\xea");
    assert!(rig.over);
    assert_eq!((rig.ended(), rig.next()), (Some((1002, String::new())), Poll::Ready(None)));
}

#[test]
fn an_application_that_asks_for_nothing_more_delays_the_end_by_a_second() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x88, b"\x03\xe9bye")].concat());
    assert_eq!(rig.next(), text("hi"));
    rig.at(0);
    assert_eq!((rig.got(), rig.ended()), (vec![], None));
    rig.at(1);
    assert_eq!(rig.got(), b"\x88\x05\x03\xe9bye");
    assert!(rig.over);
    assert_eq!(rig.ended(), Some((1001, "bye".to_owned())));
    assert_eq!(rig.sender.send("late"), Err(QueueError::Closed));
}

#[test]
fn an_application_that_closes_while_it_settles_waits_for_nothing() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x88, b"")].concat());
    assert_eq!(rig.next(), text("hi"));
    rig.sender.close(4000, "no more");
    rig.turn();
    assert_eq!(rig.got(), b"\x88\x00");
    assert_eq!((rig.over, rig.ended()), (true, Some((1005, String::new()))));
}

#[test]
fn our_close_goes_after_what_is_queued_and_waits_for_the_peers() {
    let mut rig = Rig::new();
    rig.sender.send("last words").unwrap();
    rig.sender.close(4000, "enough");
    rig.sender.close(4001, "once more");
    assert_eq!(rig.sender.send("late"), Err(QueueError::Closed));
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x0alast words\x88\x08\x0f\xa0enough");
    rig.comes(&frame(0x81, b"what?"));
    assert_eq!((rig.over, rig.next()), (false, Poll::Ready(None)), "it counts for nothing");
    rig.comes(&frame(0x88, b"\x03\xe8"));
    assert_eq!((rig.over, rig.got()), (true, vec![]));
    assert_eq!(rig.ended(), Some((4000, "enough".to_owned())));
    assert!(rig.websocket.lingers().is_some());
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off_at_the_close_timeout() {
    let mut rig = Rig::new();
    rig.websocket.link.room = 0;
    rig.sender.send("last words").unwrap();
    rig.sender.close(1000, "");
    rig.at(4);
    assert!(!rig.over);
    rig.at(5);
    assert!(rig.over && rig.websocket.lingers().is_none());
}

#[test]
fn a_silent_peer_is_pinged_and_given_up_after_the_grace() {
    let mut rig = Rig::on(&Engine::default(), |terms| terms.message_timeout = Duration::from_secs(100));
    rig.at(19);
    assert_eq!(rig.got(), b"");
    rig.at(20);
    assert_eq!(rig.got(), b"\x89\x00");
    rig.comes(&frame(0x8a, b"")[..1]);
    rig.at(39);
    assert_eq!((rig.got(), rig.over), (vec![], false), "any byte is a sign of life");
    rig.at(49);
    assert_eq!((rig.got(), rig.over), (b"\x89\x00".to_vec(), false));
    rig.at(50);
    assert_eq!((rig.over, rig.ended()), (true, Some((1006, String::new()))));
}

#[test]
fn a_message_that_takes_too_long_is_1008_and_the_next_has_its_own_time() {
    let engine = Engine::default();
    let mut rig = Rig::on(&engine, |terms| terms.keepalive = None);
    rig.comes(&frame(0x01, b"a"));
    rig.at(29);
    rig.comes(&[frame(0x80, b"b"), frame(0x01, b"c")].concat());
    assert_eq!((rig.next(), rig.next()), (text("ab"), Poll::Pending));
    rig.at(58);
    assert_eq!((rig.got(), engine.hits.get(Limit::MessageTimeout)), (vec![], 0));
    rig.at(59);
    assert_eq!(rig.got(), b"\x88\x02\x03\xf0");
    assert_eq!(engine.hits.get(Limit::MessageTimeout), 1);
}

#[test]
fn more_messages_or_bytes_in_a_second_than_may_come_are_1008() {
    for (limit, messages, bytes) in [(Limit::PacketRate, Some(2), None), (Limit::ByteRate, None, Some(2))] {
        let engine = Engine::default();
        let mut rig = Rig::on(&engine, |terms| {
            (terms.messages_per_second, terms.bytes_per_second) = (messages, bytes);
        });
        rig.comes(&frame(0x81, b"x").repeat(3));
        assert_eq!([rig.next(), rig.next(), rig.next()], [text("x"), text("x"), Poll::Pending]);
        rig.turn();
        assert_eq!(rig.got(), b"\x88\x02\x03\xf0");
        assert_eq!(engine.hits.get(limit), 1);
    }
}

// proves: protocol/plain-unread
#[test]
fn no_more_is_taken_in_than_the_application_reads() {
    let mut rig = Rig::new();
    let ping = frame(0x89, b"");
    for _ in 0..1_000 {
        rig.comes(&frame(0x82, &[0; 100]));
    }
    rig.comes(&ping);
    assert_eq!(rig.got(), b"", "the ping is after what was not read");
    assert!((64 * 1024..65 * 1024).contains(&rig.websocket.mailbox().holds()));
    let mut taken = 0;
    while rig.next().is_ready() {
        taken += 1;
        rig.turn();
    }
    assert_eq!((taken, rig.got()), (1_000, b"\x8a\x00".to_vec()));
    assert_eq!(rig.websocket.mailbox().holds(), 0);
}

#[test]
fn a_peer_that_is_not_read_from_is_not_blamed_for_its_silence() {
    let mut rig = Rig::new();
    rig.comes(&frame(0x82, &[0; 100]).repeat(1_000));
    rig.at(1_000);
    assert_eq!((rig.got(), rig.over), (vec![], false));
}

#[test]
fn whoever_is_put_out_is_told_nothing_and_holds_nothing() {
    let mut rig = Rig::new();
    rig.websocket.link.room = 0;
    rig.comes(&frame(0x81, b"hi"));
    rig.sender.send("hi").unwrap();
    rig.turn();
    rig.websocket.mailbox().put_out(Limit::Memory);
    rig.turn();
    assert_eq!((rig.over, rig.got(), rig.ended()), (true, vec![], Some((1006, String::new()))));
    assert_eq!((rig.websocket.mailbox().holds(), rig.next()), (0, Poll::Ready(None)));
    assert!(rig.websocket.lingers().is_none());
}

#[test]
fn a_peer_that_takes_nothing_of_too_much_is_put_out_at_the_write_timeout() {
    let engine = Engine::new(Config { send_budget: 10, ..Config::default() });
    let mut rig = Rig::on(&engine, |terms| terms.keepalive = None);
    rig.websocket.link.room = 0;
    rig.sender.send("hi").unwrap();
    assert_eq!(rig.sender.send("no"), Err(QueueError::Full));
    rig.at(39);
    assert!(!rig.over);
    rig.at(40);
    assert!(rig.over);
    assert_eq!(rig.websocket.mailbox().holds(), 0);
    assert_eq!(rig.alarm.put_out, [Limit::SendBudget]);
}

#[test]
fn what_a_peer_has_sent_is_let_go_if_it_is_put_out_while_it_lingers() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x88, b"\x03\xe8")].concat());
    rig.at(5);
    assert!(rig.over && rig.websocket.lingers().is_some());
    assert!(rig.websocket.mailbox().holds() > 0, "nobody has read it");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!rig.websocket.is_put_out(&mut cx));
    rig.websocket.mailbox().put_out(Limit::Memory);
    assert!(rig.websocket.is_put_out(&mut cx));
    assert_eq!(rig.websocket.mailbox().holds(), 0);
}

#[test]
fn each_time_may_be_so_long_that_it_means_never() {
    let mut rig = Rig::on(&Engine::default(), |terms| {
        (terms.close_timeout, terms.message_timeout, terms.write_timeout) =
            (Duration::MAX, Duration::MAX, Duration::MAX);
        terms.keepalive = Some(Keepalive { interval: Duration::MAX, grace: Duration::MAX });
    });
    rig.comes(&frame(0x01, b"a"));
    rig.at(1_000);
    rig.sender.close(1000, "");
    rig.at(2_000);
    assert!(!rig.over);
}

#[test]
fn what_is_left_is_dropped_with_the_inbox() {
    let mut rig = Rig::new();
    rig.comes(&frame(0x81, b"hi").repeat(2));
    let Rig { mut websocket, sender, inbox, .. } = rig;
    drop(inbox);
    assert_eq!(websocket.mailbox().holds(), 0);
    assert_eq!(websocket.finish(), Close::lost());
    drop(websocket);
    assert_eq!(sender.send("late"), Err(QueueError::Closed));
}

#[test]
fn what_could_not_be_sent_is_not_kept_for_those_who_hold_a_sender() {
    let mut rig = Rig::new();
    rig.websocket.link.room = 0;
    for _ in 0..50 {
        rig.sender.send("x".repeat(100_000)).unwrap();
    }
    rig.turn();
    let mailbox = rig.websocket.mailbox().clone();
    assert!(format!("{mailbox:?}").contains("frames: 4"), "{mailbox:?}");
    assert_eq!(rig.websocket.finish(), Close::lost());
    drop(rig.websocket);
    assert!(format!("{mailbox:?}").contains("frames: 0"), "{mailbox:?}");
    assert_eq!((mailbox.holds(), rig.sender.is_closed()), (0, true));
}
