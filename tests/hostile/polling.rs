//! Rows 15 to 33 and 70 to 73: handshakes and polling.

use engineio::Limit;
use socketio_server::{Cookie, Cors, Limits};

use super::http::{end, still_polls};
use super::*;

/// A request on a connection of its own is refused with this status and body.
async fn refused(server: &TestServer, method: &str, target: &str, body: &str) {
    let response = server.connect().await.request(method, target, &[], b"").await;
    assert_eq!((response.status, response.text()), (400, body), "{method} {target:.200}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{method} {target:.200}");
}

// proves: hostile/15
#[tokio::test]
async fn row_15_a_transport_that_is_missing_or_unknown_is_code_0() {
    hostile(async |server| {
        for target in [
            "/engine.io/",
            "/engine.io/?EIO=4",
            "/engine.io/?EIO=4&transport=",
            "/engine.io/?EIO=4&transport=constructor",
            "/engine.io/?EIO=4&transport=__proto__",
            "/engine.io/?EIO=4&transport=Polling",
        ] {
            refused(server, "GET", target, TRANSPORT_UNKNOWN).await;
        }
    })
    .await;
}

// proves: hostile/16
#[tokio::test]
async fn row_16_of_two_transports_the_last_wins() {
    hostile(async |server| {
        refused(server, "GET", "/engine.io/?EIO=4&transport=polling&transport=websocket", BAD_REQUEST).await;
    })
    .await;
}

// proves: hostile/17
#[tokio::test]
async fn row_17_another_revision_is_code_5_and_no_websocket_is_opened_for_it() {
    hostile(async |server| {
        for eio in ["EIO=5", "EIO=-1", "EIO=04", "EIO=x"] {
            refused(server, "GET", &format!("/engine.io/?{eio}&transport=polling"), UNSUPPORTED).await;
            let target = format!("/engine.io/?{eio}&transport=websocket");
            let (response, _) = WebSocket::handshake(server.address(), &target, &[]).await;
            assert_eq!((response.status, response.text()), (400, UNSUPPORTED), "{target}");
        }
    })
    .await;
}

// proves: hostile/18
#[tokio::test]
async fn row_18_a_handshake_by_another_method_is_code_2() {
    hostile(async |server| {
        refused(server, "POST", POLLING, HANDSHAKE_METHOD).await;
        refused(server, "DELETE", POLLING, HANDSHAKE_METHOD).await;
        // An answer to HEAD has no body.
        let mut connection = server.connect().await;
        connection.send("HEAD", POLLING, &[("Connection", "close")], b"").await;
        let answer = connection.closed().await;
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    })
    .await;
}

// proves: hostile/19
#[tokio::test]
async fn row_19_an_unknown_sid_is_code_1() {
    hostile(async |server| {
        let long = "a".repeat(10_000);
        for sid in ["zzz", "__proto__", "constructor", "%00", "..%2f..", "a%0d%0aX:%20y", &long] {
            refused(server, "GET", &format!("{POLLING}&sid={sid}"), SESSION_UNKNOWN).await;
            refused(server, "POST", &format!("{POLLING}&sid={sid}"), SESSION_UNKNOWN).await;
        }
    })
    .await;
}

// proves: hostile/20
#[tokio::test]
async fn row_20_an_empty_sid_is_a_handshake() {
    hostile(async |server| {
        let opened = server.get(&format!("{POLLING}&sid=")).await;
        assert_eq!(opened.status, 200);
        end(server, &format!("{POLLING}&sid={}", opened.sid())).await;
    })
    .await;
}

