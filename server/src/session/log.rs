//! What the log says about a client: when it connected, and how it left. It leaves out the session's id, since anyone
//! who has it can act as the client.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engineio::plain::Close;
use engineio::{CloseReason, Layer, Revision, Session, Transport};
use tracing::Level;

use crate::session::wires::Wires;

/// What the log says of one session or plain WebSocket.
#[derive(Debug)]
pub(crate) struct SessionLog {
    /// Its number in the log, from 1 on in this process.
    number: u64,
    address: Option<SocketAddr>,
    began: Instant,
}

impl SessionLog {
    /// The log of one that begins now. `None` if the log leaves such lines out.
    pub(crate) fn begin(address: Option<SocketAddr>) -> Option<Box<SessionLog>> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        tracing::enabled!(Level::INFO).then(|| {
            let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            Box::new(SessionLog { number, address, began: now() })
        })
    }

    pub(crate) fn session_opened(&self, transport: Transport, revision: Revision) {
        tracing::info!(
            session = self.number,
            address = self.address.map(display),
            transport = transport.as_str(),
            revision = revision.number(),
            "session opened"
        );
    }

    pub(crate) fn session_closed<L: Layer>(&self, session: &Session<L, Wires>) {
        tracing::info!(
            session = self.number,
            address = self.address.map(display),
            transport = session.handle().known().transport.as_str(),
            reason = session.reason().map(CloseReason::as_str),
            seconds = self.seconds(),
            received = session.received(),
            sent = session.sent(),
            "session closed"
        );
    }

    pub(crate) fn websocket_opened(&self, path: &str) {
        tracing::info!(
            websocket = self.number,
            address = self.address.map(display),
            path,
            "WebSocket opened"
        );
    }

    pub(crate) fn websocket_closed(&self, path: &str, close: &Close) {
        tracing::info!(
            websocket = self.number,
            address = self.address.map(display),
            path,
            code = close.code,
            reason = Some(&*close.reason).filter(|reason| !reason.is_empty()),
            seconds = self.seconds(),
            "WebSocket closed"
        );
    }

    /// How long it has lasted, to the millisecond.
    fn seconds(&self) -> f64 {
        let lasted = now().saturating_duration_since(self.began);
        Duration::from_millis(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into()
}
