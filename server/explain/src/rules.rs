//! Every rule that a client can break, in one list.
//!
//! Each rule is next to the code that checks it: [`Refusal`] for requests, [`FrameViolation`] and [`Violation`] in `engineio`,
//! [`PacketViolation`] in `socketio`. A rule has an id, which the log, observers and [`explain`](crate::explain) show.
//! `docs/violations.md` is made of this list.

use engineio::websocket::FrameViolation;
use engineio::{CloseReason, Refusal, Violation};
use serde::Serialize;
use socketio::PacketViolation;

/// A rule that a client can break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtocolRule {
    /// The rule's name, such as `UNKNOWN_PACKET_TYPE`. No other rule has it.
    pub id: &'static str,
    /// What is wrong.
    pub what: String,
    /// Where to read about it: a section of the protocol, or of `docs/protocol.md`.
    pub section: &'static str,
    /// What the server does about it.
    pub answer: String,
}

/// All rules, in groups.
#[must_use]
pub fn all() -> [(&'static str, Vec<ProtocolRule>); 4] {
    [
        ("Requests", list(Refusal::ALL)),
        ("WebSocket frames", list(FrameViolation::ALL)),
        ("Engine.IO packets and payloads", list(Violation::ALL)),
        ("Socket.IO packets", list(PacketViolation::ALL)),
    ]
}

fn list<R: Copy + Into<ProtocolRule>>(rules: &[R]) -> Vec<ProtocolRule> {
    rules.iter().copied().map(Into::into).collect()
}

fn ends_the_session(reason: CloseReason) -> String {
    format!("ends the session: `{reason}`")
}

impl From<Refusal> for ProtocolRule {
    fn from(refusal: Refusal) -> ProtocolRule {
        let code = refusal.error_code();
        let answer = format!("answers {} with code {}, `{}`", code.status(), code.number(), code.message());
        ProtocolRule { id: refusal.name(), what: refusal.to_string(), section: refusal.section(), answer }
    }
}

impl From<FrameViolation> for ProtocolRule {
    fn from(violation: FrameViolation) -> ProtocolRule {
        let answer = format!("closes the WebSocket with {}", violation.code());
        ProtocolRule {
            id: violation.name(),
            what: violation.to_string(),
            section: violation.section(),
            answer,
        }
    }
}

impl From<Violation> for ProtocolRule {
    fn from(violation: Violation) -> ProtocolRule {
        let answer = match violation.close_reason() {
            Some(reason) => ends_the_session(reason),
            None => "closes the probing WebSocket; polling goes on".to_owned(),
        };
        ProtocolRule {
            id: violation.name(),
            what: violation.to_string(),
            section: violation.section(),
            answer,
        }
    }
}

impl From<PacketViolation> for ProtocolRule {
    fn from(error: PacketViolation) -> ProtocolRule {
        let answer = ends_the_session(error.close_reason());
        ProtocolRule { id: error.name(), what: error.to_string(), section: error.section(), answer }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_rules_share_an_id() {
        let rules: Vec<ProtocolRule> = all().into_iter().flat_map(|(_, rules)| rules).collect();
        let ids: HashSet<&str> = rules.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), rules.len());
    }
}
