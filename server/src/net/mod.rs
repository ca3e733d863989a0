//! Connections: where the server listens, TLS, admission, the bytes that hyper sees, every time limit of a connection,
//! and when each client has to go as the server stops. Nothing here knows of sessions or of what is served.

pub(crate) mod admission;
pub(crate) mod alarm;
pub(crate) mod connection;
pub(crate) mod drain;
pub(crate) mod files;
pub(crate) mod head_watch;
pub(crate) mod http_connection;
pub(crate) mod idle;
pub(crate) mod limits;
pub(crate) mod listener;
#[cfg(not(feature = "tls"))]
pub(crate) mod no_tls_stream;
pub(crate) mod peer;
pub(crate) mod proxy_header;
pub(crate) mod side_listener;
pub(crate) mod slots;
pub(crate) mod stall;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub(crate) mod tls;
pub(crate) mod write_hook;
