use super::*;

// proves: protocol/malformed-packets
#[tokio::test]
async fn malformed_packets_end_the_session_with_parse_error() {
    let (io, log) = logging();
    for text in [
        "",
        "7",
        "0[1]",
        "0\"x\"",
        "0null",
        "2",
        "2{}",
        "2[]",
        "2[null]",
        "2[\"connect\"]",
        "2[\"connect_error\"]",
        "2[\"disconnect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "1{}",
        "2 [",
        "21.5[",
        "51e1-[\"e\"]",
        "50x1-[\"e\"]",
        "5+1-[\"e\"]",
        "5 1-[\"e\"]",
        "5-[\"e\"]",
        "50-[\"e\"]",
        "511-[\"e\"]",
        "51-[\"e\",{\"_placeholder\":true,\"num\":1}]",
        "51-[\"e\",{\"_placeholder\":true}]",
    ] {
        let mut peer = Peer::join(&io);
        assert_eq!(peer.sending_closes(text), Some(CloseReason::ParseError), "{text}");
        assert_eq!(log.take(), ["connect", "parse error"], "{text}");
    }
}

// proves: protocol/misplaced-packets
#[tokio::test]
async fn packets_out_of_place_end_the_session_with_forced_close() {
    let (io, log) = logging();
    let _ = io.of("/x");
    for text in ["2[\"e\",1]", "31[]", "1", "2/x,[\"e\"]", "2/nope,[\"e\"]"] {
        let mut peer = Peer::open(&io);
        assert_eq!(peer.sending_closes(text), Some(CloseReason::ForcedClose), "{text} before CONNECT");
    }
    for text in ["2/x,[\"e\"]", "1/x,", "3/x,1[]", "4{\"message\":\"x\"}", "4\"x\""] {
        let mut peer = Peer::join(&io);
        assert_eq!(peer.sending_closes(text), Some(CloseReason::ForcedClose), "{text}");
        assert_eq!(log.take(), ["connect", "forced close"]);
    }
}

// proves: protocol/misplaced-packets
#[tokio::test]
async fn a_packet_after_the_clients_own_disconnect_ends_the_session() {
    let (io, _) = logging();
    let mut peer = Peer::join(&io);
    peer.send("1");
    assert_eq!(peer.close_requested(), None);
    assert_eq!(peer.sending_closes("2[\"e\",1]"), Some(CloseReason::ForcedClose));
}

#[tokio::test]
async fn nothing_is_handled_after_a_violation() {
    let (io, log) = logging();
    let mut peer = Peer::join(&io);
    peer.send("7");
    peer.send(r#"2["e",1]"#);
    peer.send("0");
    peer.send_binary(b"x");
    assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
    assert!(peer.take().is_empty());
    assert_eq!(log.take(), ["connect", "parse error"]);
}

#[tokio::test]
async fn text_and_binary_out_of_turn_end_the_session() {
    let (io, _) = logging();
    let mut peer = Peer::join(&io);
    peer.send_binary(b"x");
    assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
    let mut peer = Peer::join(&io);
    peer.send(r#"51-["e",{"_placeholder":true,"num":0}]"#);
    assert_eq!(peer.sending_closes(r#"2["e",1]"#), Some(CloseReason::ParseError));
}

// proves: protocol/attachments-in-time
#[tokio::test]
async fn attachments_that_do_not_come_end_the_session() {
    let (io, _) = logging();
    let mut peer = Peer::join(&io);
    peer.send(r#"51-["e",{"_placeholder":true,"num":0}]"#);
    assert_eq!(peer.deadline(), Some(Duration::from_secs(10)));
    peer.advance(Duration::from_secs(10));
    peer.poll();
    assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
}

// proves: protocol/crossing-packets
#[tokio::test]
async fn packets_that_cross_our_disconnect_are_ignored() {
    let (io, log) = logging();
    let mut peer = Peer::join(&io);
    socket(&io, "/").disconnect(false);
    peer.send(r#"2["e",1]"#);
    peer.poll();
    assert_eq!(peer.next(), "1");
    for text in ["2[\"e\",1]", "31[]", "1"] {
        peer.send(text);
    }
    assert_eq!(peer.close_requested(), None);
    assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
    peer.send("0");
    assert!(peer.next().starts_with("0{"));
    peer.send(r#"2["e",2]"#);
    assert_eq!(log.take(), ["connect", "e 2"]);
}

// proves: protocol/crossing-packets
#[tokio::test]
async fn packets_that_cross_our_refusal_are_ignored() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    peer.send("0/nope,");
    peer.send("2/nope,[\"e\"]");
    assert_eq!(peer.close_requested(), None);
    assert_eq!(peer.sending_closes("2/other,[\"e\"]"), Some(CloseReason::ForcedClose));
}

#[tokio::test]
async fn a_client_that_was_refused_once_is_held_to_the_rules_again_when_it_has_joined() {
    let (io, _) = logging();
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    let _ = io.of("/x");
    peer.send("0/x,");
    peer.send("1/x,");
    assert_eq!(peer.close_requested(), None);
    assert_eq!(peer.sending_closes("2/x,[\"e\"]"), Some(CloseReason::ForcedClose));
}

#[tokio::test]
async fn a_bystander_does_not_notice() {
    let (io, log) = logging();
    let mut bystander = Peer::join(&io);
    let mut offender = Peer::join(&io);
    offender.send("2{}");
    assert!(offender.close_requested().is_some());
    log.take();
    bystander.send(r#"2["e",1]"#);
    assert_eq!(log.take(), ["e 1"]);
    assert!(!bystander.mailbox.is_closed());
}
