//! The service on its own, and inside axum and tower.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body as AxumBody;
use axum::routing::get;
use engineio::{Application, CloseReason, Layer, Message, Opened};
use tower_service::Service as _;

use super::*;
use crate::Server;

const HANDSHAKE: &str = "/engine.io/?EIO=4&transport=polling";

/// Remembers the peer of the last session.
#[derive(Clone, Default)]
struct LastPeer(Arc<Mutex<Option<Peer>>>);

impl Application for LastPeer {
    type Layer = Deaf;

    fn open(&self, opened: Opened, _: Instant) -> Deaf {
        let peer = Peer { address: opened.handshake.address, secure: opened.handshake.secure };
        *self.0.lock().unwrap() = Some(peer);
        Deaf
    }
}

struct Deaf;

impl Layer for Deaf {
    fn message(&mut self, _: Message, _: Instant) {}
    fn poll(&mut self, _: Instant) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn closed(&mut self, _: CloseReason) {}
}

fn service() -> (Service, LastPeer) {
    let application = LastPeer::default();
    let builder = Server::builder().engineio("/engine.io/", application.clone());
    (builder.drain_timeout(Duration::from_secs(60)).build().unwrap().into_service(), application)
}

fn request(target: &str) -> Request<AxumBody> {
    Request::get(target).header("host", "test").body(AxumBody::empty()).unwrap()
}

/// The status and the beginning of the body.
async fn answer(app: &mut Router, request: Request<AxumBody>) -> (u16, String) {
    let response = app.call(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).chars().take(3).collect())
}

// proves: features/other-servers, protocol/unknown-path
#[tokio::test]
async fn a_layer_takes_what_is_the_servers_and_leaves_the_rest() {
    let (service, _) = service();
    let mut app = Router::new().route("/", get(|| async { "page" })).layer(service);
    assert_eq!(answer(&mut app, request(HANDSHAKE)).await, (200, "0{\"".to_owned()));
    assert_eq!(answer(&mut app, request("/engine.io?EIO=9")).await.0, 400);
    assert_eq!(answer(&mut app, request("/")).await, (200, "pag".to_owned()));
    assert_eq!(answer(&mut app, request("/engine.io/x")).await.0, 404);
    // Our rules are ours alone.
    let homeless = |target: &str| Request::get(target).body(AxumBody::empty()).unwrap();
    assert_eq!(answer(&mut app, homeless(HANDSHAKE)).await.0, 400);
    assert_eq!(answer(&mut app, homeless("/")).await.0, 200);
}

// proves: features/other-servers
#[tokio::test]
async fn a_service_answers_everything() {
    let (service, _) = service();
    let mut app = Router::new().route("/", get(|| async { "page" })).fallback_service(service);
    assert_eq!(answer(&mut app, request(HANDSHAKE)).await, (200, "0{\"".to_owned()));
    assert_eq!(answer(&mut app, request("/")).await, (200, "pag".to_owned()));
    assert_eq!(answer(&mut app, request("/engine.io/x")).await, (404, String::new()));
}

// proves: features/other-servers, features/socket-handshake
#[tokio::test]
async fn the_peer_is_the_connections_or_found_with_the_request() {
    let (service, last) = service();
    let address: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    let peer = Peer::from(address).secure(true);
    let seen = |service: Service| {
        let last = last.clone();
        async move {
            let mut request = request(HANDSHAKE);
            request.extensions_mut().insert(address);
            request.extensions_mut().insert(peer);
            service.respond(request).await.unwrap();
            last.0.lock().unwrap().take()
        }
    };
    assert_eq!(seen(service.clone()).await, Some(peer));
    assert_eq!(seen(service.for_peer(address)).await, Some(Peer::from(address)));
    let by_address = |extensions: &Extensions| extensions.get::<SocketAddr>().copied().map(Peer::from);
    assert_eq!(seen(service.peer_from(by_address)).await, Some(Peer::from(address)));
    assert_eq!(seen(service.peer_from(|_| None)).await, Some(Peer::default()));
}

// proves: features/clients-count
#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_sessions_and_lets_in_no_others() {
    let (service, _) = service();
    service.respond(request(HANDSHAKE)).await.unwrap();
    assert_eq!(service.sessions(), 1);
    service.drain().await;
    assert_eq!(service.sessions(), 0);
    assert_eq!(service.respond(request(HANDSHAKE)).await.unwrap().status(), 503);
}
