//! Settings of the recovery, and its counts.

use std::time::Duration;

/// Settings of the connection state recovery: what a client that loses its connection can get back.
///
/// A client of socket.io 4.6 or later then has `socket.recovered`. Every event without an acknowledgement has
/// one more argument, a string. The client sends the last one back to say what it has received.
///
/// ```
/// use std::time::Duration;
/// use socketio::{IoConfig, Io, Recovery};
///
/// fn application() -> Io {
///     let recovery = Recovery { max_disconnection: Duration::from_secs(60), ..Recovery::default() };
///     Io::with_config(IoConfig { recovery: Some(recovery), ..IoConfig::default() })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How long a client may be away. 2 minutes.
    pub max_disconnection: Duration,
    /// The bytes that recovery may use in all: for events that clients missed or may miss, and for clients that
    /// are away. 64,000,000. Beyond that, the server drops the client that has been away longest.
    pub bytes: usize,
    /// How many clients may be away at once. 100,000.
    pub sessions: usize,
    /// Whether a client that comes back skips the middlewares. `false`, since its rights may have changed.
    pub skip_middlewares: bool,
    /// How long a message of this node may take through an adapter that has a [`SessionStore`](crate::SessionStore).
    /// After that, its own clients get it without an offset, and don't recover if they lose their connection soon.
    /// 500 ms.
    pub adapter_patience: Duration,
}

impl Default for Recovery {
    fn default() -> Recovery {
        Recovery {
            max_disconnection: Duration::from_secs(120),
            bytes: 64_000_000,
            sessions: 100_000,
            skip_middlewares: false,
            adapter_patience: Duration::from_millis(500),
        }
    }
}

/// Counts of recoveries since the start: see [`Io::recovery_counts`](crate::Io::recovery_counts).
///
/// ```
/// use socketio::Io;
///
/// fn show(io: &Io) {
///     if let Some(counts) = io.recovery_counts() {
///         println!("{} came back, {} too late, {} are away", counts.recovered, counts.expired, counts.away);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryCounts {
    /// Clients that got their socket back.
    pub recovered: u64,
    /// Clients with an unknown pid.
    pub unknown: u64,
    /// Clients that came too late.
    pub expired: u64,
    /// Clients with a malformed pid or offset.
    pub malformed: u64,
    /// Clients with an unknown offset, or one that is no longer kept.
    pub offset: u64,
    /// Clients with a pid that another client is using.
    pub taken: u64,
    /// Clients that the application refused: see
    /// [`Namespace::allow_recovery`](crate::Namespace::allow_recovery).
    pub denied: u64,
    /// Clients that were dropped early, because there were too many or they used too much memory.
    pub given_up: u64,
    /// Clients that are away now.
    pub away: usize,
    /// About how many bytes recovery uses now.
    pub bytes: usize,
}
