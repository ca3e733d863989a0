use std::collections::VecDeque;
use std::task::{Wake, Waker};

use super::*;
use crate::FRAME_OVERHEAD;

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
}

/// A frame of that cost.
fn frame(cost: usize) -> Frame {
    let frame = Frame::binary(&vec![0; cost - FRAME_OVERHEAD]);
    assert_eq!(frame.cost(), cost);
    frame
}

fn taken(receiver: &MailboxReceiver) -> usize {
    let mut taken = VecDeque::new();
    receiver.take(&mut taken);
    taken.len()
}

// proves: features/send-budget, protocol/weight
#[test]
fn a_message_is_admitted_whole_while_the_queue_is_under_its_budget() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    assert_eq!(mailbox.push(&[frame(999)]), Ok(()));
    assert_eq!(mailbox.push(&[frame(5_000), frame(5_000)]), Ok(()));
    assert_eq!(mailbox.push(&[frame(64)]), Err(QueueError::Full));
    assert_eq!(taken(&receiver), 3, "nothing was queued over the budget");
    let exact = Mailbox::new(1_000);
    assert_eq!(exact.push(&[frame(1_000)]), Ok(()));
    assert_eq!(exact.push(&[frame(64)]), Err(QueueError::Full));
}

// proves: features/send-budget
#[test]
fn frames_count_until_they_are_written_and_not_merely_taken() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    mailbox.push(&[frame(600), frame(600)]).unwrap();
    assert_eq!(taken(&receiver), 2);
    assert_eq!(mailbox.push(&[frame(64)]), Err(QueueError::Full));
    assert!(receiver.is_crowded());
    receiver.written(600);
    assert_eq!(mailbox.push(&[frame(64)]), Ok(()));
    receiver.written(600);
    assert!(!receiver.is_crowded());
}

#[test]
fn frames_that_go_out_in_front_of_the_queue_count_like_those_in_it() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    mailbox.push(&[frame(600)]).unwrap();
    receiver.charge(400);
    assert_eq!(mailbox.push(&[frame(64)]), Err(QueueError::Full));
    receiver.written(400);
    assert_eq!(mailbox.cost(), 600);
}

// proves: features/connection-events
#[test]
fn who_waits_for_room_is_woken_when_there_is_some_or_never_will_be() {
    let (mailbox, receiver) = Mailbox::new(100).split();
    let (count, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Ready(Ok(())));
    mailbox.push(&[frame(200)]).unwrap();
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Pending);
    receiver.written(64);
    assert_eq!(count.0.load(Ordering::Relaxed), 0, "still over the budget");
    receiver.written(64);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    mailbox.push(&[frame(200)]).unwrap();
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Pending);
    receiver.shut();
    assert_eq!(count.0.load(Ordering::Relaxed), 2);
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Ready(Err(QueueError::Closed)));
}

// proves: features/modifiers
#[test]
fn a_volatile_message_needs_a_transport_that_can_write_and_an_empty_queue() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    let (_, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    assert!(!mailbox.push_volatile(&[frame(64)]), "before the session has looked");
    receiver.look(Outlet::Shut);
    assert!(!mailbox.push_volatile(&[frame(64)]));
    receiver.look(Outlet::Open);
    assert!(mailbox.push_volatile(&[frame(64)]));
    assert_eq!(taken(&receiver), 1);
    receiver.written(64);
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Open), Poll::Pending);
    assert!(mailbox.push_volatile(&[frame(64)]));
    assert!(!mailbox.push_volatile(&[frame(64)]), "one waits already");
    assert_eq!(taken(&receiver), 1);
    receiver.written(64);
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Shut), Poll::Pending);
    assert!(!mailbox.push_volatile(&[frame(64)]));
}

#[test]
fn the_session_is_woken_once_for_all_that_was_left() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    let (count, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Open), Poll::Pending);
    mailbox.push(&[frame(64)]).unwrap();
    mailbox.ring();
    mailbox.close(CloseReason::ForcedClose);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(receiver.look(Outlet::Open));
    assert!(!receiver.look(Outlet::Open));
}

