//! HTTP around a session: heads and bodies, answers, cookies, CORS, compression, proxies, the application's hooks,
//! and the change to a WebSocket. Nothing here knows what a session does with a request, and nothing here touches a
//! socket: `net` does. The [`body`] of an answer is an exception: it has the guard of a poll, until the connection
//! has taken the answer.

pub(crate) mod answers;
pub(crate) mod body;
pub(crate) mod client_files;
#[cfg_attr(not(feature = "compression"), path = "no_compression.rs")]
pub(crate) mod compression;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod exchange;
pub(crate) mod folder;
pub(crate) mod handshake;
pub(crate) mod held_file;
pub(crate) mod hooks;
pub(crate) mod hosts;
pub(crate) mod http_rules;
pub(crate) mod mount;
pub(crate) mod page;
pub(crate) mod proxies;
pub(crate) mod refused;
pub(crate) mod settings;
pub(crate) mod subprotocol;
pub(crate) mod switch;
pub(crate) mod watched_answer;
