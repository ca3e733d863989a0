//! Plain WebSockets: the handshake, what is taken and what is not, and the end.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::Config;
use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use socketio_server::plain::{Accept, Accepted, Close, Message, QueueError, Request, WebSocket as Plain};
use socketio_server::{Builder, Cors, Denied, Server};
use socketio_server_cli::apps;
use socketio_tests::{Received, TestServer, WebSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

const REASON: &str = "x-websocket-reject-reason";

async fn start(settings: impl FnOnce(Builder) -> Builder) -> TestServer {
    TestServer::start(settings(Server::builder())).await
}

/// A server that echoes at `/ws`, within these limits.
async fn echo(config: Config) -> TestServer {
    start(|server| server.config(config).websocket("/ws", |request| ready(apps::plain_echo(request)))).await
}

/// A server that lets everyone in at `/ws`, on terms, to what one connection does.
async fn accepting<R>(terms: fn(Accept) -> Accept, run: fn(Plain) -> R) -> TestServer
where
    R: Future<Output = ()> + Send + 'static,
{
    start(|server| server.websocket("/ws", move |request| ready(Ok(terms(request.accept()).run(run))))).await
}

/// A server that decides by `handler`.
async fn deciding(handler: fn(Request) -> Result<Accepted, Denied>) -> TestServer {
    start(|server| server.websocket("/ws", move |request| ready(handler(request)))).await
}

/// Says how each connection ended.
fn told() -> (mpsc::UnboundedSender<Option<Close>>, mpsc::UnboundedReceiver<Option<Close>>) {
    mpsc::unbounded_channel()
}

fn close(code: u16, reason: &str) -> Option<Close> {
    Some(Close { code, reason: reason.into() })
}

/// The payload of a close frame.
fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The payload of the close frame that comes next.
async fn next_close_frame(websocket: &mut WebSocket) -> Vec<u8> {
    let mut frame = Vec::new();
    while frame.len() < 2 || frame.len() < 2 + usize::from(frame[1]) {
        frame.extend(websocket.next_bytes().await.expect("a close frame"));
    }
    assert_eq!(frame[0], 0x88);
    frame.split_off(2)
}

/// A server whose connections read to their end, and how those ended.
async fn listening(terms: fn(Accept) -> Accept) -> (TestServer, mpsc::UnboundedReceiver<Option<Close>>) {
    let (tell, ended) = told();
    let handler = move |request: Request| {
        let tell = tell.clone();
        ready(Ok(terms(request.accept()).run(move |mut websocket| async move {
            while websocket.next().await.is_some() {}
            drop(tell.send(websocket.ended()));
        })))
    };
    (start(|server| server.websocket("/ws", handler)).await, ended)
}

// proves: websocket-node/accepting, websocket-node/assembling
#[tokio::test]
async fn text_and_binary_come_back() {
    let server = echo(Config::default()).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("héllo").await;
    assert_eq!(websocket.next_text().await, "héllo");
    websocket.binary([0, 255]).await;
    assert_eq!(websocket.next().await, Received::Binary(vec![0, 255]));
    websocket.text("").await;
    assert_eq!(websocket.next_text().await, "");
    let fragments = [WebSocket::frame(0x01, b"h\xc3"), WebSocket::frame(0x80, b"\xa9")];
    websocket.raw(fragments.concat()).await;
    assert_eq!(websocket.next_text().await, "hé");
    websocket.raw(WebSocket::frame(0x89, b"there?")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"there?".to_vec()));
}

#[tokio::test]
async fn what_comes_along_with_the_handshake_is_kept() {
    let server = echo(Config::default()).await;
    let frames = [WebSocket::frame(0x81, b"one"), WebSocket::frame(0x81, b"two")].concat();
    let mut websocket = WebSocket::open_with(server.address(), "/ws", &frames).await;
    assert_eq!((websocket.next_text().await, websocket.next_text().await), ("one".into(), "two".into()));
}

// proves: ws/path
#[tokio::test]
async fn the_path_is_exact_but_for_a_slash_and_a_query() {
    let server = echo(Config::default()).await;
    for target in ["/ws", "/ws/", "/ws?room=tea", "/ws/?"] {
        let (answer, _connection) = WebSocket::handshake(server.address(), target, &[]).await;
        assert_eq!(answer.status, 101, "{target}");
    }
    for target in ["/", "/w", "/wsx", "/ws/x", "/WS"] {
        assert_eq!(server.get(target).await.status, 404, "{target}");
    }
}

