//! How a client loses its socket and gets it back, or doesn't.

use std::sync::Arc;

use engineio::{CloseReason, Frame, Mailbox};
use tokio::sync::oneshot;

use super::{Claim, History, Lost, NotResumed, RecoveredSocket, SOONEST_RETURN, Stage, State, Ticket};
use crate::clock;
use crate::namespace::room::Room;
use crate::recovery::offset::Offset;
use crate::recovery::request::RecoveryFailure;
use crate::socket::values::Values;

/// # Loss and return
impl History {
    /// The connection is lost. Returns whether the history had not ended before.
    pub(in crate::recovery) fn lose(&self, lost: Lost) -> bool {
        let mut state = self.state.lock();
        let connected = matches!(state.stage, Stage::Connected(..));
        if connected {
            self.budget.add(lost.cost());
            state.stage = Stage::Lost(Box::new(lost));
        }
        connected
    }

    /// The old socket's end is complete: it has left its rooms, and its handlers know. Wakes the tasks that wait for
    /// that.
    pub(crate) fn settle(&self) {
        let mut state = self.state.lock();
        if let Stage::Lost(lost) = &mut state.stage {
            lost.settled = true;
        }
        for waiting in state.waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = waiting.send(());
        }
    }

    /// Claims the history of a lost socket, which is possible once.
    pub(in crate::recovery) fn claim(self: &Arc<Self>, offset: Option<Offset>) -> Claim {
        let mut state = self.state.lock();
        let known = state.behind(offset).is_some();
        match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Lost(lost) if known && lost.ticket.0 > clock::now() => {
                if !lost.settled {
                    state.stage = Stage::Lost(lost);
                    return self.wait(&mut state);
                }
                let (id, values) = (Arc::clone(&lost.id), lost.values.clone());
                let (ticket, history) = (lost.ticket, Arc::clone(self));
                state.stage = Stage::Claimed(lost, offset);
                Claim::Granted(RecoveredSocket { history, ticket, id, values, offset, is_foreign: false })
            }
            Stage::Connected(mailbox, since) if known && since.elapsed() >= SOONEST_RETURN => {
                // Only the client knows the pid, so it has lost its connection, and the server has not noticed yet.
                mailbox.close(CloseReason::TransportClose);
                state.stage = Stage::Connected(mailbox, since);
                self.wait(&mut state)
            }
            stage => {
                state.stage = stage;
                Claim::Refused(match &state.stage {
                    Stage::Lost(lost) if lost.ticket.0 <= clock::now() => RecoveryFailure::Expired,
                    Stage::Lost(_) => RecoveryFailure::Offset,
                    Stage::Connected(..) if !known => RecoveryFailure::Offset,
                    Stage::Connected(..) | Stage::Claimed(..) => RecoveryFailure::Taken,
                    Stage::New | Stage::Over => RecoveryFailure::Unknown,
                })
            }
        }
    }

    fn wait(self: &Arc<Self>, state: &mut State) -> Claim {
        let (tell, told) = oneshot::channel();
        state.waiting.push(tell);
        Claim::NotYet(Arc::clone(self), told)
    }

    /// Whether the client is connected, and could recover if it lost its connection.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Connected(..)) && !self.is_doubted()
    }

    /// The socket that is away: its id, its rooms and its values.
    pub(in crate::recovery) fn lost(&self) -> Option<(Room, Vec<Room>, Option<Arc<Values>>)> {
        match &self.state.lock().stage {
            Stage::Lost(lost) | Stage::Claimed(lost, _) => {
                Some((Arc::clone(&lost.id), lost.rooms.clone(), lost.values.clone()))
            }
            _ => None,
        }
    }

    /// The rooms of the socket that is away.
    pub(crate) fn rooms(&self) -> Vec<Room> {
        match &self.state.lock().stage {
            Stage::Lost(lost) | Stage::Claimed(lost, _) => lost.rooms.clone(),
            _ => Vec::new(),
        }
    }

    /// The new socket is accepted: sends what it missed, and then `reply`. Returns the old socket.
    pub(in crate::recovery) fn resume(
        &self,
        mailbox: &Arc<Mailbox>,
        reply: &Frame,
    ) -> Result<Lost, NotResumed> {
        let mut state = self.state.lock();
        let doubted = state.is_doubted();
        let (lost, offset) = match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Claimed(lost, offset) if !doubted => (lost, offset),
            other => {
                let claimed = matches!(other, Stage::Claimed(..));
                state.stage = other;
                return Err(if claimed { NotResumed::Incomplete } else { NotResumed::Ended });
            }
        };
        let got = state.behind(offset).unwrap_or_default();
        self.drop_first(&mut state, got);
        // The recovery's budget already counts all of it.
        let mut frames: Vec<_> =
            state.events.iter().flat_map(|kept| kept.frames.as_slice()).cloned().collect();
        frames.push(reply.clone());
        mailbox.push_owed(&frames);
        self.budget.sub(lost.cost());
        state.stage = Stage::Connected(Arc::clone(mailbox), clock::now());
        state.senders.clear();
        Ok(*lost)
    }

    /// The new socket is not accepted, and another may try. Returns when the old socket is given up, if it was
    /// claimed.
    pub(in crate::recovery) fn put_back(&self) -> Option<Ticket> {
        let mut state = self.state.lock();
        let (stage, ticket) = match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Claimed(lost, _) => {
                let ticket = lost.ticket;
                (Stage::Lost(lost), Some(ticket))
            }
            other => (other, None),
        };
        state.stage = stage;
        ticket
    }

    /// Ends this history. Returns the lost socket, if there was one.
    pub(in crate::recovery) fn end(&self) -> Option<Lost> {
        self.end_in(&mut self.state.lock())
    }

    /// Ends this history if its socket is away and not claimed.
    pub(in crate::recovery) fn give_up(&self) -> Option<Lost> {
        let mut state = self.state.lock();
        if let Stage::Lost(_) = state.stage { self.end_in(&mut state) } else { None }
    }

    /// Ends this history if its socket is away and not claimed, or if it still belongs to the socket with this
    /// mailbox. Then returns the lost socket, if there was one.
    pub(in crate::recovery) fn put_out(&self, by: &Arc<Mailbox>) -> Option<Option<Lost>> {
        let mut state = self.state.lock();
        let its_own = match &state.stage {
            Stage::Lost(_) => true,
            Stage::Connected(mailbox, _) => Arc::ptr_eq(mailbox, by),
            Stage::New | Stage::Claimed(..) | Stage::Over => false,
        };
        its_own.then(|| self.end_in(&mut state))
    }

    fn end_in(&self, state: &mut State) -> Option<Lost> {
        let count = state.events.len();
        self.drop_first(state, count);
        // Who waits hears of it by that.
        state.waiting.clear();
        state.senders.clear();
        match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Lost(lost) | Stage::Claimed(lost, _) => {
                self.budget.sub(lost.cost());
                Some(*lost)
            }
            _ => None,
        }
    }
}
