//! The field's known vulnerabilities, each as far as no other row has it: docs/security.md has the whole list.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engineio::Sid;
use socketio::{Args, SendError, Socket};
use socketio_server::plain::WebSocketRequest;

use super::http::{end, still_polls};
use super::*;

// proves: flaw/cve-2017-16031, security/ids
#[tokio::test]
async fn cve_2017_16031_ids_are_random_and_a_sockets_is_not_its_sessions() {
    let ids: HashSet<Sid> = (0..1_000_000).map(|_| Sid::generate()).collect();
    assert_eq!(ids.len(), 1_000_000);
    // 20 characters of 64: 120 bits.
    let distinct: HashSet<u8> = ids.iter().flat_map(|sid| sid.as_str().bytes()).collect();
    assert_eq!((distinct.len(), ids.iter().next().map(|sid| sid.as_str().len())), (64, Some(20)));
    hostile(async |server| {
        let mut websocket = server.websocket(SOCKETIO).await;
        let open = websocket.next_text().await;
        websocket.text("40").await;
        let connected = websocket.next_text().await;
        let id = connected.strip_prefix(r#"40{"sid":""#).and_then(|rest| rest.strip_suffix(r#""}"#));
        assert!(!open.contains(id.expect("an id")), "{open} {connected}");
    })
    .await;
}

// proves: flaw/cve-2020-28481, security/cors-origin
#[tokio::test]
async fn cve_2020_28481_without_a_rule_no_cors_header_is_sent() {
    hostile(async |server| {
        let origin = [("Origin", "http://evil.example")];
        let response = server.connect().await.request("GET", POLLING, &origin, b"").await;
        let cors = |(name, _): &&(String, String)| name.starts_with("access-control-");
        assert_eq!((response.status, response.headers.iter().find(cors)), (200, None));
        end(server, &format!("{POLLING}&sid={}", response.sid())).await;
        let preflight = server.connect().await.request("OPTIONS", POLLING, &origin, b"").await;
        assert_eq!((preflight.status, preflight.headers.iter().find(cors)), (405, None));
    })
    .await;
}

// proves: protocol/no-cors, security/websocket-origins
/// What docs/security.md warns of, and what the reference does too.
#[tokio::test]
async fn without_a_rule_a_page_of_any_origin_reads_by_websocket() {
    hostile(async |server| {
        let origin = [("Origin", "http://evil.example")];
        let target = "/engine.io/?EIO=4&transport=websocket";
        let (answer, connection) = WebSocket::handshake(server.address(), target, &origin).await;
        assert_eq!(answer.status, 101);
        let mut websocket = WebSocket::on(connection);
        assert!(websocket.next_text().await.starts_with('0'));
        websocket.text("4hello").await;
        assert_eq!(websocket.next_text().await, "4hello");
    })
    .await;
}

// proves: flaw/cve-2020-36048, flaw/cve-2026-48809, limit/max-payload
#[tokio::test]
async fn cve_2020_36048_a_post_of_the_limit_is_taken_and_one_byte_more_is_413() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let exact = format!("4{}", "x".repeat(999_999));
        assert_eq!(server.post(&target, &exact).await.text(), "ok");
        assert_eq!(server.get(&target).await.text(), exact);
        let refused = server.post(&target, format!("{exact}x")).await;
        assert_eq!((refused.status, refused.text()), (413, ""));
        assert_eq!(server.service().limit_hits(engineio::Limit::Payload), 1);
        still_polls(server, &target).await;
    })
    .await;
}

