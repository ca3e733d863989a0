//! Peers that are put out without a word, and what is let go with them.

use super::*;

#[test]
fn whoever_is_evicted_is_told_nothing_and_holds_nothing() {
    let mut rig = Rig::new();
    rig.websocket.link.room = 0;
    rig.comes(&frame(0x81, b"hi"));
    rig.sender.send("hi").unwrap();
    rig.turn();
    rig.websocket.mailbox().evict(Limit::Memory);
    rig.turn();
    assert_eq!((rig.over, rig.got(), rig.ended()), (true, vec![], Some((1006, String::new()))));
    assert_eq!((rig.websocket.mailbox().holds(), rig.next()), (0, Poll::Ready(None)));
    assert!(rig.websocket.lingers().is_none());
}

#[test]
fn a_peer_that_takes_nothing_of_too_much_is_evicted_at_the_write_timeout() {
    let engine = Engine::new(EngineConfig { send_budget: 10, ..EngineConfig::default() });
    let mut rig = Rig::on(&engine, |terms| terms.keepalive = None);
    rig.websocket.link.room = 0;
    rig.sender.send("hi").unwrap();
    assert_eq!(rig.sender.send("no"), Err(QueueError::Full));
    rig.at(39);
    assert!(!rig.over);
    rig.at(40);
    assert!(rig.over);
    assert_eq!(rig.websocket.mailbox().holds(), 0);
    assert_eq!(rig.alarm.evicted, [Limit::SendBudget]);
}

#[test]
fn what_a_peer_has_sent_is_let_go_if_it_is_evicted_while_it_lingers() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x88, b"\x03\xe8")].concat());
    rig.at(5);
    assert!(rig.over && rig.websocket.lingers().is_some());
    assert!(rig.websocket.mailbox().holds() > 0, "nobody has read it");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!rig.websocket.is_evicted(&mut cx));
    rig.websocket.mailbox().evict(Limit::Memory);
    assert!(rig.websocket.is_evicted(&mut cx));
    assert_eq!(rig.websocket.mailbox().holds(), 0);
}
