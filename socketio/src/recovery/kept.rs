//! An event that is kept for clients that could have missed it.

use std::sync::Arc;

use engineio::Frame;
use tokio::time::Instant;

use super::budget::Budget;
use super::offset::Offset;
use crate::clock;
use crate::packet::frames::Frames;

/// An event that a client may need again.
pub(crate) struct KeptEvent {
    pub(crate) offset: Offset,
    pub(super) frames: Frames,
    pub(super) at: Instant,
    budget: Arc<Budget>,
}

impl KeptEvent {
    pub(super) fn new(offset: Offset, frames: Frames, budget: &Arc<Budget>) -> Arc<KeptEvent> {
        let kept = KeptEvent { offset, frames, at: clock::now(), budget: Arc::clone(budget) };
        budget.add(kept.cost());
        Arc::new(kept)
    }

    fn cost(&self) -> usize {
        self.frames.as_slice().iter().map(Frame::cost).sum()
    }
}

impl Drop for KeptEvent {
    fn drop(&mut self) {
        self.budget.sub(self.cost());
    }
}
