//! What a client's packets do, and how many may come.

use super::*;
use crate::EngineConfig;

#[test]
fn a_message_is_delivered() {
    let message = Message::Text("x".into());
    assert_eq!(Rig::polling().packet(text("x")), [Output::Deliver(message.clone())]);
    assert_eq!(Rig::direct().packet(text("x")), [Output::Deliver(message)]);
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

// proves: protocol/packets-outside-a-probe
#[test]
fn open_upgrade_and_noop_from_a_client_mean_nothing() {
    let mut rig = Rig::direct();
    for packet in [Packet::Open("{}".into()), Packet::Upgrade, Packet::Noop] {
        assert_eq!(rig.packet(packet), []);
    }
    assert!(rig.session.is_open());
}

// proves: limit/max-byte-rate, limit/max-packet-rate
#[test]
fn a_client_that_sends_more_than_its_rate_is_disconnected() {
    let config =
        EngineConfig { packets_per_second: Some(3), bytes_per_second: Some(100), ..EngineConfig::default() };
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
