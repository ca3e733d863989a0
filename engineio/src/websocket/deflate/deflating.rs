//! What a connection that agreed to compression sends.

use std::collections::VecDeque;

use super::compressor::{COMPRESSOR_MEMORY, CompressedFrame, Compressor};
use super::settings::{CompressionLevel, Context, Window};
use crate::memory::{Budget, Held};
use crate::{Frame, Revision};

/// The bytes of frames that a connection compresses ahead, if it has its own compressor.
const AHEAD: usize = 64 * 1024;

/// Compresses what one connection sends: the frames of a queue, from its first on.
#[derive(Debug)]
pub struct Deflating {
    threshold: usize,
    level: CompressionLevel,
    window: Window,
    /// How many frames of the queue are compressed, once others have come that aren't.
    last: Option<usize>,
    /// `None` if each message is compressed by itself, as it is for others.
    own: Option<Box<Own>>,
}

/// A compressor of one connection, and what it has compressed.
#[derive(Debug, Default)]
struct Own {
    compressor: Option<(Compressor, Held)>,
    /// The forms of the first frames of the queue; `None` for those that go as they are.
    forms: VecDeque<Option<CompressedFrame>>,
    /// The bytes of these frames, in their forms.
    ahead: usize,
}

impl Deflating {
    pub(super) fn new(
        threshold: usize,
        level: CompressionLevel,
        window: Window,
        context: Context,
    ) -> Deflating {
        let own = (context == Context::Connection).then(Box::default);
        Deflating { threshold, level, window, last: None, own }
    }

    /// Gets the first frames of the queue ready, frame number `at` among them, if they are compressed for this
    /// connection alone. When `memory` has no room for a compressor, they go as they are.
    pub fn prepare(&mut self, queue: &VecDeque<Frame>, at: usize, revision: Revision, memory: &Budget) {
        let Some(own) = &mut self.own else { return };
        for (number, frame) in queue.iter().enumerate().skip(own.forms.len()) {
            if number > at && own.ahead > AHEAD {
                break;
            }
            let plain = frame.websocket(revision);
            let wanted = self.last.is_none_or(|last| number < last);
            let form = match wanted && frame.is_worth_compressing(self.threshold) {
                true => own.compress(plain, self.level, self.window, memory),
                false => None,
            };
            own.ahead += form.as_ref().map_or(plain.len(), |form| form.bytes().len());
            own.forms.push_back(form);
        }
    }

    /// The bytes to be written for frame number `at` of the queue, which must be [ready](Deflating::ready).
    #[must_use]
    pub fn form<'a>(&'a self, at: usize, frame: &'a Frame, revision: Revision) -> &'a [u8] {
        match &self.own {
            Some(own) => match own.forms.get(at) {
                Some(Some(form)) => form.bytes(),
                _ => frame.websocket(revision),
            },
            None if self.last.is_some_and(|last| at >= last) => frame.websocket(revision),
            None => frame.deflated(revision, self.threshold, self.level, self.window),
        }
    }

    /// What is queued after the first `frames` goes as it is.
    pub fn stop_after(&mut self, frames: usize) {
        self.last.get_or_insert(frames);
    }

    /// How many frames of the queue can be written: as many as were [prepared](Deflating::prepare).
    #[must_use]
    pub fn ready(&self) -> usize {
        self.own.as_ref().map_or(usize::MAX, |own| own.forms.len())
    }

    /// The first frame, whose form has that length, was taken off the queue.
    pub fn pop_front(&mut self, len: usize) {
        self.last = self.last.map(|last| last.saturating_sub(1));
        if let Some(own) = &mut self.own {
            own.forms.pop_front();
            own.ahead -= len;
        }
    }

    /// The queue was cleared.
    pub fn clear(&mut self) {
        self.last = self.last.map(|_| 0);
        if let Some(own) = &mut self.own {
            own.forms = VecDeque::new();
            own.ahead = 0;
        }
    }

    /// The bytes of memory that it keeps.
    #[must_use]
    pub fn memory(&self) -> usize {
        match &self.own {
            Some(own) if own.compressor.is_some() => COMPRESSOR_MEMORY,
            _ => 0,
        }
    }
}

impl Own {
    /// It must be kept even if it isn't shorter: later messages refer to it.
    fn compress(
        &mut self,
        frame: &[u8],
        level: CompressionLevel,
        window: Window,
        memory: &Budget,
    ) -> Option<CompressedFrame> {
        if self.compressor.is_none() && memory.admits(COMPRESSOR_MEMORY) {
            self.compressor = Some((Compressor::new(level, window), Held::new(COMPRESSOR_MEMORY)));
        }
        let (compressor, _) = self.compressor.as_mut()?;
        let form = compressor.frame(frame, |_| true);
        if form.is_none() {
            // A new one refers to nothing before it, so the client can do without what went wrong.
            self.compressor = None;
        }
        form
    }
}
