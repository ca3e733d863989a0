//! Hooks that panic, take too long, or whose client leaves.

use std::sync::Arc;
use std::time::Duration;

use engineio::EngineConfig;
use socketio_server::{Denied, Hooks, Limit, Limits, Next, RequestHead, Server, Sid};
use socketio_tests::{TestServer, WebSocket};
use tokio::sync::Notify;

use super::hooked;
use crate::{POLLING, WEBSOCKET};

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
        let server = TestServer::echo_with(EngineConfig::default(), |builder| {
            builder.hooks(hooks).limits(limits.clone())
        })
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
