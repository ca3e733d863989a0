//! Rows 15 to 22, 30, and 71 to 73: handshakes.

use std::time::Duration;

use engineio::Limit;
use socketio_server::{Cookie, Cors, Limits};

use super::http::end;
use super::*;

/// A request on a connection of its own is refused with this status and body.
pub(crate) async fn refused(server: &TestServer, method: &str, target: &str, body: &str) {
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

// proves: hostile/30, limit/max-sessions
#[tokio::test]
async fn row_30_handshakes_that_nobody_polls_are_bounded_and_all_go() {
    let mut settings = Hostile { limits: Limits { max_sessions: 500, ..Limits::default() }, ..impatient() };
    // All of them are there before the first one goes, on a slow machine too.
    settings.config.ping_timeout = Duration::from_secs(5);
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
