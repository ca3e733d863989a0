//! Limits whose peer is closed with 1008, and what counts as held.

use super::*;

#[test]
fn what_is_held_to_compress_counts_though_nothing_is_read() {
    let mut rig = Rig::new();
    rig.comes(&frame(0x82, &[0; 100]).repeat(1_000));
    let before = rig.websocket.mailbox().holds();
    rig.websocket.link.grown = Some(300_000);
    rig.turn();
    assert_eq!(rig.websocket.mailbox().holds(), before + 300_000);
}

#[test]
fn a_message_that_takes_too_long_is_1008_and_the_next_has_its_own_time() {
    let engine = Engine::default();
    let mut rig = Rig::on(&engine, |terms| terms.keepalive = None);
    rig.comes(&frame(0x01, b"a"));
    rig.at(29);
    rig.comes(&[frame(0x80, b"b"), frame(0x01, b"c")].concat());
    assert_eq!((rig.next(), rig.next()), (text("ab"), Poll::Pending));
    rig.at(58);
    assert_eq!((rig.got(), engine.hits.get(Limit::MessageTimeout)), (vec![], 0));
    rig.at(59);
    assert_eq!(rig.got(), b"\x88\x02\x03\xf0");
    assert_eq!(engine.hits.get(Limit::MessageTimeout), 1);
}

#[test]
fn more_messages_or_bytes_in_a_second_than_may_come_are_1008() {
    for (limit, messages, bytes) in [(Limit::PacketRate, Some(2), None), (Limit::ByteRate, None, Some(2))] {
        let engine = Engine::default();
        let mut rig = Rig::on(&engine, |terms| {
            (terms.messages_per_second, terms.bytes_per_second) = (messages, bytes);
        });
        rig.comes(&frame(0x81, b"x").repeat(3));
        assert_eq!([rig.next(), rig.next(), rig.next()], [text("x"), text("x"), Poll::Pending]);
        rig.turn();
        assert_eq!(rig.got(), b"\x88\x02\x03\xf0");
        assert_eq!(engine.hits.get(limit), 1);
    }
}