// proves: flaw/cve-2020-36049
#[tokio::test]
async fn cve_2020_36049_packets_of_a_megabyte_are_decoded_in_linear_time() {
    // In quadratic time this would take hours.
    hostile(async |server| {
        let nested = r#"{"_placeholder":true,"num":0},"#;
        for text in [
            format!("4{}", "x".repeat(999_999)),
            "b".repeat(1_000_000),
            format!("2/{}", "x".repeat(900_000)),
            format!("2{}", "1".repeat(900_000)),
            format!("5{}", "1".repeat(900_000)),
            format!(r#"2["{}"]"#, "\\".repeat(900_000)),
            format!(r#"2["x",{}1]"#, "[],".repeat(300_000)),
            format!(r#"2["x",{}1]"#, "\"\\ud800\",".repeat(90_000)),
            format!(r#"51-["x",{}1]"#, nested.repeat(33_000)),
        ] {
            for target in [SOCKETIO, WEBSOCKET] {
                let mut websocket = opened(server, target).await;
                websocket.text("40").await;
                websocket.text(format!("4{}", &text[..text.len().min(999_999)])).await;
                websocket.binary("attachment").await;
                websocket.text("1").await;
                while websocket.next().await != Received::End {}
            }
        }
    })
    .await;
}

// proves: flaw/cve-2022-21676
#[tokio::test]
async fn cve_2022_21676_bytes_that_are_no_frame_end_their_connection() {
    hostile(async |server| {
        let mut websocket = open(server).await;
        websocket.raw("test").await;
        websocket.expect_close(Some(1002)).await;
        let target = server.open_polling("/engine.io/", 4).await;
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.raw("test").await;
        websocket.expect_close(Some(1002)).await;
        still_polls(server, &target).await;
    })
    .await;
}

// proves: flaw/cve-2023-31125
#[tokio::test]
async fn cve_2023_31125_an_upgrade_to_a_transport_of_javascripts_is_code_0() {
    hostile(async |server| {
        for transport in ["__proto__", "constructor", "toString", "foo"] {
            let target = format!("/engine.io/?EIO=4&transport={transport}");
            let (response, _) = WebSocket::handshake(server.address(), &target, &[]).await;
            assert_eq!((response.status, response.text()), (400, TRANSPORT_UNKNOWN), "{transport}");
        }
    })
    .await;
}

// proves: flaw/cve-2026-59725
#[tokio::test]
async fn cve_2026_59725_octets_in_revision_4_are_400_and_the_session_ends() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let headers = [("Content-Type", "application/octet-stream")];
        let refused = server.connect().await.request("POST", &target, &headers, b"4a").await;
        assert_eq!((refused.status, refused.text()), (400, ""));
        assert_eq!(server.get(&target).await.text(), SESSION_UNKNOWN);
    })
    .await;
}

// proves: flaw/engine-io-6-6-10
#[tokio::test]
async fn engine_io_6_6_10_another_revision_on_a_session_is_code_3() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let other = target.replace("EIO=4", "EIO=3");
        assert_eq!(server.get(&other).await.text(), BAD_REQUEST);
        assert_eq!(server.post(&other, "1:3").await.text(), BAD_REQUEST);
        still_polls(server, &target).await;
    })
    .await;
}

// proves: flaw/cve-2023-32695
#[tokio::test]
async fn cve_2023_32695_and_2026_33151_and_2026_69185_end_the_session_at_once() {
    hostile(async |server| {
        for packet in [
            r#"42[{"toString":"foo"}]"#,
            r#"4511-["x"]"#,
            r#"45999999999-["x"]"#,
            r#"450-["x"]"#,
            r#"45-["x"]"#,
            "45-",
        ] {
            let mut websocket = joined(server).await;
            websocket.text(packet).await;
            assert_eq!(websocket.next().await, Received::Close(None), "{packet}");
        }
        assert_eq!(server.service().limit_hits(engineio::Limit::Attachments), 2);
    })
    .await;
}