// proves: ws/refused, protocol/plain-subprotocol, protocol/two-fields
#[tokio::test]
async fn a_handshake_that_breaks_a_rule_is_refused_with_the_reason() {
    let server = echo(Config::default()).await;
    let upgrade = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket")];
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let version = ("Sec-WebSocket-Version", "13");
    let with = |fields: &[(&'static str, &'static str)]| [&upgrade, fields].concat();
    for (status, fields) in [
        (101, with(&[key, version])),
        (426, vec![]),
        (426, vec![key, version]),
        (400, vec![("Connection", "Upgrade"), ("Upgrade", "h2c"), key, version]),
        (400, vec![("Upgrade", "websocket"), key, version]),
        (400, with(&[version])),
        (400, with(&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), version])),
        (400, with(&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSE="), version])),
        (400, with(&[key, key, version])),
        (400, with(&[key, version, ("Sec-WebSocket-Protocol", "chat, two words")])),
        (400, with(&[key, version, ("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "é")])),
        (400, with(&[key, version, ("Sec-WebSocket-Protocol", "chat, chat")])),
        (400, with(&[key, version, ("Sec-WebSocket-Protocol", "")])),
        (426, with(&[key, version, version])),
        (426, with(&[key])),
        (426, with(&[key, ("Sec-WebSocket-Version", "8")])),
    ] {
        let answer = server.connect().await.request("GET", "/ws", &fields, b"").await;
        assert_eq!(answer.status, status, "{fields:?}");
        if status != 101 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{fields:?}");
            assert_eq!(answer.text(), format!("{}\n", answer.header(REASON).expect("a reason")));
        }
        if status == 426 {
            assert_eq!(answer.header("upgrade"), Some("websocket"), "{fields:?}");
        }
    }
    for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
        let answer = server.connect().await.request(method, "/ws", &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method}");
    }
}

// proves: ws/protocols, protocol/plain-subprotocol
#[tokio::test]
async fn a_subprotocol_is_chosen_among_those_that_are_offered() {
    let server = deciding(|request| {
        let accept = request.accept().protocol("superchat")?;
        Ok(accept.run(|websocket| async move {
            let _ = websocket.send(websocket.protocol().unwrap_or("none"));
        }))
    })
    .await;
    let offer = [("Sec-WebSocket-Protocol", "chat, superchat")];
    let (answer, connection) = WebSocket::handshake(server.address(), "/ws", &offer).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, Some("superchat")));
    assert_eq!(WebSocket::on(connection).next_text().await, "superchat");

    let (answer, _) =
        WebSocket::handshake(server.address(), "/ws", &[("Sec-WebSocket-Protocol", "chat")]).await;
    let reason = "the client did not offer the subprotocol superchat";
    assert_eq!((answer.status, answer.header(REASON)), (400, Some(reason)));

    let server = echo(Config::default()).await;
    let (answer, _connection) = WebSocket::handshake(server.address(), "/ws", &[]).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None), "none was offered");
}

// proves: websocket-node/accept-reject, ws/verify-client, protocol/plain-hooks
#[tokio::test]
async fn an_application_refuses_by_what_it_sees() {
    let server = deciding(|request| match (request.origin(), request.cookie("user")) {
        (Some("https://app.example"), Some("ada")) => Ok(request.accept().run(|_| async {})),
        (Some("https://app.example"), _) => Err(Denied::new("who are\r\nyou?")
            .status(StatusCode::UNAUTHORIZED)
            .header(SET_COOKIE, HeaderValue::from_static("a=1"))),
        (Some("https://json.example"), _) => Err(Denied::new("no").json(&[1, 2]).expect("JSON")),
        _ => Err(Denied::new("this page is not welcome")),
    })
    .await;
    let ask = |fields| {
        let address = server.address();
        async move { WebSocket::handshake(address, "/ws", fields).await.0 }
    };
    let answer = ask(&[]).await;
    assert_eq!((answer.status, answer.header(REASON)), (403, Some("this page is not welcome")));
    assert_eq!(answer.text(), "this page is not welcome\n");
    let answer = ask(&[("Origin", "https://app.example")]).await;
    assert_eq!((answer.status, answer.header(REASON)), (401, Some("who areyou?")), "on one line");
    assert_eq!(answer.header("set-cookie"), Some("a=1"));
    let answer = ask(&[("Origin", "https://json.example")]).await;
    assert_eq!((answer.text(), answer.header("content-type")), ("[1,2]", Some("application/json")));
    assert_eq!(ask(&[("Origin", "https://app.example"), ("Cookie", "a=2; user=ada")]).await.status, 101);
}

