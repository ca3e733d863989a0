//! Socket.IO on the wire: what packets of both protocol versions are answered.

use socketio_tests::{Received, TestServer, WebSocket};

use crate::echo;

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const WEBSOCKET_3: &str = "/socket.io/?EIO=3&transport=websocket";

/// A session of revision 4, in no namespace.
async fn open(server: &TestServer) -> WebSocket {
    let mut websocket = server.websocket(WEBSOCKET).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket
}

/// A session of revision 4 in `/`, its auth event read.
async fn joined(server: &TestServer) -> WebSocket {
    let mut websocket = open(server).await;
    websocket.text("40").await;
    connected(&mut websocket, "40").await;
    assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    websocket
}

/// A session of revision 3, which is in `/` from the start.
async fn joined_3(server: &TestServer) -> WebSocket {
    let mut websocket = server.websocket(WEBSOCKET_3).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    assert_eq!(websocket.next_text().await, "40");
    assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    websocket
}

/// The answer to a CONNECT; the socket's id.
async fn connected(websocket: &mut WebSocket, head: &str) -> String {
    let answer = websocket.next_text().await;
    let id = answer.strip_prefix(head).and_then(|rest| rest.strip_prefix(r#"{"sid":""#));
    let id = id.and_then(|rest| rest.strip_suffix(r#""}"#)).unwrap_or_else(|| panic!("a CONNECT: {answer}"));
    assert_eq!(id.len(), 20);
    id.to_owned()
}

/// The packets end the session; and a bystander doesn't notice.
async fn ends(server: &TestServer, bystander: &mut WebSocket, packets: &[&str]) {
    let mut websocket = joined(server).await;
    for packet in packets {
        match packet.strip_prefix("binary:") {
            Some(bytes) => websocket.binary(bytes).await,
            None => websocket.text(packet).await,
        }
    }
    assert_eq!(websocket.next().await, Received::Close(None), "{packets:?}");
    bystander.text(r#"421["message-with-ack",1]"#).await;
    assert_eq!(bystander.next_text().await, "431[1]", "a bystander of {packets:?}");
}

// proves: protocol/ids
#[tokio::test]
async fn a_connect_is_answered_with_an_id_that_is_not_the_sessions() {
    let server = echo().await;
    let mut websocket = server.websocket(WEBSOCKET).await;
    let open = websocket.next_text().await;
    websocket.text(r#"40{"token":1}"#).await;
    let id = connected(&mut websocket, "40").await;
    assert!(!open.contains(&id));
    assert_eq!(websocket.next_text().await, r#"42["auth",{"token":1}]"#);
}

#[tokio::test]
async fn namespaces_share_a_session() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    for connect in ["40/custom,", "40/test"] {
        websocket.text(connect).await;
        connected(&mut websocket, &format!("{},", connect.trim_end_matches(','))).await;
        if connect == "40/custom," {
            assert_eq!(websocket.next_text().await, r#"42/custom,["auth",{}]"#);
        }
    }
    websocket.text(r#"42/custom,7["message-with-ack","x"]"#).await;
    assert_eq!(websocket.next_text().await, r#"43/custom,7["x"]"#);
    websocket.text("41/custom,").await;
    websocket.text(r#"42["message","still here"]"#).await;
    assert_eq!(websocket.next_text().await, r#"42["message-back","still here"]"#);
}

#[tokio::test]
async fn a_refused_connect_names_the_reason_and_leaves_the_session_open() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text("40/nope,").await;
    assert_eq!(websocket.next_text().await, r#"44/nope,{"message":"Invalid namespace"}"#);
    websocket.text("40/custom?token=abc,").await;
    assert_eq!(websocket.next_text().await, r#"44/custom?token=abc,{"message":"Invalid namespace"}"#);
    websocket.text(r#"40/test,{"token":"bad"}"#).await;
    assert_eq!(websocket.next_text().await, r#"44/test,{"message":"refused","data":{"code":7}}"#);
    websocket.text("40").await;
    connected(&mut websocket, "40").await;
}

#[tokio::test]
async fn binary_comes_back_as_it_came() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    websocket
        .text(r#"452-["message",{"_placeholder":true,"num":1},{"a":[{"_placeholder":true,"num":0}]}]"#)
        .await;
    websocket.binary([1, 2]).await;
    websocket.binary([3]).await;
    let text = websocket.next_text().await;
    assert_eq!(
        text,
        r#"452-["message-back",{"_placeholder":true,"num":1},{"a":[{"_placeholder":true,"num":0}]}]"#
    );
    assert_eq!(websocket.next().await, Received::Binary(vec![1, 2]));
    assert_eq!(websocket.next().await, Received::Binary(vec![3]));
}

// proves: protocol/binary-ack
#[tokio::test]
async fn an_ack_with_binary_is_of_type_6() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    websocket.text(r#"451-7["message-with-ack",{"_placeholder":true,"num":0}]"#).await;
    websocket.binary([9]).await;
    assert_eq!(websocket.next_text().await, r#"461-7[{"_placeholder":true,"num":0}]"#);
    assert_eq!(websocket.next().await, Received::Binary(vec![9]));
}

// proves: protocol/misplaced-attachments
#[tokio::test]
async fn heartbeats_may_come_between_attachments() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    websocket.text(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
    websocket.text("3").await;
    websocket.raw(WebSocket::frame(0x89, b"")).await;
    websocket.binary([9]).await;
    assert_eq!(websocket.next().await, Received::Pong(Vec::new()));
    assert!(websocket.next_text().await.starts_with("451-"));
}

// proves: protocol/malformed-packets
#[tokio::test]
async fn what_the_protocol_forbids_ends_the_session() {
    let server = echo().await;
    let mut bystander = joined(&server).await;
    for packets in [
        // Not packets at all.
        &["4"][..],
        &["47"],
        &["4x"],
        // Connects whose auth is no object.
        &["40null"],
        &["40[1]"],
        &[r#"40"x""#],
        &["40{"],
        // Events.
        &["42"],
        &["42{}"],
        &["42[]"],
        &["42[null]"],
        &["42 [\"x\"]"],
        &[r#"42[{"toString":"foo"}]"#],
        &[r#"42["connect"]"#],
        &[r#"42["connect_error"]"#],
        &[r#"42["disconnect"]"#],
        &[r#"42["disconnecting"]"#],
        &[r#"42["newListener"]"#],
        &[r#"42["removeListener"]"#],
        &[r#"421.5["x"]"#],
        &[r#"429007199254740992["x"]"#],
        &[r#"42/elsewhere,["x"]"#],
        // Others that a client may not send.
        &["44"],
        &[r#"44{"message":"x"}"#],
        &[r#"41["x"]"#],
        // Attachments.
        &[r#"45-["x"]"#],
        &[r#"450-["x"]"#],
        &[r#"4511-["x"]"#],
        &[r#"45999999999-["x"]"#],
        &[r#"451e1-["x"]"#],
        &[r#"45+1-["x"]"#],
        &[r#"45 1-["x"]"#],
        &["binary:lost"],
        &[r#"451-["x",{"_placeholder":true,"num":0}]"#, r#"42["x"]"#],
        &[r#"451-["x",{"_placeholder":true,"num":0}]"#, "binary:a", "binary:b"],
        &[r#"451-["x",{"_placeholder":true,"num":"splice"}]"#, "binary:a"],
        &[r#"451-["x",{"_placeholder":true,"num":1}]"#, "binary:a"],
        &[r#"451-["x",{"_placeholder":true,"num":-1}]"#, "binary:a"],
        &[r#"451-["x",{"_placeholder":true,"num":0.5}]"#, "binary:a"],
        &[r#"451-["x",{"_placeholder":true,"num":null}]"#, "binary:a"],
        &[r#"451-["x",{"_placeholder":true}]"#, "binary:a"],
    ] {
        ends(&server, &mut bystander, packets).await;
    }
    let deep = format!("42[\"x\",{}1{}]", "[".repeat(100_000), "]".repeat(100_000));
    ends(&server, &mut bystander, &[&deep]).await;
    let digits = format!("42{}[\"x\"]", "9".repeat(400));
    ends(&server, &mut bystander, &[&digits]).await;
}

// proves: protocol/misplaced-packets
#[tokio::test]
async fn an_event_before_any_connect_ends_the_session() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text(r#"42["message"]"#).await;
    websocket.expect_close(None).await;
}

// proves: protocol/huge-numbers, protocol/lone-surrogates
#[tokio::test]
async fn what_the_reference_takes_is_taken() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    for (packet, answer) in [
        (r#"42007["message-with-ack"]"#, "437[]"),
        (r#"421[ "message-with-ack" ,1 ]"#, "431[1]"),
        (r#"422["message-with-ack",{"_placeholder":true,"num":0}]"#, r#"432[{"_placeholder":true,"num":0}]"#),
        (
            r#"423["message-with-ack",{"__proto__":1,"constructor":2}]"#,
            r#"433[{"__proto__":1,"constructor":2}]"#,
        ),
        (r#"424["message-with-ack","\ud800"]"#, r#"434["\ufffd"]"#),
        (r#"425["message-with-ack","\ud83d\ude00"]"#, r#"435["\ud83d\ude00"]"#),
        (r#"429007199254740991["message-with-ack"]"#, "439007199254740991[]"),
        (r#"426["message-with-ack",1e400]"#, "436[null]"),
    ] {
        websocket.text(packet).await;
        assert_eq!(websocket.next_text().await, answer, "{packet}");
    }
    websocket.text(r#"451-7["message-with-ack",-1e400,{"_placeholder":true,"num":0}]"#).await;
    websocket.binary([5]).await;
    assert_eq!(websocket.next_text().await, r#"461-7[null  ,{"_placeholder":true,"num":0}]"#);
    assert_eq!(websocket.next().await, Received::Binary(vec![5]));
    // Without an answer, and without harm.
    for packet in
        ["43[]", "4399[]", "43007[1]", r#"42["error"]"#, r#"42["connection"]"#, "42[7,1]", r#"42["none"]"#]
    {
        websocket.text(packet).await;
    }
    websocket.text(r#"421["message-with-ack"]"#).await;
    assert_eq!(websocket.next_text().await, "431[]");
}

#[tokio::test]
async fn the_same_placeholder_twice_gives_the_buffer_twice() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    let num = r#"{"_placeholder":true,"num":0}"#;
    websocket.text(format!(r#"451-["message",{num},{num}]"#)).await;
    websocket.binary([5]).await;
    assert_eq!(websocket.next_text().await, format!(r#"451-["message-back",{num},{num}]"#));
    assert_eq!(websocket.next().await, Received::Binary(vec![5]));
}

// proves: protocol/repeated-connect
#[tokio::test]
async fn a_repeated_connect_replaces_the_first() {
    let server = echo().await;
    let mut websocket = joined(&server).await;
    websocket.text("40").await;
    connected(&mut websocket, "40").await;
    assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    websocket.text(r#"421["message-with-ack"]"#).await;
    assert_eq!(websocket.next_text().await, "431[]");
    // One socket lives: a broadcast comes once.
    websocket.text(r#"42["broadcast","once"]"#).await;
    assert_eq!(websocket.next_text().await, r#"42["bcast","once"]"#);
    websocket.text(r#"422["message-with-ack"]"#).await;
    assert_eq!(websocket.next_text().await, "432[]");
}

// proves: protocol/crossing-packets
#[tokio::test]
async fn after_the_server_disconnected_what_crosses_on_the_wire_is_ignored() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text("40/test").await;
    connected(&mut websocket, "40/test,").await;
    websocket.text(r#"42/test,["kick",false]"#).await;
    websocket.text(r#"42/test,["handshake"]"#).await;
    assert_eq!(websocket.next_text().await, "41/test,");
    websocket.text(r#"42/test,["handshake"]"#).await;
    websocket.text("41/test,").await;
    websocket.text("40/test").await;
    connected(&mut websocket, "40/test,").await;
}

#[tokio::test]
async fn a_disconnect_that_closes_says_so_and_ends_the_session() {
    let server = echo().await;
    let mut websocket = open(&server).await;
    websocket.text("40/test").await;
    connected(&mut websocket, "40/test,").await;
    websocket.text(r#"42/test,["kick",true]"#).await;
    assert_eq!(websocket.next_text().await, "41/test,");
    websocket.expect_close(None).await;
}

// proves: protocol/closing-polls
#[tokio::test]
async fn a_socketio_error_by_polling_is_told_by_the_next_poll() {
    let server = echo().await;
    let target = server.open_polling("/socket.io/", 4).await;
    server.post(&target, "40").await;
    assert!(server.get(&target).await.text().starts_with(r#"40{"sid":""#));
    // The event of the echo may come with it or after it; it is read either way.
    assert_eq!(server.post(&target, "42[]").await.text(), "ok");
    let mut polled = server.get(&target).await.text().to_owned();
    if polled.contains("auth") {
        polled = server.get(&target).await.text().to_owned();
    }
    assert_eq!(polled, "6\u{1e}1");
    assert_eq!(server.get(&target).await.text(), r#"{"code":1,"message":"Session ID unknown"}"#);
}

// proves: features/connect-timeout
#[tokio::test]
async fn a_client_that_joins_no_namespace_is_closed_at_connect_timeout() {
    let io = socketio::Io::with_config(socketio::IoConfig {
        connect_timeout: std::time::Duration::from_secs(1),
        ..Default::default()
    });
    socketio_server_cli::apps::echo(&io);
    let server = TestServer::start(socketio_server::Server::builder().socketio("/socket.io/", io)).await;
    let mut silent = open(&server).await;
    let mut refused = open(&server).await;
    refused.text("40/nope,").await;
    assert_eq!(refused.next_text().await, r#"44/nope,{"message":"Invalid namespace"}"#);
    let mut member = joined(&server).await;
    silent.expect_close(None).await;
    refused.expect_close(None).await;
    member.text(r#"421["message-with-ack"]"#).await;
    assert_eq!(member.next_text().await, "431[]");
}

// proves: features/eio3, protocol/revision-3-namespaces
#[tokio::test]
async fn revision_3_is_in_the_main_namespace_from_the_start() {
    let server = echo().await;
    let opened = server.get("/socket.io/?EIO=3&transport=polling").await;
    assert!(!opened.text().contains("40"), "the open packet comes alone: {}", opened.text());
    let target = format!("/socket.io/?EIO=3&transport=polling&sid={}", opened.sid());
    assert!(server.get(&target).await.text().starts_with("2:40"));
    let mut websocket = joined_3(&server).await;
    // Its own CONNECT to `/` is ignored.
    websocket.text("40").await;
    websocket.text(r#"421["message-with-ack"]"#).await;
    assert_eq!(websocket.next_text().await, "431[]");
}

// proves: protocol/revision-3-namespaces
#[tokio::test]
async fn revision_3_connects_without_an_id_and_sends_auth_as_a_query() {
    let server = echo().await;
    let mut websocket = joined_3(&server).await;
    websocket.text("40/custom?token=abc&x=%20y,").await;
    assert_eq!(websocket.next_text().await, "40/custom,");
    assert_eq!(websocket.next_text().await, r#"42/custom,["auth",{"token":"abc","x":" y"}]"#);
    websocket.text("40/test?token=bad").await;
    assert_eq!(websocket.next_text().await, r#"44/test,{"code":7}"#);
    websocket.text("40/nope").await;
    assert_eq!(websocket.next_text().await, r#"44/nope,{"message":"Invalid namespace"}"#);
}

// proves: features/own-id, protocol/ids
#[tokio::test]
async fn ids_of_revision_3_derive_from_the_sessions() {
    let server = echo().await;
    let mut websocket = server.websocket(WEBSOCKET_3).await;
    let sid = websocket.next_text().await[9..29].to_owned();
    websocket.next_text().await;
    websocket.next_text().await;
    websocket.text("40/test").await;
    assert_eq!(websocket.next_text().await, "40/test,");
    websocket.text(r#"42/test,1["handshake"]"#).await;
    let answer = websocket.next_text().await;
    assert!(answer.contains(&format!(r#""id":"/test#{sid}""#)), "{answer}");
}

// proves: features/wish/upgrades
#[tokio::test]
async fn two_hundred_events_across_an_upgrade_arrive_once_and_in_order() {
    let server = echo().await;
    let target = server.open_polling("/socket.io/", 4).await;
    server.post(&target, "40").await;
    let mut websocket = server.websocket(&crate::probing(&target)).await;
    let mut polled = String::new();
    for n in 0..100 {
        server.post(&target, format!(r#"42["message",{n}]"#)).await;
        if n == 30 {
            websocket.text("2probe").await;
            assert_eq!(websocket.next_text().await, "3probe");
        }
        if n % 20 == 0 {
            polled.push_str(server.get(&target).await.text());
            polled.push('\u{1e}');
        }
    }
    websocket.text("5").await;
    for n in 100..200 {
        websocket.text(format!(r#"42["message",{n}]"#)).await;
    }
    let mut seen: Vec<String> = polled.split('\u{1e}').map(str::to_owned).collect();
    while seen.last().is_none_or(|last| last != r#"42["message-back",199]"#) {
        seen.push(websocket.next_text().await);
    }
    seen.retain(|packet| packet.contains("message-back"));
    let expected: Vec<String> = (0..200).map(|n| format!(r#"42["message-back",{n}]"#)).collect();
    assert_eq!(seen, expected);
}

// proves: protocol/ok-at-once
#[tokio::test]
async fn a_post_is_answered_before_the_handlers_of_its_packets_end() {
    let io = socketio::Io::new();
    io.of("/").on("never", |_: socketio::Socket, ()| std::future::pending::<()>());
    let server = TestServer::start(socketio_server::Server::builder().socketio("/socket.io/", io)).await;
    let target = server.open_polling("/socket.io/", 4).await;
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    assert_eq!(server.post(&target, r#"42["never"]"#).await.text(), "ok");
}

#[tokio::test]
async fn four_thousand_events_in_one_post_are_all_answered() {
    let server = echo().await;
    let target = server.open_polling("/socket.io/", 4).await;
    let text = "x".repeat(200);
    let mut packets = vec!["40".to_owned()];
    packets.extend((0..4_000).map(|n| format!(r#"42["message",{n},"{text}"]"#)));
    assert_eq!(server.post(&target, packets.join("\u{1e}")).await.text(), "ok");
    let mut poll = server.connect().await;
    let mut next = 0;
    while next < 4_000 {
        let polled = poll.request("GET", &target, &[], b"").await;
        for packet in polled.text().split('\u{1e}').filter(|packet| packet.contains("message-back")) {
            assert!(packet.starts_with(&format!(r#"42["message-back",{next},"#)), "{packet}");
            next += 1;
        }
    }
}
