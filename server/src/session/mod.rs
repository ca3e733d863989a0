//! Sessions on their wires: one path's endpoint, the task that drives each session, and its WebSocket. The rules of the protocol are not here: `engineio` has them, and this moves bytes.
//! A request comes here once `http` has read its head and `site` has found whose path it is.

pub(crate) mod driver;
pub(crate) mod endpoint;
pub(crate) mod life;
pub(crate) mod post_body;
pub(crate) mod registry;
pub(crate) mod websocket;
pub(crate) mod wires;
