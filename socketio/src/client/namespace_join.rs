//! A client's join of a namespace, from its CONNECT to its end.

use std::sync::Arc;

use crate::namespace::Namespace;
use crate::packet::Packet;
use crate::recovery::history::History;
use crate::socket::Socket;

/// A namespace that the client is in, or wants to join.
pub(super) enum NamespaceJoin {
    /// Whether the client may join is not decided yet.
    Pending(Box<PendingJoin>),
    Joined(Socket),
}

/// A join that is not decided yet.
pub(super) struct PendingJoin {
    pub(super) serial: u32,
    pub(super) waits_for: WaitsFor,
    /// Packets that came before the decision.
    pub(super) packets: Vec<Packet>,
}

/// What a join waits for.
pub(super) enum WaitsFor {
    /// The parents, which decide whether a namespace of that name may be created.
    Parents {
        nsp: Box<str>,
        auth: Option<Box<str>>,
    },
    Middlewares(Socket),
    /// The end of the socket that the client wants to recover.
    OldSocket {
        namespace: Namespace,
        auth: Option<Box<str>>,
        history: Arc<History>,
    },
    /// The adapter, which looks for the session that the client wants to recover.
    Session {
        namespace: Namespace,
        auth: Option<Box<str>>,
    },
}

impl NamespaceJoin {
    pub(super) fn nsp(&self) -> &str {
        match self {
            NamespaceJoin::Joined(socket) => socket.namespace_name(),
            NamespaceJoin::Pending(pending) => match &pending.waits_for {
                WaitsFor::Parents { nsp, .. } => nsp,
                WaitsFor::Middlewares(socket) => socket.namespace_name(),
                WaitsFor::OldSocket { namespace, .. } | WaitsFor::Session { namespace, .. } => {
                    namespace.name()
                }
            },
        }
    }

    /// The client leaves, so it can't recover what it has claimed.
    pub(super) fn end_history(&self) {
        let NamespaceJoin::Pending(pending) = self else { return };
        match &pending.waits_for {
            WaitsFor::Parents { .. } | WaitsFor::Session { .. } => {}
            WaitsFor::Middlewares(socket) => socket.end_history(),
            WaitsFor::OldSocket { namespace, history, .. } => namespace.end_history(history),
        }
    }

    pub(super) fn serial(&self) -> u32 {
        match self {
            NamespaceJoin::Joined(socket) => socket.serial(),
            NamespaceJoin::Pending(pending) => pending.serial,
        }
    }
}
