//! What is in the packets.

use super::*;

// proves: protocol/recovery-offsets
#[tokio::test]
async fn a_reply_has_a_pid_that_is_not_the_id() {
    let io = io();
    let mut peer = Peer::open(&io);
    peer.send("0");
    let reply: Reply = serde_json::from_str(&peer.next()[1..]).unwrap();
    assert!(reply.pid.len() == 20 && reply.pid != reply.sid && reply.pid != peer.sid.as_str());
}

// proves: protocol/recovery-offsets
#[tokio::test]
async fn an_event_ends_in_its_offset() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    socket.emit("e", (1, "two")).unwrap();
    socket.emit("bare", ()).unwrap();
    io.emit("e", crate::Binary::from(&b"x"[..])).unwrap();
    assert_eq!(
        roamer.peer.take(),
        [r#"2["e",1,"two","0"]"#, r#"2["bare","1"]"#, r#"51-["e",{"_placeholder":true,"num":0},"2"]"#, "b:x"]
    );
}

// proves: protocol/recovery-offsets
#[tokio::test]
async fn an_event_that_is_to_be_acknowledged_and_an_acknowledgement_have_none() {
    let io = io();
    io.on_sync("echo", |_, text: String| text);
    let mut roamer = Roamer::join(&io);
    let _ack = roamer.socket(&io).emit_with_ack::<()>("question", "text");
    roamer.peer.send(r#"27["echo","text"]"#);
    assert_eq!(roamer.peer.take(), [r#"20["question","text"]"#, r#"37["text"]"#]);
}

// proves: protocol/volatile-strings
#[tokio::test]
async fn a_volatile_event_has_none_and_does_not_end_in_a_string() {
    let io = io();
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    for (sent, packet) in [
        (json!(1), r#"2["v",1]"#),
        (json!(["text"]), r#"2["v",["text"]]"#),
        (json!("text"), r#"2["v","text",null]"#),
        (json!("\""), r#"2["v","\"",null]"#),
    ] {
        roamer.peer.sleep();
        socket.volatile().emit("v", &sent).unwrap();
        assert_eq!(roamer.peer.next(), packet);
        roamer.peer.sleep();
        io.volatile().emit("v", &sent).unwrap();
        assert_eq!(roamer.peer.next(), packet);
    }
    // The name is the last element then, and a string.
    roamer.peer.sleep();
    socket.volatile().emit("v", ()).unwrap();
    assert_eq!(roamer.peer.next(), r#"2["v",null]"#);
}

// proves: protocol/recovery-offsets
#[tokio::test]
async fn the_receivers_of_a_broadcast_share_its_offset_and_its_frames() {
    let io = io();
    let mut roamers = [(); 2].map(|()| Roamer::join(&io));
    io.emit("e", "x").unwrap();
    let [one, other] = roamers.each_mut().map(|roamer| roamer.peer.take_frames());
    assert!(std::ptr::eq(one[0].packet(), other[0].packet()));
}

// proves: protocol/recovery-offsets
#[tokio::test]
async fn revision_3_knows_no_recovery() {
    let io = io();
    let mut peer = Peer::open_with(&io, Revision::V3);
    assert_eq!(peer.next(), "0");
    let socket = io.sockets()[0].clone();
    socket.emit("e", "x").unwrap();
    assert_eq!(peer.next(), r#"2["e","x"]"#);
    // A broadcast is one frame for all.
    io.emit("e", "x").unwrap();
    assert_eq!(peer.next(), r#"2["e","x","0"]"#);
    peer.close(CloseReason::TransportClose);
    assert_eq!(counts(&io).away, 0);
    assert!(matches!(socket.emit("e", ()), Err(SendError::Closed)));
}

// proves: protocol/recovery-offsets
#[tokio::test]
async fn without_recovery_there_is_neither() {
    let io = Io::new();
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"pid":"aaaaaaaaaaaaaaaaaaaa","offset":"1"}"#);
    assert!(!peer.next().contains("pid"));
    io.emit("e", "x").unwrap();
    assert_eq!(peer.next(), r#"2["e","x"]"#);
    assert_eq!(io.recovery_counts(), None);
}

// proves: protocol/old-offsets
#[tokio::test]
async fn offsets_of_a_server_that_was_started_anew_are_others() {
    let firsts = [(); 2].map(|()| {
        let io = Io::with_config(IoConfig { recovery: Some(Recovery::default()), ..IoConfig::default() });
        let mut roamer = Roamer::join(&io);
        io.emit("e", 1).unwrap();
        roamer.receive(usize::MAX);
        roamer.offset.unwrap().parse::<u64>().unwrap()
    });
    assert!(firsts[0].abs_diff(firsts[1]) > 1_000_000 && firsts.iter().all(|first| *first < 1 << 53));
}
