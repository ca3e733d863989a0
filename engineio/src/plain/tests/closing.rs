//! The end: who closes, what goes before the close frame, and what is left behind.

use super::*;

#[test]
fn what_came_before_a_mistake_is_answered_before_the_close_frame() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x83, b"")].concat());
    assert_eq!((rig.got(), rig.ended()), (vec![], None));
    assert_eq!(rig.next(), text("hi"));
    rig.turn();
    assert_eq!(rig.got(), b"", "the application has not asked for more");
    rig.sender.send("yes").unwrap();
    assert_eq!(rig.next(), Poll::Pending);
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x03yes\x88\x02\x03\xea");
    assert!(rig.over);
    assert_eq!((rig.ended(), rig.next()), (Some((1002, String::new())), Poll::Ready(None)));
}

#[test]
fn an_application_that_asks_for_nothing_more_delays_the_end_by_a_second() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x88, b"\x03\xe9bye")].concat());
    assert_eq!(rig.next(), text("hi"));
    rig.at(0);
    assert_eq!((rig.got(), rig.ended()), (vec![], None));
    rig.at(1);
    assert_eq!(rig.got(), b"\x88\x05\x03\xe9bye");
    assert!(rig.over);
    assert_eq!(rig.ended(), Some((1001, "bye".to_owned())));
    assert_eq!(rig.sender.send("late"), Err(QueueError::Closed));
}

#[test]
fn an_application_that_closes_while_it_settles_waits_for_nothing() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x88, b"")].concat());
    assert_eq!(rig.next(), text("hi"));
    rig.sender.close(4000, "no more");
    rig.turn();
    assert_eq!(rig.got(), b"\x88\x00");
    assert_eq!((rig.over, rig.ended()), (true, Some((1005, String::new()))));
}

#[test]
fn our_close_goes_after_what_is_queued_and_waits_for_the_peers() {
    let mut rig = Rig::new();
    rig.sender.send("last words").unwrap();
    rig.sender.close(4000, "enough");
    rig.sender.close(4001, "once more");
    assert_eq!(rig.sender.send("late"), Err(QueueError::Closed));
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x0alast words\x88\x08\x0f\xa0enough");
    rig.comes(&frame(0x81, b"what?"));
    assert_eq!((rig.over, rig.next()), (false, Poll::Ready(None)), "it counts for nothing");
    rig.comes(&frame(0x88, b"\x03\xe8"));
    assert_eq!((rig.over, rig.got()), (true, vec![]));
    assert_eq!(rig.ended(), Some((4000, "enough".to_owned())));
    assert!(rig.websocket.lingers().is_some());
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off_at_the_close_timeout() {
    let mut rig = Rig::new();
    rig.websocket.link.room = 0;
    rig.sender.send("last words").unwrap();
    rig.sender.close(1000, "");
    rig.at(4);
    assert!(!rig.over);
    rig.at(5);
    assert!(rig.over && rig.websocket.lingers().is_none());
}

#[test]
fn what_is_left_is_dropped_with_the_inbox() {
    let mut rig = Rig::new();
    rig.comes(&frame(0x81, b"hi").repeat(2));
    let Rig { mut websocket, sender, inbox, .. } = rig;
    drop(inbox);
    assert_eq!(websocket.mailbox().holds(), 0);
    assert_eq!(websocket.finish(), Close::lost());
    drop(websocket);
    assert_eq!(sender.send("late"), Err(QueueError::Closed));
}

#[test]
fn what_could_not_be_sent_is_not_kept_for_those_who_hold_a_sender() {
    let mut rig = Rig::new();
    rig.websocket.link.room = 0;
    for _ in 0..50 {
        rig.sender.send("x".repeat(100_000)).unwrap();
    }
    rig.turn();
    let mailbox = rig.websocket.mailbox().clone();
    assert!(format!("{mailbox:?}").contains("frames: 4"), "{mailbox:?}");
    assert_eq!(rig.websocket.finish(), Close::lost());
    drop(rig.websocket);
    assert!(format!("{mailbox:?}").contains("frames: 0"), "{mailbox:?}");
    assert_eq!((mailbox.holds(), rig.sender.is_closed()), (0, true));
}
