//! The acknowledgements that are awaited from one socket.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::ack::answers::RawAnswer;
use crate::ack::collector::Collector;
use crate::args::Args;
use crate::error::AckError;
use crate::namespace::room::Room;

/// The acknowledgements that are awaited from one socket. Each entry is removed exactly once: by the answer, by the
/// task that stops waiting, or by the socket's end.
#[derive(Default)]
pub(crate) struct PendingAcks(Mutex<BTreeMap<u64, Waiter>>);

/// Who waits for an answer.
pub(super) enum Waiter {
    One(oneshot::Sender<Args>),
    /// A broadcast, and whose answer this is.
    Broadcast(Arc<Collector<RawAnswer>>, Room),
}

impl PendingAcks {
    pub(super) fn insert(&self, id: u64, waiter: Waiter, limit: usize) -> Result<(), AckError> {
        let mut waiting = self.0.lock();
        if waiting.len() >= limit {
            return Err(AckError::TooManyPending);
        }
        waiting.insert(id, waiter);
        Ok(())
    }

    fn remove(&self, id: u64) -> Option<Waiter> {
        self.0.lock().remove(&id)
    }

    /// Stops waiting for that answer. Returns whether it was still awaited.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.remove(id).is_some()
    }

    /// An answer has arrived. If nobody waits for it, it is ignored.
    pub(crate) fn resolve(&self, id: u64, args: Args) {
        match self.remove(id) {
            // A task that stops waiting removes its entry, so the receiver exists.
            Some(Waiter::One(sender)) => drop(sender.send(args)),
            Some(Waiter::Broadcast(collector, socket)) => collector.add((Some(socket), Ok(args))),
            None => {}
        }
    }

    /// The socket has ended, so nobody will answer. Nothing is sent after that: a task that adds an entry later fails
    /// to send, and removes the entry.
    pub(crate) fn end(&self) {
        let waiting = std::mem::take(&mut *self.0.lock());
        for waiter in waiting.into_values() {
            if let Waiter::Broadcast(collector, socket) = waiter {
                collector.add((Some(socket), Err(AckError::Disconnected)));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
