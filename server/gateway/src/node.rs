//! This node: its name, when it started, and whether there may be others.

use std::sync::Arc;
use std::time::SystemTime;

use crate::time::millis;

/// What a backend learns about this node.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    pub(crate) name: Arc<str>,
    /// When it started, in milliseconds since 1970. It tells a node from one of the same name that was there before.
    pub(crate) epoch: u64,
    /// Other nodes may have clients as well.
    pub(crate) clustered: bool,
    /// Hooks and API calls are noted with the sessions that they are about.
    pub(crate) notes: bool,
}

impl NodeInfo {
    /// A node of that name, which starts now. `clustered` says whether its `Io` has an adapter.
    #[must_use]
    pub fn new(name: &str, clustered: bool) -> NodeInfo {
        NodeInfo { name: name.into(), epoch: millis(SystemTime::now()), clustered, notes: false }
    }

    /// Shows hooks and API calls to those who watch the sessions that they are about: the journal and the inspector.
    #[must_use]
    pub fn with_notes(self) -> NodeInfo {
        NodeInfo { notes: true, ..self }
    }

    /// What a number or a list covers if it is made without asking other nodes.
    pub(crate) fn scope(&self) -> Scope {
        if self.clustered { Scope::Node } else { Scope::Cluster }
    }
}

/// What a number or a list covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// This node's clients.
    Node,
    /// The clients of all nodes, also if there is one node only.
    Cluster,
}
