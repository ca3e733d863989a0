//! The open packet, as a client reads it.

use std::time::Duration;

use serde::Deserialize;

use crate::Packet;

/// What a server says when it opens a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPacket {
    /// The session's id.
    pub sid: String,
    /// The transports to which the session can go over.
    pub upgrades: Vec<String>,
    /// The time from one ping to the next.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take.
    pub ping_timeout: Duration,
    /// The most bytes of a POST, if the server names a number. Older ones don't.
    pub max_payload: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    sid: String,
    #[serde(default)]
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: Option<usize>,
}

impl OpenPacket {
    /// Reads it; `None` if it is another packet, or lacks a field that a client can't do without.
    #[must_use]
    pub fn read(packet: &Packet) -> Option<OpenPacket> {
        let Packet::Open(json) = packet else { return None };
        let Fields { sid, upgrades, ping_interval, ping_timeout, max_payload } =
            serde_json::from_str(json).ok()?;
        Some(OpenPacket {
            sid,
            upgrades,
            ping_interval: Duration::from_millis(ping_interval),
            ping_timeout: Duration::from_millis(ping_timeout),
            max_payload,
        })
    }
}
