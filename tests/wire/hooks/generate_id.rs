//! `generate_id`: ids that the application makes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use engineio::Refusal;
use socketio_server::{Hooks, RequestHead, Sid};
use socketio_tests::WebSocket;

use super::hooked;
use crate::{POLLING, WEBSOCKET};

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
