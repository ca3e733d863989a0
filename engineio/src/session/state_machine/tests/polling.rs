//! Polls: parked, answered, overlapping and given up.

use super::*;

#[test]
fn a_poll_waits_until_something_is_queued() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
    assert_eq!(rig.put(Input::Queued), [], "no poll is parked");
    assert_eq!(rig.put(Input::PollOpened { queued: true }), [Output::Answer(PollAnswer::Queued)]);
}

// proves: protocol/overlap
#[test]
fn an_overlapping_request_closes_and_the_parked_poll_gets_a_close() {
    let mut rig = Rig::polling();
    rig.poll();
    let [broken, closed] = broken(Violation::Overlap);
    assert_eq!(rig.put(Input::Broken(Violation::Overlap)), [broken, CLOSE, closed]);
    assert!(rig.session.is_over());
}

// proves: protocol/overlap
#[test]
fn an_aborted_request_closes() {
    let mut rig = Rig::polling();
    rig.poll();
    assert_eq!(rig.put(Input::PollAborted { lost: false }), broken(Violation::Aborted));
    let mut rig = Rig::polling();
    rig.poll();
    let [broken, closed] = broken(Violation::Aborted);
    assert_eq!(rig.put(Input::Broken(Violation::Aborted)), [broken, CLOSE, closed]);
}
