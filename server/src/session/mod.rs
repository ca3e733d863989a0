//! Sessions on their wires: one path's endpoint, the task that drives each session, and its WebSocket. The rules of the
//! protocol are not here: `engineio` has them, and this moves bytes.
//!
//! A request comes here once `site` has found whose path it is and `http_rules` has let it through.

pub(crate) mod arrived;
pub(crate) mod driver;
pub(crate) mod endpoint;
pub(crate) mod log;
pub(crate) mod registry;
pub(crate) mod turn;
pub(crate) mod websocket;
pub(crate) mod wires;
