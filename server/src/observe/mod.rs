//! Ways to see what happens: the journal, the inspector, and metrics. They are observers (`engineio::observe`), and
//! change nothing. A server without them does no work for them.

#[cfg(feature = "observe")]
pub mod inspector;
#[cfg(feature = "observe")]
pub mod journal;
pub(crate) mod metrics;
pub(crate) mod operations;
mod process;