// proves: hostile/21
#[tokio::test]
async fn row_21_guesses_at_sids_are_all_code_1() {
    hostile(async |server| {
        let mut connection = server.connect().await;
        for n in 0..2_000u64 {
            let sid = format!("{:020}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let response = connection.request("GET", &format!("{POLLING}&sid={sid}"), &[], b"").await;
            assert_eq!((response.status, response.text()), (400, SESSION_UNKNOWN));
        }
    })
    .await;
}

// proves: hostile/22
#[tokio::test]
async fn row_22_a_sid_is_good_for_any_origin_unless_sessions_are_bound_to_theirs() {
    for bind in [false, true] {
        hostile_with(
            Hostile::default(),
            |builder, _| builder.cors(Cors::any()).bind_origin(bind),
            async |server| {
                let own = format!("http://{}", server.address());
                let origins =
                    [None, Some(own.as_str()), Some("https://a.example"), Some("https://b.example")];
                for opener in origins {
                    for other in origins {
                        let with = async |origin: Option<&str>, method: &str, target: &str, body: &str| {
                            let headers: Vec<_> = origin.iter().map(|origin| ("Origin", *origin)).collect();
                            let mut connection = server.connect().await;
                            // Origins are compared with this.
                            connection.host = server.address().to_string();
                            connection.request(method, target, &headers, body.as_bytes()).await
                        };
                        let sid = with(opener, "GET", POLLING, "").await.sid();
                        let target = format!("{POLLING}&sid={sid}");
                        // Pages of the server's own don't always say so.
                        let same = [None, Some(own.as_str())];
                        let allowed =
                            !bind || opener == other || same.contains(&opener) && same.contains(&other);
                        let status = if allowed { 200 } else { 403 };
                        assert_eq!(
                            with(other, "POST", &target, "4a").await.status,
                            status,
                            "{opener:?} {other:?}"
                        );
                        if !allowed {
                            assert_eq!(with(other, "GET", &target, "").await.text(), FORBIDDEN);
                            let headers: Vec<_> = other.iter().map(|origin| ("Origin", *origin)).collect();
                            let probe =
                                WebSocket::handshake(server.address(), &probing(&target), &headers).await;
                            assert_eq!(probe.0.status, 403);
                            // Whose it is goes on.
                            assert_eq!(with(opener, "POST", &target, "4a").await.status, 200);
                        }
                        assert_eq!(with(opener, "GET", &target, "").await.text(), "4a");
                        assert_eq!(with(opener, "POST", &target, "1").await.status, 200);
                    }
                }
            },
        )
        .await;
    }
}

// proves: hostile/23
#[tokio::test]
async fn row_23_a_poll_on_a_websocket_session_is_code_3() {
    hostile(async |server| {
        let mut websocket = server.websocket(WEBSOCKET).await;
        let open = websocket.next_text().await;
        let sid = &open[9..29];
        refused(server, "GET", &format!("{POLLING}&sid={sid}"), BAD_REQUEST).await;
        refused(server, "POST", &format!("{POLLING}&sid={sid}"), BAD_REQUEST).await;
        websocket.text("4alive").await;
        assert_eq!(websocket.next_text().await, "4alive");
    })
    .await;
}

// proves: hostile/24
#[tokio::test]
async fn row_24_another_method_on_a_session_is_405() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            let response = server.connect().await.request(method, &target, &[], b"").await;
            assert_eq!((response.status, response.text()), (405, ""), "{method}");
        }
        still_polls(server, &target).await;
    })
    .await;
}

// proves: hostile/25
#[tokio::test]
async fn row_25_of_two_polls_the_second_is_400_and_the_first_gets_a_close() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let (mut first, mut second) = (server.connect().await, server.connect().await);
        first.send("GET", &target, &[], b"").await;
        second.send("GET", &target, &[], b"").await;
        // Which one is the second is the network's choice.
        let mut answers = [first.response().await, second.response().await];
        answers.sort_by_key(|answer| answer.status);
        assert_eq!(answers.map(|a| (a.status, a.text().to_owned())), [(200, "1".into()), (400, "".into())]);
        refused(server, "GET", &target, SESSION_UNKNOWN).await;
    })
    .await;
}

// proves: hostile/26
#[tokio::test]
async fn row_26_of_two_posts_the_second_is_400_and_the_session_ends() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut first = server.connect().await;
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n");
        first.write(format!("{head}Expect: 100-continue\r\n\r\n")).await;
        // The server asks for the body once the first has its door.
        assert_eq!(first.response().await.status, 100);
        let second = server.post(&target, "4b").await;
        assert_eq!((second.status, second.text()), (400, ""));
        refused(server, "GET", &target, SESSION_UNKNOWN).await;
    })
    .await;
}

// proves: hostile/27
#[tokio::test]
async fn row_27_a_post_that_is_no_payload_is_ok_and_the_session_ends() {
    hostile(async |server| {
        for body in [&b""[..], b"abc", b"2", b"4\xff\xfe", b"4a\x1e", b"\x1e", "éaaaa".as_bytes()] {
            let target = server.open_polling("/engine.io/", 4).await;
            let posted = server.post(&target, body).await;
            assert_eq!((posted.status, posted.text()), (200, "ok"), "{body:?}");
            refused(server, "GET", &target, SESSION_UNKNOWN).await;
        }
    })
    .await;
}

