//! Clients on slow links: they are in the middle of a message when their heartbeat is due.

use super::*;

/// A message that takes long, and doesn't slow its client down.
const LONG: usize = 400_000;

const SECOND: Duration = Duration::from_secs(1);

/// How long a pong may take.
fn patience() -> Duration {
    EngineConfig::default().ping_timeout
}

fn with(link: Option<InMemoryWebSocket>, revision: Revision, config: EngineConfig) -> Rig {
    Rig::new(revision, link, &Owing::default(), config)
}

fn direct(revision: Revision) -> Rig {
    with(Some(InMemoryWebSocket::new(BUFFERS)), revision, EngineConfig::default())
}

/// A poll that is answered with a long message, and what its client has yet to take of that.
fn long_answer(rig: &mut Rig) -> (Get, Long<InMemory>) {
    rig.mailbox().push(&[Frame::text(&"x".repeat(LONG))]).unwrap();
    let get = rig.get();
    rig.settle();
    let payload = get.answer.take().expect("an answer");
    let long = get.open.as_ref().and_then(|open| open.begin(payload.len(), payload.len()));
    let long = long.expect("a long answer");
    long.load(payload);
    (get, long)
}

/// Does something every second until the session ends, and says when that is.
fn every_second(rig: &mut Rig, mut act: impl FnMut(&mut Rig)) -> Duration {
    while !rig.over {
        act(rig);
        rig.advance(SECOND);
        assert!(rig.now - rig.start < 3600 * SECOND, "it lives for ever");
    }
    assert_eq!(rig.reason(), Some(CloseReason::PingTimeout));
    rig.now - rig.start
}

// proves: protocol/progress, security/slow-messages
#[test]
fn a_message_that_comes_in_puts_the_heartbeat_off_by_the_body_timeout_at_most() {
    for revision in REVISIONS {
        let mut rig = direct(revision);
        let end = every_second(&mut rig, |rig| rig.link().partial += 1);
        assert_eq!(end, heartbeat() + rig.wires.body_timeout);
    }
}

// proves: protocol/progress
#[test]
fn a_message_that_came_whole_is_a_sign_of_life_and_the_next_has_all_the_time() {
    let mut rig = direct(Revision::V4);
    for _ in 0..3 {
        // Two pongs would be due in that time.
        for _ in 0..70 {
            rig.link().partial += 1;
            rig.advance(SECOND);
        }
        rig.link().partial = 0;
        rig.link().says("4whole");
        rig.link().says("3");
        rig.settle();
        assert!(!rig.over);
    }
    assert_eq!(rig.lives(), 3 * 70 * SECOND + heartbeat());
}

// proves: protocol/progress
#[test]
fn a_message_that_has_stopped_is_no_sign_of_life() {
    let mut rig = direct(Revision::V4);
    rig.link().partial = 1000;
    assert_eq!(rig.lives(), heartbeat());
}

// proves: protocol/progress
#[test]
fn a_client_that_takes_a_message_lives_and_has_the_usual_time_after_it() {
    for revision in REVISIONS {
        let mut rig = direct(revision);
        rig.mailbox().push(&[Frame::text(&"x".repeat(LONG))]).unwrap();
        rig.settle();
        assert!(!rig.link().is_drained());
        let mut drained = None;
        let end = every_second(&mut rig, |rig| {
            rig.link().room += 500;
            if rig.link().is_drained() {
                drained.get_or_insert(rig.now - rig.start);
            }
        });
        let drained = drained.expect("the client takes all of it");
        assert!(drained > Duration::from_secs(600), "that is no test");
        assert!(end > drained + patience() && end <= drained + 2 * patience(), "{drained:?}, {end:?}");
    }
}

// proves: protocol/progress
#[test]
fn a_client_that_is_in_the_middle_of_a_message_and_takes_nothing_ends_with_its_heartbeat() {
    let mut rig = direct(Revision::V4);
    rig.mailbox().push(&[Frame::text(&"x".repeat(LONG))]).unwrap();
    rig.settle();
    assert_eq!(rig.lives(), heartbeat());
}

