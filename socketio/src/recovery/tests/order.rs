//! What is sent is sent while nobody else can send, come or go: a history's events lie as they went out, and the
//! reply is the first that a new socket is sent, and the last of what a recovered one missed.

use std::task::{Context, Wake, Waker};

use engineio::{MailboxReceiver, Outlet};

use super::*;

/// Notes, each time that something is sent, whether the history was locked.
struct Watch {
    history: Arc<History>,
    locked: StdMutex<Vec<bool>>,
}

impl Wake for Watch {
    fn wake(self: Arc<Watch>) {
        self.locked.lock().unwrap().push(self.history.is_locked());
    }
}

/// A mailbox whose driver sleeps, and what notes when it is woken.
fn watched(history: &Arc<History>) -> (Arc<Mailbox>, MailboxReceiver, Arc<Watch>) {
    let watch = Arc::new(Watch { history: Arc::clone(history), locked: StdMutex::default() });
    let (mailbox, driver) = Mailbox::new(BUDGET).split();
    sleep(&driver, &watch);
    (mailbox, driver, watch)
}

fn sleep(driver: &MailboxReceiver, watch: &Arc<Watch>) {
    driver.take(&mut [].into());
    let waker = Waker::from(Arc::clone(watch));
    assert!(driver.poll_left(&mut Context::from_waker(&waker), Outlet::Open).is_pending());
}

fn sent_under_lock(watch: &Watch) {
    assert_eq!(std::mem::take(&mut *watch.locked.lock().unwrap()), [true]);
}

#[tokio::test]
async fn what_is_sent_is_sent_under_the_historys_lock() {
    let io = io();
    let namespace = io.of("/");
    let recovery = namespace.recovery().unwrap();
    let event =
        |name| recovery.shared().keep(recovery.shared().next_offset(), &Frames::One(Frame::text(name)));
    let history = Arc::new(recovery.new_history());

    let (mailbox, driver, watch) = watched(&history);
    recovery.begin(&history, &mailbox, &Frame::text("0"));
    sent_under_lock(&watch);
    sleep(&driver, &watch);
    history.send(&event("to one")).unwrap();
    sent_under_lock(&watch);
    sleep(&driver, &watch);
    assert!(history.share(&event("to many")));
    sent_under_lock(&watch);

    assert!(recovery.lose(&history, &"id".into(), Vec::new(), None));
    history.settle();
    let presented = RecoveryRequest { pid: history.pid(), offset: None };
    assert!(matches!(recovery.claim(Ok(presented), namespace.name(), false), Claim::Granted(_)));
    let (mailbox, driver, watch) = watched(&history);
    assert_eq!(recovery.resume(&history, &mailbox, &Frame::text("0")), Ok(()));
    sent_under_lock(&watch);
    let mut sent = [].into();
    driver.take(&mut sent);
    assert_eq!(sent.len(), 3, "both events, and the reply");
}

#[tokio::test]
async fn who_misses_something_at_the_last_moment_does_not_get_the_socket_back() {
    let io = io();
    let namespace = io.of("/");
    let recovery = namespace.recovery().unwrap();
    for had in [None, Some(Offset::new(7, 0))] {
        let history = Arc::new(recovery.new_history());
        let (mailbox, _driver) = Mailbox::new(BUDGET).split();
        recovery.begin(&history, &mailbox, &Frame::text("0"));
        assert!(recovery.lose(&history, &"id".into(), Vec::new(), None));
        history.settle();
        let presented = RecoveryRequest { pid: history.pid(), offset: None };
        assert!(matches!(recovery.claim(Ok(presented), namespace.name(), false), Claim::Granted(_)));
        history.has_got(had);
        // An event that comes before its turn is not kept for anybody.
        let doubted = recovery.begin_broadcast().doubt(&Selection::default(), Some(Offset::new(5, 0)));
        assert_eq!(doubted.len(), usize::from(had.is_none()), "who has it misses nothing");
        let resumed = recovery.resume(&history, &mailbox, &Frame::text("0"));
        assert_eq!(resumed, if had.is_none() { Err(NotResumed::Incomplete) } else { Ok(()) });
        recovery.end(&history);
    }
}
