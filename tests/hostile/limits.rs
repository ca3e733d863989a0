//! Limits without a row in docs/security.md's hostile input: each is reached exactly, then exceeded by one.

use std::time::Duration;

use engineio::Limit;
use engineio::memory::ALLOWANCE;
use socketio::{AckError, Args, Socket};
use socketio_server::Limits;

use super::http::end;
use super::*;

fn limited(limits: Limits) -> Hostile {
    Hostile { limits, ..Hostile::default() }
}

// proves: limit/max-connections
#[tokio::test]
async fn one_connection_over_the_limit_is_503_and_there_is_room_again_when_one_ends() {
    let limits = Limits { max_connections: Some(3), ..Limits::default() };
    hostile_with(
        limited(limits),
        |builder, _| builder,
        async |server| {
            // The bystander has one. A WebSocket keeps its place when it is no HTTP connection any more.
            let _second = open(server).await;
            let mut third = server.connect().await;
            assert_eq!(third.request("GET", "/nowhere", &[], b"").await.status, 404);
            let mut fourth = server.connect().await;
            let refused = fourth.response().await;
            assert_eq!((refused.status, refused.header("connection")), (503, Some("close")));
            assert_eq!(refused.header("retry-after"), Some("1"));
            assert_eq!(server.service().limit_hits(Limit::Connections), 1);
            drop(fourth);
            drop(third);
            // That a connection has gone is noticed soon, though not at once.
            while server.get("/nowhere").await.status == 503 {}
        },
    )
    .await;
}

// proves: features/wish/limits, limit/max-address-connections
#[tokio::test]
async fn one_connection_of_an_address_over_the_limit_is_429() {
    let limits = Limits { connections_per_address: Some(2), ..Limits::default() };
    hostile_with(
        limited(limits),
        |builder, _| builder,
        async |server| {
            let second = open(server).await;
            let refused = server.connect().await.response().await;
            assert_eq!((refused.status, refused.header("connection")), (429, Some("close")));
            assert_eq!(server.service().limit_hits(Limit::AddressConnections), 1);
            drop(second);
            while server.connect().await.request("GET", "/nowhere", &[], b"").await.status == 429 {}
        },
    )
    .await;
}

