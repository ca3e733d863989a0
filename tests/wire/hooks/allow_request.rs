//! `allow_request`: who is let in, and what the others are told.

use std::sync::Arc;

use socketio_server::Hooks;
use socketio_tests::{Connection, WebSocket};
use tokio::sync::Notify;

use super::{by_token, hooked};
use crate::{POLLING, WEBSOCKET, probing};

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
