//! Clients that are slow, and those that are not: who is put out and when, what waits for whom, and that a session
//! leaves time for others.

use std::future::poll_fn;
use std::task::Poll;

use engineio::Limit;
use parking_lot::Mutex;

use super::*;
use crate::Limits;

/// What waits for a client before it is too much.
const BUDGET: usize = 100_000;

/// Layers that owe `messages` of 10,000 bytes for each that they get, and their mailboxes.
#[derive(Clone, Default)]
pub(super) struct Owing {
    messages: usize,
    mailboxes: Arc<Mutex<Vec<Arc<Mailbox>>>>,
    /// How many messages came.
    came: Arc<AtomicUsize>,
}

pub(super) struct Owed(Owing, Arc<Mailbox>);

impl Application for Owing {
    type Layer = Owed;

    fn open(&self, opened: Opened, _: std::time::Instant) -> Owed {
        self.mailboxes.lock().push(opened.mailbox.clone());
        Owed(self.clone(), opened.mailbox)
    }
}

impl Layer for Owed {
    fn message(&mut self, _: Message, _: std::time::Instant) {
        self.0.came.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.0.messages {
            self.1.push_owed(&[Frame::text(&"x".repeat(10_000))]);
        }
    }

    fn poll(&mut self, _: std::time::Instant) {}

    fn deadline(&self) -> Option<std::time::Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {}
}

impl Owing {
    fn new(messages: usize) -> (Owing, Service) {
        let owing = Owing { messages, ..Owing::default() };
        let config = Config { send_budget: BUDGET, max_payload: 20_000, ..Config::default() };
        let server = Server::builder().config(config).engineio("/engine.io/", owing.clone());
        (owing, server.build().unwrap().into_service())
    }

    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailboxes.lock().last().unwrap().clone()
    }
}

