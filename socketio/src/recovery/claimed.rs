//! A lost socket that a client is recovering.

use std::fmt;
use std::sync::Arc;

use super::history::{History, RecoveredSocket};

/// A lost socket that a client is recovering. If this is dropped, the socket is given back.
pub(crate) struct Claimed(Option<(RecoveredSocket, PutBack)>);

/// Gives back a history whose socket was not recovered.
type PutBack = Box<dyn FnOnce(&Arc<History>) + Send>;

impl Claimed {
    pub(crate) fn new(
        granted: RecoveredSocket,
        put_back: impl FnOnce(&Arc<History>) + Send + 'static,
    ) -> Claimed {
        Claimed(Some((granted, Box::new(put_back))))
    }

    pub(crate) fn into_granted(mut self) -> Option<RecoveredSocket> {
        self.0.take().map(|(granted, _)| granted)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if let Some((granted, put_back)) = self.0.take() {
            put_back(&granted.history);
        }
    }
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed").finish_non_exhaustive()
    }
}
