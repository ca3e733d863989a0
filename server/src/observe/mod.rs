//! Ways to see what happens: the journal, the inspector, metrics, the rules by name, and `explain`. They watch through
//! `engineio::observe` and change nothing; a server without them pays nothing for them.

pub mod explain;
pub mod inspector;
pub mod journal;
pub(crate) mod metrics;
pub(crate) mod operations;
pub mod rules;
