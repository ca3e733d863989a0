//! Is a Socket.IO client right, and is a server? Numbered cases say so.
//!
//! A [`Case`](case::Case) has a number that never changes its meaning, what is expected in one sentence, where that is written,
//! and a script. The script plays the other side: for clients through [`LabPeer`](peer::LabPeer), a server that does only what it
//! is told, right or wrong. It ends with a [`Verdict`](verdict::Verdict), and with a journal of all that passed.
//!
//! ```text
//!   Lab ── /next, /saw ── agent: the client under test, and a few lines around it
//!    │                      │
//!    ▼                      ▼ HTTP and WebSocket
//!   CaseRun ── script ── LabPeer ── wire: requests, answers and frames as bytes
//!    │
//!    ▼
//!   Outcome ── report: JSON, JUnit, page, text
//! ```
//!
//! ```
//! use socketio_lab::case::{Case, Document, Source};
//! use socketio_lab::peer::LabPeer;
//!
//! let case = Case::<LabPeer>::new(
//!     "3.1.1",
//!     "answers a ping",
//!     "The client answers each ping with a pong.",
//!     Source::Document(Document::EngineIo4, "Heartbeat"),
//!     |peer| Box::pin(async move {
//!         peer.join().await?;
//!         peer.send("2").await?;
//!         peer.expect("3").await
//!     }),
//! )
//! .v4();
//! assert_eq!(case.about.group(), 3);
//! ```

pub mod agent;
pub mod case;
pub mod cases;
pub mod control;
pub mod lab;
pub mod msgpack;
pub mod packet;
pub mod peer;
pub mod record;
pub mod report;
pub mod run;
pub mod selection;
pub mod verdict;
mod wire;

pub use wire::frame;
pub use wire::head::Head;
pub use wire::request::{RawAnswer, Request, WebSocketWriter};
pub use wire::stream;