/// How long it takes until there is no session.
pub(super) async fn gone(service: &Service) -> Duration {
    let began = Instant::now();
    while service.sessions() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

// proves: limit/send-budget, protocol/bursts
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_too_much_is_put_out_at_the_write_timeout() {
    let patience = Limits::default().write_timeout;
    for revision in [Revision::V3, Revision::V4] {
        let (_, service) = Owing::new(50);
        let target = polling(&service, revision).await;
        assert_eq!(ask(&service, "POST", &target, sealed(revision, "4go")).await, "ok");
        let lived = gone(&service).await;
        assert!((patience..patience + Duration::from_secs(1)).contains(&lived), "{lived:?}");
        assert_eq!(service.limit_hits(Limit::SendBudget), 1);

        let (_, service) = Owing::new(50);
        let mut websocket = opened(&service, revision).await;
        websocket.text("4go").await;
        let lived = gone(&service).await;
        assert!((patience..patience + Duration::from_secs(1)).contains(&lived), "{lived:?}");
        assert_eq!(service.limit_hits(Limit::SendBudget), 1);
    }
}

// proves: protocol/bursts
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_little_of_too_much_in_time_is_left_alone() {
    let (_, service) = Owing::new(60);
    let target = polling(&service, Revision::V4).await;
    assert_eq!(ask(&service, "POST", &target, "4go".into()).await, "ok");
    let mut seen = 0;
    while seen < 60 {
        // Each answer has one or two.
        sleep(Duration::from_secs(20)).await;
        assert_eq!(ask(&service, "POST", &target, "3".into()).await, "ok");
        seen += ask(&service, "GET", &target, String::new()).await.split(|byte| *byte == 0x1e).count();
    }
    assert_eq!((service.sessions(), service.limit_hits(Limit::SendBudget)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_little_waits_for_a_client_that_takes_nothing_is_the_heartbeats() {
    let (_, service) = Owing::new(1);
    let began = Instant::now();
    let target = polling(&service, Revision::V4).await;
    assert_eq!(ask(&service, "POST", &target, "4go".into()).await, "ok");
    is_let_go(&service, began).await;
    assert_eq!(service.limit_hits(Limit::SendBudget), 0);
}

/// Puts the only client out, and sees that all of it is let go at once.
async fn let_go_at_once(owing: &Owing, service: &Service) {
    let mailbox = owing.mailbox();
    let before = engineio::memory::held();
    mailbox.put_out(Limit::Memory);
    let (lived, after) = (gone(service).await, engineio::memory::held());
    assert!(lived <= Duration::from_millis(20), "{lived:?}");
    assert_eq!(mailbox.cost(), 0);
    assert!(before - after > 300_000, "{before} bytes were held, and {after} still are");
}

// proves: protocol/bursts, security/memory-short
#[tokio::test(start_paused = true)]
async fn whoever_is_put_out_lets_go_of_everything_at_once() {
    // In use, and while it is said goodbye to.
    for ends in [false, true] {
        let (owing, service) = Owing::new(50);
        let mut websocket = opened(&service, Revision::V4).await;
        websocket.text("4go").await;
        sleep(Duration::from_millis(10)).await;
        if ends {
            owing.mailbox().close(CloseReason::ForcedClose);
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(service.sessions(), 1);
        let_go_at_once(&owing, &service).await;

        let (owing, service) = Owing::new(50);
        let target = polling(&service, Revision::V4).await;
        assert_eq!(ask(&service, "POST", &target, "4go".into()).await, "ok");
        // One answer, so that some wait in the driver and some in the mailbox.
        ask(&service, "GET", &target, String::new()).await;
        if ends {
            owing.mailbox().close(CloseReason::ForcedClose);
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(service.sessions(), 1);
        let_go_at_once(&owing, &service).await;
    }
}

// proves: protocol/posts-that-wait
#[tokio::test(start_paused = true)]
async fn a_client_that_posts_and_polls_in_turn_goes_on_however_much_waits() {
    for revision in [Revision::V3, Revision::V4] {
        let service = service();
        let target = polling(&service, revision).await;
        let format = PayloadFormat { revision, base64: false };
        let (mut sent, mut seen) = (0, 0);
        // Each POST brings nearly a megabyte, and each answer takes as much away; the first two meet nothing.
        while seen < 2_000 {
            for _ in 0..if sent == 0 { 3 } else { 1 } {
                let packets: Vec<_> = (sent..sent + 95)
                    .map(|n| sealed(revision, &format!("4{n:05}{}", "x".repeat(10_000))))
                    .collect();
                sent += 95;
                let body = packets.join(if revision == Revision::V4 { "\u{1e}" } else { "" });
                let posted = ask(&service, "POST", &target, body);
                let posted = tokio::time::timeout(Duration::from_secs(5), posted).await;
                assert_eq!(posted.expect("a POST is answered before anybody polls"), "ok");
            }
            let body = ask(&service, "GET", &target, String::new()).await;
            for packet in format.decode(body, false, usize::MAX) {
                let Ok(Packet::Message(Message::Text(text))) = packet else { continue };
                assert!(text.starts_with(&format!("{seen:05}")), "{seen} is missing");
                seen += 1;
            }
        }
        assert_eq!(service.sessions(), 1);
    }
}

// proves: protocol/posts-that-wait
#[tokio::test(start_paused = true)]
async fn posts_wait_at_their_door_once_as_much_waits_as_may() {
    let (owing, service) = Owing::new(6);
    let target = polling(&service, Revision::V4).await;
    let post = || ask(&service, "POST", &target, format!("4{}", "x".repeat(10_000)));
    let mut answered = 0;
    while tokio::time::timeout(Duration::from_secs(1), post()).await.is_ok() {
        answered += 1;
        assert!(answered < 20, "so many bodies wait");
    }
    // The first brings about what slows the client down. Nine bodies stay under the budget, and the tenth goes beyond.
    assert_eq!((answered, owing.came.load(Ordering::Relaxed)), (10, 1));
}

/// Runs beside a session, and notes how many messages came at once.
async fn most_at_once(owing: Owing, total: usize) -> usize {
    let (mut most, mut before) = (0, 0);
    while before < total {
        // Tokio's own `yield_now` waits for more than the other tasks.
        let mut yielded = false;
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let came = owing.came.load(Ordering::Relaxed);
        (most, before) = (most.max(came - before), came);
    }
    most
}

// proves: protocol/yielding
#[tokio::test(start_paused = true)]
async fn a_session_gives_its_thread_back_after_a_number_of_packets() {
    const TOTAL: usize = 100_000;
    // It may be woken once more in between.
    let fair = 2 * ROUND * ROUNDS;
    let (owing, service) = {
        let owing = Owing::default();
        (owing.clone(), Server::builder().engineio("/engine.io/", owing).build().unwrap().into_service())
    };
    let target = polling(&service, Revision::V4).await;
    let beside = tokio::spawn(most_at_once(owing.clone(), TOTAL));
    assert_eq!(ask(&service, "POST", &target, ["4a"; TOTAL].join("\u{1e}")).await, "ok");
    let most = beside.await.unwrap();
    assert!(most <= fair, "{most} packets of a POST at once");

    owing.came.store(0, Ordering::Relaxed);
    let mut websocket = opened(&service, Revision::V4).await;
    let beside = tokio::spawn(most_at_once(owing.clone(), TOTAL));
    websocket.flood(&WebSocket::frame(0x81, b"4a").repeat(TOTAL)).await;
    let most = beside.await.unwrap();
    assert!(most <= fair, "{most} packets of a WebSocket at once");
}
