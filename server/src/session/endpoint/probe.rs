//! A WebSocket for a session that polls.

use std::sync::Arc;

use engineio::session::OpenError;
use engineio::{Application, Refusal};
use http::Response;
use http::request::Parts;

use super::Endpoint;
use super::open::agreed;
use crate::http::body::Body;
use crate::http::handshake::handshake;
use crate::http::hooks::RequestHead;
use crate::http::switch::switch;
use crate::net::peer::Peer;
use crate::session::wires::{OpenProbe, SessionHandle};

impl<A: Application> Endpoint<A> {
    /// A WebSocket for a session that polls. One that comes while another is there is opened and closed.
    pub(super) fn open_probe(
        self: Arc<Self>,
        parts: &mut Parts,
        peer: Peer,
        handle: Arc<SessionHandle>,
        head: Option<&RequestHead>,
    ) -> Result<Response<Body>, Refusal> {
        let protocol = agreed(parts)?;
        let format = handle.format;
        let request = A::WANTS_UPGRADE_REQUEST.then(|| Box::new(handshake(parts, peer, head)));
        let probe: Result<OpenProbe, OpenError> = handle.open_probe();
        switch(parts, protocol, self.engine.observers.clone(), move |io, read| {
            let websocket = self.websocket(io, &read, format);
            match probe {
                Ok(probe) => probe.opened(websocket, request),
                Err(_) => {
                    tokio::spawn(tokio::time::timeout(
                        self.engine.config.close_timeout,
                        websocket.close(None),
                    ));
                }
            }
        })
    }
}