// proves: ws/verify-client, protocol/plain-hooks
#[tokio::test]
async fn pages_that_cors_keeps_out_are_not_asked_about() {
    let cors = Cors::new(["https://app.example"]).expect("an origin");
    let server =
        start(|server| server.cors(cors).websocket("/ws", |request| ready(apps::plain_echo(request)))).await;
    for (origin, status) in
        [("https://app.example", 101), ("http://test", 101), ("https://other.example", 403), ("null", 403)]
    {
        let (answer, _) = WebSocket::handshake(server.address(), "/ws", &[("Origin", origin)]).await;
        assert_eq!(answer.status, status, "{origin}");
    }
    assert_eq!(WebSocket::handshake(server.address(), "/ws", &[]).await.0.status, 101, "no browser");
}

// proves: websocket-node/accept-reject
#[tokio::test]
async fn an_answer_has_the_applications_fields_and_the_handshakes_own() {
    let server = deciding(|request| {
        let accept = ["a=1", "b=2"].into_iter().fold(request.accept(), |accept, cookie| {
            accept.header(SET_COOKIE, HeaderValue::from_static(cookie))
        });
        let accept = accept
            .header(HeaderName::from_static("upgrade"), HeaderValue::from_static("h2c"))
            .header(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat"));
        Ok(accept.run(|_| async {}))
    })
    .await;
    let (answer, _) = WebSocket::handshake(server.address(), "/ws", &[]).await;
    let cookies: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| &**value).collect();
    assert_eq!((answer.status, cookies), (101, vec!["a=1", "b=2"]));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("sec-websocket-protocol"), None);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[tokio::test]
async fn a_connection_knows_the_request_that_opened_it() {
    let server = accepting(
        |accept| accept,
        |websocket| async move {
            let handshake = websocket.handshake();
            let room = handshake.query().get("room").map(String::from);
            let local = handshake.address.is_some_and(|address| address.ip().is_loopback());
            let seen = (&handshake.url, room, handshake.headers.get("X-A"), local, handshake.secure);
            let _ = websocket.send(format!("{seen:?}"));
        },
    )
    .await;
    let (_, connection) = WebSocket::handshake(server.address(), "/ws?room=te%61", &[("X-A", "1")]).await;
    let seen = WebSocket::on(connection).next_text().await;
    assert_eq!(seen, r#"("/ws?room=te%61", Some("tea"), Some("1"), true, false)"#);
}

// proves: websocket-node/sizes, ws/fragments, ws/max-payload
#[tokio::test]
async fn a_message_over_the_limit_is_1009_before_it_has_come() {
    let server = accepting(|accept| accept.max_payload(1_000), echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    let exact = "x".repeat(1_000);
    websocket.text(&exact).await;
    assert_eq!(websocket.next_text().await, exact);
    websocket.raw(&WebSocket::frame(0x81, &[b'x'; 1_001])[..14]).await;
    websocket.expect_close(Some(1009)).await;

    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x01, &[b'x'; 600])).await;
    websocket.raw(WebSocket::frame(0x80, &[b'x'; 600])).await;
    websocket.expect_close(Some(1009)).await;

    let server = echo(Config { max_payload: 10, ..Config::default() }).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("12345678901").await;
    websocket.expect_close(Some(1009)).await;
}

