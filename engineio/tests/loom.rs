//! The mailbox under every order in which threads can come to it:
//! `RUSTFLAGS="--cfg loom" cargo test --package engineio --test loom`.
#![cfg(loom)]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use engineio::{CloseReason, FRAME_OVERHEAD, Frame, Mailbox, MailboxReceiver, Outlet, QueueError};
use loom::future::block_on;
use loom::thread;

/// What a frame with one letter costs.
const COST: usize = 2 + FRAME_OVERHEAD;

fn frame() -> Frame {
    Frame::text("x")
}

/// Takes what waits and writes it. Says how many frames there were.
fn write(receiver: &MailboxReceiver) -> usize {
    let mut taken = VecDeque::new();
    receiver.take(&mut taken);
    receiver.written(taken.iter().map(Frame::cost).sum());
    taken.len()
}

/// Does as a session: sleeps until something was left, and writes it.
fn drive(receiver: &MailboxReceiver) -> usize {
    block_on(poll_fn(|cx| receiver.poll_left(cx, Outlet::Open)));
    receiver.look(Outlet::Open);
    write(receiver)
}

#[test]
fn whoever_pushes_wakes_the_session() {
    loom::model(|| {
        let (mailbox, receiver) = Mailbox::new(1000).split();
        let pushers = [0, 1].map(|_| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.push(&[frame()]))
        });
        let mut taken = 0;
        while taken < 2 {
            taken += drive(&receiver);
        }
        for pusher in pushers {
            assert_eq!(pusher.join().expect("a pusher"), Ok(()));
        }
        assert!(!receiver.has_frames());
    });
}

#[test]
fn whoever_pushes_wakes_the_session_for_a_poll_that_it_has_not_noticed() {
    loom::model(|| {
        let (mailbox, receiver) = Mailbox::new(1000).split();
        let poll = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.polled())
        };
        let pusher = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.push(&[frame()]))
        };
        // Asleep it may miss the poll, as long as there is nothing to answer it with.
        let (mut polled, mut taken) = (false, 0);
        while taken == 0 {
            let outlet = if polled { Outlet::Open } else { Outlet::NextPoll };
            block_on(poll_fn(|cx| receiver.poll_left(cx, outlet)));
            polled |= receiver.look(outlet);
            if polled {
                taken += write(&receiver);
            }
        }
        poll.join().expect("a poll");
        assert_eq!(pusher.join().expect("a pusher"), Ok(()));
    });
}

#[test]
fn a_close_wakes_the_session_and_is_taken_once() {
    loom::model(|| {
        let (mailbox, receiver) = Mailbox::new(1000).split();
        let closers = [0, 1].map(|_| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.close(CloseReason::ForcedClose))
        });
        block_on(poll_fn(|cx| receiver.poll_left(cx, Outlet::Open)));
        assert!(receiver.look(Outlet::Open) && receiver.take_close().is_some());
        for closer in closers {
            closer.join().expect("a closer");
        }
        assert!(receiver.take_close().is_none());
        assert_eq!(mailbox.push(&[frame()]), Err(QueueError::Closed));
    });
}

#[test]
fn whoever_waits_for_room_is_woken_by_it_and_by_the_end() {
    for ends in [false, true] {
        loom::model(move || {
            let (mailbox, receiver) = Mailbox::new(1).split();
            assert_eq!(mailbox.push(&[frame()]), Ok(()));
            let waiter = {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || block_on(poll_fn(|cx| mailbox.poll_space(cx))))
            };
            if ends {
                receiver.shut()
            } else {
                assert_eq!(drive(&receiver), 1)
            }
            let expected = if ends { Err(QueueError::Closed) } else { Ok(()) };
            assert_eq!(waiter.join().expect("a waiter"), expected);
        });
    }
}

#[test]
fn what_is_admitted_is_taken_and_its_budget_given_back() {
    loom::model(|| {
        let (mailbox, receiver) = Mailbox::new(COST).split();
        let pusher = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || usize::from(mailbox.push(&[frame()]).is_ok()))
        };
        let volatile = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || usize::from(mailbox.push_volatile(&[frame()])))
        };
        // Volatile messages are taken while the session sleeps and could write.
        let _ = block_on(poll_fn(|cx| std::task::Poll::Ready(receiver.poll_left(cx, Outlet::Open))));
        receiver.look(Outlet::Open);
        let first = write(&receiver);
        let admitted = pusher.join().expect("a pusher") + volatile.join().expect("a pusher");
        assert_eq!(first + write(&receiver), admitted);
        assert_eq!(mailbox.push(&[frame()]), Ok(()), "all of the budget is free again");
        assert_eq!(mailbox.push(&[frame()]), Err(QueueError::Full));
    });
}
