//! Heartbeats: who pings, when a session ends without a pong, and what counts as one.

use super::*;

// proves: features/heartbeat, protocol/ping-4
#[test]
fn revision_4_pings_after_ping_interval_and_again_after_the_pong() {
    let mut rig = Rig::direct();
    assert_eq!(rig.expire(25_000), [Output::Send(ping(""))]);
    rig.advance(1_000);
    assert_eq!(rig.packet(pong()), []);
    assert_eq!(rig.expire(51_000), [Output::Send(ping(""))]);
    assert_eq!(rig.expire(71_000), [Output::Closed(CloseReason::PingTimeout)]);
    assert_eq!(rig.session.deadline(), None);
}

// proves: protocol/signs-of-life
#[test]
fn any_packet_counts_as_life_while_a_pong_is_due() {
    let mut rig = Rig::direct();
    rig.expire(25_000);
    rig.advance(19_999);
    rig.packet(text("x"));
    assert_eq!(rig.expire(69_999), [Output::Send(ping(""))]);
}

// proves: protocol/signs-of-life
#[test]
fn an_unsolicited_pong_changes_nothing() {
    let mut rig = Rig::direct();
    rig.advance(10_000);
    for _ in 0..1_000 {
        assert_eq!(rig.packet(pong()), []);
    }
    assert_eq!(rig.expire(25_000), [Output::Send(ping(""))]);
}

// proves: protocol/ping-from-a-client
#[test]
fn a_heartbeat_in_the_wrong_direction_is_a_transport_error() {
    let closed = broken(Violation::Heartbeat);
    assert_eq!(Rig::direct().packet(ping("")), closed);
    assert_eq!(Rig::direct().packet(ping("probe")), closed);
    assert_eq!(Rig::new(Revision::V3, Transport::WebSocket).packet(pong()), closed);
}

// proves: protocol/ping-3
#[test]
fn in_revision_3_the_client_pings_and_the_pong_has_no_payload() {
    let mut rig = Rig::new(Revision::V3, Transport::Polling);
    rig.advance(30_000);
    assert_eq!(rig.packet(ping("x")), [Output::Send(pong())]);
    assert_eq!(rig.expire(55_000), [], "the next is due, and it has its time");
    assert_eq!(rig.expire(75_000), [Output::Closed(CloseReason::PingTimeout)]);
}

#[test]
fn taking_what_is_sent_is_a_sign_of_life() {
    let mut rig = Rig::direct();
    rig.expire(25_000);
    rig.advance(10_000);
    assert_eq!(rig.put(Input::Taken), []);
    assert_eq!(rig.expire(60_000), [Output::Send(Packet::Ping("".into()))]);
    assert_eq!(rig.expire(80_000), [Output::Closed(CloseReason::PingTimeout)]);
}

// proves: protocol/progress
#[test]
fn a_message_that_moves_puts_a_pong_off_but_no_further_than_allowed() {
    let moved = |at_most| Input::Moved { at_most };
    let pinged = || [Output::Send(Packet::Ping("".into()))];
    let mut rig = Rig::direct();
    // Before a ping is sent, nothing is put off.
    assert_eq!(rig.put(moved(None)), []);
    assert_eq!(rig.expire(25_000), pinged());
    rig.advance(20_000);
    // Another ping goes out with each time that it has.
    assert_eq!(rig.put(moved(Some(Duration::from_secs(30)))), pinged());
    assert_eq!(rig.put(Input::Timeout), []);
    // Due at 45 s, and no later than 75 s.
    rig.advance(20_000);
    assert_eq!(rig.put(moved(Some(Duration::from_secs(30)))), pinged());
    assert_eq!(rig.put(moved(Some(Duration::from_secs(5)))), []);
    assert_eq!(rig.expire(75_000), [Output::Closed(CloseReason::PingTimeout)]);

    let mut rig = Rig::direct();
    rig.expire(25_000);
    rig.advance(20_000);
    for _ in 0..100 {
        rig.put(moved(None));
        rig.advance(20_000);
    }
    assert_eq!(rig.put(Input::Timeout), [Output::Closed(CloseReason::PingTimeout)]);
}

#[test]
fn a_poll_that_is_parked_at_ping_timeout_gets_a_close() {
    let mut rig = Rig::polling();
    rig.expire(25_000);
    rig.poll();
    assert_eq!(rig.expire(45_000), [CLOSE, Output::Closed(CloseReason::PingTimeout)]);
}
