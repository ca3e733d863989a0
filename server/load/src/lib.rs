//! What a load on a server measures, without IO.
//!
//! The load is an open loop: a message is due at its time, whether or not the answers keep up, and its latency counts
//! from then. So a server that stands still for a second is charged with all that was due in that second, and not with
//! the one message that a client happened to be waiting for (this is called coordinated omission).
//!
//! ```text
//!   Schedule ── a message is due ──▶ sent ──▶ the server ──▶ it is back ──▶ Arrivals: lost, out of order, twice
//!      │                                                         │
//!      └───────────────────── when it was due ───────────────────▶ Histogram: how long that is ago
//! ```
//!
//! ```
//! use std::time::Duration;
//! use socketio_load::{Arrivals, Histogram, Schedule};
//!
//! let schedule = Schedule::new(1000.0);
//! let sent = schedule.due_within(Duration::from_millis(5));
//! assert_eq!(sent, 5);
//!
//! let (mut latencies, mut arrivals) = (Histogram::new(), Arrivals::default());
//! for (number, at) in [(0, 3), (1, 4), (4, 9)] {
//!     arrivals.arrived(number);
//!     latencies.record(Duration::from_millis(at) - schedule.due(number), 1);
//! }
//! assert_eq!(arrivals.lost(sent), 2);
//! assert_eq!(latencies.max(), Duration::from_millis(5));
//! ```

mod arrivals;
mod histogram;
mod schedule;

pub use arrivals::{Arrival, Arrivals};
pub use histogram::Histogram;
pub use schedule::Schedule;
