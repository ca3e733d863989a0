//! Rows 31, 53 to 61 and 67 to 76: Socket.IO packets, limits of the application's side, and handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engineio::Limit;
use socketio::{Io, JoinError, Socket};

use super::*;

/// Each of these, sent by a socket in `/`, ends its session without a code. `binary:` begins an attachment.
pub(crate) async fn end_the_session(rows: &[&[&str]]) {
    hostile(async |server| {
        for packets in rows {
            let mut websocket = joined(server).await;
            for packet in *packets {
                match packet.strip_prefix("binary:") {
                    Some(bytes) => websocket.binary(bytes).await,
                    None => websocket.text(packet).await,
                }
            }
            assert_eq!(websocket.next().await, Received::Close(None), "{packets:.200?}");
        }
    })
    .await;
}

/// Each of these gets exactly that answer.
async fn are_answered(rows: &[(&str, &str)]) {
    hostile(async |server| {
        let mut websocket = joined(server).await;
        for (packet, answer) in rows {
            websocket.text(packet).await;
            assert_eq!(websocket.next_text().await, *answer, "{packet}");
        }
    })
    .await;
}

/// Each of these is ignored.
async fn are_ignored(rows: &[&str]) {
    hostile(async |server| {
        let mut websocket = joined(server).await;
        for packet in rows {
            websocket.text(packet).await;
        }
        websocket.text(r#"421["message-with-ack"]"#).await;
        assert_eq!(websocket.next_text().await, "431[]");
    })
    .await;
}

// proves: flaw/socketioxide, hostile/31, limit/connect-timeout
#[tokio::test]
async fn row_31_a_client_that_joins_no_namespace_is_closed_at_the_connect_timeout() {
    let settings = Hostile { socketio: impatient().socketio, ..Hostile::default() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let mut websocket = opened(server, SOCKETIO).await;
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::ConnectTimeout), 1);
        },
    )
    .await;
}

