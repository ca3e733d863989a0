//! Handlers as they are stored: a user's closure behind one type, and how a future is started.

use std::any::Any;
use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::RwLock;

use crate::Socket;
use crate::ack::AckSender;
use crate::args::{Args, ArgsError};
use crate::error::DisconnectReason;
use crate::middleware::ConnectError;

/// A future whose type is not told.
pub(crate) type Task<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Handles an event; what is left to do, if anything, is the task.
pub(crate) type EventHandler =
    Arc<dyn Fn(Socket, Args, AckSender) -> Result<Option<Task>, ArgsError> + Send + Sync>;
pub(crate) type ConnectHandler = Arc<dyn Fn(Socket) -> Task + Send + Sync>;
pub(crate) type DisconnectHandler = Arc<dyn Fn(Socket, DisconnectReason) -> Task + Send + Sync>;
pub(crate) type Middleware = Arc<dyn Fn(Socket) -> Task<Result<(), ConnectError>> + Send + Sync>;

/// The handlers of a namespace, or of all that a parent brings into being. A namespace's own come before its
/// parent's.
#[derive(Default)]
pub(crate) struct Handlers(RwLock<Table>);

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) connect: Option<ConnectHandler>,
    pub(crate) events: HashMap<Box<str>, EventHandler>,
    pub(crate) disconnecting: Option<DisconnectHandler>,
    pub(crate) disconnect: Option<DisconnectHandler>,
}

impl Handlers {
    /// Looks at the handlers. What runs is cloned out first, so that handlers can register handlers.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        look(&self.0.read())
    }

    pub(crate) fn register<R>(&self, register: impl FnOnce(&mut Table) -> R) -> R {
        register(&mut self.0.write())
    }
}

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
