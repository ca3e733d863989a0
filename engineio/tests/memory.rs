//! What the process holds for clients. There is one count for all of it, so these tests take turns.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use engineio::memory::{ALLOWANCE, Budget, Held, Holder, Holders, held};
use engineio::websocket::deflate::{Agreement, COMPRESSOR_MEMORY, PerMessageDeflate, WINDOW_MEMORY};
use engineio::websocket::{FrameEvent, FrameLimits, Reader};
use engineio::{
    FRAME_OVERHEAD, Frame, Limit, LimitHits, Mailbox, MailboxReceiver, PayloadFormat, QueueError, Revision,
};

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A budget of so many bytes, which nobody can be put out for.
fn budget(bytes: usize) -> Budget {
    Budget::new(bytes, Arc::default())
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
    let mailbox = Mailbox::new(1_000_000).within(budget(held() + 100_000));
    mailbox.push(&[Frame::binary(&[0; 50_000])]).unwrap();
    let _others = Held::new(30_000);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(mailbox.push(&[Frame::binary(&[0; 50_000])]), Ok(()));
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Pending);
}

// proves: limit/memory-budget
#[test]
fn over_the_budget_a_mailbox_takes_messages_up_to_the_allowance() {
    let _turn = turn();
    const BUDGET: usize = 1_000_000;
    let of_cost = |cost: usize| Frame::binary(&vec![0; cost - FRAME_OVERHEAD]);
    let hits = Arc::new(LimitHits::default());
    let mailbox = Mailbox::new(BUDGET).within(budget(held() + BUDGET)).counting(hits.clone());
    let others = Held::new(BUDGET);
    assert_eq!(mailbox.push(&[of_cost(ALLOWANCE - 1)]), Ok(()));
    assert_eq!(mailbox.push(&[of_cost(10_000)]), Ok(()), "one byte is left, and a message is taken whole");
    assert_eq!(mailbox.push(&[of_cost(64)]), Err(QueueError::Full));
    assert_eq!((hits.get(Limit::Memory), hits.get(Limit::SendBudget)), (1, 0));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Pending);
    drop(others);
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(mailbox.push(&[of_cost(64)]), Ok(()));
    // Exactly, and by one.
    let exact = Mailbox::new(BUDGET).within(budget(held() + 100_000));
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

// proves: security/deflate-contexts
#[test]
fn what_a_connection_keeps_to_compress_and_inflate_counts() {
    let _turn = turn();
    let ours = PerMessageDeflate { context_takeover: true, threshold: 0, ..PerMessageDeflate::default() };
    let agreement = Agreement::find(&ours, ["permessage-deflate"], None).unwrap();
    let before = held();
    let (mut deflating, mut inflating) = (agreement.deflating(), agreement.inflating());
    assert_eq!(held(), before, "nothing before it is needed");
    let queue = VecDeque::from([Frame::text("hello")]);
    let (frames, budget) = (held(), budget(usize::MAX));
    deflating.prepare(&queue, 0, Revision::V4, &budget);
    let compressed = deflating.form(0, &queue[0], Revision::V4);
    assert!((COMPRESSOR_MEMORY..COMPRESSOR_MEMORY + 100).contains(&(held() - frames)));
    // The frame masked with zeros, as a client would send it.
    let frame = [&[compressed[0], compressed[1] | 0x80, 0, 0, 0, 0], &compressed[2..]].concat();
    let mut reader = Reader::new(FrameLimits { message: 100, fragments: 1 });
    reader.feed(&frame);
    let with_compressor = held();
    assert_eq!(reader.next_inflated(Some(&mut inflating)), Ok(Some(FrameEvent::Text("4hello".into()))));
    assert_eq!(held() - with_compressor, WINDOW_MEMORY);
    drop((deflating, inflating, queue));
    assert_eq!(held(), before);
}