// proves: protocol/progress, security/silent-clients
#[test]
fn a_client_that_takes_too_little_to_come_to_an_end_ends_with_its_heartbeat() {
    for revision in REVISIONS {
        let mut rig = direct(revision);
        rig.mailbox().push(&[Frame::text(&"x".repeat(LONG))]).unwrap();
        assert_eq!(every_second(&mut rig, |rig| rig.link().room += 100), heartbeat());

        let mut rig = Rig::polling(revision);
        let (_get, long) = long_answer(&mut rig);
        let end = every_second(&mut rig, |_| drop(long.take(100, Waker::noop())));
        assert_eq!(end, heartbeat());
    }
}

// proves: protocol/progress, security/silent-clients
#[test]
fn so_does_one_that_is_not_read_from_until_it_has_taken_more() {
    let config = || EngineConfig { send_budget: 10_000_000, ..EngineConfig::default() };
    for (each, lives) in [(100, false), (300, true)] {
        let owing = Owing { messages: Some(100), ..Owing::default() };
        let mut rig = Rig::new(Revision::V4, Some(InMemoryWebSocket::new(BUFFERS)), &owing, config());
        rig.link().says("4go");
        rig.settle();
        assert!(!rig.session.listens());
        for _ in 0..200 {
            if !rig.over {
                rig.link().room += each;
                rig.advance(SECOND);
            }
        }
        assert_eq!(rig.over, !lives, "{each} bytes a second");
    }
}

// proves: protocol/progress, security/silent-clients
#[test]
fn a_client_that_takes_small_messages_in_silence_ends_with_its_heartbeat() {
    let push = |rig: &mut Rig| rig.mailbox().push(&[Frame::text("news")]).unwrap();
    let mut rig = direct(Revision::V4);
    assert_eq!(every_second(&mut rig, push), heartbeat());
    let mut rig = Rig::polling(Revision::V4);
    let end = every_second(&mut rig, |rig| {
        push(rig);
        rig.poll();
    });
    assert_eq!(end, heartbeat());
}

// proves: protocol/progress
#[test]
fn a_client_whose_post_is_coming_in_lives() {
    for revision in REVISIONS {
        let mut rig = Rig::polling(revision);
        let post = rig.session.handle().clone().open_post().expect("no other POST");
        for came in 0..300 {
            post.note(1, came + 1);
            rig.advance(SECOND);
            assert!(!rig.over, "after {came}");
        }
        // It stops, and has been in the middle of it for the last time.
        let stopped = rig.now - rig.start;
        assert!(rig.lives() <= stopped + 2 * patience());
        assert_eq!(rig.reason(), Some(CloseReason::PingTimeout));
    }
}

// proves: protocol/progress
#[test]
fn a_client_that_takes_a_long_answer_lives() {
    for revision in REVISIONS {
        let mut rig = Rig::polling(revision);
        let (_get, long) = long_answer(&mut rig);
        for second in 0..300 {
            assert!(long.take(500, Waker::noop()).is_some_and(|chunk| !chunk.is_empty()));
            rig.advance(SECOND);
            assert!(!rig.over, "after {second} s");
        }
        let stopped = rig.now - rig.start;
        assert!(rig.lives() <= stopped + 2 * patience());
        assert_eq!(rig.reason(), Some(CloseReason::PingTimeout));
    }
}

// proves: protocol/progress
#[test]
fn with_a_strict_heartbeat_a_message_makes_no_difference() {
    let strict = || EngineConfig { strict_heartbeat: true, ..EngineConfig::default() };
    let mut rig = with(Some(InMemoryWebSocket::new(BUFFERS)), Revision::V4, strict());
    assert_eq!(every_second(&mut rig, |rig| rig.link().partial += 1), heartbeat());
    let mut rig = with(Some(InMemoryWebSocket::new(BUFFERS)), Revision::V4, strict());
    rig.mailbox().push(&[Frame::text(&"x".repeat(LONG))]).unwrap();
    assert_eq!(every_second(&mut rig, |rig| rig.link().room += 500), heartbeat());
}
