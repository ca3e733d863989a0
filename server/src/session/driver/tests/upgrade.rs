//! Upgrades whose client goes away, or floods, at a moment that a real connection hardly hits.

use std::pin::Pin;
use std::task::{Context, Waker};

use parking_lot::Mutex;
use tokio::time::timeout;

use super::*;

/// A request under way, which a layer can give up.
type Request = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// Answers each message with itself. If a GET is left in the slot, its client goes away at that moment.
struct GivingUp(Arc<Mutex<Option<Request>>>);

struct Echo(Arc<Mailbox>, Arc<Mutex<Option<Request>>>);

impl Application for GivingUp {
    type Layer = Echo;

    fn open(&self, opened: Opened, _: std::time::Instant) -> Echo {
        Echo(opened.mailbox, self.0.clone())
    }
}

impl Layer for Echo {
    fn message(&mut self, message: Message, _: std::time::Instant) {
        drop(self.1.lock().take());
        self.0.push(&[Frame::from(&Packet::Message(message))]).unwrap();
    }

    fn poll(&mut self, _: std::time::Instant) {}

    fn deadline(&self) -> Option<std::time::Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {}
}

/// A WebSocket for the session of a polling target.
async fn probe(service: &Service, target: &str) -> WebSocket {
    let (ours, theirs) = duplex(BUFFERS);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(ours), service.clone());
    tokio::spawn(connection.with_upgrades());
    let probing = target.replace("transport=polling", "transport=websocket");
    WebSocket::over(Connection::over(theirs), &probing).await
}

/// Polls a request once, which brings it as far as its session, and no further.
fn begin(request: &mut Request) {
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn request(service: &Service, method: &'static str, target: &str, body: &'static str) -> Request {
    let (service, target) = (service.clone(), target.to_owned());
    Box::pin(async move { ask(&service, method, &target, body.to_owned()).await })
}

// proves: protocol/lost-polls
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_with_a_poll_that_ends_in_the_turn_in_which_its_session_goes_over() {
    let slot = Arc::default();
    let server = Server::builder().engineio("/engine.io/", GivingUp(Arc::clone(&slot)));
    let service = server.build().unwrap().into_service();
    let target = polling(&service, Revision::V4).await;
    let mut websocket = probe(&service, &target).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    assert_eq!(ask(&service, "GET", &target, String::new()).await, "6");

    let mut poll = request(&service, "GET", &target, "");
    begin(&mut poll);
    *slot.lock() = Some(poll);
    // The session looks at all of it in one turn: the poll goes, the echo is there for it, and behind comes `5`.
    // The pong has the echo answered before it is looked at.
    let mut post = request(&service, "POST", &target, "4posted\u{1e}3");
    begin(&mut post);
    websocket.text("5").await;
    assert!(slot.lock().is_some(), "the session has had no turn yet");
    assert_eq!(post.await, "ok");
    assert!(slot.lock().is_none());
    assert_eq!(websocket.next_text().await, "4posted");
}

// proves: protocol/probe
#[tokio::test(start_paused = true)]
async fn who_repeats_2probe_and_takes_no_answer_is_not_read_from() {
    let service = service();
    let target = polling(&service, Revision::V4).await;
    let mut websocket = probe(&service, &target).await;
    let began = Instant::now();
    let flood = WebSocket::frame(0x81, b"2probe").repeat(100_000);
    let sent = timeout(Config::default().upgrade_timeout / 2, websocket.flood(&flood)).await;
    assert!(sent.is_err(), "all was taken, and the answers pile up");
    // That is no more time for a `5`, and polling goes on.
    websocket.flood(&flood).await;
    assert!(began.elapsed() >= Config::default().upgrade_timeout);
    assert_eq!(ask(&service, "POST", &target, "4alive".to_owned()).await, "ok");
    assert_eq!(ask(&service, "GET", &target, String::new()).await, "4alive");
}
