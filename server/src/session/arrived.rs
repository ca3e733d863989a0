//! A connection that is there before the request that says what it is for.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::session::websocket::WebSocket;

/// The connection, among the extensions of that request. Clones share it, and one of them takes it.
#[derive(Clone)]
pub(crate) struct Arrived(Arc<Mutex<Option<WebSocket>>>);

impl Arrived {
    #[cfg(feature = "webtransport")]
    pub(crate) fn new(link: WebSocket) -> Arrived {
        Arrived(Arc::new(Mutex::new(Some(link))))
    }

    pub(crate) fn take(&self) -> Option<WebSocket> {
        self.0.lock().take()
    }
}
