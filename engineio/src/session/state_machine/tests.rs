//! The rules of a session, in virtual time.

use super::*;

/// A session and its clock. `out` holds what the last call brought.
struct Rig {
    session: StateMachine,
    now: Instant,
    start: Instant,
}

impl Rig {
    fn new(revision: Revision, transport: Transport) -> Rig {
        let now = Instant::now();
        let session = StateMachine::new(Arc::new(Engine::default()), revision, transport, now);
        Rig { session, now, start: now }
    }

    fn polling() -> Rig {
        Rig::new(Revision::V4, Transport::Polling)
    }

    fn direct() -> Rig {
        Rig::new(Revision::V4, Transport::WebSocket)
    }

    /// A polling session whose probe was answered, with no poll parked.
    fn ponged() -> Rig {
        let mut rig = Rig::polling();
        rig.put(Input::ProbeOpened);
        assert_eq!(rig.probe(ping("probe")), [Output::SendProbe(Packet::Pong("probe".into()))]);
        rig
    }

    fn put(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        out
    }

    fn poll(&mut self) -> Vec<Output> {
        self.put(Input::PollOpened { queued: false })
    }

    fn packet(&mut self, packet: Packet) -> Vec<Output> {
        self.put(Input::Packet(Ok(packet)))
    }

    fn probe(&mut self, packet: Packet) -> Vec<Output> {
        self.put(Input::ProbePacket(Ok(packet)))
    }

    /// Moves to the deadline, which must be `after` milliseconds from the start.
    fn expire(&mut self, after: u64) -> Vec<Output> {
        let deadline = self.session.deadline().expect("a deadline");
        assert_eq!((deadline - self.start).as_millis(), u128::from(after), "the deadline");
        self.now = deadline;
        self.put(Input::Timeout)
    }

    fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

fn ping(payload: &'static str) -> Packet {
    Packet::Ping(payload.into())
}

fn pong() -> Packet {
    Packet::Pong("".into())
}

fn text(text: &'static str) -> Packet {
    Packet::Message(Message::Text(text.into()))
}

const PARKED: [Output; 0] = [];
const NOOP: Output = Output::Answer(PollAnswer::Noop);
const CLOSE: Output = Output::Answer(PollAnswer::Close);

/// What comes of a rule that has nothing to do with how packets are written.
fn broken(violation: Violation) -> [Output; 2] {
    [Output::Broken(violation), Output::Closed(CloseReason::TransportError)]
}

#[test]
fn a_poll_waits_until_something_is_queued() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
    assert_eq!(rig.put(Input::Queued), [], "no poll is parked");
    assert_eq!(rig.put(Input::PollOpened { queued: true }), [Output::Answer(PollAnswer::Queued)]);
}

