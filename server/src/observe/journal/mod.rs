//! The journal: everything that clients and the server send to each other, one JSON object on each line.
//!
//! The format is described in `docs/journal.md`. [`Journal`] writes it, as an observer of a server. The crate
//! [`socketio_explain`] has the format, and explains its records.
//!
//! It needs the feature `observe`, which is on by default.

mod draft;
mod file;
mod recorder;
mod redact;
mod sink;
mod writer;

pub use sink::Sink;
pub use socketio_explain::journal::{
    Carrier, Direction, Entry, Header, Raw, ReadError, Record, Run, VERSION, read, runs,
};
pub use writer::{Journal, JournalConfig};
