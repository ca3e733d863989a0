//! A client's place in a namespace, before and after it is accepted.

use std::sync::Arc;

use crate::namespace::Namespace;
use crate::packet::Packet;
use crate::recovery::history::History;
use crate::socket::Socket;

/// A namespace that the client is in, or wants to join.
pub(super) enum Membership {
    /// It is not decided yet whether the client may.
    Waiting(Box<Waiting>),
    Joined(Socket),
}

/// A client that waits to be let in.
pub(super) struct Waiting {
    pub(super) serial: u32,
    pub(super) gate: Gate,
    /// Packets that came too early.
    pub(super) packets: Vec<Packet>,
}

/// Who decides.
pub(super) enum Gate {
    /// The parents of namespaces that are not there yet: whether there is such a namespace.
    Parents {
        nsp: Box<str>,
        auth: Option<Box<str>>,
    },
    Middlewares(Socket),
    /// Nobody: the socket that the client comes back for has to end first.
    OldSocket {
        namespace: Namespace,
        auth: Option<Box<str>>,
        history: Arc<History>,
    },
    /// The adapter: whether it has the session that the client comes back for.
    Session {
        namespace: Namespace,
        auth: Option<Box<str>>,
    },
}

impl Membership {
    pub(super) fn nsp(&self) -> &str {
        match self {
            Membership::Joined(socket) => socket.namespace_name(),
            Membership::Waiting(waiting) => match &waiting.gate {
                Gate::Parents { nsp, .. } => nsp,
                Gate::Middlewares(socket) => socket.namespace_name(),
                Gate::OldSocket { namespace, .. } | Gate::Session { namespace, .. } => namespace.name(),
            },
        }
    }

    /// The client leaves: it doesn't come back for what it has claimed.
    pub(super) fn end_trail(&self) {
        let Membership::Waiting(waiting) = self else { return };
        match &waiting.gate {
            Gate::Parents { .. } | Gate::Session { .. } => {}
            Gate::Middlewares(socket) => socket.end_trail(),
            Gate::OldSocket { namespace, history, .. } => namespace.end_trail(history),
        }
    }

    pub(super) fn serial(&self) -> u32 {
        match self {
            Membership::Joined(socket) => socket.serial(),
            Membership::Waiting(waiting) => waiting.serial,
        }
    }
}
