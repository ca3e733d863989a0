//! How a future of the application is started and finished, and how its panic is handled.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future whose type is not told.
pub(crate) type Task<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The user's code panicked. The panic's message has been printed by the panic hook.
#[derive(Debug)]
pub(crate) struct Panicked;

impl From<Box<dyn Any + Send>> for Panicked {
    fn from(_: Box<dyn Any + Send>) -> Panicked {
        Panicked
    }
}

/// Runs user code that may panic. What it leaves half done is its own state; ours is not touched in there.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, Panicked> {
    Ok(catch_unwind(AssertUnwindSafe(run))?)
}

/// Polls a task for the first time, here and now. Most handlers are done with that, and need no task of
/// their own. Nobody is woken: who gets [`Poll::Pending`] polls again.
pub(crate) fn first_poll<T>(task: &mut Task<T>) -> Result<Poll<T>, Panicked> {
    guarded(|| task.as_mut().poll(&mut Context::from_waker(Waker::noop())))
}

/// Runs what is left of a task.
pub(crate) async fn finish<T>(mut task: Task<T>) -> Result<T, Panicked> {
    poll_fn(|cx| match guarded(|| task.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}
