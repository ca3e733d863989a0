//! Upgrades: the probe, the polls beside it, and probes that come to nothing.

use super::*;

#[test]
fn an_upgrade_is_a_probe_a_noop_and_a_5() {
    let mut rig = Rig::polling();
    rig.poll();
    assert_eq!(rig.put(Input::ProbeOpened), []);
    assert_eq!(rig.probe(ping("probe")), [Output::SendProbe(Packet::Pong("probe".into())), NOOP]);
    assert!(!rig.session.is_direct());
    assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade]);
    assert!(rig.session.is_direct());
}

// proves: features/wish/upgrades, protocol/poll-during-a-probe
#[test]
fn while_probing_the_first_poll_is_let_go_at_once_and_later_ones_after_100_ms() {
    let mut rig = Rig::ponged();
    assert_eq!(rig.poll(), [NOOP]);
    rig.advance(5);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.expire(105), [NOOP]);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.expire(205), [NOOP]);
}

// proves: protocol/poll-during-a-probe
#[test]
fn in_revision_3_the_first_poll_is_let_go_100_ms_after_the_probe_or_with_data_at_once() {
    let ponged = || {
        let mut rig = Rig::new(Revision::V3, Transport::Polling);
        rig.put(Input::ProbeOpened);
        rig.poll();
        rig.advance(10);
        assert_eq!(rig.probe(ping("probe")), [Output::SendProbe(Packet::Pong("probe".into()))]);
        rig
    };
    let mut rig = ponged();
    assert_eq!(rig.expire(110), [NOOP]);
    rig.advance(5);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.expire(215), [NOOP], "as later ones in revision 4");

    // With data at once; the next poll waits as long from when it comes.
    let mut rig = ponged();
    rig.advance(20);
    assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
    rig.advance(20);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.expire(150), [NOOP]);

    // One that comes late waits as long: a POST may come beside it.
    let mut rig = ponged();
    rig.put(Input::Queued);
    rig.advance(500);
    assert_eq!(rig.put(Input::Timeout), []);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.expire(610), [NOOP]);

    // One that comes when a second is over need not.
    let mut rig = ponged();
    rig.put(Input::Queued);
    rig.advance(2_000);
    assert_eq!(rig.poll(), [NOOP]);

    // What is posted meanwhile has as long for its answer, but not for ever.
    let mut rig = ponged();
    for _ in 0..20 {
        rig.advance(90);
        rig.packet(Packet::Message("posted".into()));
        if rig.session.deadline() == Some(rig.start + Duration::from_millis(1_010)) {
            break;
        }
        assert_eq!(rig.put(Input::Timeout), []);
    }
    assert_eq!(rig.expire(1_010), [NOOP]);

    // Whoever says `5` has waited enough.
    let mut rig = ponged();
    assert_eq!(rig.probe(Packet::Upgrade), [NOOP, Output::Upgrade]);
}

// proves: protocol/poll-during-a-probe
#[test]
fn a_probe_that_has_said_nothing_lets_no_poll_go() {
    let mut rig = Rig::polling();
    rig.put(Input::ProbeOpened);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.session.deadline(), Some(rig.start + Duration::from_secs(10)));
}

#[test]
fn what_is_queued_while_probing_goes_out_by_polling() {
    let mut rig = Rig::ponged();
    assert_eq!(rig.put(Input::PollOpened { queued: true }), [Output::Answer(PollAnswer::Queued)]);
    rig.poll();
    rig.poll();
    assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
}

// proves: protocol/poll-at-the-upgrade
#[test]
fn a_poll_that_is_parked_when_5_arrives_gets_a_noop() {
    let mut rig = Rig::ponged();
    rig.poll();
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.probe(Packet::Upgrade), [NOOP, Output::Upgrade]);
    assert_eq!(rig.poll(), [NOOP], "and so does one that raced it");
}

// proves: protocol/lost-polls
#[test]
fn a_poll_that_is_aborted_after_5_ends_the_session_if_messages_were_lost() {
    let mut rig = Rig::ponged();
    rig.put(Input::PollOpened { queued: true });
    rig.probe(Packet::Upgrade);
    assert_eq!(rig.put(Input::PollAborted { lost: false }), []);
    assert_eq!(rig.put(Input::PollAborted { lost: true }), broken(Violation::Aborted));
}

// proves: protocol/failed-probes
#[test]
fn a_probe_that_opens_with_anything_else_is_dropped_and_polling_goes_on() {
    for packet in [text("0"), ping(""), ping("x"), pong(), Packet::Message(Message::Binary("2probe".into()))]
    {
        let mut rig = Rig::polling();
        rig.poll();
        rig.put(Input::ProbeOpened);
        assert_eq!(rig.probe(packet), [Output::Broken(Violation::Probe), Output::DropProbe]);
        assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
        assert_eq!(rig.put(Input::ProbeOpened), [], "a new probe is allowed");
    }
}

// proves: protocol/failed-probes
#[test]
fn a_message_between_3probe_and_5_drops_that_websocket() {
    let mut rig = Rig::ponged();
    assert_eq!(rig.probe(text("x")), [Output::Broken(Violation::Probe), Output::DropProbe]);
    assert!(rig.session.is_open());
    let mut rig = Rig::ponged();
    assert_eq!(rig.put(Input::ProbePacket(Err(Violation::EmptyPacket))), [Output::DropProbe]);
}

// proves: protocol/probe
#[test]
fn a_5_without_a_probe_upgrades_and_lets_the_parked_poll_go() {
    let mut rig = Rig::polling();
    rig.put(Input::ProbeOpened);
    rig.poll();
    assert_eq!(rig.probe(Packet::Upgrade), [NOOP, Output::Upgrade]);
    assert!(rig.session.is_direct());
    let mut rig = Rig::polling();
    rig.put(Input::ProbeOpened);
    assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade]);
}

// proves: protocol/probe
#[test]
fn a_repeated_2probe_is_answered_and_changes_nothing_else() {
    let pong = || Output::SendProbe(Packet::Pong("probe".into()));
    let mut rig = Rig::ponged();
    assert_eq!(rig.poll(), [NOOP]);
    rig.advance(5);
    rig.poll();
    assert_eq!(rig.probe(ping("probe")), [pong()]);
    assert_eq!(rig.expire(105), [NOOP], "the second poll is let go when it would have been");
    assert_eq!(rig.probe(ping("probe")), [pong()]);
    assert_eq!(rig.expire(10_000), [Output::DropProbe], "nor is there more time for a `5`");
    let mut rig = Rig::ponged();
    assert_eq!(rig.probe(ping("probe")), [pong()]);
    assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade]);
}

// proves: protocol/failed-probes
#[test]
fn a_probe_is_dropped_at_upgrade_timeout_and_polling_goes_on() {
    let mut rig = Rig::ponged();
    assert_eq!(rig.expire(10_000), [Output::DropProbe]);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
}

// proves: protocol/failed-probes
#[test]
fn a_probe_that_ends_leaves_polling_as_it_was() {
    let mut rig = Rig::ponged();
    assert_eq!(rig.put(Input::ProbeClosed), []);
    assert_eq!(rig.poll(), PARKED);
}

#[test]
fn a_second_probe_is_dropped() {
    let mut rig = Rig::direct();
    assert_eq!(rig.put(Input::ProbeOpened), [Output::DropProbe]);
    let mut rig = Rig::ponged();
    assert_eq!(rig.put(Input::ProbeOpened), [Output::DropProbe]);
    assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade], "and the first is not affected");
}
