//! Clients that come back to another node than before, if the adapter has a [`SessionStore`](crate::SessionStore).
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
//! history. It takes the session too before it lets the client recover the socket. If another node has stored the
//! session since, that one is used.

use std::sync::Arc;

use tokio::time::timeout;

use super::NamespaceRecovery;
use super::claimed::Claimed;
use super::history::{History, Lost, RecoveredSocket};
use super::kept::KeptEvent;
use super::request::{RecoveryFailure, RecoveryRequest};
use crate::clock;
use crate::cluster::Cluster;
use crate::cluster::message::{MessageBody, NodeMessage};
use crate::cluster::sessions::PersistedSession;
use crate::namespace::Namespace;
use crate::namespace::outgoing::Recall;
use crate::namespace::room::{Room, Selection};
use crate::socket::values::Values;

impl Namespace {
    /// Takes the session of a client that wants to recover. `here` is its socket if it was on this node.
    pub(crate) async fn take_session(
        self,
        presented: RecoveryRequest,
        here: Option<RecoveredSocket>,
    ) -> Result<Claimed, RecoveryFailure> {
        let here = here.map(|granted| self.claimed(granted));
        let (Some(cluster), Some(recovery)) = (self.shared_recovery(), self.recovery()) else {
            return here.ok_or(RecoveryFailure::Unknown);
        };
        let Some(sessions) = cluster.sessions() else { return Err(RecoveryFailure::Unknown) };
        let patience = self.config().cluster_timeout;
        let session = match timeout(patience, sessions.take(presented.pid.as_str())).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => {
                tracing::debug!(%error, "can't take the session of a client that wants to recover");
                return Err(RecoveryFailure::Unreachable);
            }
            Err(_) => return Err(RecoveryFailure::Unreachable),
        };
        // Without an offset, no other node can have recovered it.
        let is_own =
            |session: &PersistedSession| presented.offset.is_none() || cluster.is_node(session.node.as_ref());
        match (session, here) {
            (Some(session), Some(here)) if is_own(&session) => Ok(here),
            (Some(session), here) => {
                // The client has been on another node since, and may have joined other rooms there.
                self.end_claimed(recovery, here);
                self.adopt(cluster, recovery, &session, presented).await
            }
            (None, Some(here)) => {
                // Another node has given it out.
                self.end_claimed(recovery, Some(here));
                Err(RecoveryFailure::Taken)
            }
            (None, None) => Err(RecoveryFailure::Unknown),
        }
    }

    /// The socket that was claimed here is given up.
    fn end_claimed(&self, recovery: &NamespaceRecovery, here: Option<Claimed>) {
        if let Some(granted) = here.and_then(Claimed::into_granted)
            && recovery.end(&granted.history)
        {
            self.leave();
        }
    }

    fn claimed(&self, granted: RecoveredSocket) -> Claimed {
        let namespace = self.clone();
        Claimed::new(granted, move |history| namespace.put_back(history))
    }

    /// Turns a socket of another node, or one whose events are not all here, into a lost socket of this node, and
    /// claims it.
    async fn adopt(
        &self,
        cluster: &Cluster,
        recovery: &NamespaceRecovery,
        session: &PersistedSession,
        presented: RecoveryRequest,
    ) -> Result<Claimed, RecoveryFailure> {
        let (Some(sessions), Some(offset)) = (cluster.sessions(), presented.offset) else {
            return Err(RecoveryFailure::Offset);
        };
        // From now on, broadcasts are kept for it, so that none is missed between this and what is read below.
        let granted = recovery.adopt(self, session, presented).ok_or(RecoveryFailure::Unknown)?;
        let history = Arc::clone(&granted.history);
        // From now on, it is given back if it is dropped, even if the application's parser panics.
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
            Ok(Ok(None)) => RecoveryFailure::Offset,
            Ok(Err(_)) | Err(_) => RecoveryFailure::Unreachable,
        };
        drop(claimed.into_granted());
        if recovery.end(&history) {
            self.leave();
        }
        Err(refusal)
    }

    /// A missed broadcast, if it was for that socket.
    fn keep_missed(&self, session: &PersistedSession, message: NodeMessage) -> Option<Arc<KeptEvent>> {
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

    /// Stores the session of a socket that is being lost, so that any node can recover it.
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
        let session =
            PersistedSession::new(Arc::clone(id), history.pid().as_str().into(), rooms, data).by(node);
        sessions.keep(session, recovery.shared().settings.max_disconnection);
    }

    /// A socket that was claimed is not recovered. It may be claimed again, unless it has missed something.
    pub(crate) fn put_back(&self, history: &Arc<History>) {
        if history.is_doubted() {
            return self.end_history(history);
        }
        let Some(recovery) = self.recovery() else { return };
        if self.shared_recovery().is_some()
            && let Some((id, rooms, values)) = history.lost()
        {
            self.keep_session(history, &id, &rooms, values.as_ref());
        }
        recovery.put_back(history);
    }

    /// A socket that is away can no longer be recovered.
    pub(crate) fn forget_session(&self, history: &History) {
        if let Some(sessions) = self.shared_recovery().and_then(|cluster| cluster.sessions()) {
            sessions.forget(history.pid().as_str());
        }
    }
}

/// Whether a broadcast is for the socket of a session.
fn selects(selection: &Selection, session: &PersistedSession) -> bool {
    let is_in = |room: &Room| session.sid == *room || session.rooms.contains(room);
    (selection.rooms.is_empty() || selection.rooms.iter().any(is_in)) && !selection.except.iter().any(is_in)
}

impl NamespaceRecovery {
    /// Adds a socket of another node as one that has been claimed here.
    fn adopt(
        &self,
        namespace: &Namespace,
        session: &PersistedSession,
        presented: RecoveryRequest,
    ) -> Option<RecoveredSocket> {
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
        let history = Arc::new(self.new_history().adopted(presented, away));
        lost.insert(&history, &id, &rooms);
        table.insert(&history);
        drop((lost, table));
        namespace.enter();
        Some(RecoveredSocket { history, id, values, ticket, offset: presented.offset, is_foreign: true })
    }
}
