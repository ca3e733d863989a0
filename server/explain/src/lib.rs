//! What the bytes on the wire mean, layer by layer, and the first wrong one. This crate needs no server and does no IO.
//!
//! [`input`] explains anything that a person may paste: a packet, a payload, WebSocket frames in hexadecimal,
//! lines of a journal. [`explain`] explains messages if you know their form, and [`explain_journal`] the
//! records of a journal. [`rules`] lists every rule that a client can break, [`journal`] has the format of
//! a journal, and [`page`] a dialog for pages.
//!
//! ```
//! use socketio_explain::{Settings, explain};
//!
//! let [legal] = &explain(&[b"42[\"chat\",\"hi\"]"], &Settings::default())[..] else { panic!() };
//! assert_eq!(legal.broken, None);
//! assert_eq!(legal.parts[1].meaning, "type 2, EVENT");
//!
//! let [wrong] = &explain(&[b"42[{}]"], &Settings::default())[..] else { panic!() };
//! let broken = wrong.broken.as_ref().unwrap();
//! assert_eq!((broken.at, broken.rule.id), (3, "EVENT_NAME"));
//! ```
//!
//! The decoders of `engineio` and `socketio` decide what is legal. This crate only finds the byte at which they
//! stopped, so it never disagrees with the server.

mod engine;
mod explanation;
mod frames;
mod guess;
mod input;
pub mod journal;
mod json;
mod messages;
pub mod page;
mod records;
pub mod rules;
mod socket;
mod walk;

pub use explanation::{BrokenRule, Explanation, Kind, Level, Part, Settings, Side};
pub use input::{Explained, ExplainedInput, Form, InputError, ReadInput, input};
pub use messages::explain;
pub use records::explain_journal;

#[cfg(test)]
mod tests;
