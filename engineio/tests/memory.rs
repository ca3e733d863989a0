//! What the process holds for clients. There is one count for all of it, so these tests take turns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use engineio::memory::{ALLOWANCE, Held, held};
use engineio::{FRAME_OVERHEAD, Frame, Limit, LimitHits, Mailbox, PayloadFormat, Revision, SendError};

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_frame_counts_once_for_all_who_share_it_and_is_given_back_wherever_it_ends() {
    let _turn = turn();
    let before = held();
    let frame = Frame::text(&"x".repeat(100_000));
    let alone = held() - before;
    assert!((100_000..101_000).contains(&alone), "{alone}");
    let shared = vec![frame.clone(); 1_000];
    let together = held() - before;
    assert!((alone + 1_000..alone + 100_000).contains(&together), "{together}");
    std::thread::spawn(move || drop(shared)).join().unwrap();
    assert_eq!(held() - before, alone);
    let copy = frame.clone().uncompressed();
    assert!(held() - before > 2 * 100_000);
    drop((frame, copy));
    assert_eq!(held(), before);
}

#[test]
fn what_is_held_may_change_its_size() {
    let _turn = turn();
    let before = held();
    let mut some = Held::new(1_000);
    some.resize(5_000);
    let copy = some.clone();
    assert_eq!((some.bytes(), held() - before), (5_000, 10_000));
    some.resize(10);
    drop(copy);
    assert_eq!(held() - before, 10);
    drop(some);
    assert_eq!(held(), before);
}

#[test]
fn who_finds_room_for_a_message_finds_it_still_when_it_is_made() {
    let _turn = turn();
    let mailbox = Mailbox::new(1_000_000).within(held() + 100_000);
    mailbox.push(&[Frame::binary(&[0; 50_000])]).unwrap();
    let _others = Held::new(45_000);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(mailbox.poll_room(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(mailbox.push(&[Frame::binary(&[0; 50_000])]), Ok(()));
    assert_eq!(mailbox.poll_room(&mut cx), Poll::Pending);
}

#[test]
fn over_the_budget_a_mailbox_takes_messages_up_to_the_allowance() {
    let _turn = turn();
    const BUDGET: usize = 1_000_000;
    let of_cost = |cost: usize| Frame::binary(&vec![0; cost - FRAME_OVERHEAD]);
    let hits = Arc::new(LimitHits::default());
    let mailbox = Mailbox::new(BUDGET).within(held() + BUDGET).counting(hits.clone());
    let others = Held::new(BUDGET);
    assert_eq!(mailbox.push(&[of_cost(ALLOWANCE - 1)]), Ok(()));
    assert_eq!(mailbox.push(&[of_cost(10_000)]), Ok(()), "one byte is left, and a message is taken whole");
    assert_eq!(mailbox.push(&[of_cost(64)]), Err(SendError::Full));
    assert_eq!((hits.get(Limit::Memory), hits.get(Limit::SendBudget)), (1, 0));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(mailbox.poll_room(&mut cx), Poll::Pending);
    drop(others);
    assert_eq!(mailbox.poll_room(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(mailbox.push(&[of_cost(64)]), Ok(()));
    // Exactly, and by one.
    let exact = Mailbox::new(BUDGET).within(held() + 100_000);
    exact.push(&[of_cost(ALLOWANCE)]).unwrap();
    let free = exact_room(&exact);
    let rest = Held::new(free - 1);
    assert!(exact.has_memory(ALLOWANCE));
    let last = Held::new(1);
    assert!(!exact.has_memory(ALLOWANCE) && exact.has_memory(ALLOWANCE - 1));
    drop((rest, last));
}

/// How many bytes more the process may hold before a mailbox takes less.
fn exact_room(mailbox: &Mailbox) -> usize {
    let (mut free, mut step) = (0, 1 << 20);
    while step > 0 {
        let more = Held::new(free + step);
        if mailbox.has_memory(ALLOWANCE) {
            free += step;
        }
        drop(more);
        step /= 2;
    }
    free + 1
}

#[test]
fn the_rarer_forms_of_a_frame_count_once_they_are_made() {
    let _turn = turn();
    let before = held();
    let frame = Frame::binary(&[7; 90_000]);
    let alone = held() - before;
    for _ in 0..2 {
        assert_eq!(frame.websocket(Revision::V3).len(), 90_011);
    }
    let with_v3 = held() - before;
    assert!((alone + 90_000..alone + 91_000).contains(&with_v3), "{alone}, {with_v3}");
    let format = PayloadFormat { revision: Revision::V4, base64: false };
    let mut payloads = [0; 100].map(|_| format.encode(&mut VecDeque::from([frame.clone()]), usize::MAX).0);
    let waiting = held() - before;
    assert!(waiting - with_v3 < 100 * 100, "an answer that nobody reads takes no more than its place");
    payloads.iter_mut().for_each(|payload| drop(payload.take(64 * 1024)));
    let with_base64 = held() - before;
    assert!((with_v3 + 120_000..with_v3 + 135_000).contains(&with_base64), "{with_v3}, {with_base64}");
    drop((payloads, frame));
    assert_eq!(held(), before);
}
