//! Which check comes before which: a client is told the first that fails.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::EngineConfig;
use socketio_server::{AllowedHosts, Cors, Hooks, Limits, Next, Sid};
use socketio_tests::TestServer;

use super::{by_token, hooked};
use crate::{POLLING, WEBSOCKET};

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
    let config = EngineConfig { close_timeout: Duration::from_millis(100), ..EngineConfig::default() };
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

// proves: protocol/order-of-checks
#[tokio::test]
async fn host_and_limits_are_checked_before_the_application_is_asked_and_a_websockets_fields_after() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = |hook: &'static str| {
        let asked = asked.clone();
        move || asked.lock().unwrap().push(hook)
    };
    let (middleware, allow, generate) = (noted("middleware"), noted("allow"), noted("id"));
    let hooks = Hooks::new()
        .middleware(move |_| {
            middleware();
            async { Next::pass() }
        })
        .allow_request(move |_| {
            allow();
            async { Ok(()) }
        })
        .generate_id(move |_| {
            generate();
            async { Some(Sid::generate()) }
        });
    let hosts = AllowedHosts::new(["test"]).expect("a host");
    let limits = Limits { max_sessions: 1, ..Limits::default() };
    let server = TestServer::echo_with(EngineConfig::default(), |builder| {
        builder.hooks(hooks).allowed_hosts(hosts).limits(limits)
    })
    .await;
    let told = async |host: &str, target: &str, fields: &[(&str, &str)]| {
        let mut connection = server.connect().await;
        host.clone_into(&mut connection.host);
        let status = connection.request("GET", target, fields, b"").await.status;
        (status, std::mem::take(&mut *asked.lock().unwrap()))
    };
    assert_eq!(told("other.example", POLLING, &[]).await, (403, vec![]));
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    // Neither a key nor a version.
    assert_eq!(told("test", WEBSOCKET, &upgrade).await, (400, vec!["middleware", "allow", "id"]));
    let other = WEBSOCKET.replace("EIO=4", "EIO=9");
    assert_eq!(told("test", &other, &upgrade).await, (400, vec!["middleware", "allow"]));
    assert_eq!(told("test", POLLING, &[]).await, (200, vec!["middleware", "allow", "id"]));
    assert_eq!(told("test", POLLING, &[]).await, (503, vec!["middleware"]));
}
