//! The POSTs of a session whose packets have not all been taken in.

use std::collections::VecDeque;

use super::wires::{Reply as _, Wires};
use crate::memory::Held;
use crate::{Packet, PayloadReader, Violation};

/// What a POST that waits takes beside its body.
const OVERHEAD: usize = 256;

/// POSTs that are being taken in; nearly always one at most.
pub(super) struct Inbox<W: Wires> {
    posts: VecDeque<Post<W>>,
    /// What they take.
    bytes: usize,
}

struct Post<W: Wires> {
    packets: PayloadReader,
    accepted: Option<W::Accepted>,
    held: Held,
}

impl<W: Wires> Inbox<W> {
    pub(super) fn new() -> Inbox<W> {
        Inbox { posts: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// What it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, packets: PayloadReader, held: Held, accepted: W::Accepted) {
        self.bytes += held.bytes() + OVERHEAD;
        self.posts.push_back(Post { packets, accepted: Some(accepted), held });
    }

    /// The next packet of the first POST; `None` at its end.
    pub(super) fn next_packet(&mut self) -> Option<Result<Packet, Violation>> {
        self.posts.front_mut()?.packets.next()
    }

    /// The first POST is taken in.
    pub(super) fn end_first(&mut self) {
        if let Some(post) = self.posts.pop_front() {
            self.bytes -= post.held.bytes() + OVERHEAD;
            if let Some(accepted) = post.accepted {
                accepted.send(());
            }
        }
    }

    /// Accepts all POSTs, those too that have to wait.
    pub(super) fn accept(&mut self) {
        self.posts.iter_mut().filter_map(|post| post.accepted.take()).for_each(|accepted| accepted.send(()));
    }

    pub(super) fn clear(&mut self) {
        self.posts.clear();
        self.bytes = 0;
    }
}
