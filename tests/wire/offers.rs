//! What a server offers: transports, upgrades, paths; and to which pages.

use engineio::EngineConfig;
use http::Method;
use socketio_server::{AllowedHosts, Cookie, Cors, TrailingSlash};
use socketio_tests::{TestServer, WebSocket};

use crate::{POLLING, WEBSOCKET, probing};

const TRANSPORT_UNKNOWN: &str = r#"{"code":0,"message":"Transport unknown"}"#;

// proves: features/transports, protocol/offered-transports
#[tokio::test]
async fn polling_can_be_the_only_transport() {
    let server = TestServer::echo(EngineConfig { websocket: false, ..EngineConfig::default() }).await;
    let opened = server.get(POLLING).await;
    assert!(opened.text().contains(r#""upgrades":[],"#), "{}", opened.text());
    for target in [WEBSOCKET.to_owned(), format!("{WEBSOCKET}&sid={}", opened.sid())] {
        let (refused, _) = WebSocket::handshake(server.address(), &target, &[]).await;
        assert_eq!((refused.status, refused.text()), (400, TRANSPORT_UNKNOWN));
    }
}

// proves: features/transports, protocol/offered-transports
#[tokio::test]
async fn websocket_can_be_the_only_transport() {
    let server = TestServer::echo(EngineConfig { polling: false, ..EngineConfig::default() }).await;
    let refused = server.get(POLLING).await;
    assert_eq!((refused.status, refused.text()), (400, TRANSPORT_UNKNOWN));
    let mut websocket = server.websocket(WEBSOCKET).await;
    websocket.next_text().await;
    websocket.text("4a").await;
    assert_eq!(websocket.next_text().await, "4a");
}

// proves: features/allow-upgrades, protocol/offered-transports
#[tokio::test]
async fn without_upgrades_none_is_offered_and_none_is_taken() {
    let server = TestServer::echo(EngineConfig { allow_upgrades: false, ..EngineConfig::default() }).await;
    let opened = server.get(POLLING).await;
    assert!(opened.text().contains(r#""upgrades":[],"#), "{}", opened.text());
    let target = format!("{POLLING}&sid={}", opened.sid());
    let (refused, _) = WebSocket::handshake(server.address(), &probing(&target), &[]).await;
    assert_eq!((refused.status, refused.text()), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(server.post(&target, "4a").await.text(), "ok");
    // A session may still begin with a WebSocket.
    server.websocket(WEBSOCKET).await.next_text().await;
}

// proves: features/path, protocol/path
#[tokio::test]
async fn a_path_may_have_to_end_with_a_slash_or_without() {
    for (slash, with, without) in [
        (TrailingSlash::Optional, 200, 200),
        (TrailingSlash::Required, 200, 404),
        (TrailingSlash::Absent, 404, 200),
    ] {
        let server =
            TestServer::echo_with(EngineConfig::default(), |builder| builder.trailing_slash(slash)).await;
        for path in ["/engine.io", "/socket.io"] {
            let query = "?EIO=4&transport=polling";
            assert_eq!(server.get(&format!("{path}/{query}")).await.status, with, "{slash:?}");
            assert_eq!(server.get(&format!("{path}{query}")).await.status, without, "{slash:?}");
        }
    }
}

// proves: features/destroy-upgrade, protocol/unknown-path
#[tokio::test]
async fn an_upgrade_that_is_nobodys_is_refused_at_once() {
    let server = crate::echo().await;
    let (refused, _) = WebSocket::handshake(server.address(), "/elsewhere/", &[]).await;
    assert_eq!(refused.status, 404);
}

// proves: features/cors, protocol/origin-patterns
#[tokio::test]
async fn pages_of_origins_under_a_pattern_get_in_and_others_do_not() {
    let cors = Cors::new(["https://*.example.com"]).unwrap().credentials().unwrap();
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.cors(cors)).await;
    let get = async |origin| server.connect().await.request("GET", POLLING, &[("Origin", origin)], b"").await;
    let friend = get("https://a.example.com").await;
    assert_eq!(friend.status, 200);
    assert_eq!(friend.header("access-control-allow-origin"), Some("https://a.example.com"));
    assert_eq!(friend.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(friend.header("vary"), Some("Origin"));
    for origin in ["https://example.com", "https://a.example.com.evil.example", "null"] {
        let foreign = get(origin).await;
        assert_eq!((foreign.status, foreign.text()), (403, r#"{"code":4,"message":"Forbidden"}"#));
        assert_eq!(foreign.header("access-control-allow-origin"), None);
        let (foreign, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[("Origin", origin)]).await;
        assert_eq!(foreign.status, 403);
    }
}

// proves: features/cors, protocol/origin-patterns
#[tokio::test]
async fn a_rule_of_the_applications_sees_origin_and_request() {
    let cors = Cors::by(|origin, request| {
        origin.ends_with(".example") && request.uri.query().is_some_and(|query| query.contains("room=1"))
    });
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.cors(cors)).await;
    let get = async |target: &str| {
        let origin = [("Origin", "https://a.example")];
        server.connect().await.request("GET", target, &origin, b"").await.status
    };
    assert_eq!(get(&format!("{POLLING}&room=1")).await, 200);
    assert_eq!(get(POLLING).await, 403);
}

// proves: features/cors, protocol/preflight-length
#[tokio::test]
async fn a_preflight_is_answered_with_what_was_set() {
    let cors = Cors::new(["https://a.example"]).and_then(|cors| cors.allowed_headers(["x-token"])).unwrap();
    let cors = cors.methods([Method::GET, Method::POST]).max_age(std::time::Duration::from_secs(60));
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.cors(cors)).await;
    let headers = [
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-token, x-other"),
    ];
    let answer = server.connect().await.request("OPTIONS", POLLING, &headers, b"").await;
    assert_eq!((answer.status, answer.text()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-token"));
    assert_eq!(answer.header("access-control-max-age"), Some("60"));
    assert_eq!(answer.header("content-length"), None);
}

// proves: features/cookie
#[tokio::test]
async fn a_cookie_goes_with_the_answer_to_a_handshake_by_polling_alone() {
    let cookie = Cookie::new("io").expect("a name");
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.cookie(cookie)).await;
    let opened = server.get(POLLING).await;
    let expected = format!("io={}; Path=/; HttpOnly; SameSite=Lax", opened.sid());
    assert_eq!(opened.header("set-cookie"), Some(&*expected));
    let target = format!("{POLLING}&sid={}", opened.sid());
    assert_eq!(server.post(&target, "4a").await.header("set-cookie"), None);
    assert_eq!(server.get(&target).await.header("set-cookie"), None);
    let (switched, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[]).await;
    assert_eq!((switched.status, switched.header("set-cookie")), (101, None));
}

// proves: ws/protocols, protocol/subprotocol
#[tokio::test]
async fn the_first_subprotocol_that_a_client_offers_is_agreed_to() {
    let server = TestServer::echo(EngineConfig::default()).await;
    let offered = async |target: &str, offer: &str| {
        let fields = [("Sec-WebSocket-Protocol", offer)];
        WebSocket::handshake(server.address(), target, &fields).await.0
    };
    let session = server.open_polling("/engine.io/", 4).await;
    for target in [WEBSOCKET.to_owned(), probing(&session)] {
        // An invalid list is refused before anything is claimed.
        for offer in ["", "one,", "two words", "one, one", "a/b"] {
            let refused = offered(&target, offer).await;
            let body = r#"{"code":3,"message":"Bad request"}"#;
            assert_eq!((refused.status, refused.text()), (400, body), "{target} {offer:?}");
        }
        let agreed = offered(&target, "arduino, other").await;
        assert_eq!(
            (agreed.status, agreed.header("sec-websocket-protocol")),
            (101, Some("arduino")),
            "{target}"
        );
    }
    let (none, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[]).await;
    assert_eq!((none.status, none.header("sec-websocket-protocol")), (101, None));
}

// proves: protocol/allowed-hosts, security/dns-rebinding
#[tokio::test]
async fn a_server_answers_for_the_hosts_that_are_allowed() {
    let hosts = AllowedHosts::new(["example.com", "*.example.org"]).expect("hosts");
    let server = TestServer::echo_with(EngineConfig::default(), |builder| builder.allowed_hosts(hosts)).await;
    let ask = async |host: &str, target: &str| {
        let mut connection = server.connect().await;
        host.clone_into(&mut connection.host);
        connection.request("GET", target, &[("Origin", &format!("http://{host}"))], b"").await
    };
    for host in ["example.com", "Example.com:8080", "a.example.org"] {
        assert_eq!(ask(host, POLLING).await.status, 200, "{host}");
    }
    // A name that somebody has lead here, whose page is of no foreign origin.
    for (host, target) in [("rebound.example", POLLING), ("127.0.0.1", POLLING), ("rebound.example", "/")] {
        let refused = ask(host, target).await;
        assert_eq!((refused.status, refused.text()), (403, r#"{"code":4,"message":"Forbidden"}"#), "{host}");
    }
}
