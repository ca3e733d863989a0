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
//! [`Echo`] is an application of its own: it does what clients of Laravel Echo expect.
//!
//! It only uses the public API of [`socketio`]. The program `socketio-server` offers it by options:
//! docs/guide/gateway.md, docs/guide/laravel-echo.md.

mod api;
mod app;
mod echo;
mod hooks;
mod jwt;
mod node;
mod objects;
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
pub use app::{Gateway, GatewayConfig};
pub use echo::{Echo, EchoConfig, EchoError, EchoRedis};
pub use hooks::sign::{Secrets, SecretsError};
pub use hooks::{HookType, Webhook};
pub use jwt::{Jwt, JwtError};
pub use node::NodeInfo;
pub use presence::Presence;
pub use rules::{Action, Rate, Rule, Rules};
pub use web::{Authorities, AuthoritiesError, UrlError};
