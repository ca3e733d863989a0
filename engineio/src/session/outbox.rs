//! Frames that were taken for a poll.

use std::collections::VecDeque;

use crate::Frame;

/// Frames taken from the mailbox for a poll, and cut from its answer.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "a session on a WebSocket has none, and a queue takes four words")]
pub(super) struct Outbox(Option<Box<VecDeque<Frame>>>);

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|frames| frames.is_empty())
    }

    pub(super) fn frames(&mut self) -> &mut VecDeque<Frame> {
        self.0.get_or_insert_default()
    }

    /// The frames, and frees their memory: the session polls no more.
    pub(super) fn take(&mut self) -> VecDeque<Frame> {
        self.0.take().map(|frames| *frames).unwrap_or_default()
    }
}
