//! Who is let in, and with which answer.

use std::future::ready;

use engineio::EngineConfig;
use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use socketio_server::{Cors, Denied};
use socketio_server_cli::apps;
use socketio_tests::WebSocket;

use super::{accepting, deciding, echo, start};

const REASON: &str = "x-websocket-reject-reason";

// proves: ws/refused, protocol/plain-subprotocol, protocol/two-fields
#[tokio::test]
async fn a_handshake_that_breaks_a_rule_is_refused_with_the_reason() {
    let server = echo(EngineConfig::default()).await;
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

    let server = echo(EngineConfig::default()).await;
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
