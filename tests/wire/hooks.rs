//! The application's say in HTTP: who is let in, under which id, and with which header fields.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engineio::{Config, Refusal, Revision, Transport};
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use socketio_server::{Cors, Denied, Hooks, Limit, Limits, Next, RequestHead, Server, Sid};
use socketio_tests::{Connection, TestServer, WebSocket};
use tokio::sync::Notify;

use crate::{POLLING, WEBSOCKET, probing};

const X_HOOK: HeaderName = HeaderName::from_static("x-hook");

async fn hooked(hooks: Hooks) -> TestServer {
    TestServer::echo_with(Config::default(), |builder| builder.hooks(hooks)).await
}

fn header(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(X_HOOK, HeaderValue::from_static(value))])
}

/// Lets in who has the token.
fn by_token() -> Hooks {
    Hooks::new().allow_request(async |request: RequestHead| match request.query().get("token").as_deref() {
        Some("good") => Ok(()),
        Some("busy") => Err(Denied::new("later")
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header(X_HOOK, HeaderValue::from_static("busy"))),
        Some("json") => Err(Denied::default().json(&serde_json::json!({ "why": [1, 2] })).expect("JSON")),
        Some("poem") => Err(Denied::new("not now,\r\nchérie")),
        _ => Err(Denied::new("no \"token\"")),
    })
}

// proves: features/allow-request, websocket-node/accepting, protocol/allow-request
#[tokio::test]
async fn a_handshake_that_is_not_allowed_gets_code_4_and_the_applications_message() {
    let server = hooked(by_token()).await;
    let body = r#"{"code":4,"message":"no \"token\""}"#;
    let polling = server.get(POLLING).await;
    assert_eq!((polling.status, polling.text()), (403, body));
    assert_eq!(polling.header("content-type"), Some("application/json"));
    let (websocket, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[]).await;
    assert_eq!((websocket.status, websocket.text()), (403, body));
    assert_eq!(websocket.header("x-websocket-reject-reason"), Some("no \"token\""));
    assert_eq!(polling.header("x-websocket-reject-reason"), None);
    let (poem, _) = WebSocket::handshake(server.address(), &format!("{WEBSOCKET}&token=poem"), &[]).await;
    assert_eq!(poem.header("x-websocket-reject-reason"), Some("not now,chérie"), "on one line");
}