#[test]
fn the_compressed_form_of_a_frame_counts_once() {
    let _turn = turn();
    let agreement = Agreement::find(&PerMessageDeflate::default(), ["permessage-deflate"], None).unwrap();
    let frame = Frame::text(&(0..20_000).map(|number| format!("{number},")).collect::<String>());
    let before = held();
    let len = agreement.deflating().form(0, &frame, Revision::V4).len();
    let with_form = held() - before;
    assert!((len..len + 1_000).contains(&with_form), "{len}, {with_form}");
    assert_eq!(agreement.deflating().form(0, &frame.clone(), Revision::V4).len(), len);
    assert_eq!(held() - before, with_form);
    drop(frame);
    assert!(held() < before);
}

/// Clients of one server, whose budget has room for `more` bytes than are held now.
struct Clients {
    holders: Arc<Holders>,
    budget: Budget,
    hits: Arc<LimitHits>,
}

impl Clients {
    fn with_room_for(more: usize) -> Clients {
        let holders = Arc::<Holders>::default();
        let budget = Budget::new(held() + more, holders.clone());
        Clients { holders, budget, hits: Arc::default() }
    }

    /// One that has so many messages of that length waiting.
    fn one(&self, messages: usize, length: usize) -> Client {
        let mailbox = Mailbox::new(usize::MAX).within(self.budget.clone()).counting(self.hits.clone());
        let (mailbox, driver) = mailbox.split();
        self.holders.enter(&mailbox);
        for _ in 0..messages {
            assert_eq!(mailbox.push(&[Frame::binary(&vec![0; length])]), Ok(()));
        }
        Client { mailbox, driver }
    }
}

/// A client, by both handles on its mailbox.
struct Client {
    mailbox: Arc<Mailbox>,
    driver: MailboxReceiver,
}

impl Deref for Client {
    type Target = Mailbox;

    fn deref(&self) -> &Mailbox {
        &self.mailbox
    }
}

// proves: protocol/bursts, security/memory-short
#[test]
fn when_memory_runs_short_those_who_hold_most_go_first_and_nobody_else_notices() {
    let _turn = turn();
    // Short from 3.5 MB on, and enough at 3 MB.
    let clients = Clients::with_room_for(4_000_000);
    let [small, large, medium] = [5, 200, 100].map(|messages| clients.one(messages, 10_000));
    let other = clients.one(2, 10_000);
    assert!(!large.is_closed());
    let mut sent = 0;
    while !large.is_closed() {
        assert_eq!(other.push(&[Frame::binary(&[0; 1_000])]), Ok(()));
        sent += 1;
    }
    assert!(sent > 50, "{sent}");
    assert_eq!((large.cost(), large.driver.take_evicted()), (0, Some(Limit::Memory)), "it lets go at once");
    assert_eq!(large.push(&[Frame::binary(&[])]), Err(QueueError::Closed));
    for untouched in [&small, &medium, &other] {
        assert!(!untouched.is_closed());
        assert_eq!(untouched.push(&[Frame::binary(&[0; 1_000])]), Ok(()));
    }
    assert_eq!(clients.hits.get(Limit::Memory), 1);
}

// proves: protocol/bursts, security/memory-short
#[test]
fn whoever_holds_little_is_never_evicted_for_others() {
    let _turn = turn();
    let clients = Clients::with_room_for(100_000);
    let little = clients.one(10, 1_000);
    let _others = Held::new(1_000_000);
    let much = clients.one(1, 20_000);
    assert!(!much.push_owed(&[Frame::binary(&[])]), "it is the only one that can go");
    assert!(much.is_closed());
    for _ in 0..5 {
        assert_eq!(little.push(&[Frame::binary(&[0; 1_000])]), Ok(()));
        assert!(little.push_owed(&[Frame::binary(&[])]));
    }
    assert!(!little.is_closed());
}

