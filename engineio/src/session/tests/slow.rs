//! Clients that take nothing of what waits for them: who is put out, and when.

use super::*;
use crate::memory::Holder as _;

/// What waits for a client before it is too much.
const BUDGET: usize = 100_000;

/// A session that owes so many messages for each that comes.
fn owing(revision: Revision, link: Option<InMemoryWebSocket>, messages: usize) -> Rig {
    let config = EngineConfig { send_budget: BUDGET, max_payload: 20_000, ..EngineConfig::default() };
    Rig::new(revision, link, &Owing { messages: Some(messages), ..Owing::default() }, config)
}

fn hits(rig: &Rig) -> u64 {
    rig.session.machine.engine().hits.get(Limit::SendBudget)
}

// proves: limit/send-budget, protocol/bursts
#[test]
fn a_client_that_takes_nothing_of_too_much_is_evicted_at_the_write_timeout() {
    for revision in REVISIONS {
        let mut rig = owing(revision, None, 50);
        assert!(rig.post(&["4go"]));
        assert_eq!((rig.lives(), hits(&rig)), (PATIENCE, 1));

        let mut rig = owing(revision, Some(InMemoryWebSocket::new(BUFFERS)), 50);
        rig.link().says("4go");
        rig.settle();
        assert_eq!((rig.lives(), hits(&rig)), (PATIENCE, 1));
    }
}

// proves: protocol/bursts
#[test]
fn a_client_that_takes_a_little_of_too_much_in_time_is_left_alone() {
    let mut rig = owing(Revision::V4, None, 60);
    assert!(rig.post(&["4go"]));
    let mut seen = 0;
    while seen < 60 {
        // Each answer has one or two.
        rig.advance(Duration::from_secs(20));
        assert!(rig.post(&["3"]));
        seen += rig.poll().split('\u{1e}').filter(|packet| packet.starts_with('4')).count();
    }
    assert_eq!((rig.over, hits(&rig)), (false, 0));
}

// proves: protocol/bursts
#[test]
fn what_little_waits_for_a_client_that_takes_nothing_is_the_heartbeats() {
    let mut rig = owing(Revision::V4, None, 1);
    assert!(rig.post(&["4go"]));
    assert_eq!((rig.lives(), hits(&rig)), (heartbeat(), 0));
}

// proves: protocol/bursts, security/memory-short
#[test]
fn whoever_is_evicted_lets_go_of_everything_at_once() {
    let nothing = |rig: &Rig| {
        assert_eq!((rig.mailbox().cost(), rig.mailbox().holds()), (0, 0));
        assert!(rig.session.outbox.is_empty() && rig.session.inbox.is_empty());
    };
    // In use, and while it is said goodbye to.
    for ends in [false, true] {
        let mut rig = owing(Revision::V4, Some(InMemoryWebSocket::new(BUFFERS)), 50);
        (0..5).for_each(|_| rig.link().says("4go"));
        rig.settle();
        let mut cx = Context::from_waker(Waker::noop());
        if ends {
            rig.mailbox().close(CloseReason::ForcedClose);
            rig.settle();
            assert!(rig.session.farewell().is_some());
            assert!(rig.over && !rig.session.is_evicted(&mut cx));
            rig.mailbox().evict(Limit::Memory);
            assert!(rig.session.is_evicted(&mut cx));
        } else {
            rig.mailbox().evict(Limit::Memory);
            rig.settle();
            assert!(rig.over && rig.link().is_gone() && rig.link().is_drained());
            nothing(&rig);
            assert!(rig.session.farewell().is_none(), "nobody waits until it has heard of it");
        }

        let mut rig = owing(Revision::V4, None, 50);
        assert!(rig.post(&["4go", "4wait"]));
        // One answer, so that some wait in the session and some in the mailbox.
        rig.poll();
        if ends {
            rig.mailbox().close(CloseReason::ForcedClose);
            rig.settle();
        }
        assert!(!rig.over);
        rig.mailbox().evict(Limit::Memory);
        rig.settle();
        assert!(rig.over);
        nothing(&rig);
    }
}
