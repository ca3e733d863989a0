//! Whether a client lives, in virtual time, while its packets wait because of what it has not taken.

use std::time::Duration;

use bytes::Bytes;
use engineio::{Config, Message, Packet, PayloadFormat, Revision};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use socketio_tests::{Connection, Received, WebSocket};
use tokio::io::duplex;
use tokio::time::{Instant, sleep};

use crate::apps::EngineEcho;
use crate::{Server, Service};

/// Their echoes are far more than half of the send budget.
const MANY: usize = 80_000;

/// What a connection holds in each direction.
const BUFFERS: usize = 64 * 1024;

fn service() -> Service {
    Server::builder().engineio("/engine.io/", EngineEcho).build().unwrap().into_service()
}

fn target(revision: Revision, transport: &str) -> String {
    format!("/engine.io/?EIO={}&transport={transport}", revision.number())
}

/// The message's packet, always of the same length.
fn packet(n: usize) -> String {
    format!("4{n:05}")
}

async fn ask(service: &Service, method: &str, target: &str, body: String) -> Bytes {
    let request = Request::builder().method(method).uri(target).header("host", "test");
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    service.respond(request).await.unwrap().into_body().collect().await.unwrap().to_bytes()
}

/// The target of a polling session whose client has posted messages, which are echoed.
async fn posted(service: &Service, revision: Revision) -> String {
    let target = target(revision, "polling");
    let opened = ask(service, "GET", &target, String::new()).await;
    let sid = str::from_utf8(&opened).unwrap().split('"').nth(3).unwrap();
    let target = format!("{target}&sid={sid}");
    let packets = (0..MANY).map(packet);
    let body = match revision {
        Revision::V4 => packets.collect::<Vec<_>>().join("\u{1e}"),
        Revision::V3 => packets.map(|packet| format!("{}:{packet}", packet.len())).collect(),
    };
    assert_eq!(ask(service, "POST", &target, body).await, "ok");
    target
}

/// A WebSocket, its open packet read.
async fn opened(service: &Service, revision: Revision) -> WebSocket {
    let (ours, theirs) = duplex(BUFFERS);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(ours), service.clone());
    tokio::spawn(connection.with_upgrades());
    let mut websocket = WebSocket::over(Connection::over(theirs), &target(revision, "websocket")).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket
}

/// The messages' frames.
fn frames() -> Vec<u8> {
    (0..MANY).flat_map(|n| WebSocket::frame(0x81, packet(n).as_bytes())).collect()
}

/// A client whose packets wait, and which is gone, is let go like any other.
async fn is_let_go(service: &Service, since: Instant) {
    let Config { ping_interval, ping_timeout, close_timeout, .. } = Config::default();
    let heartbeat = ping_interval + ping_timeout;
    while service.sessions() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    // Its WebSocket is given the time to take a goodbye.
    let (lived, longest) = (since.elapsed(), heartbeat + close_timeout + Duration::from_secs(1));
    assert!((heartbeat..longest).contains(&lived), "it lived for {lived:?}");
}

#[tokio::test(start_paused = true)]
async fn packets_that_wait_are_no_signs_of_life_of_a_client_that_polls() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let began = Instant::now();
        posted(&service, revision).await;
        is_let_go(&service, began).await;
    }
}

#[tokio::test(start_paused = true)]
async fn packets_that_wait_are_no_signs_of_life_of_a_client_with_a_websocket() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let began = Instant::now();
        let mut websocket = opened(&service, revision).await;
        tokio::spawn(async move {
            websocket.flood(&frames()).await;
            sleep(Duration::MAX).await;
        });
        is_let_go(&service, began).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_packets_wait_lives_while_it_polls() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let target = posted(&service, revision).await;
        let (began, mut seen) = (Instant::now(), 0);
        while seen < MANY {
            // Its pings and pongs would wait as well.
            sleep(Duration::from_secs(30)).await;
            let body = ask(&service, "GET", &target, String::new()).await;
            for echo in (PayloadFormat { revision, base64: false }).decode(body, false, usize::MAX) {
                if let Packet::Message(Message::Text(text)) = echo.unwrap() {
                    assert_eq!(text, packet(seen)[1..]);
                    seen += 1;
                }
            }
        }
        assert!(began.elapsed() > Duration::from_secs(200), "{:?} are no test", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_packets_wait_lives_while_it_reads() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let mut websocket = opened(&service, revision).await;
        let sent = websocket.raw_in_background(frames());
        let (began, mut seen) = (Instant::now(), 0);
        while seen < MANY {
            match websocket.next().await {
                Received::Text(ping) if ping == "2" => {}
                Received::Text(echo) => {
                    assert_eq!(echo, packet(seen));
                    seen += 1;
                    if seen % 5_000 == 0 {
                        sleep(Duration::from_secs(15)).await;
                    }
                }
                other => panic!("after {seen} of {MANY}: {other:?}"),
            }
        }
        sent.await.unwrap();
        assert!(began.elapsed() > Duration::from_secs(200), "{:?} are no test", began.elapsed());
    }
}