#[test]
fn nobody_else_goes_while_those_who_were_evicted_still_let_go() {
    let _turn = turn();
    // Short from 875,000 on.
    let clients = Clients::with_room_for(1_000_000);
    let [first, second] = [400_000, 300_000].map(|length| clients.one(1, length));
    // Their drivers have taken everything.
    let mut taken = [&first, &second].map(|client| {
        let mut taken = std::collections::VecDeque::new();
        client.driver.take(&mut taken);
        taken
    });
    let third = clients.one(1, 100_000);
    let _others = Held::new(110_000);
    assert_eq!(third.push(&[Frame::binary(&[])]), Ok(()));
    assert!(first.is_closed() && first.cost() > 0, "its driver has not let go");
    for _ in 0..100 {
        assert_eq!(third.push(&[Frame::binary(&[])]), Ok(()));
    }
    assert!(!second.is_closed() && !third.is_closed(), "what the first held is about to come free");
    taken[0].clear();
    first.driver.let_go();
    // Memory runs short again, and now it is another's turn.
    let _more = Held::new(400_000);
    assert_eq!(third.push(&[Frame::binary(&[])]), Ok(()));
    assert!(second.is_closed() && !third.is_closed());
}

#[test]
fn what_many_share_ends_nobody_who_need_not_go() {
    let _turn = turn();
    let clients = Clients::with_room_for(2_000_000);
    let receivers: Vec<_> = (0..100).map(|_| clients.one(0, 0)).collect();
    let picture = Frame::binary(&[0; 500_000]);
    // 50 MB, if each counted for itself.
    for receiver in &receivers {
        assert!(receiver.push_owed(std::slice::from_ref(&picture)));
    }
    assert!(receivers.iter().all(|receiver| !receiver.is_closed()));
    drop(picture);
    // All the memory there is goes to who takes nothing; those who do take are left alone.
    let slow = &receivers[0];
    let mut pictures = 1;
    while !slow.is_closed() {
        let picture = Frame::binary(&[0; 500_000]);
        pictures += 1;
        for receiver in &receivers[1..] {
            let mut taken = std::collections::VecDeque::new();
            receiver.driver.take(&mut taken);
            receiver.driver.written(taken.iter().map(Frame::cost).sum());
        }
        for receiver in &receivers {
            receiver.push_owed(std::slice::from_ref(&picture));
        }
    }
    assert_eq!(pictures, 5, "4 before it are more than seven eighths of the budget, and 3 were less");
    assert!(receivers[1..].iter().all(|receiver| !receiver.is_closed()));
}

#[test]
fn a_search_that_finds_nobody_is_not_repeated_at_once() {
    struct Counted(std::sync::atomic::AtomicUsize);
    impl Holder for Counted {
        fn holds(&self) -> usize {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            0
        }
        fn evict(&self) {
            unreachable!("it holds nothing");
        }
    }
    let _turn = turn();
    let clients = Clients::with_room_for(0);
    let _others = Held::new(1);
    let listed: Vec<_> = (0..1_000).map(|_| Arc::new(Counted(0.into()))).collect();
    listed.iter().for_each(|counted| clients.holders.enter(counted));
    let looks = || listed[0].0.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..1_001 {
        assert!(!clients.budget.admits(ALLOWANCE));
        assert_eq!(looks(), 1);
    }
    assert!(!clients.budget.admits(ALLOWANCE));
    assert_eq!(looks(), 2);
    listed.iter().for_each(|counted| clients.holders.leave(counted));
}

#[test]
fn whoever_waits_for_room_waits_already_when_memory_runs_short() {
    let _turn = turn();
    let clients = Clients::with_room_for(1_000_000);
    let mailbox = clients.one(1, 50_000);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Ready(Ok(())));
    let _others = Held::new(900_000);
    assert_eq!(mailbox.poll_space(&mut cx), Poll::Pending);
    assert!(mailbox.driver.is_crowded());
    assert!(clients.one(1, 1_000).poll_space(&mut cx).is_ready());
}
