//! Another transport for a session that polls.

use std::sync::Arc;

use engineio::session::OpenError;
use engineio::{Application, Refusal};
use http::Response;
use http::request::Parts;

use super::Endpoint;
use crate::http::body::Body;
use crate::http::handshake::handshake;
use crate::http::hooks::RequestHead;
use crate::net::peer::Peer;
use crate::session::wires::{OpenProbe, SessionHandle};

impl<A: Application> Endpoint<A> {
    /// Another transport for a polling session. If another one is probing, it is opened and closed.
    pub(super) fn open_probe(
        self: Arc<Self>,
        parts: &mut Parts,
        peer: Peer,
        handle: Arc<SessionHandle>,
        head: Option<&RequestHead>,
    ) -> Result<Response<Body>, Refusal> {
        let format = handle.format;
        let request = A::WANTS_UPGRADE_REQUEST.then(|| Box::new(handshake(parts, peer, head)));
        let probe: Result<OpenProbe, OpenError> = handle.open_probe();
        let within = self.engine.config.close_timeout;
        self.take_link(parts, format, move |link| match probe {
            Ok(probe) => probe.opened(link, request),
            Err(_) => drop(tokio::spawn(tokio::time::timeout(within, link.close(None)))),
        })
    }
}
