//! Settings of the recovery, and what came of it.

use std::time::Duration;

/// Settings of the connection state recovery: what a client that loses its connection can get back.
///
/// A client of socket.io 4.6 or later then has `socket.recovered`. Every event without an acknowledgement
/// carries a further argument, a string, by which the client tells what it has got.
///
/// ```
/// use std::time::Duration;
/// use socketio::{Config, Io, Recovery};
///
/// fn application() -> Io {
///     let recovery = Recovery { max_disconnection: Duration::from_secs(60), ..Recovery::default() };
///     Io::with_config(Config { recovery: Some(recovery), ..Config::default() })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How long a client may be away. 2 minutes.
    pub max_disconnection: Duration,
    /// The bytes that all of it may take: events that were or could be missed, and clients that are away.
    /// 64,000,000. Beyond it, who is away for longest is given up.
    pub bytes: usize,
    /// How many clients may be away at once. 100,000.
    pub sessions: usize,
    /// Whether a client that comes back passes by the middlewares. `false`: its rights may have changed.
    pub skip_middlewares: bool,
}

impl Default for Recovery {
    fn default() -> Recovery {
        Recovery {
            max_disconnection: Duration::from_secs(120),
            bytes: 64_000_000,
            sessions: 100_000,
            skip_middlewares: false,
        }
    }
}

/// What came of recoveries, counted since the start: see [`Io::recovery_counts`](crate::Io::recovery_counts).
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
    /// Clients that came with a pid that is not known, or no longer.
    pub unknown: u64,
    /// Clients that came too late.
    pub expired: u64,
    /// Clients that came with something that can't be a pid or an offset.
    pub malformed: u64,
    /// Clients whose offset is not known, or not kept any more.
    pub offset: u64,
    /// Clients that came with a pid that another had just come with.
    pub taken: u64,
    /// Clients to which the application did not give the socket: see
    /// [`Namespace::allow_recovery`](crate::Namespace::allow_recovery).
    pub denied: u64,
    /// Clients that were given up before their time, for their number or their memory.
    pub given_up: u64,
    /// Clients that are away now.
    pub away: usize,
    /// The bytes that all of it takes now, about.
    pub bytes: usize,
}
