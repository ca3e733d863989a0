//! A socket that was away, on its way to the client.

use std::fmt;
use std::sync::Arc;

use super::history::{Granted, History};

/// A socket that was away, on its way to the client. Dropped, it goes back to where others may take it.
pub(crate) struct Claimed(Option<(Granted, PutBack)>);

/// What takes a history back whose socket was not let in.
type PutBack = Box<dyn FnOnce(&Arc<History>) + Send>;

impl Claimed {
    pub(crate) fn new(granted: Granted, put_back: impl FnOnce(&Arc<History>) + Send + 'static) -> Claimed {
        Claimed(Some((granted, Box::new(put_back))))
    }

    pub(crate) fn into_granted(mut self) -> Option<Granted> {
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
