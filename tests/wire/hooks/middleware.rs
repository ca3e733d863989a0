//! Middlewares and header fields: what is added to answers, what answers in their place, and what they hand on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Response, StatusCode};
use socketio_server::{Denied, Hooks, Next, RequestHead, Server};
use socketio_tests::{TestServer, WebSocket};

use super::{X_HOOK, header, hooked};
use crate::{POLLING, WEBSOCKET, probing};

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
