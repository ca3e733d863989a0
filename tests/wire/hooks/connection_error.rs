//! `connection_error`: what the application is told of refusals.

use std::sync::{Arc, Mutex};

use engineio::{Refusal, Revision, Transport};
use socketio_server::Next;

use super::{by_token, hooked};
use crate::{POLLING, WEBSOCKET};

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
