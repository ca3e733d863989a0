//! Messages, both ways: encoded once, in fragments, and no faster than they are read.

use super::*;

#[test]
fn messages_come_and_go() {
    let mut rig = Rig::new();
    rig.comes(&[frame(0x81, b"hi"), frame(0x02, &[1]), frame(0x80, &[2])].concat());
    assert_eq!(rig.next(), text("hi"));
    assert_eq!(rig.next(), Poll::Ready(Some(vec![1, 2].into())));
    assert_eq!(rig.next(), Poll::Pending);
    rig.sender.send("yes").unwrap();
    rig.sender.send(vec![0]).unwrap();
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x03yes\x82\x01\x00");
    assert_eq!(rig.websocket.mailbox().holds(), 0);
}

#[test]
fn one_message_for_many_is_encoded_once() {
    let news = Outgoing::from(vec![7; 1_000]);
    let mut rigs = [Rig::new(), Rig::new()];
    for rig in &mut rigs {
        rig.sender.send(news.clone()).unwrap();
    }
    let addresses = rigs.each_mut().map(|rig| {
        rig.websocket.load();
        rig.websocket.link.queue[0].address()
    });
    assert_eq!(addresses, [news.frame().address(); 2]);
}

// proves: websocket-node/fragmenting
#[test]
fn messages_over_the_threshold_go_in_fragments_and_a_pong_between_them() {
    let mut rig = Rig::on(&Engine::default(), |terms| terms.fragment = Some(3));
    rig.sender.send("abc").unwrap();
    rig.sender.send("abcdefg").unwrap();
    rig.websocket.link.room = 10;
    rig.turn();
    assert_eq!(rig.got(), b"\x81\x03abc\x01\x03abc");
    rig.comes(&frame(0x89, b"p"));
    rig.websocket.link.room = 100;
    rig.turn();
    assert_eq!(rig.got(), b"\x8a\x01p\x00\x03def\x80\x01g");
}

// proves: protocol/plain-unread
#[test]
fn no_more_is_taken_in_than_the_application_reads() {
    let mut rig = Rig::new();
    let ping = frame(0x89, b"");
    for _ in 0..1_000 {
        rig.comes(&frame(0x82, &[0; 100]));
    }
    rig.comes(&ping);
    assert_eq!(rig.got(), b"", "the ping is after what was not read");
    assert!((64 * 1024..65 * 1024).contains(&rig.websocket.mailbox().holds()));
    let mut taken = 0;
    while rig.next().is_ready() {
        taken += 1;
        rig.turn();
    }
    assert_eq!((taken, rig.got()), (1_000, b"\x8a\x00".to_vec()));
    assert_eq!(rig.websocket.mailbox().holds(), 0);
}
