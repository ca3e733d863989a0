//! What a mailbox has under its lock: the frames, the wish to close, and who is to be woken.

use std::collections::VecDeque;
use std::sync::Weak;
use std::task::Waker;

use crate::{CloseReason, Frame, Limit};

#[derive(Default)]
#[repr(C)]
pub(super) struct Queue {
    pub(super) outlet: Outlet,
    pub(super) close: Option<CloseReason>,
    pub(super) closed: bool,
    pub(super) eviction: Eviction,
    /// Something other than frames was left since the session's last turn.
    pub(super) rung: bool,
    /// The session will look before it sleeps, so nobody has to wake it.
    pub(super) awake: bool,
    pub(super) waker: Option<Waker>,
    pub(super) frames: VecDeque<Frame>,
    /// Most mailboxes never need this, so it is boxed.
    pub(super) rare: Option<Box<Rare>>,
}

/// Rarely needed.
#[derive(Default)]
pub(super) struct Rare {
    /// Senders that wait for room.
    pub(super) waiting: Vec<Waker>,
    /// Long answers that are being sent; rarely more than one.
    pub(super) answers: Vec<Weak<dyn Cut>>,
}

/// A long answer that is dropped when the client is evicted.
pub(super) trait Cut: Send + Sync {
    /// The client is evicted.
    fn cut(&self);
}

/// Whether a client is evicted: its session ends at once, and nothing more is sent to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Eviction {
    #[default]
    No,
    /// It is evicted because of that limit, and the session has not seen it yet.
    For(Limit),
    Seen,
}

/// When a message that is queued now can go out.
///
/// ```text
///   the session says   Shut      NextPoll ── polled ──▶ Polled      Open
///   a poll that comes  wakes it  doesn't                            (wakes it)
///   a volatile message is lost   is lost                is queued   is queued
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outlet {
    /// After the session's next turn: something blocks the transport until then.
    #[default]
    Shut,
    /// With the next poll. While nothing is queued, a poll can only wait, so it doesn't wake the session, which
    /// notices it in its next turn.
    NextPoll,
    /// With a poll that the session has not noticed yet. Only the mailbox itself sets this.
    Polled,
    /// At once.
    Open,
}

impl Queue {
    /// Whether the session is over, or about to be.
    pub(super) fn is_shut(&self) -> bool {
        self.closed || self.close.is_some()
    }

    /// Wakes the session, and notes that something other than frames was left.
    pub(super) fn ring(&mut self) {
        self.rung = true;
        self.wake();
    }

    /// Wakes the session, unless it is awake.
    pub(super) fn wake(&mut self) {
        if !std::mem::replace(&mut self.awake, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Accepts nothing more, and wakes senders that wait for room.
    pub(super) fn shut(&mut self) {
        self.closed = true;
        self.release_waiting();
    }

    pub(super) fn release_waiting(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.waiting.drain(..).for_each(Waker::wake);
        }
    }
}
