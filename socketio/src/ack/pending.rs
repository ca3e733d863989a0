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

/// The acknowledgements that are awaited from one socket. Each entry is taken out exactly once: by the
/// answer, by whoever waits and gives up, or by the socket's end.
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

    /// Nobody waits for that answer any more. Says whether it was still awaited.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.remove(id).is_some()
    }

    /// An answer came. One that nobody waits for, or no longer, is ignored.
    pub(crate) fn resolve(&self, id: u64, args: Args) {
        match self.remove(id) {
            // Whoever gives up takes the entry out, so somebody is there.
            Some(Waiter::One(sender)) => drop(sender.send(args)),
            Some(Waiter::Broadcast(collector, socket)) => collector.add((Some(socket), Ok(args))),
            None => {}
        }
    }

    /// The socket ended: nobody will answer any more. Nothing is sent after that, so an entry that comes
    /// later is taken out again by whoever fails to send.
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
