//! The end of a session whose client upgrades: by its WebSocket or by a poll, whichever comes first.

use super::*;

/// A session that the server closed while it was probed and no poll was parked.
fn closing(mut rig: Rig) -> Rig {
    assert_eq!(
        rig.put(Input::Close(CloseReason::ForcedClose)),
        [Output::Closed(CloseReason::ForcedServerClose)]
    );
    assert!(!rig.session.is_open() && !rig.session.is_over());
    rig
}

// proves: protocol/closing-during-an-upgrade
#[test]
fn a_client_that_upgrades_while_it_is_closed_is_told_by_its_websocket() {
    let mut rig = closing(Rig::ponged());
    assert_eq!(rig.packet(text("late")), [], "nothing is delivered any more");
    assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade]);
    assert!(rig.session.is_over(), "what is queued, and the end, go out on it");
    assert_eq!(rig.poll(), [CLOSE]);

    // Whose probe had not been answered by then, or comes even later.
    for opened in [true, false] {
        let mut rig = Rig::polling();
        if opened {
            rig.put(Input::ProbeOpened);
        }
        let mut rig = closing(rig);
        if !opened {
            assert_eq!(rig.put(Input::ProbeOpened), []);
        }
        assert_eq!(rig.probe(ping("probe")), [Output::SendProbe(Packet::Pong("probe".into()))]);
        assert_eq!(rig.put(Input::ProbeOpened), [Output::DropProbe], "a second one");
        assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade]);
        assert!(rig.session.is_over());
    }
}

// proves: protocol/closing-during-an-upgrade
#[test]
fn a_client_that_polls_while_it_is_closed_is_told_by_its_poll_and_its_probe_is_dropped() {
    let mut rig = closing(Rig::ponged());
    assert_eq!(rig.put(Input::PollOpened { queued: true }), [Output::Answer(PollAnswer::Queued)]);
    assert!(!rig.session.is_over());
    assert_eq!(rig.poll(), [Output::Answer(PollAnswer::NoopClose), Output::DropProbe]);
    assert!(rig.session.is_over());
    let mut rig = closing(Rig::ponged());
    assert_eq!(rig.put(Input::PollAborted { lost: false }), [Output::DropProbe]);
    assert!(rig.session.is_over());
}

// proves: protocol/closing-during-an-upgrade
#[test]
fn a_session_that_closes_waits_for_a_5_as_long_as_one_that_does_not() {
    let mut rig = Rig::ponged();
    rig.advance(1_000);
    let mut rig = closing(rig);
    assert_eq!(rig.expire(10_000), [Output::DropProbe], "the upgrade timeout");
    assert!(rig.session.is_over());
    // Close to it there is still the time that a poll has.
    let mut rig = Rig::ponged();
    rig.advance(8_000);
    assert_eq!(closing(rig).expire(13_000), [Output::DropProbe]);
    // A probe that comes late has no time of its own.
    let mut rig = closing(Rig::polling());
    rig.advance(4_000);
    rig.put(Input::ProbeOpened);
    assert_eq!(rig.expire(5_000), [Output::DropProbe]);
    assert!(rig.session.is_over());
}

// proves: protocol/closing-during-an-upgrade
#[test]
fn without_its_probe_a_session_that_closes_waits_for_a_poll() {
    let mut rig = closing(Rig::ponged());
    rig.advance(1_000);
    assert_eq!(rig.put(Input::ProbeClosed), []);
    assert_eq!(rig.expire(6_000), []);
    assert!(rig.session.is_over());
    let mut rig = closing(Rig::ponged());
    assert_eq!(rig.probe(text("x")), [Output::Broken(Violation::Probe), Output::DropProbe]);
    assert_eq!(rig.probe(Packet::Upgrade), [], "it is gone");
    assert_eq!(rig.put(Input::PollOpened { queued: true }), [Output::Answer(PollAnswer::Queued)]);
    assert_eq!(rig.poll(), [Output::Answer(PollAnswer::NoopClose)]);
}
