//! The end: by the client, by the server, at once or once the client has been told.

use super::*;

// proves: protocol/close-by-polling
#[test]
fn a_client_that_closes_gets_a_noop_on_its_poll() {
    let mut rig = Rig::polling();
    rig.poll();
    assert_eq!(rig.packet(Packet::Close), [NOOP, Output::Closed(CloseReason::TransportClose)]);
}

// proves: protocol/close-packet
#[test]
fn a_close_packet_on_a_websocket_closes_at_once() {
    assert_eq!(Rig::direct().packet(Packet::Close), [Output::Closed(CloseReason::TransportClose)]);
}

// proves: protocol/closing-polls
#[test]
fn the_server_closes_over_a_parked_poll() {
    let mut rig = Rig::polling();
    rig.poll();
    let out = rig.put(Input::Close(CloseReason::ForcedClose));
    assert_eq!(out, [CLOSE, Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over());
}

// proves: protocol/closing-polls
#[test]
fn the_server_closes_and_the_next_poll_is_told() {
    let mut rig = Rig::polling();
    let out = rig.put(Input::Close(CloseReason::ParseError));
    assert_eq!(out, [Output::Closed(CloseReason::ParseError)]);
    assert!(!rig.session.is_open() && !rig.session.is_over());
    assert_eq!(rig.packet(text("late")), [], "nothing is delivered any more");
    assert_eq!(rig.put(Input::PollOpened { queued: true }), [Output::Answer(PollAnswer::Queued)]);
    assert_eq!(rig.poll(), [Output::Answer(PollAnswer::NoopClose)]);
    assert!(rig.session.is_over());
}

// proves: websocket-node/close-timeout, ws/close-timeout, protocol/closing-polls
#[test]
fn a_closing_session_waits_no_longer_than_close_timeout() {
    let mut rig = Rig::polling();
    rig.put(Input::Close(CloseReason::ForcedClose));
    assert_eq!(rig.expire(5_000), []);
    assert!(rig.session.is_over());
}

#[test]
fn the_server_closes_a_websocket_and_a_probe() {
    let out = Rig::direct().put(Input::Close(CloseReason::ForcedClose));
    assert_eq!(out, [Output::Closed(CloseReason::ForcedClose)]);
    let mut rig = Rig::polling();
    rig.put(Input::ProbeOpened);
    rig.poll();
    let out = rig.put(Input::Close(CloseReason::ServerShuttingDown));
    assert_eq!(out, [CLOSE, Output::DropProbe, Output::Closed(CloseReason::ServerShuttingDown)]);
}

#[test]
fn a_session_is_closed_once() {
    let mut rig = Rig::direct();
    rig.put(Input::TransportClosed(CloseReason::TransportClose));
    assert_eq!(rig.put(Input::Close(CloseReason::ForcedClose)), []);
    assert_eq!(rig.put(Input::TransportClosed(CloseReason::TransportError)), []);
    assert_eq!(rig.put(Input::Timeout), []);
}

#[test]
fn whoever_is_evicted_ends_at_once_in_every_state() {
    let mut rig = Rig::polling();
    rig.poll();
    let out = rig.put(Input::Evicted);
    assert_eq!(out, [Output::Answer(PollAnswer::Close), Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over());

    let mut rig = Rig::polling();
    assert_eq!(rig.put(Input::Evicted), [Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over(), "it waits for no poll");

    let mut rig = Rig::ponged();
    let out = rig.put(Input::Evicted);
    assert_eq!(out, [Output::DropProbe, Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over());

    let mut rig = Rig::direct();
    assert_eq!(rig.put(Input::Evicted), [Output::Closed(CloseReason::ForcedClose)]);
    assert!(rig.session.is_over());

    let mut rig = Rig::polling();
    rig.put(Input::Close(CloseReason::ForcedClose));
    assert!(!rig.session.is_over(), "a poll is to tell the client");
    assert_eq!(rig.put(Input::Evicted), []);
    assert!(rig.session.is_over());
}