#[test]
fn a_session_that_looks_is_not_woken_and_does_not_sleep_over_what_is_left_meanwhile() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    let (count, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    assert!(!receiver.look(Outlet::Open));
    mailbox.push(&[frame(64)]).unwrap();
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Open), Poll::Ready(()));
    assert!(!receiver.look(Outlet::Open), "frames are no reason to look at anything else");
    assert_eq!(taken(&receiver), 1);
    mailbox.ring();
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Shut), Poll::Ready(()));
    assert!(receiver.look(Outlet::Open));
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Open), Poll::Pending);
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_poll_wakes_the_session_only_if_it_may_be_answered_at_once() {
    let (count, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    let [shut, queued, idle] = [Outlet::Shut, Outlet::NextPoll, Outlet::NextPoll].map(|outlet| {
        let (mailbox, receiver) = Mailbox::new(1_000).split();
        receiver.look(outlet);
        assert_eq!(receiver.poll_left(&mut cx, outlet), Poll::Pending);
        (mailbox, receiver)
    });
    shut.0.polled();
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "it may be the upgrade's");
    queued.0.push(&[frame(64)]).unwrap();
    assert!(!queued.1.look(Outlet::NextPoll));
    assert_eq!(queued.1.poll_left(&mut cx, Outlet::NextPoll), Poll::Pending);
    queued.0.polled();
    assert_eq!(count.0.load(Ordering::Relaxed), 3, "for the message and for the poll that gets it");
    idle.0.polled();
    assert_eq!(count.0.load(Ordering::Relaxed), 3);
    assert!(idle.1.look(Outlet::NextPoll), "it is found whenever the session looks");
}

#[test]
fn a_message_wakes_the_session_for_a_poll_that_it_has_not_noticed() {
    for volatile in [false, true] {
        let (mailbox, receiver) = Mailbox::new(1_000).split();
        let (count, waker) = waker();
        let mut cx = Context::from_waker(&waker);
        assert_eq!(receiver.poll_left(&mut cx, Outlet::NextPoll), Poll::Pending);
        assert!(!mailbox.push_volatile(&[frame(64)]), "there is no poll");
        mailbox.polled();
        if volatile {
            assert!(mailbox.push_volatile(&[frame(64)]));
        } else {
            mailbox.push(&[frame(64)]).unwrap();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(receiver.look(Outlet::NextPoll));
        assert_eq!(taken(&receiver), 1);
        receiver.written(64);
        assert!(mailbox.push_volatile(&[frame(64)]), "the poll is noticed in this turn");
        receiver.look(Outlet::NextPoll);
        assert_eq!(taken(&receiver), 1);
        receiver.written(64);
        assert!(!mailbox.push_volatile(&[frame(64)]), "and gone in the next");
    }
}

#[test]
fn a_poll_that_comes_while_the_session_looks_takes_volatile_messages_too() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    let (_, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    receiver.look(Outlet::NextPoll);
    mailbox.polled();
    assert_eq!(receiver.poll_left(&mut cx, Outlet::NextPoll), Poll::Ready(()), "the poll is to be looked at");
    assert!(receiver.look(Outlet::NextPoll));
    assert!(mailbox.push_volatile(&[frame(64)]), "by whoever is handled in the turn that finds the poll");
}

#[test]
fn frames_that_can_not_be_written_keep_nobody_awake() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    let (count, waker) = waker();
    let mut cx = Context::from_waker(&waker);
    mailbox.push(&[frame(64)]).unwrap();
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Shut), Poll::Pending);
    assert_eq!(receiver.poll_left(&mut cx, Outlet::Open), Poll::Ready(()));
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
}

#[test]
fn the_first_reason_to_close_stands_and_nothing_is_admitted_after_it() {
    let (mailbox, receiver) = Mailbox::new(1_000).split();
    mailbox.push(&[frame(64)]).unwrap();
    mailbox.close(CloseReason::ParseError);
    mailbox.close(CloseReason::ForcedClose);
    assert_eq!(mailbox.push(&[frame(64)]), Err(QueueError::Closed));
    assert_eq!(taken(&receiver), 1, "what was queued before is still sent");
    assert_eq!(receiver.take_close(), Some(CloseReason::ParseError));
    assert_eq!(receiver.take_close(), None);
    assert!(mailbox.is_closed());
}

#[test]
fn a_receiver_that_is_dropped_lets_go_of_what_is_queued_and_nothing_more_is_admitted() {
    let (mailbox, receiver) = Mailbox::new(100).split();
    let (count, waker) = waker();
    mailbox.push(&[frame(200)]).unwrap();
    assert_eq!(mailbox.poll_space(&mut Context::from_waker(&waker)), Poll::Pending);
    drop(receiver);
    assert_eq!((mailbox.cost(), count.0.load(Ordering::Relaxed)), (0, 1));
    assert_eq!(mailbox.push(&[frame(64)]), Err(QueueError::Closed));
}