// proves: flaw/cve-2024-38355
#[tokio::test]
async fn cve_2024_38355_an_event_named_error_is_like_any_other() {
    hostile(async |server| {
        let mut websocket = joined(server).await;
        for packet in [r#"42["error"]"#, r#"42["error",{"message":"x"}]"#, r#"42["connection"]"#] {
            websocket.text(packet).await;
        }
        websocket.text(r#"421["message-with-ack"]"#).await;
        assert_eq!(websocket.next_text().await, "431[]");
    })
    .await;
}

// proves: flaw/socket-io-4-8-4, flaw/socketioxide
#[tokio::test]
async fn socket_io_4_8_4_acknowledgements_that_never_come_leave_nothing_in_the_table() {
    let mut settings = Hostile::default();
    settings.socketio.max_pending_acks = 2;
    let timeouts = Arc::new(AtomicUsize::new(0));
    let counted = timeouts.clone();
    hostile_with(
        settings,
        |builder, io| {
            io.of("/custom").on("ask-all", move |socket: Socket, ()| {
                let counted = counted.clone();
                async move {
                    let broadcast = socket.namespace().to("all");
                    let answers =
                        broadcast.timeout(Duration::from_millis(10)).emit_with_ack::<Args>("question", ());
                    let answers = answers?.await;

                    counted.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, SendError>(answers.answers.len())
                }
            });
            builder
        },
        async |server| {
            let mut websocket = opened(server, SOCKETIO).await;
            websocket.text("40/custom").await;
            websocket.next_text().await;
            websocket.next_text().await;
            // Four times as many as the table holds.
            for n in 1..=8 {
                websocket.text(format!(r#"42/custom,{n}["ask-all"]"#)).await;
                assert!(websocket.next_text().await.ends_with(r#"["question"]"#));
                assert_eq!(websocket.next_text().await, format!("43/custom,{n}[1]"));
            }
            assert_eq!(timeouts.load(Ordering::Relaxed), 8);
            assert_eq!(server.service().limit_hits(engineio::Limit::PendingAcks), 0);
            assert_eq!(server.service().limit_hits(engineio::Limit::AckTimeout), 8);
        },
    )
    .await;
}

// proves: flaw/cve-2026-45736
#[tokio::test]
async fn cve_2026_45736_pings_and_closes_are_echoed_exactly() {
    hostile(async |server| {
        for payload in [&b""[..], b"\0", &[0xff; 125]] {
            let mut websocket = open(server).await;
            websocket.raw(WebSocket::frame(0x89, payload)).await;
            assert_eq!(websocket.next().await, Received::Pong(payload.to_vec()));
            websocket.raw(WebSocket::frame(0x88, &3000u16.to_be_bytes())).await;
            websocket.expect_close(Some(3000)).await;
        }
    })
    .await;
}

// proves: flaw/cve-2021-32640
#[tokio::test]
async fn cve_2021_32640_a_subprotocol_with_8000_spaces_is_not_backtracked_over() {
    let plain = |request: WebSocketRequest| std::future::ready(Ok(request.accept().run(async |_| {})));
    hostile_with(
        Hostile::default(),
        |builder, _| builder.websocket("/plain", plain),
        async |server| {
            let protocol = format!("b{}x", " ".repeat(8_000));
            let offer = [("Sec-WebSocket-Protocol", protocol.as_str())];
            let (response, _) = WebSocket::handshake(server.address(), "/plain", &offer).await;
            assert_eq!(response.status, 400);
            let (response, _) = WebSocket::handshake(server.address(), WEBSOCKET, &offer).await;
            assert_eq!(response.status, 400);
            // As many names as a head holds are looked at once each.
            let names: Vec<_> = (0..2_500).map(|number| format!("{number:x}")).collect();
            let names = names.join(",");
            let offer = [("Sec-WebSocket-Protocol", names.as_str())];
            let (response, _) = WebSocket::handshake(server.address(), WEBSOCKET, &offer).await;
            assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, Some("0")));
        },
    )
    .await;
}

// proves: flaw/cve-2026-48802
#[tokio::test]
async fn cve_2026_48802_a_hundred_thousand_pongs_start_nothing() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let mut post = server.connect().await;
        post.request("POST", &target, &[], b"3").await;
        let before = tasks();
        let body = ["3"; 100_000].join("\u{1e}");
        assert_eq!(post.request("POST", &target, &[], body.as_bytes()).await.text(), "ok");
        assert_eq!(post.request("POST", &target, &[], b"4a").await.text(), "ok");
        assert!(tasks() <= before, "{} tasks and then {}", before, tasks());
        assert_eq!(server.get(&target).await.text(), "4a");
        end(server, &target).await;
    })
    .await;
}

// proves: flaw/engineioxide
#[tokio::test]
async fn engineioxide_739_a_body_of_revision_3_that_is_cut_short_ends_the_session() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 3).await;
        let octets = [("Content-Type", "application/octet-stream")];
        let body = b"\x01\x05\xff\x04\x01\x02";
        assert_eq!(server.connect().await.request("POST", &target, &octets, body).await.text(), "ok");
        assert_eq!(server.get(&target).await.text(), SESSION_UNKNOWN);
    })
    .await;
}

// proves: flaw/engineioxide
#[tokio::test]
async fn engineioxide_740_base64_may_begin_with_a_4() {
    hostile(async |server| {
        let mut websocket = open(server).await;
        websocket.text("b4OHi").await;
        assert_eq!(websocket.next().await, Received::Binary(vec![0xe0, 0xe1, 0xe2]));
    })
    .await;
}