// proves: features/allow-request, ws/verify-client, protocol/allow-request
#[tokio::test]
async fn the_application_can_choose_status_header_and_body_of_its_refusal() {
    let server = hooked(by_token()).await;
    let busy = server.get(&format!("{POLLING}&token=busy")).await;
    assert_eq!((busy.status, busy.text()), (503, r#"{"code":4,"message":"later"}"#));
    assert_eq!(busy.header("x-hook"), Some("busy"));
    let json = server.get(&format!("{POLLING}&token=json")).await;
    assert_eq!((json.status, json.text()), (403, r#"{"why":[1,2]}"#));
}

// proves: features/allow-request, protocol/order-of-checks
#[tokio::test]
async fn only_handshakes_are_asked_about() {
    let server = hooked(by_token()).await;
    let opened = server.get(&format!("{POLLING}&token=good")).await;
    let target = format!("{POLLING}&sid={}", opened.sid());
    assert_eq!(server.post(&target, "4a").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4a");
    assert_eq!(WebSocket::handshake(server.address(), &probing(&target), &[]).await.0.status, 101);
}

// proves: protocol/order-of-checks
#[tokio::test]
async fn the_application_is_asked_behind_transport_session_and_method_and_before_the_revision() {
    let server = hooked(by_token()).await;
    let code = async |method: &str, target: &str| {
        let refused = server.connect().await.request(method, target, &[], b"").await;
        refused.text()[..9].to_owned()
    };
    assert_eq!(code("GET", "/engine.io/?EIO=4&transport=x").await, r#"{"code":0"#);
    assert_eq!(code("GET", &format!("{POLLING}&sid=x")).await, r#"{"code":1"#);
    assert_eq!(code("POST", POLLING).await, r#"{"code":2"#);
    assert_eq!(code("GET", WEBSOCKET).await, r#"{"code":3"#);
    assert_eq!(code("GET", "/engine.io/?EIO=9&transport=polling").await, r#"{"code":4"#);
    assert_eq!(code("GET", "/engine.io/?EIO=9&transport=polling&token=good").await, r#"{"code":5"#);
}

// proves: protocol/order-of-checks
#[tokio::test]
async fn who_is_turned_away_anyway_is_not_asked_about() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let hooks = Hooks::new().allow_request(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let cors = Cors::new(["https://app.example"]).expect("an origin");
    let config = Config { close_timeout: Duration::from_millis(100), ..Config::default() };
    let server = TestServer::echo_with(config, |builder| builder.hooks(hooks).cors(cors)).await;
    let foreign = [("Origin", "https://other.example")];
    for (target, code) in [(POLLING, 4), ("/engine.io/?EIO=9&transport=polling", 4), ("/engine.io/?EIO=4", 0)]
    {
        let refused = server.connect().await.request("GET", target, &foreign, b"").await;
        assert!(refused.text().starts_with(&format!(r#"{{"code":{code},"#)), "{target}: {}", refused.text());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);

    let _lingering = server.open_polling("/engine.io/", 4).await;
    let mut newcomer = server.connect().await;
    let mut last = 0;
    let drained = async {
        loop {
            let before = asked.load(Ordering::Relaxed);
            if newcomer.request("GET", POLLING, &[], b"").await.status == 503 {
                last = asked.load(Ordering::Relaxed) - before;
                break newcomer.request("GET", POLLING, &foreign, b"").await;
            }
        }
    };
    let (foreign, ()) = tokio::join!(drained, server.stop());
    assert_eq!((last, foreign.status), (0, 403), "who may not come in at all is told so first");
}

#[tokio::test]
async fn who_is_let_in_after_a_drain_has_begun_is_503() {
    for target in [POLLING, WEBSOCKET] {
        let (asked, decide) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let waits = (asked.clone(), decide.clone());
        let hooks = Hooks::new().allow_request(move |_| {
            let (asked, decide) = waits.clone();
            async move {
                asked.notify_one();
                decide.notified().await;
                Ok(())
            }
        });
        let server = hooked(hooks).await;
        let (address, service) = (server.address(), server.service().clone());
        let handshake = tokio::spawn(async move {
            match target {
                POLLING => Connection::open(address).await.request("GET", target, &[], b"").await,
                _ => WebSocket::handshake(address, target, &[]).await.0,
            }
        });
        asked.notified().await;
        service.drain().await;
        decide.notify_one();
        assert_eq!(handshake.await.expect("an answer").status, 503, "{target}");
        assert_eq!(service.sessions(), 0);
    }
}

// proves: features/middleware, protocol/middleware-fields
#[tokio::test]
async fn a_middleware_sees_every_request_and_adds_to_every_answer() {
    let seen = Arc::new(AtomicU32::new(0));
    let counted = seen.clone();
    let hooks = Hooks::new()
        .middleware(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Next::Pass(header("first")) }
        })
        .middleware(async |_| {
            let mut headers = header("second");
            headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
            headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
            // These would break the answer.
            headers.append("content-length", HeaderValue::from_static("9999"));
            headers.append("content-type", HeaderValue::from_static("image/png"));
            Next::Pass(headers)
        });
    let server = hooked(hooks).await;
    let opened = server.get(POLLING).await;
    assert_eq!(opened.header("content-type"), Some("text/plain; charset=UTF-8"));
    let target = format!("{POLLING}&sid={}", opened.sid());
    let (probe, _) = WebSocket::handshake(server.address(), &probing(&target), &[]).await;
    assert_eq!(probe.status, 101);
    let answers = [
        opened,
        server.post(&target, "4a").await,
        server.get(&target).await,
        probe,
        server.get("/engine.io/").await,
        server.connect().await.request("OPTIONS", "/engine.io/", &[], b"").await,
    ];
    for answer in &answers {
        assert_eq!(answer.header("x-hook"), Some("first"), "{answer:?}");
        let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        assert_eq!(cookies.map(|(_, value)| &**value).collect::<Vec<_>>(), ["a=1", "b=2"], "{answer:?}");
    }
    assert_eq!(seen.load(Ordering::Relaxed) as usize, answers.len());
}

// proves: features/middleware, protocol/middleware-fields
#[tokio::test]
async fn a_middleware_can_answer_itself_or_fail() {
    let hooks = Hooks::new()
        .middleware(async |request: RequestHead| match request.headers().get("x-want") {
            Some(want) if want == "teapot" => {
                let mut response = Response::new(Bytes::from("short and stout"));
                *response.status_mut() = StatusCode::IM_A_TEAPOT;
                Next::Answer(response)
            }
            Some(_) => Next::Fail,
            None => Next::pass(),
        })
        .middleware(async |_| Next::Pass(header("behind")));
    let server = hooked(hooks).await;
    let teapot = server.connect().await.request("GET", POLLING, &[("X-Want", "teapot")], b"").await;
    assert_eq!((teapot.status, teapot.text()), (418, "short and stout"));
    assert_eq!(teapot.header("x-hook"), None);
    let (teapot, _) = WebSocket::handshake(server.address(), WEBSOCKET, &[("X-Want", "teapot")]).await;
    assert_eq!(teapot.status, 418);
    let failed = server.connect().await.request("GET", POLLING, &[("X-Want", "x")], b"").await;
    assert_eq!((failed.status, failed.text()), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(server.get(POLLING).await.header("x-hook"), Some("behind"));
}

// proves: features/headers, ws/protocols, protocol/middleware-fields, protocol/subprotocol
#[tokio::test]
async fn initial_headers_are_a_handshakes_and_headers_every_answers() {
    let hooks = Hooks::new()
        .initial_headers(|headers, request| {
            headers.insert("x-initial", HeaderValue::from_static("1"));
            if request.headers().contains_key("sec-websocket-protocol") {
                headers.insert("sec-websocket-protocol", HeaderValue::from_static("chat"));
            }
        })
        .headers(|headers, _| {
            headers.insert(X_HOOK, HeaderValue::from_static("1"));
        });
    let server = hooked(hooks).await;
    let set = |answer: &socketio_tests::Response| {
        (answer.header("x-initial").is_some(), answer.header("x-hook").is_some())
    };
    let opened = server.get(POLLING).await;
    let target = format!("{POLLING}&sid={}", opened.sid());
    assert_eq!(set(&opened), (true, true));
    assert_eq!(set(&server.post(&target, "4a").await), (false, true));
    assert_eq!(set(&server.get(&target).await), (false, true));
    let put = server.connect().await.request("PUT", &target, &[], b"").await;
    assert_eq!((put.status, set(&put)), (405, (false, false)));
    let (probe, _) = WebSocket::handshake(server.address(), &probing(&target), &[]).await;
    assert_eq!((probe.status, set(&probe)), (101, (false, true)));
    let protocol = [("Sec-WebSocket-Protocol", "other, chat")];
    let (direct, _) = WebSocket::handshake(server.address(), WEBSOCKET, &protocol).await;
    assert_eq!((direct.status, set(&direct)), (101, (true, true)));
    assert_eq!(direct.header("sec-websocket-protocol"), Some("chat"), "and no other");
    assert_eq!(set(&server.get("/engine.io/").await), (false, false), "a refusal");
}

// proves: features/generate-id, protocol/chosen-ids
#[tokio::test]
async fn the_application_can_make_the_ids() {
    let next = Arc::new(AtomicU32::new(0));
    let hooks = Hooks::new().generate_id(move |_| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        async move { Sid::parse(&format!("123e4567-e89b-42d3-a456-{number:012}")) }
    });
    let server = hooked(hooks).await;
    let first = "123e4567-e89b-42d3-a456-000000000000";
    let opened = server.get(POLLING).await;
    assert!(opened.text().starts_with(&format!(r#"0{{"sid":"{first}","#)), "{}", opened.text());
    let target = format!("{POLLING}&sid={first}");
    assert_eq!(server.post(&target, "4a").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4a");
    let mut websocket = server.websocket(WEBSOCKET).await;
    assert!(websocket.next_text().await.contains("-000000000001"));
}

// proves: features/generate-id, protocol/chosen-ids
#[tokio::test]
async fn an_id_that_is_taken_is_refused_until_it_is_free() {
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let told = refusals.clone();
    let hooks = Hooks::new()
        .generate_id(async |request: RequestHead| Sid::parse(&request.query().get("id")?))
        .connection_error(move |error| told.lock().unwrap().push(error.refusal));
    let server = hooked(hooks).await;
    let bad_request = r#"{"code":3,"message":"Bad request"}"#;
    let handshake = format!("{POLLING}&id=mine");
    let target = format!("{POLLING}&sid=mine");
    assert_eq!(server.get(&handshake).await.status, 200);
    let polling = server.get(&handshake).await;
    assert_eq!((polling.status, polling.text()), (400, bad_request));
    let (websocket, _) = WebSocket::handshake(server.address(), &format!("{WEBSOCKET}&id=mine"), &[]).await;
    assert_eq!((websocket.status, websocket.text()), (400, bad_request));
    assert_eq!(server.get(POLLING).await.text(), bad_request, "no id at all");
    assert_eq!(*refusals.lock().unwrap(), [Refusal::NoId; 3]);
    // The first session never noticed; once it is over, another may have its id.
    assert_eq!(server.post(&target, "4a\u{1e}1").await.text(), "ok");
    while server.get(&handshake).await.status != 200 {}
    assert_eq!(server.post(&target, "4b").await.text(), "ok");
    assert_eq!(server.get(&target).await.text(), "4b");
}

// proves: features/connection-error
#[tokio::test]
async fn a_connection_error_says_what_was_wrong() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let told = errors.clone();
    let hooks = by_token().middleware(async |_| Next::pass()).connection_error(move |error| {
        let text = format!(
            "{} {} {} {:?} {:?}",
            error.code,
            error.refusal.name(),
            error.reason.unwrap_or(error.message),
            error.transport().as_deref().unwrap_or_default(),
            error.sid().as_deref().unwrap_or_default(),
        );
        told.lock().unwrap().push((error.refusal, text));
    });
    let server = hooked(hooks).await;
    let opened = server.get(&format!("{POLLING}&token=good")).await;
    let target = format!("{POLLING}&sid={}", opened.sid());
    let sid = opened.sid();
    for (target, refusal, text) in [
        (
            "/engine.io/?transport=x&EIO=4",
            Refusal::TransportUnknown,
            r#"0 UNKNOWN_TRANSPORT Transport unknown "x" """#,
        ),
        (
            &format!("{POLLING}&sid=no"),
            Refusal::SessionUnknown,
            r#"1 UNKNOWN_SID Session ID unknown "polling" "no""#,
        ),
        (WEBSOCKET, Refusal::TransportHandshake, r#"3 TRANSPORT_HANDSHAKE_ERROR Bad request "websocket" """#),
        (
            &target.replace("EIO=4", "EIO=3"),
            Refusal::RevisionMismatch { session: Revision::V4 },
            &format!(r#"3 PROTOCOL_MISMATCH Bad request "polling" "{sid}""#),
        ),
        (POLLING, Refusal::Forbidden, r#"4 FORBIDDEN no "token" "polling" """#),
        (
            "/engine.io/?EIO=5&transport=polling&token=good",
            Refusal::RevisionUnsupported,
            r#"5 UNSUPPORTED_PROTOCOL_VERSION Unsupported protocol version "polling" """#,
        ),
    ] {
        server.get(target).await;
        assert_eq!(errors.lock().unwrap().drain(..).collect::<Vec<_>>(), [(refusal, text.to_owned())]);
    }
    let mut websocket = server.websocket(&format!("{WEBSOCKET}&token=good")).await;
    let open = websocket.next_text().await;
    let sid = &open[open.find("sid\":\"").unwrap() + 6..][..20];
    server.get(&format!("{POLLING}&sid={sid}")).await;
    assert_eq!(errors.lock().unwrap()[0].0, Refusal::TransportMismatch { session: Transport::WebSocket });
}

// proves: protocol/hook-panics
#[tokio::test]
async fn the_request_of_a_hook_that_panics_is_500_and_its_connection_goes_on() {
    fn fail_if_asked(request: &RequestHead) {
        assert!(request.query().get("panic").is_none(), "as the test wants it");
    }
    let hooks = [
        Hooks::new().middleware(|request| {
            fail_if_asked(&request);
            async { Next::pass() }
        }),
        Hooks::new().middleware(async |request: RequestHead| {
            fail_if_asked(&request);
            Next::pass()
        }),
        Hooks::new().allow_request(async |request: RequestHead| {
            fail_if_asked(&request);
            Ok(())
        }),
        Hooks::new().generate_id(async |request: RequestHead| {
            fail_if_asked(&request);
            Some(Sid::generate())
        }),
    ];
    for hooks in hooks {
        let server = hooked(hooks).await;
        let mut connection = server.connect().await;
        let failed = connection.request("GET", &format!("{POLLING}&panic=1"), &[], b"").await;
        assert_eq!(failed.status, 500);
        assert_eq!(failed.text(), r#"{"code":4,"message":"The server failed to decide"}"#);
        assert_eq!(connection.request("GET", POLLING, &[], b"").await.status, 200);
    }
    let server = TestServer::start(Server::builder().websocket("/ws", |request| {
        assert!(request.handshake().query().get("panic").is_none(), "as the test wants it");
        async { Err(Denied::default()) }
    }))
    .await;
    assert_eq!(WebSocket::handshake(server.address(), "/ws?panic=1", &[]).await.0.status, 500);
    assert_eq!(WebSocket::handshake(server.address(), "/ws", &[]).await.0.status, 403);
}

// proves: features/middleware
#[tokio::test]
async fn what_a_hook_attaches_is_found_at_the_socket() {
    #[derive(Clone, Debug, PartialEq)]
    struct User(String);

    let hooks = Hooks::new()
        .middleware(async |request: RequestHead| {
            let name = request.headers().get("x-user").and_then(|name| name.to_str().ok());
            request.attach(User(name.unwrap_or("nobody").to_owned()));
            Next::pass()
        })
        .allow_request(async |request: RequestHead| match request.get::<User>() {
            Some(User(name)) if name != "nobody" => Ok(()),
            _ => Err(Denied::default()),
        });
    let io = socketio::Io::new();
    io.of("/").on_connect(async |socket: socketio::Socket| {
        let name = socket.handshake().attached.get::<User>().map(|user| user.0.clone());
        drop(socket.emit("user", &name));
    });
    let server = TestServer::start(Server::builder().socketio("/", io).hooks(hooks)).await;
    let user = [("X-User", "anna")];
    let target = "/?EIO=4&transport=polling";
    assert_eq!(server.get(target).await.status, 403);
    let opened = server.connect().await.request("GET", target, &user, b"").await;
    let target = format!("{target}&sid={}", opened.sid());
    // Later requests don't change who it is.
    assert_eq!(server.post(&target, "40").await.text(), "ok");
    let mut got = String::new();
    while !got.contains("user") {
        got = server.get(&target).await.text().to_owned();
    }
    assert!(got.ends_with(r#"42["user","anna"]"#), "{got}");
    let (_, connection) = WebSocket::handshake(server.address(), "/?EIO=4&transport=websocket", &user).await;
    let mut websocket = WebSocket::on(connection);
    websocket.next_text().await;
    websocket.text("40").await;
    websocket.next_text().await;
    assert_eq!(websocket.next_text().await, r#"42["user","anna"]"#);
}

/// Tells when it is dropped.
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A hook that never ends. What it is told of it is told again: that it began, and that it is given up.
async fn endless(began: Arc<Notify>, given_up: Arc<Notify>) {
    let _guard = Guard(given_up);
    began.notify_one();
    std::future::pending::<()>().await;
}

// proves: limit/hook-timeout, protocol/hook-timeout
#[tokio::test]
async fn a_hook_that_takes_too_long_is_given_up_and_its_request_is_503() {
    let limits = Limits { hook_timeout: Duration::from_millis(50), ..Limits::default() };
    let (began, given_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let hang = || {
        let (began, given_up) = (began.clone(), given_up.clone());
        move || endless(began.clone(), given_up.clone())
    };
    let (middleware, allow, id, plain) = (hang(), hang(), hang(), hang());
    let hooks = [
        Hooks::new().middleware(move |_| {
            let hang = middleware();
            async move {
                hang.await;
                Next::pass()
            }
        }),
        Hooks::new().allow_request(move |_| {
            let hang = allow();
            async move {
                hang.await;
                Ok(())
            }
        }),
        Hooks::new().generate_id(move |_| {
            let hang = id();
            async move {
                hang.await;
                None
            }
        }),
    ];
    for hooks in hooks {
        let server =
            TestServer::echo_with(Config::default(), |builder| builder.hooks(hooks).limits(limits.clone()))
                .await;
        let answer = server.get(POLLING).await;
        let body = r#"{"code":4,"message":"The server took too long to decide"}"#;
        assert_eq!((answer.status, answer.text(), answer.header("retry-after")), (503, body, Some("1")));
        given_up.notified().await;
        assert_eq!(server.service().limit_hits(Limit::HookTimeout), 1);
    }
    let server = TestServer::start(Server::builder().limits(limits).websocket("/ws", move |_| {
        let hang = plain();
        async move {
            hang.await;
            Err(Denied::default())
        }
    }))
    .await;
    assert_eq!(WebSocket::handshake(server.address(), "/ws", &[]).await.0.status, 503);
    given_up.notified().await;
    assert_eq!(server.service().limit_hits(Limit::HookTimeout), 1);
}

// proves: protocol/hook-timeout
#[tokio::test]
async fn a_client_that_leaves_while_a_hook_decides_ends_the_hook() {
    let (began, given_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (starts, ends) = (began.clone(), given_up.clone());
    let hooks = Hooks::new().middleware(move |_| {
        let hang = endless(starts.clone(), ends.clone());
        async move {
            hang.await;
            Next::pass()
        }
    });
    let server = hooked(hooks).await;
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for request in [
        format!("GET {POLLING} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET {WEBSOCKET} HTTP/1.1\r\nHost: a\r\n{websocket}\r\n"),
        format!("POST {POLLING} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n4a"),
    ] {
        let mut connection = server.connect().await;
        connection.write(&request).await;
        began.notified().await;
        drop(connection);
        let end = tokio::time::timeout(Duration::from_secs(5), given_up.notified()).await;
        assert!(end.is_ok(), "{request:?}");
    }
}