// proves: features/wish/limits, limit/max-address-handshakes
#[tokio::test]
async fn one_handshake_of_an_address_over_the_limit_is_429() {
    // So many that they don't come back while the test runs.
    let limits = Limits { handshakes_per_address: Some(200), ..Limits::default() };
    hostile_with(
        limited(limits),
        |builder, _| builder,
        async |server| {
            let mut connection = server.connect().await;
            let mut opened = Vec::new();
            let refused = loop {
                let response = connection.request("GET", POLLING, &[], b"").await;
                if response.status != 200 {
                    break response;
                }
                opened.push(response.sid());
            };
            assert!(opened.len() >= 199, "the bystander had one: {}", opened.len());
            assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
            assert_eq!(server.service().limit_hits(Limit::AddressHandshakes), 1);
            for sid in opened {
                end(server, &format!("{POLLING}&sid={sid}")).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_over_its_rate_of_packets_is_closed() {
    let settings = Hostile {
        config: EngineConfig { packets_per_second: Some(200), ..EngineConfig::default() },
        ..Hostile::default()
    };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let exact = ["4a"; 200].join("\u{1e}");
            assert_eq!(server.post(&target, &exact).await.text(), "ok");
            assert_eq!(server.get(&target).await.text(), exact);
            assert_eq!(server.service().limit_hits(Limit::PacketRate), 0);
            let mut websocket = open(server).await;
            websocket.raw(WebSocket::frame(0x81, b"4a").repeat(300)).await;
            let mut answers = 0;
            while websocket.next().await == Received::Text("4a".into()) {
                answers += 1;
            }
            assert!((200..300).contains(&answers), "{answers}");
            assert_eq!(server.service().limit_hits(Limit::PacketRate), 1);
            end(server, &target).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_over_its_rate_of_bytes_is_closed() {
    let settings = Hostile {
        config: EngineConfig { bytes_per_second: Some(1_000_000), ..EngineConfig::default() },
        ..Hostile::default()
    };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let mut websocket = open(server).await;
            let exact = format!("4{}", "x".repeat(999_999));
            for _ in 0..4 {
                websocket.text(&exact).await;
            }
            // A packet is taken whole while its client is under the limit, as it is again a blink later.
            let mut answers = 0;
            while websocket.next().await == Received::Text(exact.clone()) {
                answers += 1;
            }
            assert!((1..=3).contains(&answers), "{answers}");
            assert_eq!(server.service().limit_hits(Limit::ByteRate), 1);
        },
    )
    .await;
}

// proves: security/silent-clients
#[tokio::test]
async fn a_client_that_takes_nothing_of_an_answer_is_cut_off_at_the_write_timeout() {
    let mut settings = impatient();
    settings.config =
        EngineConfig { max_payload: 50_000_000, send_budget: 100_000_000, ..EngineConfig::default() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let large = format!("4{}", "x".repeat(40_000_000));
            assert_eq!(server.post(&target, &large).await.text(), "ok");
            let mut poll = server.connect().await;
            poll.send("GET", &target, &[], b"").await;
            while server.service().limit_hits(Limit::WriteTimeout) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        },
    )
    .await;
}

// proves: limit/max-attachments
#[tokio::test]
async fn ten_attachments_are_taken_and_eleven_end_the_session() {
    hostile(async |server| {
        let packet = |count: usize| {
            let nums: Vec<String> =
                (0..count).map(|n| format!(r#"{{"_placeholder":true,"num":{n}}}"#)).collect();
            format!(r#"45{count}-1["message-with-ack",{}]"#, nums.join(","))
        };
        let mut websocket = joined(server).await;
        websocket.text(packet(10)).await;
        for n in 0..10 {
            websocket.binary([n]).await;
        }
        assert!(websocket.next_text().await.starts_with("4610-1["));
        for n in 0..10 {
            assert_eq!(websocket.next().await, Received::Binary(vec![n]));
        }
        assert_eq!(server.service().limit_hits(Limit::Attachments), 0);
        websocket.text(packet(11)).await;
        websocket.expect_close(None).await;
        assert_eq!(server.service().limit_hits(Limit::Attachments), 1);
    })
    .await;
}

// proves: limit/max-event-name
#[tokio::test]
async fn an_events_name_of_1024_bytes_is_taken_and_one_more_ends_the_session() {
    hostile(async |server| {
        let mut websocket = joined(server).await;
        websocket.text(format!(r#"42["{}"]"#, "é".repeat(512))).await;
        websocket.text(r#"421["message-with-ack"]"#).await;
        assert_eq!(websocket.next_text().await, "431[]");
        assert_eq!(server.service().limit_hits(Limit::EventName), 0);
        websocket.text(format!(r#"42["x{}"]"#, "é".repeat(512))).await;
        websocket.expect_close(None).await;
        assert_eq!(server.service().limit_hits(Limit::EventName), 1);
    })
    .await;
}

// proves: limit/dynamic-namespaces
#[tokio::test]
async fn a_dynamic_namespaces_name_of_255_bytes_is_taken_and_one_more_is_refused() {
    let mut settings = Hostile::default();
    settings.socketio.max_dynamic_namespaces = 2;
    hostile_with(
        settings,
        |builder, io| {
            io.of_pattern("^/n").expect("a pattern");
            builder
        },
        async |server| {
            let mut websocket = opened(server, SOCKETIO).await;
            let exact = format!("/n{}", "x".repeat(253));
            websocket.text(format!("40{exact},")).await;
            assert!(websocket.next_text().await.starts_with(&format!("40{exact},{{\"sid\"")));
            websocket.text(format!("40{exact}x,")).await;
            let refused = format!(r#"44{exact}x,{{"message":"Invalid namespace"}}"#);
            assert_eq!(websocket.next_text().await, refused);
            assert_eq!(server.service().limit_hits(Limit::NamespaceName), 1);
            // And of two that there may be, the third is refused.
            websocket.text("40/n2,").await;
            assert!(websocket.next_text().await.starts_with(r#"40/n2,{"sid""#));
            websocket.text("40/n3,").await;
            assert_eq!(websocket.next_text().await, r#"44/n3,{"message":"Too many namespaces"}"#);
            assert_eq!(server.service().limit_hits(Limit::DynamicNamespaces), 1);
        },
    )
    .await;
}

// proves: limit/max-pending-acks
#[tokio::test]
async fn acknowledgements_that_are_awaited_are_limited_and_time_out() {
    let mut settings = Hostile::default();
    settings.socketio.max_pending_acks = 3;
    settings.socketio.ack_timeout = Duration::from_millis(50);
    hostile_with(
        settings,
        |builder, io| {
            io.of("/").on("ask", |socket: Socket, ()| async move {
                match socket.emit_with_ack::<Args>("question", ()).await {
                    Ok(_) => "answered",
                    Err(AckError::Timeout) => "timeout",
                    Err(AckError::TooManyPending) => "too many",
                    Err(_) => "another error",
                }
            });
            builder
        },
        async |server| {
            let mut websocket = joined(server).await;
            let ask = |n: usize| WebSocket::frame(0x81, format!(r#"42{n}["ask"]"#).as_bytes());
            websocket.raw((0..4).flat_map(ask).collect::<Vec<u8>>()).await;
            let mut answers = Vec::new();
            while answers.len() < 4 {
                let text = websocket.next_text().await;
                if text.starts_with("43") {
                    answers.push(text);
                } else {
                    assert!(text.ends_with(r#"["question"]"#), "{text}");
                }
            }
            assert_eq!(answers[0], r#"433["too many"]"#);
            answers.sort();
            assert_eq!(answers[..3], [r#"430["timeout"]"#, r#"431["timeout"]"#, r#"432["timeout"]"#]);
            assert_eq!(server.service().limit_hits(Limit::PendingAcks), 1);
            assert_eq!(server.service().limit_hits(Limit::AckTimeout), 3);
        },
    )
    .await;
}

// proves: limit/max-running-handlers
#[tokio::test]
async fn handlers_beyond_those_that_may_run_wait_and_too_many_waiting_end_the_session() {
    let mut settings = Hostile::default();
    settings.socketio.max_running_handlers = 2;
    settings.socketio.max_backlog = 10_000;
    let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let gate = go.clone();
    hostile_with(
        settings,
        |builder, io| {
            io.of("/").on("wait", move |_: Socket, _: Args| {
                let gate = gate.clone();
                async move {
                    drop(gate.acquire().await);
                }
            });
            builder
        },
        async |server| {
            let mut websocket = joined(server).await;
            for n in 1..=3 {
                websocket.text(format!(r#"42{n}["wait"]"#)).await;
            }
            // Heartbeats and acknowledgements pass them by, and so does the end.
            websocket.text("43999[]").await;
            websocket.text("3").await;
            while server.service().limit_hits(Limit::RunningHandlers) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            go.add_permits(1);
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(websocket.next_text().await);
            }
            answers.sort();
            assert_eq!(answers, ["431[]", "432[]", "433[]"]);
            assert_eq!(server.service().limit_hits(Limit::RunningHandlers), 1);

            go.forget_permits(1);
            let large = format!(r#"42["wait","{}"]"#, "x".repeat(5_000));
            for _ in 0..5 {
                websocket.text(&large).await;
            }
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::Backlog), 1);
            go.add_permits(10);
        },
    )
    .await;
}

/// Clients together may not hold anything, so each has its allowance.
fn without_memory() -> Hostile {
    Hostile { config: EngineConfig { memory_budget: 0, ..EngineConfig::default() }, ..Hostile::default() }
}

// proves: limit/memory-budget
#[tokio::test]
async fn over_the_memory_budget_long_messages_are_1013_and_long_bodies_503() {
    hostile_with(
        without_memory(),
        |builder, _| builder,
        async |server| {
            let message = |len: usize| WebSocket::frame(0x81, format!("4{}", "x".repeat(len - 1)).as_bytes());
            let mut websocket = open(server).await;
            websocket.raw(message(ALLOWANCE)).await;
            assert_eq!(websocket.next_text().await.len(), ALLOWANCE);
            assert_eq!(server.service().limit_hits(Limit::Memory), 0);
            let longer = message(ALLOWANCE + 1);
            websocket.raw(&longer[..longer.len() - 1]).await;
            websocket.expect_close_and_answer(1013).await;
            assert_eq!(server.service().limit_hits(Limit::Memory), 1);

            let target = server.open_polling("/engine.io/", 4).await;
            let body = |len: usize| format!("4{}", "x".repeat(len - 1));
            assert_eq!(server.post(&target, body(ALLOWANCE / 3)).await.text(), "ok");
            let refused = server.post(&target, body(ALLOWANCE)).await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
            assert_eq!(server.service().limit_hits(Limit::Memory), 2);
            // The session goes on.
            assert_eq!(server.get(&target).await.text(), body(ALLOWANCE / 3));
            end(server, &target).await;
        },
    )
    .await;
}

// proves: limit/memory-budget
#[tokio::test]
async fn over_the_memory_budget_events_that_are_handled_have_the_allowance() {
    hostile_with(
        without_memory(),
        |builder, io| {
            io.of("/").on("wait", async |socket: Socket, _: String| {
                socket.closed().await;
            });
            builder
        },
        async |server| {
            let mut websocket = joined(server).await;
            let event = format!(r#"42["wait","{}"]"#, "x".repeat(ALLOWANCE - 500));
            // The first is less than the allowance, and the second is taken whole.
            websocket.text(&event).await;
            websocket.text(&event).await;
            websocket.text(r#"42["join","a"]"#).await;
            websocket.expect_close(None).await;
            assert_eq!(server.service().limit_hits(Limit::Memory), 1);
        },
    )
    .await;
}

// proves: limit/memory-budget
#[tokio::test]
async fn over_the_memory_budget_attachments_that_wait_have_the_allowance() {
    hostile_with(
        without_memory(),
        |builder, _| builder,
        async |server| {
            let nums = (0..4).map(|n| format!(r#"{{"_placeholder":true,"num":{n}}}"#)).collect::<Vec<_>>();
            let mut websocket = joined(server).await;
            websocket.text(format!(r#"454-["message",{}]"#, nums.join(","))).await;
            for _ in 0..3 {
                websocket.binary([0; ALLOWANCE - 500]).await;
            }
            // It is the one that holds most, and is put out without a word.
            assert_eq!(websocket.next().await, Received::End);
            assert!(server.service().limit_hits(Limit::Memory) > 0);
        },
    )
    .await;
}