#[test]
fn a_message_is_delivered() {
    let message = Message::Text("x".into());
    assert_eq!(Rig::polling().packet(text("x")), [Output::Deliver(message.clone())]);
    assert_eq!(Rig::direct().packet(text("x")), [Output::Deliver(message)]);
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

// proves: protocol/closing-polls
#[test]
fn a_malformed_packet_closes_with_parse_error() {
    let mut rig = Rig::polling();
    let malformed = || Input::Packet(Err(Violation::EmptyPacket));
    assert_eq!(rig.put(malformed()), [Output::Closed(CloseReason::ParseError)]);
    assert_eq!(rig.poll(), [CLOSE], "and nothing waits for a poll");
    assert_eq!(Rig::direct().put(malformed()), [Output::Closed(CloseReason::ParseError)]);
}

#[test]
fn what_can_not_be_decoded_closes_with_the_reason_of_its_rule() {
    for violation in Violation::ALL.iter().copied() {
        let Some(reason) = violation.close_reason() else { continue };
        let out = Rig::polling().put(Input::Packet(Err(violation)));
        assert_eq!(out, [Output::Closed(reason)], "{violation}");
    }
}

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

// proves: protocol/packets-outside-a-probe
#[test]
fn open_upgrade_and_noop_from_a_client_mean_nothing() {
    let mut rig = Rig::direct();
    for packet in [Packet::Open("{}".into()), Packet::Upgrade, Packet::Noop] {
        assert_eq!(rig.packet(packet), []);
    }
    assert!(rig.session.is_open());
}

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

#[test]
fn a_poll_that_is_parked_at_ping_timeout_gets_a_close() {
    let mut rig = Rig::polling();
    rig.expire(25_000);
    rig.poll();
    assert_eq!(rig.expire(45_000), [CLOSE, Output::Closed(CloseReason::PingTimeout)]);
}

#[test]
fn an_upgrade_is_a_probe_a_noop_and_a_5() {
    let mut rig = Rig::polling();
    rig.poll();
    assert_eq!(rig.put(Input::ProbeOpened), []);
    assert_eq!(rig.probe(ping("probe")), [Output::SendProbe(Packet::Pong("probe".into())), NOOP]);
    assert_eq!(rig.session.transport(), Transport::Polling);
    assert_eq!(rig.probe(Packet::Upgrade), [Output::Upgrade]);
    assert_eq!(rig.session.transport(), Transport::WebSocket);
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

    // With data at once; the next poll is let go when the first would have been.
    let mut rig = ponged();
    rig.advance(20);
    assert_eq!(rig.put(Input::Queued), [Output::Answer(PollAnswer::Queued)]);
    rig.advance(20);
    assert_eq!(rig.poll(), PARKED);
    assert_eq!(rig.expire(110), [NOOP]);

    // One that comes late need not wait.
    let mut rig = ponged();
    rig.put(Input::Queued);
    rig.advance(500);
    assert_eq!(rig.put(Input::Timeout), []);
    assert_eq!(rig.poll(), [NOOP]);

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
    assert_eq!(rig.session.transport(), Transport::WebSocket);
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

#[test]
fn a_session_is_closed_once() {
    let mut rig = Rig::direct();
    rig.put(Input::TransportClosed(CloseReason::TransportClose));
    assert_eq!(rig.put(Input::Close(CloseReason::ForcedClose)), []);
    assert_eq!(rig.put(Input::TransportClosed(CloseReason::TransportError)), []);
    assert_eq!(rig.put(Input::Timeout), []);
}

// proves: limit/max-byte-rate, limit/max-packet-rate
#[test]
fn a_client_that_sends_more_than_its_rate_is_disconnected() {
    let config = Config { packets_per_second: Some(3), bytes_per_second: Some(100), ..Config::default() };
    let engine = Arc::new(Engine::new(config));
    let hits = engine.hits.clone();
    let start = Instant::now();
    let open = |transport| {
        let session = StateMachine::new(engine.clone(), Revision::V4, transport, start);
        Rig { session, now: start, start }
    };
    let message = |len: usize| Packet::Message(Message::Text("x".repeat(len - 1).into()));

    // Packets: three at once, one more is too many; heartbeats count too.
    let mut rig = open(Transport::WebSocket);
    assert_eq!(rig.packet(message(1)).len(), 1);
    rig.packet(Packet::Pong("".into()));
    assert_eq!(rig.packet(message(1)).len(), 1);
    assert_eq!(rig.packet(message(1)), [Output::Closed(CloseReason::ForcedClose)]);
    assert_eq!(hits.get(Limit::PacketRate), 1);

    // Bytes, with the type: a hundred, and then none until some have come back.
    let mut rig = open(Transport::Polling);
    assert_eq!(rig.packet(message(99)).len(), 1);
    assert_eq!(rig.packet(message(1)).len(), 1);
    rig.now += Duration::from_millis(400);
    assert_eq!(rig.packet(message(40)).len(), 1);
    assert_eq!(rig.packet(message(1)), [Output::Closed(CloseReason::ForcedServerClose)]);
    assert_eq!(hits.get(Limit::ByteRate), 1);
    // Its client is told by the next poll.
    assert_eq!(rig.poll(), [Output::Answer(PollAnswer::NoopClose)]);
}

#[test]
fn whoever_is_put_out_ends_at_once_in_every_state() {
    let mut rig = Rig::polling();
    rig.poll();
    let out = rig.put(Input::PutOut);
    assert_eq!(out, [Output::Answer(PollAnswer::Close), Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over());

    let mut rig = Rig::polling();
    assert_eq!(rig.put(Input::PutOut), [Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over(), "it waits for no poll");

    let mut rig = Rig::ponged();
    let out = rig.put(Input::PutOut);
    assert_eq!(out, [Output::DropProbe, Output::Closed(CloseReason::ForcedServerClose)]);
    assert!(rig.session.is_over());

    let mut rig = Rig::direct();
    assert_eq!(rig.put(Input::PutOut), [Output::Closed(CloseReason::ForcedClose)]);
    assert!(rig.session.is_over());

    let mut rig = Rig::polling();
    rig.put(Input::Close(CloseReason::ForcedClose));
    assert!(!rig.session.is_over(), "a poll is to tell the client");
    assert_eq!(rig.put(Input::PutOut), []);
    assert!(rig.session.is_over());
}
