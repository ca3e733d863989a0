//! The settings of HTTP for all endpoints of a server.

use crate::http::compression::Compressors;
use crate::http::cookie::Cookie;
use crate::http::cors::{Cors, Strangers};
use crate::http::hooks::Hooks;
use crate::http::hosts::AllowedHosts;

/// Whether an endpoint's path ends with a slash. A request in the other form doesn't reach the endpoint.
///
/// ```
/// use socketio::Io;
/// use socketio_server::{BuildError, Server, TrailingSlash};
///
/// fn build(io: Io) -> Result<Server, BuildError> {
///     Server::builder().trailing_slash(TrailingSlash::Required).socketio("/socket.io/", io).build()
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrailingSlash {
    /// With or without the slash.
    #[default]
    Optional,
    /// With the slash: `/socket.io/`. This is the reference's default.
    Required,
    /// Without the slash: `/socket.io`.
    Absent,
}

impl TrailingSlash {
    /// Whether `path` is that of an endpoint, whose own is given without a slash.
    pub(crate) fn allows(self, endpoint: &str, path: &str) -> bool {
        match path.strip_prefix(endpoint) {
            Some("/") => self != TrailingSlash::Absent,
            Some("") => self != TrailingSlash::Required,
            _ => false,
        }
    }
}

/// The settings of HTTP, the same for all endpoints of a server.
#[derive(Debug)]
pub(crate) struct HttpSettings {
    pub(crate) cors: Option<Cors>,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) hooks: Hooks,
    /// The length in bytes from which on answers to polls are compressed.
    pub(crate) compression: Option<usize>,
    pub(crate) compressors: Compressors,
    pub(crate) trailing_slash: TrailingSlash,
    /// Whether a session belongs to the pages of the origin that opened it.
    pub(crate) bind_origin: bool,
    /// The hosts that the server answers for, if not for all.
    pub(crate) allowed_hosts: Option<AllowedHosts>,
    pub(crate) strangers: Strangers,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            cors: None,
            cookie: None,
            hooks: Hooks::new(),
            compression: Some(1024),
            compressors: Compressors::default(),
            trailing_slash: TrailingSlash::default(),
            bind_origin: false,
            allowed_hosts: None,
            strangers: Strangers::default(),
        }
    }
}