// proves: flaw/engineioxide
#[tokio::test]
async fn engineioxide_736_packets_for_a_parked_poll_are_separated() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut poll = server.connect().await;
        poll.send("GET", &target, &[], b"").await;
        assert_eq!(server.post(&target, "4a\u{1e}4b").await.text(), "ok");
        assert_eq!(poll.response().await.text(), "4a\u{1e}4b");
        end(server, &target).await;
    })
    .await;
}

// proves: flaw/engineioxide
#[tokio::test]
async fn engineioxide_809_a_poll_in_flight_at_5_is_let_go() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut websocket = server.websocket(&probing(&target)).await;
        websocket.text("2probe").await;
        assert_eq!(websocket.next_text().await, "3probe");
        assert_eq!(server.get(&target).await.text(), "6");
        let mut poll = server.connect().await;
        poll.send("GET", &target, &[], b"").await;
        websocket.text("5").await;
        assert_eq!(poll.response().await.text(), "6");
    })
    .await;
}

// proves: flaw/engineioxide
#[tokio::test]
async fn engineioxide_815_and_816_malformed_sids_and_paths_beside_ours_are_nobodys() {
    hostile(async |server| {
        for sid in ["%ff%fe", "%", "%zz", "aaaa%20bbbb", "'", "a;b"] {
            let response = server.get(&format!("{POLLING}&sid={sid}")).await;
            assert_eq!((response.status, response.text()), (400, SESSION_UNKNOWN), "{sid}");
        }
        for path in ["/engine.io-admin/", "/engine.iox", "/xengine.io/", "/engine.io/x/"] {
            assert_eq!(server.get(&format!("{path}?EIO=4&transport=polling")).await.status, 404, "{path}");
        }
    })
    .await;
}

// proves: flaw/socketioxide
#[tokio::test]
async fn socketioxide_813_a_socket_in_two_rooms_gets_a_broadcast_to_both_once() {
    hostile_with(
        Hostile::default(),
        |builder, io| {
            io.of("/").on_sync("both", |socket: Socket, ()| {
                let _ = (socket.join("a"), socket.join("b"));
                let _ = socket.namespace().to("a").to("b").emit("hello", ());
            });
            builder
        },
        async |server| {
            let mut websocket = joined(server).await;
            websocket.text(r#"421["both"]"#).await;
            assert_eq!(websocket.next_text().await, r#"42["hello"]"#);
            assert_eq!(websocket.next_text().await, "431[]");
        },
    )
    .await;
}

// proves: flaw/socketioxide
#[tokio::test]
async fn socketioxide_316_a_namespace_can_be_closed_from_a_handler_in_it() {
    hostile_with(
        Hostile::default(),
        |builder, io| {
            let closing = io.clone();
            io.of("/doomed").on_sync("close", move |_: Socket, ()| closing.of("/doomed").close());
            builder
        },
        async |server| {
            let mut websocket = opened(server, SOCKETIO).await;
            websocket.text("40/doomed").await;
            assert!(websocket.next_text().await.starts_with("40/doomed,"));
            websocket.text(r#"42/doomed,["close"]"#).await;
            assert_eq!(websocket.next_text().await, "41/doomed,");
        },
    )
    .await;
}

// proves: flaw/h2
#[tokio::test]
async fn rustsec_h2_http_2_is_not_spoken() {
    hostile(async |server| {
        let mut connection = server.connect().await;
        connection.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        let answer = connection.closed().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{answer:?}");
    })
    .await;
}

// proves: flaw/libraries
#[test]
fn rustsec_the_libraries_are_newer_than_their_known_flaws() {
    let lock = include_str!("../../Cargo.lock");
    for (name, least) in [("bytes", [1, 11, 1]), ("rand", [0, 10, 1]), ("tracing-subscriber", [0, 3, 20])] {
        let entry = format!("name = \"{name}\"\nversion = \"");
        let versions = lock.split(&entry).skip(1);
        let versions: Vec<Vec<u32>> = versions
            .filter_map(|rest| rest.split_once('"'))
            .map(|(version, _)| version.split('.').filter_map(|part| part.parse().ok()).collect())
            .collect();
        assert!(!versions.is_empty(), "{name}");
        for version in versions {
            assert!(version.as_slice() >= &least[..], "{name} {version:?}");
        }
    }
    assert!(!lock.contains("name = \"h2\""), "HTTP/2 stays off");
}
