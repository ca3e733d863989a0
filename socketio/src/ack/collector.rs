//! Answers that arrive one by one, from sockets of this node and from other nodes, and the task that awaits them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

/// Answers, and how many are still to come.
pub(crate) struct Collector<A>(Mutex<State<A>>);

struct State<A> {
    answers: VecDeque<A>,
    /// How many expected answers are missing. Negative while an answer has arrived before its node's count.
    missing: i64,
    /// How many nodes have not said how many answers to expect from them. It can be negative too.
    silent: i64,
    waiting: Option<Waker>,
}

impl<A> Default for Collector<A> {
    fn default() -> Collector<A> {
        let state = State { answers: VecDeque::new(), missing: 0, silent: 0, waiting: None };
        Collector(Mutex::new(state))
    }
}

impl<A> Collector<A> {
    /// So many answers will come.
    pub(crate) fn expect(&self, answers: usize) {
        self.change(|state| state.missing += answers as i64);
    }

    /// That many nodes will say how many answers to expect from them.
    pub(crate) fn expect_nodes(&self, nodes: usize) {
        self.change(|state| state.silent += nodes as i64);
    }

    /// So many answers will not come after all.
    pub(crate) fn expect_fewer(&self, answers: usize) {
        self.change(|state| state.missing -= answers as i64);
    }

    /// That many nodes have gone before they said how many answers to expect from them.
    pub(crate) fn expect_fewer_nodes(&self, nodes: usize) {
        self.change(|state| state.silent -= nodes as i64);
    }

    /// A node told how many answers come from it.
    pub(crate) fn node_expects(&self, answers: usize) {
        self.change(|state| {
            state.silent -= 1;
            state.missing += answers as i64;
        });
    }

    /// An answer came.
    pub(crate) fn add(&self, answer: A) {
        self.change(|state| {
            state.missing -= 1;
            state.answers.push_back(answer);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State<A>)) {
        let mut state = self.0.lock();
        change(&mut state);
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    /// How many answers are missing, and how many nodes are silent.
    pub(crate) fn missing(&self) -> (usize, usize) {
        let state = self.0.lock();
        let count = |count: i64| usize::try_from(count).unwrap_or(0);
        (count(state.missing), count(state.silent))
    }

    /// Waits for the next answer; `None` if all have arrived. One task at a time may wait.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<A>> {
        let mut state = self.0.lock();
        if let Some(answer) = state.answers.pop_front() {
            return Poll::Ready(Some(answer));
        }
        // Negative if a node answers more often than it was asked, or joined meanwhile.
        if state.missing <= 0 && state.silent <= 0 {
            return Poll::Ready(None);
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes the answers that arrive until the deadline.
    pub(crate) async fn collect(&self, deadline: Instant, answers: &mut Vec<A>) {
        let all = async {
            while let Some(answer) = poll_fn(|cx| self.poll_next(cx)).await {
                answers.push(answer);
            }
        };
        let _ = timeout_at(deadline, all).await;
    }
}
