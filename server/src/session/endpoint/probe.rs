//! A WebSocket for a session that polls.

use std::sync::Arc;

use engineio::session::OpenError;
use engineio::{Application, Refusal};
use http::Response;
use http::request::Parts;

use super::Endpoint;
use super::open::agreed;
use crate::http::body::Body;
use crate::http::switch::switch;
use crate::session::wires::{OpenProbe, SessionHandle};

impl<A: Application> Endpoint<A> {
    /// A WebSocket for a session that polls. One that comes while another is there is opened and closed.
    pub(super) fn open_probe(
        self: Arc<Self>,
        parts: &mut Parts,
        handle: Arc<SessionHandle>,
    ) -> Result<Response<Body>, Refusal> {
        let protocol = agreed(parts)?;
        let format = handle.format;
        let probe: Result<OpenProbe, OpenError> = handle.open_probe();
        switch(parts, protocol, self.engine.observers.clone(), move |io, read| {
            let websocket = self.websocket(io, &read, format);
            match probe {
                Ok(probe) => probe.opened(websocket),
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