// proves: ws/fragments
#[tokio::test]
async fn a_message_of_more_fragments_than_are_taken_is_1008() {
    let server = accepting(|accept| accept.max_fragments(3), echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    let (begin, more) = (WebSocket::frame(0x01, b"a"), WebSocket::frame(0x00, b""));
    let whole = [begin.clone(), more.clone(), WebSocket::frame(0x80, b"b")].concat();
    websocket.raw(whole).await;
    assert_eq!(websocket.next_text().await, "ab");
    websocket.raw([begin, more.clone(), more.clone(), more].concat()).await;
    websocket.expect_close(Some(1008)).await;
    assert_eq!(server.service().limit_hits(engineio::Limit::Fragments), 1);
}

// proves: websocket-node/fragmenting
#[tokio::test]
async fn long_messages_go_out_in_fragments_if_an_application_wants_so() {
    let server = accepting(|accept| accept.fragment(4), echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("123456789").await;
    let mut got = Vec::new();
    while got.len() < 15 {
        got.extend(websocket.next_bytes().await.expect("fragments"));
    }
    assert_eq!(got, b"\x01\x041234\x00\x045678\x80\x019");
}

// proves: ws/receiving
#[tokio::test]
async fn an_application_may_leave_pings_unanswered() {
    let server = accepting(Accept::no_pong, echo_run).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x89, b"there?")).await;
    websocket.text("and you?").await;
    assert_eq!(websocket.next_text().await, "and you?", "no pong before it");
}

// proves: limit/max-ping-rate, limit/max-packet-rate
#[tokio::test(start_paused = true)]
async fn plain_websockets_have_the_rates_of_sessions() {
    let config = Config { packets_per_second: Some(2), pings_per_second: Some(2), ..Config::default() };
    let server = echo(config).await;
    for (limit, first) in [(engineio::Limit::PacketRate, 0x81), (engineio::Limit::PingRate, 0x89)] {
        let mut websocket = server.websocket("/ws").await;
        websocket.raw(WebSocket::frame(first, b"").repeat(3)).await;
        // The two that were in time come back first.
        let two = [websocket.next().await, websocket.next().await];
        assert!(two.iter().all(|got| matches!(got, Received::Text(_) | Received::Pong(_))), "{two:?}");
        assert_eq!(websocket.next().await, Received::Close(Some(1008)));
        assert_eq!(server.service().limit_hits(limit), 1);
    }
}

// proves: protocol/plain-close
#[tokio::test]
async fn what_came_before_the_end_is_answered_before_it() {
    let server = echo(Config::default()).await;
    let last = [WebSocket::frame(0x88, b"\x03\xe8"), WebSocket::frame(0x83, b"")];
    for (last, code) in last.into_iter().zip([1000, 1002]) {
        let mut websocket = server.websocket("/ws").await;
        websocket.raw([WebSocket::frame(0x81, b"one").repeat(3), last].concat()).await;
        for _ in 0..3 {
            assert_eq!(websocket.next_text().await, "one");
        }
        assert_eq!(websocket.next().await, Received::Close(Some(code)));
    }
}

async fn echo_run(mut websocket: Plain) {
    while let Some(message) = websocket.next().await {
        if websocket.send(message).is_err() {
            break;
        }
    }
}

// proves: websocket-node/drop, ws/receiving, ws/utf8
#[tokio::test]
async fn what_breaks_rfc_6455_ends_with_its_code() {
    let (server, mut ended) = listening(|accept| accept).await;
    for (code, name, frame) in [
        (1002, "unmasked", vec![0x81, 0x01, b'a']),
        (1002, "RSV1", WebSocket::frame(0xc1, b"a")),
        (1002, "opcode 3", WebSocket::frame(0x83, b"a")),
        (1002, "a fragmented ping", WebSocket::frame(0x09, b"")),
        (1002, "a ping of 126 bytes", WebSocket::frame(0x89, &[0; 126])),
        (1002, "a lone continuation", WebSocket::frame(0x80, b"a")),
        (1007, "text that is not UTF-8", WebSocket::frame(0x81, b"\xff")),
    ] {
        let mut websocket = server.websocket("/ws").await;
        websocket.raw(frame).await;
        assert_eq!(websocket.next().await, Received::Close(Some(code)), "{name}");
        assert_eq!(ended.recv().await, Some(close(code, "")), "{name}");
    }
}

// proves: websocket-node/drop
#[tokio::test]
async fn an_application_learns_how_the_peer_ended_it() {
    let (server, mut ended) = listening(|accept| accept).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x88, &close_payload(4321, "enough"))).await;
    websocket.expect_close(Some(4321)).await;
    assert_eq!(ended.recv().await, Some(close(4321, "enough")));

    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x88, b"")).await;
    websocket.expect_close(None).await;
    assert_eq!(ended.recv().await, Some(close(1005, "")));

    drop(server.websocket("/ws").await);
    assert_eq!(ended.recv().await, Some(close(1006, "")));
}