// proves: hostile/28
#[tokio::test]
async fn row_28_a_poll_whose_client_goes_away_ends_the_session() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let mut poll = server.connect().await;
        poll.send("GET", &target, &[], b"").await;
        drop(poll);
        // That its session is gone is what the harness waits for.
    })
    .await;
}

// proves: hostile/29, security/silent-clients
#[tokio::test]
async fn row_29_a_client_that_goes_away_behind_a_pipelined_byte_is_reclaimed_by_the_heartbeat() {
    hostile_with(
        impatient(),
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let mut poll = server.connect().await;
            poll.write(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\nG")).await;
            drop(poll);
        },
    )
    .await;
}

// proves: hostile/30, limit/max-sessions
#[tokio::test]
async fn row_30_handshakes_that_nobody_polls_are_bounded_and_all_go() {
    let settings = Hostile { limits: Limits { max_sessions: 500, ..Limits::default() }, ..impatient() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let mut connection = server.connect().await;
            // The bystander has one.
            for n in 1..500 {
                assert_eq!(connection.request("GET", POLLING, &[], b"").await.status, 200, "{n}");
            }
            let refused = connection.request("GET", POLLING, &[], b"").await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
            let (refused, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[]).await;
            assert_eq!(refused.status, 503);
            assert_eq!(server.service().limit_hits(Limit::Sessions), 2);
            assert_eq!(server.service().sessions(), 500);
            // A bystander's ping goes on, and nobody polls: they are gone by pingInterval + pingTimeout.
        },
    )
    .await;
}

