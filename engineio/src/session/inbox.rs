//! The POSTs of a session whose packets have not all been handled.

use std::collections::VecDeque;

use super::wires::{Reply as _, Wires};
use crate::memory::Held;
use crate::{Packet, PayloadReader, Violation};

/// The memory of a waiting POST besides its body.
const OVERHEAD: usize = 256;

/// POSTs whose packets are being handled; nearly always one at most. Boxed, since a session on a WebSocket has none.
pub(super) struct Inbox<W: Wires>(Option<Box<Waiting<W>>>);

struct Waiting<W: Wires> {
    posts: VecDeque<Post<W>>,
    /// Their memory in bytes.
    bytes: usize,
}

struct Post<W: Wires> {
    packets: PayloadReader,
    accepted: Option<W::PostReply>,
    held: Held,
}

impl<W: Wires> Inbox<W> {
    pub(super) fn new() -> Inbox<W> {
        Inbox(None)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.posts.is_empty())
    }

    /// Its memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    pub(super) fn push(&mut self, packets: PayloadReader, held: Held, accepted: W::PostReply) {
        let waiting =
            self.0.get_or_insert_with(|| Box::new(Waiting { posts: VecDeque::with_capacity(1), bytes: 0 }));
        waiting.bytes += held.bytes() + OVERHEAD;
        waiting.posts.push_back(Post { packets, accepted: Some(accepted), held });
    }

    /// The next packet of the first POST; `None` at its end.
    pub(super) fn next_packet(&mut self) -> Option<Result<Packet, Violation>> {
        self.0.as_mut()?.posts.front_mut()?.packets.next()
    }

    /// The packets of the first POST are all handled.
    pub(super) fn end_first(&mut self) {
        let Some(waiting) = &mut self.0 else { return };
        if let Some(post) = waiting.posts.pop_front() {
            waiting.bytes -= post.held.bytes() + OVERHEAD;
            if let Some(accepted) = post.accepted {
                accepted.send(());
            }
        }
    }

    /// Accepts all POSTs, including those that have to wait.
    pub(super) fn accept(&mut self) {
        let posts = self.0.iter_mut().flat_map(|waiting| &mut waiting.posts);
        posts.filter_map(|post| post.accepted.take()).for_each(|accepted| accepted.send(()));
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Frees what is kept for the next POST.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}