// proves: protocol/plain-close
#[tokio::test]
async fn a_close_goes_behind_what_was_sent_with_its_code_and_reason() {
    let server = accepting(
        |accept| accept,
        |mut websocket| async move {
            let _ = websocket.send("last words");
            websocket.close(4000, "that's all");
            websocket.close(4001, "once more");
            assert_eq!(websocket.send("too late"), Err(QueueError::Closed));
            assert_eq!(websocket.ready().await, Err(QueueError::Closed));
            assert_eq!(websocket.next().await, None);
        },
    )
    .await;
    let mut websocket = server.websocket("/ws").await;
    assert_eq!(websocket.next_text().await, "last words");
    assert_eq!(next_close_frame(&mut websocket).await, close_payload(4000, "that's all"));
    websocket.raw(WebSocket::frame(0x88, &4000u16.to_be_bytes())).await;
    assert_eq!(websocket.next().await, Received::End);
}

// proves: websocket-node/close-timeout, ws/close-timeout, protocol/plain-close
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_close_is_cut_off() {
    let server = accepting(
        |accept| accept.close_timeout(Duration::from_secs(7)),
        |websocket| async move { drop(websocket) },
    )
    .await;
    let mut websocket = server.websocket("/ws").await;
    assert_eq!(websocket.next().await, Received::Close(Some(1000)));
    let began = Instant::now();
    assert_eq!(websocket.next().await, Received::End);
    assert_eq!(began.elapsed().as_secs(), 7, "it was waited for");
}

#[tokio::test]
async fn codes_that_cannot_be_sent_and_long_reasons_are_made_to_fit() {
    for (asked, sent) in [(1005, 1000), (1006, 1000), (999, 1000), (5000, 1000), (3000, 3000), (1013, 1013)] {
        let server = start(|server| {
            server.websocket("/ws", move |request| {
                ready(Ok(request.accept().run(async move |websocket| {
                    websocket.close(asked, &format!("x{}", "é".repeat(100)));
                })))
            })
        })
        .await;
        let mut websocket = server.websocket("/ws").await;
        let reason = "x".to_owned() + &"é".repeat(61);
        assert_eq!(next_close_frame(&mut websocket).await, close_payload(sent, &reason), "{asked}");
    }
}

// proves: protocol/plain-close
#[tokio::test]
async fn a_task_that_panics_closes_its_connection_with_1011() {
    let server = accepting(
        |accept| accept,
        |mut websocket| async move {
            websocket.next().await;
            panic!("on purpose");
        },
    )
    .await;
    let mut bystander = server.websocket("/ws").await;
    let mut websocket = server.websocket("/ws").await;
    websocket.text("now").await;
    websocket.expect_close_and_answer(1011).await;
    bystander.raw(WebSocket::frame(0x89, b"")).await;
    assert_eq!(bystander.next().await, Received::Pong(vec![]));
}

/// Not the defaults, and on a clock that is turned on whenever there is nothing else to do.
const INTERVAL: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(15);

/// Has what was written arrive: the clock would be turned on before that.
async fn arrived() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

// proves: websocket-node/keepalive, protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_then_cut_off() {
    let (server, mut ended) = listening(|accept| accept.keepalive(INTERVAL, GRACE)).await;
    let mut websocket = server.websocket("/ws").await;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(websocket.next().await, Received::Ping(vec![]));
        assert_eq!(began.elapsed().as_secs(), INTERVAL.as_secs());
        websocket.raw(WebSocket::frame(0x8a, b"")).await;
        arrived().await;
    }
    assert_eq!(websocket.next().await, Received::Ping(vec![]));
    let began = Instant::now();
    assert_eq!(websocket.next().await, Received::End, "without a close frame: nobody would answer");
    assert_eq!(began.elapsed().as_secs(), GRACE.as_secs());
    assert_eq!(ended.recv().await, Some(close(1006, "")));
}

// proves: protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_peer_is_pinged_after_20_seconds_and_has_10_more_unless_set() {
    let (server, _ended) = listening(|accept| accept).await;
    let mut websocket = server.websocket("/ws").await;
    let began = Instant::now();
    assert_eq!((websocket.next().await, began.elapsed().as_secs()), (Received::Ping(vec![]), 20));
    assert_eq!((websocket.next().await, began.elapsed().as_secs()), (Received::End, 30));
}

