//! The cases for clients, in groups.

mod acks;
mod binary;
mod broken;
mod closing;
mod events;
mod heartbeat;
mod msgpack;
mod namespaces;
mod opening;
mod polling;
mod reconnection;
mod recovery;
mod upgrade;
mod websocket;
mod writing;

use crate::case::Case;
use crate::peer::LabPeer;

/// The groups, by their numbers from 1.
pub const GROUPS: [&str; 14] = [
    "Opening",
    "Polling",
    "Heartbeat",
    "Upgrade",
    "WebSocket",
    "Closing",
    "Reconnection",
    "Namespaces",
    "Events",
    "Binary",
    "Acknowledgements",
    "Broken servers",
    "Recovery",
    "MessagePack",
];

/// All cases for clients, in the order of their numbers.
#[must_use]
pub fn for_clients() -> Vec<Case<LabPeer>> {
    let mut cases: Vec<_> = [
        opening::cases(),
        polling::cases(),
        heartbeat::cases(),
        upgrade::cases(),
        websocket::cases(),
        closing::cases(),
        reconnection::cases(),
        namespaces::cases(),
        events::cases(),
        binary::cases(),
        acks::cases(),
        broken::cases(),
        recovery::cases(),
        msgpack::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.sort_by_key(|case| case.about.parts());
    cases
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_case_has_a_number_of_its_own_in_its_group() {
        let cases = for_clients();
        let ids: HashSet<_> = cases.iter().map(|case| case.about.id).collect();
        assert_eq!(ids.len(), cases.len());
        for case in &cases {
            let about = &case.about;
            assert!((1..=GROUPS.len() as u32).contains(&about.group()), "{}", about.id);
            assert_eq!(
                about.id.split('.').filter(|part| part.parse::<u32>().is_ok_and(|n| n > 0)).count(),
                3
            );
            assert!(about.expects.ends_with('.') && !about.title.ends_with('.'), "{}", about.id);
        }
    }
}