// proves: hostile/53
#[tokio::test]
async fn row_53_an_auth_that_is_no_object_ends_the_session() {
    end_the_session(&[&["40[1]"], &[r#"40"x""#], &["40null"], &["40{"], &["40{}x"]]).await;
}

// proves: hostile/54
#[tokio::test]
async fn row_54_an_unknown_namespace_is_refused_and_the_session_goes_on() {
    are_answered(&[
        ("40/nope,", r#"44/nope,{"message":"Invalid namespace"}"#),
        ("40/__proto__,", r#"44/__proto__,{"message":"Invalid namespace"}"#),
        (r#"421["message-with-ack"]"#, "431[]"),
    ])
    .await;
}

// proves: flaw/socket-io-4-8-4, flaw/socketioxide, hostile/55
#[tokio::test]
async fn row_55_three_connects_at_once_leave_one_socket() {
    hostile(async |server| {
        let frames = WebSocket::frame(0x81, b"40/custom").repeat(3);
        let mut websocket = WebSocket::open_with(server.address(), SOCKETIO, &frames).await;
        websocket.next_text().await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(websocket.next_text().await);
            assert_eq!(websocket.next_text().await, r#"42/custom,["auth",{}]"#);
        }
        assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
        // A broadcast comes once.
        websocket.text(r#"42/custom,["broadcast","once"]"#).await;
        assert_eq!(websocket.next_text().await, r#"42/custom,["bcast","once"]"#);
        websocket.text(r#"42/custom,1["message-with-ack"]"#).await;
        assert_eq!(websocket.next_text().await, "43/custom,1[]");
    })
    .await;
}

// proves: hostile/55
#[tokio::test]
async fn row_55_an_event_behind_the_connect_waits_for_it_and_one_without_ends_the_session() {
    hostile(async |server| {
        let frames = [&b"40"[..], br#"421["message-with-ack"]"#].map(|text| WebSocket::frame(0x81, text));
        let mut websocket = WebSocket::open_with(server.address(), SOCKETIO, &frames.concat()).await;
        websocket.next_text().await;
        assert!(websocket.next_text().await.starts_with("40{"));
        assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
        assert_eq!(websocket.next_text().await, "431[]");

        let mut websocket = opened(server, SOCKETIO).await;
        websocket.text(r#"42["message"]"#).await;
        websocket.expect_close(None).await;
    })
    .await;
}

// proves: hostile/56, limit/max-namespaces
#[tokio::test]
async fn row_56_namespaces_of_one_client_are_limited() {
    hostile_with(
        Hostile::default(),
        |builder, io| {
            io.of_pattern(r"^/n\d+$").expect("a pattern");
            builder
        },
        async |server| {
            let mut websocket = opened(server, SOCKETIO).await;
            for n in 0..64 {
                websocket.text(format!("40/n{n},")).await;
                assert!(websocket.next_text().await.starts_with(&format!("40/n{n},{{\"sid\"")));
            }
            assert_eq!(server.service().limit_hits(Limit::Namespaces), 0);
            for n in 64..10_000 {
                websocket.text(format!("40/n{n},")).await;
                let refused = format!(r#"44/n{n},{{"message":"Too many namespaces"}}"#);
                assert_eq!(websocket.next_text().await, refused);
            }
            assert_eq!(server.service().limit_hits(Limit::Namespaces), 9_936);
            // One that is left makes room.
            websocket.text("41/n0,").await;
            websocket.text("40/n999,").await;
            assert!(websocket.next_text().await.starts_with(r#"40/n999,{"sid""#));
        },
    )
    .await;
}

// proves: hostile/57, limit/max-rooms
#[tokio::test]
async fn row_57_rooms_of_one_socket_are_limited_and_all_are_left_with_it() {
    let io = Arc::new(std::sync::Mutex::new(None::<Io>));
    let kept = io.clone();
    hostile_with(
        Hostile::default(),
        |builder, io| {
            io.of("/").on_sync("join-many", |socket: Socket, (count,): (usize,)| {
                (0..count)
                    .filter(|n| match socket.join(format!("room {n}")) {
                        Ok(()) => true,
                        Err(error) => {
                            assert!(matches!(error, JoinError::TooManyRooms), "{error}");
                            false
                        }
                    })
                    .count()
            });
            *kept.lock().expect("the lock") = Some(io.clone());
            builder
        },
        async |server| {
            let mut websocket = joined(server).await;
            // It is in `all` already.
            websocket.text(r#"421["join-many",10000]"#).await;
            assert_eq!(websocket.next_text().await, "431[1023]");
            assert_eq!(server.service().limit_hits(Limit::Rooms), 10_000 - 1_023);
        },
    )
    .await;
    let io = io.lock().expect("the lock").take().expect("it was kept");
    let left = io.of("/").rooms().into_iter().filter(|(room, _)| room.starts_with("room "));
    assert_eq!(left.count(), 0, "rooms that nobody is in");
}

// proves: hostile/58
#[tokio::test]
async fn row_58_events_without_a_name_and_with_reserved_ones_end_the_session() {
    end_the_session(&[
        &["42[]"],
        &["42{}"],
        &["42[null]"],
        &["42[true]"],
        &["42[{}]"],
        &[r#"42["connect"]"#],
        &[r#"42["connect_error"]"#],
        &[r#"42["disconnect"]"#],
        &[r#"42["disconnecting"]"#],
        &[r#"42["newListener"]"#],
        &[r#"42["removeListener"]"#],
    ])
    .await;
}

// proves: hostile/59
#[tokio::test]
async fn row_59_an_event_without_a_payload_ends_the_session() {
    end_the_session(&[&["42"], &["421"], &["42/,"], &["45"]]).await;
}

// proves: hostile/60
#[tokio::test]
async fn row_60_ids_that_are_no_integers_end_the_session() {
    let digits = format!("42{}[\"x\"]", "9".repeat(400));
    end_the_session(&[
        &[&digits],
        &[r#"42 ["x"]"#],
        &[r#"421.5["x"]"#],
        &[r#"42-1["x"]"#],
        &[r#"421e1["x"]"#],
        &[r#"429007199254740992["x"]"#],
    ])
    .await;
}

// proves: hostile/61
#[tokio::test]
async fn row_61_acknowledgements_that_nobody_awaits_are_ignored() {
    are_ignored(&["43[]", "4399[]", "43007[1]", "439007199254740991[]"]).await;
}

// proves: hostile/61
#[tokio::test]
async fn row_61_a_second_answer_and_another_sockets_are_ignored() {
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = answers.clone();
    hostile_with(
        Hostile::default(),
        |builder, io| {
            io.of("/").on("ask-me", move |socket: Socket, ()| {
                let counted = counted.clone();
                async move {
                    let answer: (u32,) = socket.emit_with_ack("question", ()).await.expect("an answer");
                    counted.fetch_add(1, Ordering::Relaxed);
                    answer.0
                }
            });
            builder
        },
        async |server| {
            let (mut asked, mut other) = (joined(server).await, joined(server).await);
            asked.text(r#"421["ask-me"]"#).await;
            let question = asked.next_text().await;
            let id = question.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["question"]"#));
            let id = id.expect("a question with an id");
            // Another socket's answer, and then the right one twice.
            other.text(format!("43{id}[666]")).await;
            other.text(r#"421["message-with-ack"]"#).await;
            assert_eq!(other.next_text().await, "431[]");
            asked.text(format!("43{id}[7]")).await;
            asked.text(format!("43{id}[8]")).await;
            assert_eq!(asked.next_text().await, "431[7]");
            assert_eq!(answers.load(Ordering::Relaxed), 1);
        },
    )
    .await;
}

// proves: hostile/67, limit/json-levels
#[tokio::test]
async fn row_67_json_of_127_levels_is_taken_and_one_more_ends_the_session() {
    let nested = |levels: usize| {
        // The arguments are one level themselves.
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"421["message-with-ack",{open}1{close}]"#)
    };
    hostile(async |server| {
        let mut websocket = joined(server).await;
        websocket.text(nested(127)).await;
        let answer = websocket.next_text().await;
        assert_eq!(answer, format!("431[{}1{}]", "[".repeat(126), "]".repeat(126)));
        assert_eq!(server.service().limit_hits(Limit::Depth), 0);
        websocket.text(nested(128)).await;
        websocket.expect_close(None).await;
        assert_eq!(server.service().limit_hits(Limit::Depth), 1);
        for deep in [nested(100_000), format!("40{}", r#"{"a":"#.repeat(100_000))] {
            let mut websocket = joined(server).await;
            websocket.text(deep).await;
            websocket.expect_close(None).await;
        }
    })
    .await;
}

// proves: hostile/68
#[tokio::test]
async fn row_68_lone_surrogates_and_huge_numbers_crash_nothing() {
    are_answered(&[
        (r#"421["message-with-ack","\ud800"]"#, r#"431["\ufffd"]"#),
        (r#"422["message-with-ack","\ud83d\ude00"]"#, r#"432["\ud83d\ude00"]"#),
        (r#"423["message-with-ack",1e400]"#, "433[null]"),
    ])
    .await;
}

// proves: hostile/69
#[tokio::test]
async fn row_69_names_that_mean_something_to_javascript_are_ordinary_data() {
    are_answered(&[(
        r#"421["message-with-ack",{"__proto__":1,"constructor":2}]"#,
        r#"431[{"__proto__":1,"constructor":2}]"#,
    )])
    .await;
    are_ignored(&[r#"42["__proto__"]"#, r#"42["constructor",1]"#, r#"42["toString"]"#, "42[7]"]).await;
}

// proves: hostile/76, security/contained
#[tokio::test]
async fn row_76_a_handler_that_panics_closes_its_socket_alone() {
    let settings = Hostile { panics: 1, ..Hostile::default() };
    hostile_with(
        settings,
        |builder, io| {
            io.of("/").on_sync("panic", |_: Socket, ()| -> u32 { panic!("on purpose") });
            builder
        },
        async |server| {
            let mut websocket = joined(server).await;
            websocket.text("40/custom").await;
            assert!(websocket.next_text().await.starts_with("40/custom,"));
            websocket.next_text().await;
            websocket.text(r#"421["panic"]"#).await;
            assert_eq!(websocket.next_text().await, "41");
            // The client's other socket goes on.
            websocket.text(r#"42/custom,1["message-with-ack"]"#).await;
            assert_eq!(websocket.next_text().await, "43/custom,1[]");
        },
    )
    .await;
}

// proves: hostile/76, security/blocking-handlers
#[tokio::test]
async fn row_76_a_handler_that_blocks_where_it_may_holds_up_nobody() {
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    hostile_with(
        Hostile::default(),
        |builder, io| {
            io.of("/").on("block", move |_: Socket, ()| {
                let blocked = blocked.clone();
                async move {
                    let wait = move || blocked.lock().expect("the lock").recv();
                    tokio::task::spawn_blocking(wait).await.expect("a thread").expect("to be unblocked");
                    "unblocked"
                }
            });
            builder
        },
        async |server| {
            let (mut blocking, mut other) = (joined(server).await, joined(server).await);
            blocking.text(r#"421["block"]"#).await;
            for websocket in [&mut blocking, &mut other] {
                for n in 2..100 {
                    websocket.text(format!(r#"42{n}["message-with-ack"]"#)).await;
                    assert_eq!(websocket.next_text().await, format!("43{n}[]"));
                }
            }
            unblock.send(()).expect("the handler waits");
            assert_eq!(blocking.next_text().await, r#"431["unblocked"]"#);
        },
    )
    .await;
}