// proves: websocket-node/keepalive, protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_anything_is_not_pinged() {
    let terms = |accept: Accept| accept.keepalive(INTERVAL, GRACE).message_timeout(INTERVAL * 20);
    let (server, _ended) = listening(terms).await;
    let mut websocket = server.websocket("/ws").await;
    // A message that comes byte by byte is a sign of life, too.
    let message = WebSocket::frame(0x81, b"slow");
    for byte in message {
        tokio::time::sleep(INTERVAL * 3 / 4).await;
        websocket.raw([byte]).await;
        arrived().await;
    }
    websocket.raw(WebSocket::frame(0x89, b"me")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"me".to_vec()), "and no ping before it");
}

// proves: websocket-node/keepalive, protocol/plain-pings
#[tokio::test(start_paused = true)]
async fn a_peer_is_not_blamed_for_what_its_application_leaves_unread() {
    let (go, gone) = oneshot::channel::<()>();
    let gone = Arc::new(Mutex::new(Some(gone)));
    let handler = move |request: Request| {
        let gone = gone.lock().expect("the lock").take();
        ready(Ok(request.accept().keepalive(INTERVAL, GRACE).run(|mut websocket| async move {
            if let Some(gone) = gone {
                drop(gone.await);
            }
            let mut read = 0;
            while let Some(message) = websocket.next().await {
                read += message.len();
                let _ = websocket.send(read.to_string());
            }
        })))
    };
    let server = start(|server| server.websocket("/ws", handler)).await;
    let mut websocket = server.websocket("/ws").await;
    // More than waits for an application, so nothing after it is read.
    websocket.binary(vec![0; 70_000]).await;
    websocket.raw(WebSocket::frame(0x89, b"me")).await;
    arrived().await;
    tokio::time::sleep((INTERVAL + GRACE) * 3).await;
    let _ = go.send(());
    assert_eq!(websocket.next().await, Received::Pong(b"me".to_vec()));
    assert_eq!(websocket.next_text().await, "70000");
}

// proves: websocket-node/keepalive
#[tokio::test(start_paused = true)]
async fn a_connection_may_do_without_keepalive() {
    let (server, _ended) = listening(|accept| accept.keepalive(INTERVAL, GRACE).no_keepalive()).await;
    let mut websocket = server.websocket("/ws").await;
    tokio::time::sleep((INTERVAL + GRACE) * 3).await;
    websocket.raw(WebSocket::frame(0x89, b"me")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"me".to_vec()));
}

#[tokio::test]
async fn what_a_peer_does_not_read_is_bounded_and_can_be_waited_for() {
    let (tell, mut full) = mpsc::unbounded_channel();
    let handler = move |request: Request| {
        let tell = tell.clone();
        ready(Ok(request.accept().send_budget(100_000).run(|mut websocket| async move {
            let message = Message::from(vec![7; 10_000]);
            let mut sent = 0;
            while websocket.send(message.clone()).is_ok() {
                sent += 1;
            }
            let _ = tell.send((sent, websocket.send("no").unwrap_err()));
            assert_eq!(websocket.ready().await, Ok(()));
            let _ = websocket.sender().send("room again");
            websocket.next().await;
        })))
    };
    let server = start(|server| server.websocket("/ws", handler)).await;
    let mut websocket = server.websocket("/ws").await;
    let (sent, error) = full.recv().await.expect("it was told");
    assert_eq!(error, QueueError::Full);
    for _ in 0..sent {
        assert_eq!(websocket.next().await, Received::Binary(vec![7; 10_000]));
    }
    assert_eq!(websocket.next_text().await, "room again");
}

// proves: protocol/plain-unread
#[tokio::test]
async fn a_burst_is_answered_in_full_and_in_order() {
    let server = echo(Config::default()).await;
    let mut websocket = server.websocket("/ws").await;
    let count = 100_000;
    let burst = (0..count).flat_map(|n: u32| WebSocket::frame(0x81, n.to_string().as_bytes())).collect();
    let written = websocket.raw_in_background(burst);
    for n in 0..count {
        assert_eq!(websocket.next_text().await, n.to_string());
    }
    written.await.expect("all was written");
}

