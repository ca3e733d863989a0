//! Makes a Socket.IO server useful to a backend in any language: clients speak Socket.IO, the backend speaks HTTP.
//!
//! ```text
//!                 ┌─ Io ──────────────────────┐
//!                 │ namespaces, rooms, events │◀─── api     POST /api/emit, ... ◀─── backend
//!   clients ◀────▶│          │                │
//!                 │        rules ─▶ relay     │
//!                 │          └─────────────── │ ──▶ hooks   signed POSTs ──────────▶ backend
//!                 └───────────────────────────┘
//! ```
//!
//! It uses the public API of [`socketio`] alone. The program `socketio-server` makes it an application with options:
//! docs/guide/gateway.md.

mod api;
mod app;
mod hooks;
mod jwt;
mod node;
mod operations;
mod pattern;
mod presence;
mod reading;
mod rules;
mod time;
mod told;
mod web;

pub use api::Api;
pub use api::keys::{Keys, KeysError};
pub use app::{Gateway, Settings};
pub use hooks::sign::{Secrets, SecretsError};
pub use hooks::{HookType, Webhook};
pub use jwt::{Jwt, JwtError};
pub use node::Node;
pub use presence::Presence;
pub use rules::{Action, Rate, Rule, Rules};
pub use web::{Authorities, AuthoritiesError, UrlError};
