//! What an agent reports.

use serde_json::Value;

/// What the application saw, as its agent reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentObservation {
    /// One of [`SAW`](crate::agent::SAW).
    pub saw: String,
    /// With what.
    pub args: Vec<Value>,
}
