//! Upgrades whose client goes away, floods or posts at a moment that a real connection hardly hits.

use super::*;
use crate::observe::Direction;

// proves: protocol/lost-polls
#[test]
fn nothing_is_lost_with_a_poll_that_ends_in_the_turn_in_which_its_session_goes_over() {
    let owing = Owing::default();
    let mut rig = Rig::new(Revision::V4, None, &owing, EngineConfig::default());
    rig.probe().says("2probe");
    rig.settle();
    assert_eq!(rig.session.probe_mut().unwrap().texts(), ["3probe"]);
    assert_eq!(rig.poll(), "6");

    *owing.gives_up.lock() = Some(rig.get());
    // The session looks at all of it in one turn: the poll goes, the echo is there for it, and then comes `5`.
    // The pong has the echo answered before it is looked at.
    let accepted = rig.submit("4posted\u{1e}3");
    rig.session.probe_mut().unwrap().says("5");
    rig.settle();
    assert!(accepted.take().is_some() && owing.gives_up.lock().is_none());
    assert_eq!(rig.link().texts(), ["3probe", "4posted"]);
}

// proves: protocol/probe
#[test]
fn who_repeats_2probe_and_takes_no_answer_is_not_read_from() {
    const FLOOD: usize = 100_000;
    let mut rig = Rig::polling(Revision::V4);
    let probe = rig.probe();
    probe.room = 0;
    (0..FLOOD).for_each(|_| probe.says("2probe"));
    rig.settle();
    let probe = rig.session.probe_mut().unwrap();
    assert_eq!((probe.queue().len(), probe.incoming.len()), (ROUND, FLOOD - ROUND), "the answers pile up");
    // That is no more time for a `5`, and polling goes on.
    rig.advance(EngineConfig::default().upgrade_timeout);
    assert_eq!((rig.wires.given_up.len(), rig.session.probe.is_none()), (1, true));
    assert!(rig.post(&["4alive"]));
    assert_eq!(rig.poll(), "4alive");
}

// proves: protocol/lost-polls
#[test]
fn nothing_is_taken_from_the_queue_for_a_poll_that_nobody_waits_for() {
    let mut rig = Rig::polling(Revision::V4);
    let mut get = rig.get();
    rig.settle();
    // Its client has gone, and the guard has not told yet.
    get.answer = Slot::default();
    rig.mailbox().push(&[Frame::text("x")]).unwrap();
    rig.settle();
    assert!(rig.session.mailbox.has_frames());
}

#[test]
fn what_was_posted_before_the_5_is_taken_in_before_what_comes_after_it() {
    const POSTED: usize = 4 * ROUND;
    let mut rig = Rig::polling(Revision::V4);
    let probe = rig.session.handle().clone().open_probe().unwrap();
    let mut websocket = InMemoryWebSocket::new(BUFFERS);
    ["2probe", "5", "4last"].iter().for_each(|packet| websocket.says(packet));
    let accepted = rig.submit(&["4posted"; POSTED].join("\u{1e}"));
    probe.opened(websocket, None);
    rig.settle();
    assert!(accepted.take().is_some());
    let texts = rig.link().texts();
    assert_eq!(texts.len(), 1 + POSTED + 1);
    assert_eq!((&*texts[POSTED], &*texts[POSTED + 1]), ("4posted", "4last"));
}

/// Counts the packets that are shown.
#[derive(Default)]
struct Shown {
    went: AtomicUsize,
}

impl crate::observe::Observer for Shown {
    fn observe(&self, observation: &crate::observe::Observation<'_>) {
        if let What::Packet { direction: Direction::Out, .. } = observation.what {
            self.went.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn what_a_client_was_not_sent_before_it_went_away_is_shown_to_nobody() {
    let shown = Arc::new(Shown::default());
    let mut engine = Engine::default();
    engine.observers.add(shown.clone());
    let link = Some(InMemoryWebSocket::new(BUFFERS));
    let mut rig = Rig::on(engine, Revision::V4, link, &Owing::default());
    for _ in 0..2 {
        let long = format!("4{}", "x".repeat(2 * BUFFERS));
        rig.link().says(&long);
        rig.settle();
    }
    rig.link().incoming.push_back(Incoming::Ended(Ending::GONE));
    rig.settle();
    // The second echo waited after the first, which nobody read.
    assert!(rig.over);
    assert_eq!(shown.went.load(Ordering::Relaxed), 2, "the open packet, and the first echo");
}
