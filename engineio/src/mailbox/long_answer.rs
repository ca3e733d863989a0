//! A long answer to a poll, on its way to its client.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Waker;

use bytes::Bytes;

use super::Mailbox;
use super::queue::Cut;
use crate::Payload;
use crate::sync::Mutex;

/// A long answer to a poll that is being sent. It counts against its session's memory until it is dropped. If the
/// session is [ended for its memory](Mailbox::evict), the rest of the answer is dropped at once. Answers of less
/// than [`ALLOWANCE`](crate::memory::ALLOWANCE) bytes don't need this.
///
/// ```
/// use engineio::{LongAnswer, Mailbox};
///
/// let (mailbox, _receiver) = Mailbox::new(1_000_000).split();
/// let answer = LongAnswer::begin(&mailbox, 50_000);
/// // ... encode the packets, `load` them, send them ...
/// drop(answer); // It no longer counts.
/// ```
pub struct LongAnswer {
    /// The mailbox of the session that it counts against.
    mailbox: Arc<Mailbox>,
    left: Mutex<Left>,
}

#[derive(Default)]
struct Left {
    payload: Payload,
    /// How many bytes are counted against the session.
    bytes: usize,
    /// The client was evicted, with that many bytes left.
    cut: Option<usize>,
    /// The task that sends it.
    sender: Option<Waker>,
}

impl LongAnswer {
    /// Begins an answer whose packets have this many bytes. [`load`](LongAnswer::load) follows.
    #[must_use]
    pub fn begin(mailbox: &Arc<Mailbox>, bytes: usize) -> Arc<LongAnswer> {
        let answer = Arc::new(LongAnswer { mailbox: mailbox.clone(), left: Mutex::default() });
        answer.count(&mut answer.left.lock(), bytes);
        let listed: Weak<LongAnswer> = Arc::downgrade(&answer);
        if !mailbox.list(listed) {
            answer.cut();
        }
        answer
    }

    /// Counts that many more bytes.
    fn count(&self, left: &mut Left, more: usize) {
        self.mailbox.answering.fetch_add(more, Ordering::Relaxed);
        left.bytes += more;
    }

    /// Sets the answer: the packets, or their compressed form.
    pub fn load(&self, payload: Payload) {
        let mut left = self.left.lock();
        let more = payload.len().saturating_sub(left.bytes);
        self.count(&mut left, more);
        match &mut left.cut {
            Some(length) => *length = payload.len(),
            None => left.payload = payload,
        }
    }

    /// Takes the next bytes, at most `most`; empty at the end. `None` if the session was ended for its memory.
    /// If that happens later, `sender` is woken.
    pub fn take(&self, most: usize, sender: &Waker) -> Option<Bytes> {
        let mut left = self.left.lock();
        if left.cut.is_some() {
            return None;
        }
        match &mut left.sender {
            Some(waker) => waker.clone_from(sender),
            none => *none = Some(sender.clone()),
        }
        let taken = left.payload.take(most);
        self.mailbox.note_moved(taken.len());
        Some(taken)
    }

    /// Whether the session was ended for its memory.
    pub fn is_cut(&self) -> bool {
        self.left.lock().cut.is_some()
    }

    /// Whether all of it was taken.
    pub fn is_taken(&self) -> bool {
        let left = self.left.lock();
        left.cut.is_none() && left.payload.is_empty()
    }

    /// The bytes that were not taken.
    pub fn left(&self) -> usize {
        let left = self.left.lock();
        left.cut.unwrap_or_else(|| left.payload.len())
    }

    /// What was not taken, in one piece.
    pub fn to_bytes(&self) -> Bytes {
        self.left.lock().payload.to_bytes()
    }
}

impl Cut for LongAnswer {
    fn cut(&self) {
        let mut left = self.left.lock();
        left.cut = Some(left.payload.len());
        let (payload, sender) = (std::mem::take(&mut left.payload), left.sender.take());
        drop(left);
        drop(payload);
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}

impl Drop for LongAnswer {
    fn drop(&mut self) {
        self.mailbox.answering.fetch_sub(self.left.lock().bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for LongAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongAnswer").field("left", &self.left()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;
    use crate::memory::Holder as _;
    use crate::{Frame, Limit};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Count>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    const LENGTH: usize = 100_000;

    fn answer(mailbox: &Arc<Mailbox>) -> Arc<LongAnswer> {
        let format = crate::PayloadFormat { revision: crate::Revision::V4, base64: false };
        let (payload, _) = format.encode(&mut [Frame::text(&"x".repeat(LENGTH - 1))].into(), usize::MAX);
        let answer = LongAnswer::begin(mailbox, payload.len());
        answer.load(payload);
        answer
    }

    #[test]
    fn it_counts_for_its_session_until_it_is_dropped() {
        let (mailbox, receiver) = Mailbox::new(usize::MAX).split();
        let (one, other) = (answer(&mailbox), answer(&mailbox));
        assert_eq!(mailbox.holds(), 2 * LENGTH);
        assert_eq!(one.take(usize::MAX, Waker::noop()).map(|bytes| bytes.len()), Some(LENGTH));
        assert!(one.is_taken());
        assert_eq!(mailbox.holds(), 2 * LENGTH, "whoever took it may still have it");
        drop(one);
        assert_eq!(mailbox.holds(), LENGTH);
        // The session may end before its answer is sent.
        receiver.let_go();
        assert_eq!(mailbox.holds(), LENGTH);
        drop(other);
        assert_eq!(mailbox.holds(), 0);
    }

    #[test]
    fn whoever_is_evicted_is_sent_no_more_of_it() {
        let mailbox = Arc::new(Mailbox::new(usize::MAX));
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let answers = [(); 2].map(|()| answer(&mailbox));
        assert!(answers[0].take(10, &waker).is_some());
        mailbox.evict(Limit::Memory);
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "whoever sends it is woken");
        assert_eq!(answers.each_ref().map(|answer| answer.left()), [LENGTH - 10, LENGTH]);
        for answer in &answers {
            assert!(answer.is_cut() && !answer.is_taken());
            assert_eq!(answer.take(10, &waker), None);
        }
        // One that is registered too late is dropped too.
        let late = self::answer(&mailbox);
        assert_eq!((late.take(10, &waker), late.left()), (None, LENGTH));
    }
}
