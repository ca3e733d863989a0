//! Clients that come back to another node than before, if the adapter keeps [`Sessions`](crate::Sessions).
//!
//! ```text
//!   this node                           the adapter                      the node that the client comes to
//!   connection lost ─── keep ─────────▶ session, for max_disconnection
//!                                       broadcasts, for as long as they last
//!                                                 ◀──── take ─────────── CONNECT with pid and offset
//!                                                 ◀──── missed ───────── what came after the offset
//! ```
//!
//! Only the node that takes the session may recover the socket. The node that the client was on still has its
//! history, and also asks for the session before it gives out its socket. If another node has stored the
//! session since, that one counts.

use std::sync::Arc;

use tokio::time::timeout;

use super::NamespaceRecovery;
use super::claimed::Claimed;
use super::history::{Granted, History, Lost};
use super::kept::Kept;
use super::presented::{Presented, Refusal};
use crate::clock;
use crate::cluster::Cluster;
use crate::cluster::message::{MessageBody, NodeMessage};
use crate::cluster::sessions::Session;
use crate::namespace::Namespace;
use crate::namespace::outgoing::Recall;
use crate::namespace::room::{Room, Selection};
use crate::socket::values::Values;

impl Namespace {
    /// Takes the session of a client that comes back. `here` is its socket if it was on this node.
    pub(crate) async fn take_session(
        self,
        presented: Presented,
        here: Option<Granted>,
    ) -> Result<Claimed, Refusal> {
        let here = here.map(|granted| self.claimed(granted));
        let (Some(cluster), Some(recovery)) = (self.shared_recovery(), self.recovery()) else {
            return here.ok_or(Refusal::Unknown);
        };
        let Some(sessions) = cluster.sessions() else { return Err(Refusal::Unknown) };
        let patience = self.config().cluster_timeout;
        let session = match timeout(patience, sessions.take(presented.pid.as_str())).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the session of a client that comes back can't be taken");
                return Err(Refusal::Unreachable);
            }
            Err(_) => return Err(Refusal::Unreachable),
        };
        // Without an offset, no other node can have given it out.
        let is_own = |session: &Session| presented.offset.is_none() || cluster.is_node(session.node.as_ref());
        match (session, here) {
            (Some(session), Some(here)) if is_own(&session) => Ok(here),
            (Some(session), here) => {
                // The client has been on another node since it was here, and may have changed there.
                self.end_claimed(recovery, here);
                self.adopt(cluster, recovery, &session, presented).await
            }
            (None, Some(here)) => {
                // Another node has given it out.
                self.end_claimed(recovery, Some(here));
                Err(Refusal::Taken)
            }
            (None, None) => Err(Refusal::Unknown),
        }
    }

    /// Nobody gets the socket that was claimed here.
    fn end_claimed(&self, recovery: &NamespaceRecovery, here: Option<Claimed>) {
        if let Some(granted) = here.and_then(Claimed::into_granted)
            && recovery.end(&granted.history)
        {
            self.leave();
        }
    }

    fn claimed(&self, granted: Granted) -> Claimed {
        let namespace = self.clone();
        Claimed::new(granted, move |history| namespace.put_back(history))
    }

    /// Makes a socket of another node, or one whose events are not all here, one of this node that is away, and claims
    /// it.
    async fn adopt(
        &self,
        cluster: &Cluster,
        recovery: &NamespaceRecovery,
        session: &Session,
        presented: Presented,
    ) -> Result<Claimed, Refusal> {
        let (Some(sessions), Some(offset)) = (cluster.sessions(), presented.offset) else {
            return Err(Refusal::Offset);
        };
        // From here on it misses what is broadcast, so that nothing falls between that and what is read below.
        let granted = recovery.adopt(self, session, presented).ok_or(Refusal::Unknown)?;
        let history = Arc::clone(&granted.history);
        // From here on it goes back to where others may take it, also if a parser of the application panics.
        let claimed = self.claimed(granted);
        let missed = timeout(self.config().cluster_timeout, sessions.missed(self.name(), offset)).await;
        let refusal = match missed {
            Ok(Ok(Some(missed))) => {
                for message in missed.iter().filter(|message| cluster.is_own(message)) {
                    if let (Some(serial), Some(offset)) = (message.serial, message.offset) {
                        cluster.placed(serial, offset);
                    }
                }
                let wanted = missed.into_iter().filter_map(|message| self.keep_missed(session, message));
                history.prepend(wanted.collect());
                return Ok(claimed);
            }
            Ok(Ok(None)) => Refusal::Offset,
            Ok(Err(_)) | Err(_) => Refusal::Unreachable,
        };
        drop(claimed.into_granted());
        if recovery.end(&history) {
            self.leave();
        }
        Err(refusal)
    }

    /// A broadcast that was missed, if it was for that socket.
    fn keep_missed(&self, session: &Session, message: NodeMessage) -> Option<Arc<Kept>> {
        let (offset, MessageBody::Broadcast { event, selection, flags, request: None }) =
            (message.offset?, message.body)
        else {
            return None;
        };
        if flags.volatile || !selects(&selection, session) {
            return None;
        }
        self.encode(event.name(), None, event.args(), flags, Recall::At(offset), false).ok()?.kept
    }

    /// Keeps the session of a socket that is being lost, so that any node can give it out.
    pub(crate) fn keep_session(
        &self,
        history: &History,
        id: &Room,
        rooms: &[Room],
        values: Option<&Arc<Values>>,
    ) {
        let sessions = self.shared_recovery().and_then(|cluster| cluster.sessions());
        let (Some(sessions), Some(recovery)) = (sessions, self.recovery()) else { return };
        let node = self.cluster().map(|cluster| Arc::clone(cluster.id()));
        let others = rooms.iter().filter(|room| *room != id);
        let rooms = [id].into_iter().chain(others).cloned().collect();
        let data = values.map(|values| values.data()).unwrap_or_default();
        let session = Session::new(Arc::clone(id), history.pid().as_str().into(), rooms, data).by(node);
        sessions.keep(session, recovery.shared().settings.max_disconnection);
    }

    /// A socket that was claimed is not let in. Another may claim it, unless it has missed something.
    pub(crate) fn put_back(&self, history: &Arc<History>) {
        if history.is_doubted() {
            return self.end_trail(history);
        }
        let Some(recovery) = self.recovery() else { return };
        if self.shared_recovery().is_some()
            && let Some((id, rooms, values)) = history.lost()
        {
            self.keep_session(history, &id, &rooms, values.as_ref());
        }
        recovery.put_back(history);
    }

    /// Nobody may come back for a socket that is away.
    pub(crate) fn forget_session(&self, history: &History) {
        if let Some(sessions) = self.shared_recovery().and_then(|cluster| cluster.sessions()) {
            sessions.forget(history.pid().as_str());
        }
    }
}

