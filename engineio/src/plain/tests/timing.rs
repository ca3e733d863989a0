//! Pings, and peers that are silent or slow.

use super::*;

#[test]
fn a_silent_peer_is_pinged_and_given_up_after_the_grace() {
    let mut rig = Rig::on(&Engine::default(), |terms| terms.message_timeout = Duration::from_secs(100));
    rig.at(19);
    assert_eq!(rig.got(), b"");
    rig.at(20);
    assert_eq!(rig.got(), b"\x89\x00");
    rig.comes(&frame(0x8a, b"")[..1]);
    rig.at(39);
    assert_eq!((rig.got(), rig.over), (vec![], false), "any byte is a sign of life");
    rig.at(49);
    assert_eq!((rig.got(), rig.over), (b"\x89\x00".to_vec(), false));
    rig.at(50);
    assert_eq!((rig.over, rig.ended()), (true, Some((1006, String::new()))));
}

// proves: protocol/progress
#[test]
fn a_peer_that_takes_what_waits_for_it_need_not_answer_pings() {
    for (each, lives) in [(300, true), (100, false)] {
        let mut rig = Rig::new();
        rig.websocket.link.room = 0;
        // Whole frames are taken, of about as many bytes.
        for _ in 0..200 {
            rig.sender.send("x".repeat(each)).unwrap();
        }
        for second in 1..=100 {
            rig.websocket.link.room = each + 4;
            rig.at(second);
        }
        assert_eq!(rig.over, !lives, "{each} bytes a second");
    }
}

#[test]
fn a_peer_that_is_not_read_from_is_not_blamed_for_its_silence() {
    let mut rig = Rig::new();
    rig.comes(&frame(0x82, &[0; 100]).repeat(1_000));
    rig.at(1_000);
    assert_eq!((rig.got(), rig.over), (vec![], false));
}

#[test]
fn each_time_may_be_so_long_that_it_means_never() {
    let mut rig = Rig::on(&Engine::default(), |terms| {
        (terms.close_timeout, terms.message_timeout, terms.write_timeout) =
            (Duration::MAX, Duration::MAX, Duration::MAX);
        terms.keepalive = Some(Keepalive { interval: Duration::MAX, grace: Duration::MAX });
    });
    rig.comes(&frame(0x01, b"a"));
    rig.at(1_000);
    rig.sender.close(1000, "");
    rig.at(2_000);
    assert!(!rig.over);
}
