//! Makes a Socket.IO server useful to a backend in any language: clients speak Socket.IO, the backend speaks HTTP.
//!
//! ```text
//!                 ┌─ Io ──────────────────────┐
//!   clients ◀────▶│ namespaces, rooms, events │◀─── api    POST /api/emit, ... ─── backend
//!                 └───────────────────────────┘
//! ```
//!
//! It uses the public API of [`socketio`] alone. The program `socketio-server` makes it an application with options:
//! docs/guide/gateway.md.

mod api;
mod node;
mod operations;
mod time;

pub use api::Api;
pub use api::keys::{Keys, KeysError};
pub use node::Node;
