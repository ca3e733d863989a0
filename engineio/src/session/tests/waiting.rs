//! Clients whose packets wait, since they don't take what they are sent.

use super::*;

/// A message, and so many of them that their echoes are far more than what slows a client down.
const PACKET: &str = "4hello";
const MANY: usize = 80_000;

/// Messages of 10,000 bytes that a flood has: nearly all that slows a client down.
const FLOOD: usize = 90;

/// A session with a flood for each message. Its answers to polls hold one such message, or two.
fn flooding(revision: Revision, link: Option<InMemoryWebSocket>) -> Rig {
    let config = EngineConfig { max_payload: 20_000, ..EngineConfig::default() };
    Rig::new(revision, link, &Owing { messages: Some(FLOOD), ..Owing::default() }, config)
}

// proves: protocol/backpressure, security/silent-clients
#[test]
fn packets_that_wait_are_no_signs_of_life_of_a_client_that_polls() {
    for revision in REVISIONS {
        let mut rig = Rig::polling(revision);
        assert!(rig.post(&[PACKET; MANY]), "they are accepted");
        assert!(!rig.session.inbox.is_empty(), "they wait");
        assert_eq!(rig.lives(), heartbeat());
        assert_eq!(rig.reason(), Some(CloseReason::PingTimeout));
    }
}

// proves: protocol/backpressure, security/silent-clients
#[test]
fn packets_that_wait_are_no_signs_of_life_of_a_client_with_a_websocket() {
    for revision in REVISIONS {
        let mut rig = Rig::new(
            revision,
            Some(InMemoryWebSocket::new(BUFFERS)),
            &Owing::default(),
            EngineConfig::default(),
        );
        (0..MANY).for_each(|_| rig.link().says(PACKET));
        rig.settle();
        assert!(!rig.link().incoming.is_empty(), "they wait");
        assert_eq!(rig.lives(), heartbeat());
        assert_eq!(rig.reason(), Some(CloseReason::PingTimeout));
    }
}

// proves: protocol/backpressure
#[test]
fn a_client_whose_packets_wait_lives_while_it_polls() {
    for revision in REVISIONS {
        let mut rig = flooding(revision, None);
        assert!(rig.post(&["4go"]));
        let mut seen = 0;
        while seen < FLOOD {
            // Its heartbeats wait as well.
            assert!(rig.post(&[beat(revision)]));
            rig.advance(Duration::from_secs(20));
            let format = PayloadFormat { revision, base64: false };
            let packets = format.reader(rig.poll().into(), false, usize::MAX);
            seen += packets.filter(|packet| matches!(packet, Ok(Packet::Message(_)))).count();
            assert!(!rig.over, "after {seen}");
        }
        assert!(rig.now - rig.start > Duration::from_secs(500), "that is no test");
    }
}

// proves: protocol/backpressure
#[test]
fn a_client_whose_packets_wait_lives_while_it_reads() {
    for revision in REVISIONS {
        let mut rig = flooding(revision, Some(InMemoryWebSocket::new(BUFFERS)));
        rig.link().says("4go");
        rig.settle();
        while rig.link().sent.iter().filter(|frame| frame.packet().len() > 9_000).count() < FLOOD {
            rig.link().room = 50_000;
            rig.advance(Duration::from_secs(20));
            assert!(!rig.over);
            // It waits as well, and brings nothing about.
            rig.link().says(beat(revision));
        }
        assert!(rig.now - rig.start > Duration::from_secs(300), "that is no test");
    }
}

// proves: protocol/posts-that-wait
#[test]
fn a_client_that_posts_and_polls_in_turn_goes_on_however_much_waits() {
    for revision in REVISIONS {
        let mut rig = Rig::polling(revision);
        let format = PayloadFormat { revision, base64: false };
        let (mut sent, mut seen) = (0, 0);
        // Each POST brings nearly a megabyte, and each answer takes as much away; the first two meet nothing.
        while seen < 2_000 {
            for _ in 0..if sent == 0 { 3 } else { 1 } {
                let packets: Vec<_> =
                    (sent..sent + 95).map(|n| format!("4{n:05}{}", "x".repeat(10_000))).collect();
                sent += 95;
                let packets: Vec<_> = packets.iter().map(String::as_str).collect();
                assert!(rig.post(&packets), "a POST is answered before anybody polls");
            }
            for packet in format.reader(rig.poll().into(), false, usize::MAX) {
                let Ok(Packet::Message(Message::Text(text))) = packet else { continue };
                assert!(text.starts_with(&format!("{seen:05}")), "{seen} is missing");
                seen += 1;
            }
        }
        assert!(!rig.over);
    }
}

// proves: protocol/posts-that-wait
#[test]
fn posts_wait_at_their_door_once_as_much_waits_as_may() {
    let owing = Owing { messages: Some(6), ..Owing::default() };
    let config = EngineConfig { send_budget: 100_000, ..EngineConfig::default() };
    let mut rig = Rig::new(Revision::V4, None, &owing, config);
    let message = format!("4{}", "x".repeat(10_000));
    let mut answered = 0;
    while rig.post(&[&message]) {
        answered += 1;
        assert!(answered < 20, "so many bodies wait");
    }
    // The first brings about what slows the client down. Nine bodies stay under the budget, and the tenth goes beyond.
    assert_eq!((answered, owing.came.load(Ordering::Relaxed)), (10, 1));
    // It is let in as soon as there is room.
    while rig.session.held_back {
        rig.poll();
    }
    assert!(owing.came.load(Ordering::Relaxed) > 1);
}

// proves: protocol/yielding
#[test]
fn a_session_gives_its_thread_back_after_a_number_of_packets() {
    const TOTAL: usize = 100_000;
    const FAIR: usize = ROUND * ROUNDS as usize;
    for direct in [false, true] {
        let owing = Owing { messages: Some(0), ..Owing::default() };
        let mut rig = Rig::new(
            Revision::V4,
            direct.then(|| InMemoryWebSocket::new(BUFFERS)),
            &owing,
            EngineConfig::default(),
        );
        if direct {
            (0..TOTAL).for_each(|_| rig.link().says("4a"));
        } else {
            rig.submit(&["4a"; TOTAL].join("\u{1e}"));
        }
        let mut before = 0;
        loop {
            let round = rig.turn();
            let came = owing.came.load(Ordering::Relaxed);
            assert!(came - before <= FAIR, "{} packets at once", came - before);
            before = came;
            if round == Round::Sleep {
                break;
            }
        }
        assert_eq!(before, TOTAL);
    }
}

#[test]
fn each_time_may_be_so_long_that_it_means_never() {
    let never = Duration::MAX;
    let config = EngineConfig {
        ping_interval: never,
        ping_timeout: never,
        upgrade_timeout: never,
        close_timeout: never,
        ..EngineConfig::default()
    };
    for revision in [Revision::V3, Revision::V4] {
        let mut rig = Rig::new(revision, None, &Owing::default(), config.clone());
        rig.probe().says("2probe");
        rig.settle();
        rig.mailbox().close(CloseReason::ForcedClose);
        rig.advance(Duration::from_secs(3600));
        assert!(!rig.over);
    }
}