/// Whether a broadcast is for the socket of a session.
fn selects(selection: &Selection, session: &Session) -> bool {
    let is_in = |room: &Room| session.sid == *room || session.rooms.contains(room);
    (selection.rooms.is_empty() || selection.rooms.iter().any(is_in)) && !selection.except.iter().any(is_in)
}

impl NamespaceRecovery {
    /// Keeps a socket of another node as one that has been claimed here.
    fn adopt(&self, namespace: &Namespace, session: &Session, presented: Presented) -> Option<Granted> {
        // One of this node, if it was here before.
        let old = self.shared.table.lock().histories.get(&presented.pid).cloned();
        if old.is_some_and(|old| namespace.give_up(&old)) {
            tracing::debug!(
                "a client gets what it missed from the adapter, because it is no longer kept here"
            );
        }
        let mut lost = self.lost.write();
        if lost.is_closed() {
            return None;
        }
        let mut table = self.shared.table.lock();
        if table.histories.contains_key(&presented.pid) {
            return None;
        }
        table.next_ticket += 1;
        let window = self.shared.settings.max_disconnection;
        let ticket = (clock::after(window), table.next_ticket);
        let id = Arc::clone(&session.sid);
        let rooms: Vec<_> = session.rooms.iter().filter(|room| **room != id).cloned().collect();
        let values = Some(Arc::new(Values::with_data(session.data.clone())));
        let away =
            Lost { ticket, id: Arc::clone(&id), rooms: rooms.clone(), values: values.clone(), settled: true };
        let history = Arc::new(self.new_trail().adopted(presented, away));
        lost.insert(&history, &id, &rooms);
        table.insert(&history);
        drop((lost, table));
        namespace.enter();
        Some(Granted { history, id, values, ticket, offset: presented.offset, is_foreign: true })
    }
}
