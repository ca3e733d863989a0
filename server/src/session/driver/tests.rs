//! What becomes of a client, in virtual time, that doesn't take what it is sent: whether it lives while its packets
//! wait for that, and what is shown of its end.

mod answers;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use engineio::observe::{Direction, Observation, Observer, What};
use engineio::{
    Application, CloseReason, Config, Frame, Layer, Mailbox, Message, Opened, Packet, PayloadFormat, Revision,
};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use socketio_server_cli::apps::EngineEcho;
use socketio_tests::{Connection, Received, WebSocket};
use tokio::io::duplex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::{Server, Service};

mod slow;

/// A message, and so many of them that their echoes are far more than what slows a client down.
const PACKET: &str = "4hello";
const MANY: usize = 80_000;

/// What engineio has a session take in before others have their turn.
const ROUND: usize = 32;
const ROUNDS: usize = 8;

/// What a connection holds in each direction.
const BUFFERS: usize = 64 * 1024;

fn service() -> Service {
    Server::builder().engineio("/engine.io/", EngineEcho).build().unwrap().into_service()
}

fn target(revision: Revision, transport: &str) -> String {
    format!("/engine.io/?EIO={}&transport={transport}", revision.number())
}

async fn ask(service: &Service, method: &str, target: &str, body: String) -> Bytes {
    let request = Request::builder().method(method).uri(target).header("host", "test");
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    service.respond(request).await.unwrap().into_body().collect().await.unwrap().to_bytes()
}

/// The target of a session that polls.
async fn polling(service: &Service, revision: Revision) -> String {
    let target = target(revision, "polling");
    let opened = ask(service, "GET", &target, String::new()).await;
    let sid = str::from_utf8(&opened).unwrap().split('"').nth(3).unwrap();
    format!("{target}&sid={sid}")
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

// proves: protocol/backpressure, security/silent-clients
#[tokio::test(start_paused = true)]
async fn packets_that_wait_are_no_signs_of_life_of_a_client_that_polls() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let began = Instant::now();
        let target = polling(&service, revision).await;
        let packets = (0..MANY).map(|_| sealed(revision, PACKET));
        let body: Vec<String> = packets.collect();
        let separator = if revision == Revision::V4 { "\u{1e}" } else { "" };
        assert_eq!(ask(&service, "POST", &target, body.join(separator)).await, "ok");
        is_let_go(&service, began).await;
    }
}

// proves: protocol/backpressure, security/silent-clients
#[tokio::test(start_paused = true)]
async fn packets_that_wait_are_no_signs_of_life_of_a_client_with_a_websocket() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let began = Instant::now();
        let mut websocket = opened(&service, revision).await;
        tokio::spawn(async move {
            websocket.flood(&WebSocket::frame(0x81, PACKET.as_bytes()).repeat(MANY)).await;
            sleep(Duration::MAX).await;
        });
        is_let_go(&service, began).await;
    }
}

// proves: protocol/backpressure
#[tokio::test(start_paused = true)]
async fn a_client_whose_packets_wait_lives_while_it_polls() {
    for revision in [Revision::V3, Revision::V4] {
        let service = flooding();
        let target = polling(&service, revision).await;
        assert_eq!(ask(&service, "POST", &target, sealed(revision, "4go")).await, "ok");
        let (began, mut seen, mut beating) = (Instant::now(), 0, None);
        while seen < FLOOD {
            // Its heartbeats wait as well, and the next POST until they are taken in.
            if beating.as_ref().is_none_or(JoinHandle::is_finished) {
                let (service, target) = (service.clone(), target.clone());
                let beat = sealed(revision, beat(revision));
                beating = Some(tokio::spawn(async move { ask(&service, "POST", &target, beat).await }));
            }
            sleep(Duration::from_secs(20)).await;
            let body = ask(&service, "GET", &target, String::new()).await;
            let packets = (PayloadFormat { revision, base64: false }).decode(body, false, usize::MAX);
            let messages = packets.filter(|packet| matches!(packet, Ok(Packet::Message(_)))).count();
            assert!(messages > 0 || seen > 0, "the first poll brings some");
            seen += messages;
            assert_eq!(service.sessions(), 1, "after {seen}");
        }
        assert!(began.elapsed() > Duration::from_secs(500), "{:?} are no test", began.elapsed());
    }
}