// proves: ws/receiving, protocol/plain-unread
#[tokio::test]
async fn a_flood_of_pings_waits_until_the_pongs_are_read() {
    let server = echo(Config::default()).await;
    let mut websocket = server.websocket("/ws").await;
    let ping = WebSocket::frame(0x89, &[b'p'; 125]);
    let count = 100_000;
    let flood: Vec<u8> = std::iter::repeat_n(ping, count).flatten().collect();
    let written = websocket.raw_in_background([flood, WebSocket::frame(0x81, b"and now?")].concat());
    let mut pongs = 0;
    while websocket.next().await == Received::Pong(vec![b'p'; 125]) {
        pongs += 1;
    }
    assert_eq!(pongs, count, "until the text, which is no pong");
    written.await.expect("all was written");
}

/// Waits until a WebSocket to which something comes bit by bit, and pings in between, is closed with 1008.
async fn ends_while_it_drips(server: &TestServer, first: Vec<u8>, bit: Vec<u8>) {
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(first).await;
    loop {
        tokio::time::advance(Duration::from_secs(1)).await;
        websocket.raw(&bit).await;
        // The pong says that the bit has come, where a ping may be at all.
        match tokio::time::timeout(Duration::from_secs(1), websocket.next()).await {
            Err(_) | Ok(Received::Pong(_)) => {}
            Ok(end) => return assert_eq!(end, Received::Close(Some(1008))),
        }
    }
}

// proves: limit/message-timeout
#[tokio::test(start_paused = true)]
async fn a_message_that_drips_ends_at_its_timeout_and_pings_alone_do_not() {
    let server = echo(Config::default()).await;
    let whole = WebSocket::frame(0x82, &[0; 10_000]);
    // In one frame, and in fragments with pings between.
    ends_while_it_drips(&server, whole[..100].to_vec(), vec![0]).await;
    let ping = WebSocket::frame(0x89, b"");
    let more = [WebSocket::frame(0x00, b"x"), ping.clone()].concat();
    ends_while_it_drips(&server, WebSocket::frame(0x01, b"x"), more).await;
    assert_eq!(server.service().limit_hits(engineio::Limit::MessageTimeout), 2);
    // Pings alone are no message, however they are cut.
    let mut websocket = server.websocket("/ws").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(90) {
        tokio::time::advance(Duration::from_secs(1)).await;
        websocket.raw(&ping[..3]).await;
        websocket.raw(&ping[3..]).await;
        assert_eq!(websocket.next().await, Received::Pong(Vec::new()));
    }
    websocket.text("here").await;
    assert_eq!(websocket.next_text().await, "here");
}

// proves: websocket-node/shutdown, protocol/plain-close
#[tokio::test]
async fn a_stopping_server_closes_with_1001_behind_what_was_sent() {
    let (server, mut ended) = listening(|accept| accept).await;
    let mut websocket = server.websocket("/ws").await;
    websocket.raw(WebSocket::frame(0x89, b"here")).await;
    assert_eq!(websocket.next().await, Received::Pong(b"here".to_vec()));
    tokio::join!(server.stop(), websocket.expect_close_and_answer(1001));
    assert_eq!(ended.recv().await, Some(close(1001, "")));
}

// proves: websocket-node/shutdown
#[tokio::test]
async fn many_clients_of_a_stopping_server_go_one_after_the_other() {
    let spread = Duration::from_secs(1);
    let server = start(|server| {
        server.drain_spread(spread).websocket("/ws", |request| ready(apps::plain_echo(request)))
    })
    .await;
    let mut clients = JoinSet::new();
    for _ in 0..501 {
        let mut websocket = server.websocket("/ws").await;
        clients.spawn(async move {
            websocket.expect_close_and_answer(1001).await;
            Instant::now()
        });
    }
    server.stop().await;
    let went = clients.join_all().await;
    let took = went.iter().max().zip(went.iter().min()).map(|(last, first)| last.duration_since(*first));
    // A busy machine may be late to see the first go.
    assert!(took > Some(spread / 2), "{took:?}");
}

#[tokio::test]
async fn a_client_that_is_still_being_decided_about_gets_503_from_a_stopping_server() {
    let (tell, mut asked) = mpsc::unbounded_channel();
    let handler = move |_: Request| {
        let _ = tell.send(());
        pending()
    };
    let server = start(|server| server.websocket("/ws", handler)).await;
    let address = server.address();
    let asking = tokio::spawn(async move { WebSocket::handshake(address, "/ws", &[]).await.0 });
    asked.recv().await;
    server.stop().await;
    assert_eq!(asking.await.expect("an answer").status, 503);
}
