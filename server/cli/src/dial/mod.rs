//! A server elsewhere, as a client reaches it: TCP and TLS, HTTP, WebSocket, and the session on them.

mod advice;
mod cookies;
mod driver;
mod http;
mod outgoing;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod websocket;

pub(crate) use advice::{advice, not_opened};
pub(crate) use driver::{Driver, DriverEvent, WireKind};
pub(crate) use http::{Lane, Reply};
pub(crate) use stream::{Connected, Stream, within};
pub(crate) use target::{Target, TargetOptions};
pub(crate) use websocket::{OpenedWebSocket, WebSocketError};
