//! What a client is sent, and what is kept of it.

use std::sync::Arc;

use engineio::memory::Held;
use engineio::{Mailbox, QueueError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Destination, ENTRY_COST, History, InTransit, Stage, State};
use crate::clock;
use crate::recovery::budget::Shortage;
use crate::recovery::kept::KeptEvent;
use crate::recovery::offset::Offset;

/// # Events
impl History {
    /// Sends an event to this client alone. If it is away, or about to be, it gets the event once it has recovered.
    pub(crate) fn send(&self, event: &Arc<KeptEvent>) -> Result<(), QueueError> {
        let mut state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _) => {
                if let Err(QueueError::Full) = mailbox.push(event.frames.as_slice()) {
                    return Err(QueueError::Full);
                }
            }
            Stage::Lost(_) | Stage::Claimed(..) => {}
            Stage::New | Stage::Over => return Err(QueueError::Closed),
        }
        self.append(&mut state, event);
        Ok(())
    }

    /// Sends a broadcast to this client, if it is connected. If it is evicted because of that, it can recover the
    /// event.
    pub(crate) fn share(&self, event: &Arc<KeptEvent>) -> bool {
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Connected(..)) || state.has_had(event) {
            return false;
        }
        let Stage::Connected(mailbox, _) = &state.stage else { return false };
        mailbox.push_owed(event.frames.as_slice());
        self.append(&mut state, event);
        true
    }

    /// Sends an event even over the budget, or keeps it until the client comes back. Returns whether it did.
    pub(crate) fn deliver(&self, event: &Arc<KeptEvent>) -> bool {
        let mut state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _) => drop(mailbox.push_owed(event.frames.as_slice())),
            Stage::Lost(_) | Stage::Claimed(..) => {}
            Stage::New | Stage::Over => return false,
        }
        self.append(&mut state, event);
        true
    }

    /// Inserts earlier events. Some of them may be here already, and this node may receive others later.
    pub(in crate::recovery) fn prepend(&self, events: Vec<Arc<KeptEvent>>) {
        let mut state = self.state.lock();
        let (Stage::Claimed(..), Some(last)) = (&state.stage, events.last().map(|kept| kept.offset)) else {
            return;
        };
        let had = state.events.len();
        let since: Vec<_> = state.events.drain(..).filter(|kept| kept.offset > last).collect();
        state.had = Some(last);
        state.events = events.into_iter().chain(since).collect();
        self.budget.add(state.events.len() * ENTRY_COST);
        self.budget.sub(had * ENTRY_COST);
    }

    /// The client is about to get an event early, without an offset. If it lost its connection soon, it would be
    /// unclear what it has received. Returns whether it still needs the event: not if it has everything up to
    /// `offset`.
    pub(crate) fn doubt(&self, offset: Option<Offset>) -> bool {
        let mut state = self.state.lock();
        if offset.is_some() && offset <= state.had {
            return false;
        }
        state.doubted = Some(clock::after(self.window));
        true
    }

    pub(crate) fn is_doubted(&self) -> bool {
        self.state.lock().is_doubted()
    }

    /// Keeps a broadcast for a lost socket.
    pub(in crate::recovery) fn miss(&self, event: &Arc<KeptEvent>) {
        let mut state = self.state.lock();
        if let Stage::Lost(_) | Stage::Claimed(..) = state.stage
            && !state.has_had(event)
        {
            self.append(&mut state, event);
        }
    }

    /// The mailbox, if the client is connected.
    pub(crate) fn mailbox(&self) -> Option<Arc<Mailbox>> {
        match &self.state.lock().stage {
            Stage::Connected(mailbox, _) => Some(Arc::clone(mailbox)),
            _ => None,
        }
    }

    /// Counts an event that is sent to the client through an adapter.
    pub(crate) fn in_transit(self: &Arc<Self>, bytes: usize) -> InTransit {
        self.state.lock().in_transit += bytes;
        InTransit { history: Arc::clone(self), held: Held::new(bytes) }
    }

    /// Whether a connected client's budget is used up, counting what an adapter still has.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _) => mailbox.cost() + state.in_transit >= mailbox.budget(),
            _ => false,
        }
    }

    /// Where to send events for the client. The connection of the mailbox `ended` is over.
    pub(crate) fn destination(&self, ended: Option<&Arc<Mailbox>>) -> Destination {
        let mut state = self.state.lock();
        match &state.stage {
            Stage::Connected(mailbox, _)
                if state.has_space() && ended.is_none_or(|ended| !Arc::ptr_eq(ended, mailbox)) =>
            {
                Destination::Open(Arc::clone(mailbox))
            }
            Stage::Connected(..) | Stage::Lost(_) | Stage::Claimed(..) => {
                let (sender, blocked) = oneshot::channel();
                state.senders.retain(|sender| !sender.is_closed());
                state.senders.push(sender);
                Destination::Blocked(blocked)
            }
            Stage::New | Stage::Over => Destination::Over,
        }
    }

    /// Whether the client is connected or can recover.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state.lock().stage, Stage::New | Stage::Over)
    }

    fn append(&self, state: &mut State, event: &Arc<KeptEvent>) {
        state.events.push_back(Arc::clone(event));
        self.budget.add(ENTRY_COST);
        if let Stage::Connected(..) = state.stage {
            self.drop_older(state, event.at);
            let count = state.events.len();
            match self.budget.shortage() {
                Shortage::None => {}
                Shortage::Half => self.drop_first(state, count / 2),
                Shortage::All => self.drop_first(state, count),
            }
        }
    }

    /// Drops events that a connected client has long received.
    pub(in crate::recovery) fn forget(&self, now: Instant) {
        let mut state = self.state.lock();
        if let Stage::Connected(..) = state.stage {
            self.drop_older(&mut state, now);
        }
    }

    /// A lost connection is noticed long before an event is that old.
    fn drop_older(&self, state: &mut State, now: Instant) {
        let old = |kept: &&Arc<KeptEvent>| now.duration_since(kept.at) > self.window;
        let count = state.events.iter().take_while(old).count();
        self.drop_first(state, count);
    }

    pub(super) fn drop_first(&self, state: &mut State, count: usize) {
        if count == 0 {
            return;
        }
        for kept in state.events.drain(..count) {
            state.base = Some(kept.offset);
        }
        self.budget.sub(count * ENTRY_COST);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engineio::Sid;

    use super::*;
    use crate::recovery::budget::Budget;
    use crate::recovery::history::Lost;
    use crate::recovery::request::RecoveryRequest;

    #[test]
    fn senders_that_have_given_up_are_not_kept() {
        let (since, window) = (Offset::new(0, 0), Duration::from_secs(1));
        let (home, budget): (crate::recovery::history::HomeNamespace, _) =
            (Arc::new(|_| true), Arc::new(Budget::new(1_000_000)));
        let ticket = (clock::now(), 0);
        let lost = Lost { ticket, id: "id".into(), rooms: Vec::new(), values: None, settled: true };
        let presented = RecoveryRequest { pid: Sid::generate(), offset: None };
        let history = History::new(0, since, &home, window, &budget).adopted(presented, lost);
        for _ in 0..100 {
            assert!(matches!(history.destination(None), Destination::Blocked(_)));
        }
        assert_eq!(history.state.lock().senders.len(), 1);
    }
}
