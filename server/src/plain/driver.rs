//! The task that drives a plain WebSocket and its application: it gives them turns, yields to other tasks, and waits for
//! the peer at the end. What happens in a turn is in `engineio`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use engineio::memory::Holders;
use engineio::plain::{PlainWebSocket, PlainWires, Sender};
use engineio::session::Line;
use tokio::sync::watch;

use super::application::Application;
use crate::net::admission::SessionPermit;
use crate::net::alarm::Alarm;
use crate::net::drain::DrainSchedule;
use crate::session::log::SessionLog;
use crate::session::turn::{now, poll_rounds};
use crate::session::websocket::WebSocket;
use crate::session::wires::log;

/// "The endpoint is going away" (RFC 6455, section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// A plain WebSocket and the timer of its task: a future that is ready when the WebSocket has ended and its peer has
/// been told. It is not an `async` block, whose future would be twice as large.
pub(super) struct Driver {
    websocket: PlainWebSocket<WebSocket>,
    wires: Wires,
    /// The WebSocket is over, and its peer may still read the close frame.
    over: bool,
    /// Closes it when the server stops, and is never ready. It also counts the connection.
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    path: Box<str>,
    log: Option<Box<SessionLog>>,
    holders: Arc<Holders>,
    /// Among all sessions of the server.
    _permit: SessionPermit,
}

struct Wires {
    /// Until it has ended.
    application: Option<Box<Application>>,
    alarm: Alarm,
}

impl PlainWires for Wires {
    fn run_application(&mut self) {
        if let Some(application) = &mut self.application
            && application.poll().is_ready()
        {
            self.application = None;
        }
    }

    fn poll_application(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.application.as_ref().map_or(Poll::Pending, |application| application.poll_sleep(cx))
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        self.alarm.poll(cx, now, next)
    }

    fn log(&mut self, line: Line<'_>) {
        log(&line);
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.over {
            let _ = self.stopping.as_mut().poll(cx);
            ready!(self.poll_websocket(cx));
            self.over = true;
            self.part();
        }
        let Driver { websocket, wires, .. } = &mut *self;
        if !websocket.is_evicted(cx)
            && let Some((link, until)) = websocket.lingers()
            && link.poll_linger(cx).is_pending()
            && wires.poll_alarm(cx, now(), until).is_pending()
        {
            return Poll::Pending;
        }
        self.finish();
        Poll::Ready(())
    }
}

impl Driver {
    /// Creates its driver. `sender` closes it when the server stops.
    pub(super) fn new(
        websocket: PlainWebSocket<WebSocket>,
        sender: Sender,
        mut stopping: watch::Receiver<Stopping>,
        path: Box<str>,
        holders: Arc<Holders>,
        permit: SessionPermit,
        log: Option<Box<SessionLog>>,
    ) -> Driver {
        holders.enter(websocket.mailbox());
        if let Some(log) = &log {
            log.websocket_opened(&path);
        }
        let stopping = Box::pin(async move {
            let_go(&mut stopping).await;
            sender.close(GOING_AWAY, "");
            std::future::pending::<()>().await;
        });
        let wires = Wires { application: None, alarm: Alarm::new() };
        Driver { websocket, wires, over: false, stopping, path, log, holders, _permit: permit }
    }

    /// The application that runs in its task.
    pub(super) fn running(mut self, application: Application) -> Driver {
        self.wires.application = Some(Box::new(application));
        self
    }

    /// Gives it a turn. Ready once it is over.
    fn poll_websocket(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.websocket.begin_turn();
        poll_rounds(cx, |cx, now| self.websocket.round(cx, now, &mut self.wires))
    }

    /// The connection is over. What its application still does, it does in a task of its own.
    fn part(&mut self) {
        if let Some(application) = self.wires.application.take() {
            tokio::spawn(application.into_rest());
        }
    }

    fn finish(&mut self) {
        let close = self.websocket.finish();
        if let Some(log) = self.log.take() {
            log.websocket_closed(&self.path, &close);
        }
    }
}

/// Also if a panic ends it.
impl Drop for Driver {
    fn drop(&mut self) {
        self.holders.leave(self.websocket.mailbox());
    }
}

/// The schedule for closing clients, once the server stops.
pub(super) type Stopping = Option<Arc<DrainSchedule>>;

/// Waits until the server stops.
pub(super) async fn stopped(stopping: &mut watch::Receiver<Stopping>) -> Stopping {
    stopping.wait_for(Option::is_some).await.ok()?.clone()
}

/// Waits for this client's turn to go.
async fn let_go(stopping: &mut watch::Receiver<Stopping>) {
    if let Some(schedule) = stopped(stopping).await {
        schedule.next().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_plain_websocket_takes_no_more_than_it_did() {
        // Beside its application, and what it has allocated.
        let size = size_of::<Driver>();
        assert!(size <= 752, "{size} bytes");
    }
}