// proves: hostile/33, limit/send-budget
#[tokio::test]
async fn row_33_a_client_that_never_polls_is_put_out_once_too_much_waits_for_it() {
    let config = Config { send_budget: 10_000, ..Config::default() };
    let settings = Hostile { config, limits: impatient().limits, ..Hostile::default() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/socket.io/", 4).await;
            assert_eq!(server.post(&target, "40/custom").await.text(), "ok");
            assert!(server.get(&target).await.text().starts_with("40/custom,"));
            let mut speaker = opened(server, SOCKETIO).await;
            speaker.text("40/custom").await;
            assert!(speaker.next_text().await.starts_with("40/custom,"));
            assert_eq!(speaker.next_text().await, r#"42/custom,["auth",{}]"#);
            // Each event of 1,000 bytes goes to both. The one that never polls is put out at the write timeout.
            let mut heard = 0;
            while server.service().limit_hits(Limit::SendBudget) == 0 {
                speaker.text(format!(r#"42/custom,["broadcast","{}"]"#, "x".repeat(1_000))).await;
                assert!(speaker.next_text().await.starts_with(r#"42/custom,["bcast""#));
                heard += 1;
            }
            assert!(heard > 10, "{heard} events of 1,000 bytes and 64 each are not over its budget");
            refused(server, "GET", &target, SESSION_UNKNOWN).await;
        },
    )
    .await;
}

// proves: hostile/70, limit/max-packets
#[tokio::test]
async fn row_70_packets_of_one_payload_are_counted() {
    let settings = Hostile { config: Config { max_packets: 500, ..Config::default() }, ..Hostile::default() };
    hostile_with(
        settings,
        |builder, _| builder,
        async |server| {
            let target = server.open_polling("/engine.io/", 4).await;
            let exact = ["3"; 500].join("\u{1e}");
            assert_eq!(server.post(&target, &exact).await.text(), "ok");
            assert_eq!(server.service().limit_hits(Limit::Packets), 0);
            assert_eq!(server.post(&target, format!("{exact}\u{1e}3")).await.text(), "ok");
            while server.post(&target, "3").await.status == 200 {}
            assert_eq!(server.service().limit_hits(Limit::Packets), 1);
        },
    )
    .await;
}

// proves: hostile/70
#[tokio::test]
async fn row_70_half_a_million_packets_in_a_megabyte_are_over_the_default() {
    hostile(async |server| {
        let target = server.open_polling("/engine.io/", 4).await;
        let body = "2\u{1e}".repeat(500_000);
        assert_eq!(server.post(&target, &body).await.text(), "ok");
        while server.post(&target, "3").await.status == 200 {}
        // `2` from a client ends the session at once; pongs mean nothing, and are counted.
        let target = server.open_polling("/engine.io/", 4).await;
        let body = format!("{}3", "3\u{1e}".repeat(499_999));
        assert_eq!(server.post(&target, &body).await.text(), "ok");
        while server.post(&target, "3").await.status == 200 {}
        assert_eq!(server.service().limit_hits(Limit::Packets), 1);
    })
    .await;
}

// proves: flaw/ghsa-pxg6-pf52-xh8x, hostile/71
#[tokio::test]
async fn row_71_line_ends_in_a_query_or_a_header_inject_nothing() {
    let cors = Cors::new(["https://a.example"]).expect("an origin");
    hostile_with(
        Hostile::default(),
        |builder, _| builder.cors(cors),
        async |server| {
            let injected = "%0d%0aX-Injected:%20yes";
            for query in [
                format!("EIO=4&transport=polling{injected}"),
                format!("EIO=4{injected}&transport=polling"),
                format!("EIO=4&transport=polling&sid={injected}"),
                format!("EIO=4&transport=polling&j={injected}"),
            ] {
                let response = server.get(&format!("/engine.io/?{query}")).await;
                assert_eq!(response.status, 400, "{query}");
                assert_eq!(response.header("x-injected"), None, "{query}");
            }
            let origin = [("Origin", "https://a.example%0d%0aX-Injected: yes")];
            let response = server.connect().await.request("GET", POLLING, &origin, b"").await;
            assert_eq!((response.status, response.header("x-injected")), (403, None));
            let preflight = [
                ("Origin", "https://a.example"),
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "x%0d%0aX-Injected: yes"),
            ];
            let response = server.connect().await.request("OPTIONS", POLLING, &preflight, b"").await;
            assert_eq!(response.header("x-injected"), None);
        },
    )
    .await;
    // And where an operator has them in a setting, it is refused.
    assert!(Cookie::new("io\r\nX: y").is_err());
    assert!(Cookie::new("io").and_then(|cookie| cookie.path("/\r\nX: y")).is_err());
    assert!(Cookie::new("io").and_then(|cookie| cookie.domain("a.example\r\nX: y")).is_err());
    assert!(Cors::new(["https://a.example\r\nX: y"]).is_err());
}

// proves: flaw/cve-2019-13611, hostile/72, security/cors-origin
#[tokio::test]
async fn row_72_null_is_an_origin_like_another_and_answers_vary_by_it() {
    let cors = Cors::new(["https://a.example"]).and_then(Cors::credentials).expect("an origin");
    hostile_with(
        Hostile::default(),
        |builder, _| builder.cors(cors),
        async |server| {
            for (origin, status) in [
                ("null", 403),
                ("https://b.example", 403),
                ("https://a.example.evil", 403),
                ("https://a.example", 200),
            ] {
                let request =
                    server.connect().await.request("GET", POLLING, &[("Origin", origin)], b"").await;
                assert_eq!(request.status, status, "{origin}");
                assert_eq!(request.header("vary"), Some("Origin"), "{origin}");
                let allowed = (status == 200).then_some(origin);
                assert_eq!(request.header("access-control-allow-origin"), allowed, "{origin}");
                if status == 200 {
                    end(server, &format!("{POLLING}&sid={}", request.sid())).await;
                }
                // A WebSocket needs no leave of the browser's, so it is the server that refuses.
                let (response, _) =
                    WebSocket::handshake(server.address(), WEBSOCKET, &[("Origin", origin)]).await;
                assert_eq!(response.status, if status == 200 { 101 } else { 403 }, "{origin}");
            }
        },
    )
    .await;
    assert!(Cors::any().credentials().is_err(), "every origin, with credentials");
}

// proves: hostile/73
#[tokio::test]
async fn row_73_a_cookie_comes_with_the_handshake_alone() {
    let cookie = Cookie::new("io").expect("a cookie");
    hostile_with(
        Hostile::default(),
        |builder, _| builder.cookie(cookie),
        async |server| {
            let opened = server.get(POLLING).await;
            let sid = opened.sid();
            let cookie = format!("io={sid}; Path=/; HttpOnly; SameSite=Lax");
            assert_eq!(opened.header("set-cookie"), Some(&*cookie));
            let target = format!("{POLLING}&sid={sid}");
            assert_eq!(server.post(&target, "4a").await.header("set-cookie"), None);
            assert_eq!(server.get(&target).await.header("set-cookie"), None);
            end(server, &target).await;
            let (response, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[]).await;
            assert_eq!(response.header("set-cookie"), None);
        },
    )
    .await;
}
