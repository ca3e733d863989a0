//! The application's say in HTTP: who is let in, under which id, and with which header fields. `order` has which check comes
//! before which, `failing` what comes of a hook that panics or takes too long. Middlewares of Socket.IO's are not here.

mod allow_request;
mod connection_error;
mod failing;
mod generate_id;
mod middleware;
mod order;

use engineio::EngineConfig;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use socketio_server::{Denied, Hooks, RequestHead};
use socketio_tests::TestServer;

const X_HOOK: HeaderName = HeaderName::from_static("x-hook");

async fn hooked(hooks: Hooks) -> TestServer {
    TestServer::echo_with(EngineConfig::default(), |builder| builder.hooks(hooks)).await
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
