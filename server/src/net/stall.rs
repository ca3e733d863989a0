//! Ends a connection whose peer reads nothing for too long.
//!
//! The heartbeat notices a client that is gone, and ends its session. But an answer that the client doesn't
//! read would wait in hyper as long as the peer's machine still acknowledges.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engineio::Limit;
use tokio::time::Sleep;

use crate::net::admission::Admission;
use crate::net::write_hook::{Hooked, WriteHook};

/// A connection whose writes fail with `TimedOut` once one has waited for too long.
pub(crate) type StallLimit<T> = Hooked<T, WriteTimeout>;

/// Ends a write at the limit.
#[derive(Debug)]
pub(crate) struct WriteTimeout {
    admission: Arc<Admission>,
    /// Goes off at the limit of the write that waits; `None` while none does.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<T> StallLimit<T> {
    pub(crate) fn new(io: T, admission: Arc<Admission>) -> StallLimit<T> {
        Hooked { io, hook: WriteTimeout { admission, limit: None } }
    }

    /// The connection itself, when HTTP is over.
    pub(crate) fn into_inner(self) -> T {
        self.io
    }
}

impl WriteHook for WriteTimeout {
    fn after(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.limit = None;
            return result;
        }
        let timeout = self.admission.limits.write_timeout;
        let limit = self.limit.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(limit.as_mut().poll(cx));
        self.limit = None;
        self.admission.hits.count(Limit::WriteTimeout);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::Limits;

    // proves: features/wish/abandoned-sessions, limit/write-timeout
    #[tokio::test(start_paused = true)]
    async fn a_write_that_makes_no_progress_fails_at_the_limit() {
        let limits = Limits::default();
        let timeout = limits.write_timeout;
        let admission = Arc::new(Admission::new(limits, Arc::default()));
        let (ours, mut peer) = duplex(10);
        let mut ours = StallLimit::new(ours, admission.clone());
        let began = Instant::now();
        let error = ours.write_all(&[0; 11]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, timeout));
        assert_eq!(admission.hits.get(Limit::WriteTimeout), 1);
        // Progress begins the time anew.
        let (ours, mut slow) = duplex(10);
        let mut ours = StallLimit::new(ours, admission);
        let read = async {
            let mut ten = [0; 10];
            for _ in 0..5 {
                sleep(timeout - Duration::from_secs(1)).await;
                slow.read_exact(&mut ten).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 60]), read);
        written.unwrap();
        peer.shutdown().await.unwrap();
    }
}
