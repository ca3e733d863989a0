//! What an application runs on a plain WebSocket. It runs in the task of the connection, between a read and a write, so
//! that a message and its answer wake no other task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An application that runs beside its connection.
pub(super) struct Application {
    running: Running,
    bell: Arc<Bell>,
    /// Of the bell.
    waker: Waker,
}

impl Application {
    pub(super) fn new(running: Running) -> Application {
        let bell = Arc::new(Bell(Mutex::new(State { rung: true, asleep: false, task: None })));
        let waker = Waker::from(bell.clone());
        Application { running, bell, waker }
    }

    /// Lets it go on, if it can. Ready once it has ended. A panic ends it alone: as its WebSocket is dropped then, the
    /// connection is closed.
    pub(super) fn poll(&mut self) -> Poll<()> {
        if !self.bell.answer() {
            return Poll::Pending;
        }
        let poll = || self.running.as_mut().poll(&mut Context::from_waker(&self.waker));
        catch_unwind(AssertUnwindSafe(poll)).unwrap_or(Poll::Ready(()))
    }

    /// The task may sleep. Ready if the application can go on first.
    pub(super) fn poll_sleep(&self, cx: &Context<'_>) -> Poll<()> {
        self.bell.sleep(cx)
    }

    /// What is left of it after its connection has ended.
    pub(super) fn into_rest(self) -> Running {
        self.running
    }
}

/// Wakes the task of the connection, if it sleeps. What the task itself does wakes the application and not the task.
struct Bell(Mutex<State>);

struct State {
    /// The application can go on.
    rung: bool,
    /// The task has to be woken for that.
    asleep: bool,
    task: Option<Waker>,
}

impl Bell {
    /// The task is awake. Returns whether the application can go on.
    fn answer(&self) -> bool {
        let mut state = self.0.lock();
        state.asleep = false;
        std::mem::take(&mut state.rung)
    }

    fn sleep(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.rung {
            return Poll::Ready(());
        }
        state.asleep = true;
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        let mut state = self.0.lock();
        state.rung = true;
        if std::mem::take(&mut state.asleep)
            && let Some(task) = state.task.clone()
        {
            drop(state);
            task.wake();
        }
    }
}