// proves: protocol/backpressure
#[tokio::test(start_paused = true)]
async fn a_client_whose_packets_wait_lives_while_it_reads() {
    for revision in [Revision::V3, Revision::V4] {
        let service = flooding();
        let mut websocket = opened(&service, revision).await;
        websocket.text("4go").await;
        let (began, mut seen) = (Instant::now(), 0);
        while seen < FLOOD {
            match websocket.next().await {
                Received::Text(message) if message.starts_with('4') => seen += 1,
                Received::Text(_) => continue,
                other => panic!("after {seen}: {other:?}"),
            }
            if seen % 5 == 0 {
                sleep(Duration::from_secs(20)).await;
                // It waits as well, and brings nothing about.
                websocket.text(beat(revision)).await;
            }
        }
        assert!(began.elapsed() > Duration::from_secs(300), "{:?} are no test", began.elapsed());
    }
}

/// Counts the messages of WebSockets, and the open packets.
#[derive(Default)]
struct Seen {
    came: AtomicUsize,
    went: AtomicUsize,
}

impl Observer for Seen {
    fn observe(&self, observation: &Observation<'_>) {
        if let What::Packet { direction, .. } = observation.what {
            let count = if direction == Direction::In { &self.came } else { &self.went };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_was_not_sent_before_it_went_away_is_shown_to_nobody() {
    let seen = Arc::new(Seen::default());
    let server = Server::builder().engineio("/engine.io/", EngineEcho).observer(seen.clone());
    let service = server.build().unwrap().into_service();
    let mut websocket = opened(&service, Revision::V4).await;
    for came in 1..=2 {
        websocket.text(&format!("4{}", "x".repeat(2 * BUFFERS))).await;
        while seen.came.load(Ordering::Relaxed) < came {
            sleep(Duration::from_millis(1)).await;
        }
    }
    drop(websocket);
    while service.sessions() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // The second echo waited behind the first, which nobody read.
    assert_eq!(seen.went.load(Ordering::Relaxed), 2, "the open packet, and the first echo");
}

/// What a client sends to show that it lives.
fn beat(revision: Revision) -> &'static str {
    match revision {
        Revision::V3 => "2",
        Revision::V4 => "3",
    }
}

/// A payload of one packet.
fn sealed(revision: Revision, packet: &str) -> String {
    match revision {
        Revision::V3 => format!("{}:{packet}", packet.len()),
        Revision::V4 => packet.to_owned(),
    }
}

/// Messages of 10,000 bytes that [`Flood`] sends: nearly all that the send budget holds.
const FLOOD: usize = 90;

/// A server whose answers to polls hold one such message, or two.
fn flooding() -> Service {
    let config = Config { max_payload: 20_000, ..Config::default() };
    Server::builder().config(config).engineio("/engine.io/", Flood).build().unwrap().into_service()
}

/// Answers each message with a flood.
struct Flood;

struct Flooding(Arc<Mailbox>);

impl Application for Flood {
    type Layer = Flooding;

    fn open(&self, opened: Opened, _: std::time::Instant) -> Flooding {
        Flooding(opened.mailbox)
    }
}

impl Layer for Flooding {
    fn message(&mut self, _: Message, _: std::time::Instant) {
        for _ in 0..FLOOD {
            self.0.push(&[Frame::text(&"x".repeat(10_000))]).unwrap();
        }
    }

    fn poll(&mut self, _: std::time::Instant) {}

    fn deadline(&self) -> Option<std::time::Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {}
}
