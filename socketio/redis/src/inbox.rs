//! What was received, until a task of its own reads it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use socketio::Node;
use tokio::sync::mpsc;

use crate::counts::Counts;
use crate::format::{Format, Heard};
use crate::link::Entry;
use crate::publisher::Publisher;
use crate::wire::Garbage;

/// What was heard and not looked into yet.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: mpsc::UnboundedSender<Letter>,
    /// What waits, or is being read.
    unread: Arc<AtomicUsize>,
    limit: usize,
    node: Node,
    format: Arc<dyn Format>,
    counts: Arc<Counts>,
}

/// Something that was heard.
pub(crate) enum Letter {
    Message { channel: String, payload: Bytes },
    Entry(Entry),
}

/// The other end of it.
pub(crate) struct Letters {
    receiver: mpsc::UnboundedReceiver<Letter>,
    unread: Arc<AtomicUsize>,
}

pub(crate) fn inbox(
    limit: usize,
    node: Node,
    format: Arc<dyn Format>,
    counts: Arc<Counts>,
) -> (Inbox, Letters) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unread = Arc::new(AtomicUsize::new(0));
    (Inbox { sender, unread: Arc::clone(&unread), limit, node, format, counts }, Letters { receiver, unread })
}

/// What a message takes beside its bytes, about.
const OVERHEAD: usize = 128;

impl Letter {
    fn cost(&self) -> usize {
        OVERHEAD
            + match self {
                Letter::Message { channel, payload } => channel.len() + payload.len(),
                Letter::Entry(entry) => entry.cost(),
            }
    }
}

impl Inbox {
    pub(crate) fn has_room(&self) -> bool {
        self.unread.load(Ordering::Acquire) <= self.limit
    }

    pub(crate) fn put(&self, letter: Letter) {
        self.counts.heard.add(1);
        let unread = self.unread.load(Ordering::Acquire);
        if let Letter::Message { channel, payload } = &letter {
            let is_own = self.format.is_own(payload, self.node.id());
            // What is read before it may have somebody join the room that it is for.
            if is_own || (unread == 0 && !self.format.is_wanted(channel, &self.node)) {
                return self.counts.unwanted.add(1);
            }
        }
        let cost = letter.cost();
        // A stream is not read on while there is no room.
        if unread > self.limit && matches!(letter, Letter::Message { .. }) {
            if self.counts.overrun() == 0 {
                tracing::warn!(
                    "other nodes send more than this one can read: some is lost; this is said once"
                );
            }
            return self.counts.overrun.add(1);
        }
        self.unread.fetch_add(cost, Ordering::Relaxed);
        // The reader may have ended already.
        let _ = self.sender.send(letter);
    }
}

/// Reads what was heard, on a task of its own.
pub(crate) struct Reader {
    pub(crate) node: Node,
    pub(crate) format: Arc<dyn Format>,
    pub(crate) publisher: Weak<Publisher>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) warned: AtomicBool,
}

impl Reader {
    pub(crate) async fn run(self, mut heard: Letters) {
        while let Some(letter) = heard.receiver.recv().await {
            // What comes next is read whatever a handler of the application does.
            if catch_unwind(AssertUnwindSafe(|| self.read(&letter))).is_err() {
                tracing::error!("a message of another server made something panic; it is skipped");
            }
            heard.unread.fetch_sub(letter.cost(), Ordering::Release);
        }
    }

    fn read(&self, letter: &Letter) {
        if let Letter::Entry(entry) = letter
            && let Some((serial, offset)) = self.format.returned(entry, &self.node)
        {
            return self.node.returned(serial, offset);
        }
        let (place, wanted) = match letter {
            Letter::Message { channel, .. } => (&**channel, self.format.is_wanted(channel, &self.node)),
            Letter::Entry(entry) => (&*entry.stream, self.format.is_wanted_entry(entry, &self.node)),
        };
        let is_awaited = |letter: &Letter| match letter {
            Letter::Message { channel, payload } => {
                self.format.answered(channel, payload).is_none_or(|request| self.node.awaits(request))
            }
            Letter::Entry(_) => true,
        };
        if !wanted || !is_awaited(letter) {
            return self.counts.unwanted.add(1);
        }
        let decoded = match letter {
            Letter::Message { channel, payload } => self.format.decode(channel, payload),
            Letter::Entry(entry) => self.format.decode_entry(entry),
        };
        match decoded {
            Ok(Heard::Message(message)) => self.node.receive(*message),
            Ok(Heard::Question { namespace, from, answer }) => {
                let own = from.as_ref() == Some(self.node.id());
                let namespace = self.node.namespace(&namespace).filter(|_| !own);
                if let (Some(namespace), Some(publisher)) = (namespace, self.publisher.upgrade()) {
                    drop(publisher.send(answer(&namespace)));
                }
            }
            Ok(Heard::Nothing) => {}
            Err(garbage) => self.ignore(place, &garbage),
        }
    }

    fn ignore(&self, place: &str, garbage: &Garbage) {
        self.counts.foreign.add(1);
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                place,
                %garbage,
                "a message on a channel of this cluster can't be understood; others are counted and not said"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_memory_as_well() {
        let letter = Letter::Message { channel: "c".repeat(1000), payload: Bytes::new() };
        assert!(letter.cost() > 1000);
        let fields = vec![("n".repeat(1000).into(), Bytes::new()); 10];
        assert!(Letter::Entry(Entry { stream: "s".into(), id: "1-0".into(), fields }).cost() > 10_000);
        // Also where they are short.
        let fields = vec![("".into(), Bytes::new()); 1000];
        let bytes = 1000 * size_of::<(std::borrow::Cow<'_, str>, Bytes)>();
        assert!(Letter::Entry(Entry { stream: "s".into(), id: "1-0".into(), fields }).cost() > bytes);
    }
}
