//! How a future of the application is started and finished, and how its panic is handled.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A boxed future, of whatever type.
pub(crate) type Task<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The user's code panicked. The panic's message has been printed by the panic hook.
#[derive(Debug)]
pub(crate) struct Panicked;

impl From<Box<dyn Any + Send>> for Panicked {
    fn from(_: Box<dyn Any + Send>) -> Panicked {
        Panicked
    }
}

/// Runs user code that may panic. It may leave its own state half done, but doesn't touch ours.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, Panicked> {
    Ok(catch_unwind(AssertUnwindSafe(run))?)
}

/// Polls a task for the first time. Most handlers finish at once, and need no task of their own. It uses no waker: on
/// [`Poll::Pending`], the caller has to poll again.
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
