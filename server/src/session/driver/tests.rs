//! Long answers to polls that their clients are slow to read: what they count for, and that they are let go once their
//! clients are put out. And how much memory a session's task takes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::memory::{Budget, Holder as _, Holders, held};
use engineio::{Application, CloseReason, EngineConfig, Frame, Layer, Mailbox, Message, Opened};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use super::Driver;
use crate::http::watched_answer::WatchedAnswer;
use crate::net::admission::Admission;
use crate::net::head_watch::Watched;
use crate::net::http_connection::http_connection;
use crate::net::stall::StallLimit;
use crate::{Limits, Server, Service};

/// What a connection holds in each direction.
const BUFFERS: usize = 64 * 1024;

/// What one answer takes: so much that it makes no difference what other tests hold, but for those here, which take
/// turns.
const ANSWER: usize = 40_000_000;

static TURN: Mutex<()> = Mutex::const_new(());

/// What the connection and hyper take of it before its client reads.
const TAKEN: usize = 200_000;

/// An application that does nothing. Its mailboxes are at hand.
#[derive(Clone, Default)]
struct Idle(Arc<parking_lot::Mutex<Vec<Arc<Mailbox>>>>);

struct NoLayer;

impl Application for Idle {
    type Layer = NoLayer;

    fn open(&self, opened: Opened, _: std::time::Instant) -> NoLayer {
        self.0.lock().push(opened.mailbox);
        NoLayer
    }
}

impl Layer for NoLayer {
    fn message(&mut self, _: Message, _: std::time::Instant) {}

    fn poll(&mut self, _: std::time::Instant) {}

    fn deadline(&self) -> Option<std::time::Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {}
}

impl Idle {
    fn mailbox(&self) -> Arc<Mailbox> {
        self.0.lock().last().unwrap().clone()
    }
}

/// The target of a session that polls.
async fn polling(service: &Service) -> String {
    let target = "/engine.io/?EIO=4&transport=polling";
    let request =
        Request::builder().uri(target).header("host", "test").body(Full::new(Bytes::new())).unwrap();
    let opened = service.respond(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    format!("{target}&sid={}", str::from_utf8(&opened).unwrap().split('"').nth(3).unwrap())
}

/// How long it takes until there is no session.
async fn gone(service: &Service) -> Duration {
    let began = Instant::now();
    while service.sessions() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

struct Rig {
    _turn: MutexGuard<'static, ()>,
    idle: Idle,
    holders: Arc<Holders>,
    service: Service,
    target: String,
}

impl Rig {
    async fn new() -> Rig {
        let turn = TURN.lock().await;
        let (idle, config) =
            (Idle::default(), EngineConfig { max_payload: 2 * ANSWER, ..EngineConfig::default() });
        let server = Server::builder().config(config);
        let holders = server.engine.holders.clone();
        let service = server.engineio("/engine.io/", idle.clone()).build().unwrap().into_service();
        let target = polling(&service).await;
        Rig { _turn: turn, idle, holders, service, target }
    }

    /// A connection as the server has them, on which a poll was sent.
    async fn poll(&self) -> DuplexStream {
        let (ours, mut theirs) = duplex(BUFFERS);
        let limits = Limits::default();
        let http = http_connection(&limits);
        let admission = Arc::new(Admission::new(limits, Arc::default()));
        let (io, signals) = Watched::new(StallLimit::new(ours, admission.clone()), admission.clone(), None);
        let service = self.service.clone();
        let service = service_fn(move |request| {
            WatchedAnswer::begin(&signals, service.respond::<hyper::body::Incoming>(request))
        });
        tokio::spawn(http.serve_connection(TokioIo::new(io), service));
        let request = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", self.target);
        theirs.write_all(request.as_bytes()).await.unwrap();
        theirs
    }

    /// A poll whose answer has so many messages, and of which the client has read so much.
    async fn answer(&self, messages: usize, read: usize) -> DuplexStream {
        let text = "x".repeat(ANSWER / messages);
        let frames: Vec<_> = (0..messages).map(|_| Frame::text(&text)).collect();
        self.idle.mailbox().push(&frames).unwrap();
        drop(frames);
        let mut connection = self.poll().await;
        connection.read_exact(&mut vec![0; read]).await.unwrap();
        // As much more is handed over as the connection takes, and then hyper waits for the client.
        sleep(Duration::from_millis(1)).await;
        connection
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_on_its_way_counts_for_its_session_until_it_is_written() {
    let rig = Rig::new().await;
    let mailbox = rig.idle.mailbox();
    for messages in [1, 1_000] {
        let mut connection = rig.answer(messages, 1).await;
        assert_eq!(mailbox.cost(), 0);
        assert!(mailbox.holds() >= ANSWER);
        // The end of the answer waits in hyper, and keeps the message that it is a part of.
        connection.read_exact(&mut vec![0; ANSWER - 100_000]).await.unwrap();
        assert!(mailbox.holds() >= ANSWER);
        let mut rest = vec![0; 1_000_000];
        while mailbox.holds() > 0 {
            assert!(connection.read(&mut rest).await.unwrap() > 0);
        }
        assert_eq!(rig.service.sessions(), 1);
    }
}

// proves: security/answers-memory
#[tokio::test(start_paused = true)]
async fn whoever_is_evicted_lets_go_of_its_answer_at_once() {
    for (messages, read) in [(1, 1), (1_000, 1), (1, ANSWER - 100_000)] {
        let rig = Rig::new().await;
        let mut connection = rig.answer(messages, read).await;
        let before = held();
        // Whoever asks for memory has those put out who hold most.
        Budget::new(before, rig.holders.clone()).relieve();
        let lived = gone(&rig.service).await;
        assert!(lived <= Duration::from_millis(20), "{lived:?}");
        let let_go = before.saturating_sub(held());
        assert!(let_go > ANSWER - ANSWER / 10, "{let_go} bytes are let go: {messages} messages, {read} read");
        assert_eq!(rig.idle.mailbox().holds(), 0);
        // What it gets is cut short.
        let mut rest = Vec::new();
        let _ = connection.read_to_end(&mut rest).await;
        assert!(rest.len() < TAKEN, "{} bytes came", rest.len());
    }
}

// proves: security/answers-memory
#[tokio::test(start_paused = true)]
async fn an_answer_that_outlives_its_session_can_be_let_go_for_others() {
    let rig = Rig::new().await;
    let mut connection = rig.answer(1_000, 1).await;
    rig.idle.mailbox().close(CloseReason::ForcedClose);
    gone(&rig.service).await;
    connection.read_exact(&mut vec![0; 1_000_000]).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let before = held();
    Budget::new(before, rig.holders.clone()).relieve();
    let let_go = before.saturating_sub(held());
    assert!(let_go > ANSWER / 2, "{let_go} bytes are let go");
    let (mut rest, began) = (Vec::new(), Instant::now());
    let _ = connection.read_to_end(&mut rest).await;
    assert!(began.elapsed().is_zero());
    assert!(rest.len() < TAKEN, "{} bytes came", rest.len());
}

/// Besides what it has allocated. tokio adds 96 bytes to a task, and a task is allocated in steps of 128.
#[test]
fn an_idle_session_takes_no_more_than_it_did() {
    let driver = size_of::<Driver<socketio::Client>>();
    assert!(driver + 96 <= 640, "a driver takes {driver} bytes: box what most sessions don't have");
}
