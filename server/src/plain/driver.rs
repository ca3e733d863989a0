//! The task that drives a plain WebSocket: it gives it turns, lets other tasks have theirs, and waits for its peer in the
//! end. What it does in a turn is in `engineio`.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use engineio::plain::{Close, PlainWebSocket, Sender, Wires};
use engineio::session::{Line, Round};
use tokio::sync::watch;

use crate::drain::Turns;
use crate::net::alarm::Alarm;
use crate::session::websocket::WebSocket;
use crate::session::wires::log;

/// "The endpoint is going away" (RFC 6455, section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// A plain WebSocket and the timer of its task.
pub(super) struct Driver {
    websocket: PlainWebSocket<WebSocket>,
    alarm: OneAlarm,
}

struct OneAlarm(Alarm);

impl Wires for OneAlarm {
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        self.0.poll(cx, now, next)
    }

    fn log(&mut self, line: Line<'_>) {
        log(&line);
    }
}

impl Driver {
    pub(super) fn new(websocket: PlainWebSocket<WebSocket>) -> Driver {
        Driver { websocket, alarm: OneAlarm(Alarm::new()) }
    }

    /// Drives it to its end, and says what that was. Closes it by `sender` when the server stops.
    pub(super) async fn run(mut self, sender: Sender, mut stopping: watch::Receiver<Stopping>) -> Close {
        let stopped = async {
            let_go(&mut stopping).await;
            sender.close(GOING_AWAY, "");
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = std::future::poll_fn(|cx| self.poll(cx)) => {}
            () = stopped => {}
        }
        if let Some((link, until)) = self.websocket.lingers() {
            let _ = tokio::time::timeout_at(until.into(), link.linger()).await;
        }
        self.websocket.finish()
    }

    /// Gives it a turn. Ready once it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.websocket.begin_turn();
        loop {
            match self.websocket.round(cx, now(), &mut self.alarm) {
                Round::Again => {}
                Round::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Round::Sleep => return Poll::Pending,
                Round::Over => return Poll::Ready(()),
            }
        }
    }
}

/// Whether the server stops, and when its clients are to go.
pub(super) type Stopping = Option<Arc<Turns>>;

/// Waits until the server stops.
pub(super) async fn stopped(stopping: &mut watch::Receiver<Stopping>) -> Stopping {
    stopping.wait_for(Option::is_some).await.ok()?.clone()
}

/// Waits for this client's turn to go.
async fn let_go(stopping: &mut watch::Receiver<Stopping>) {
    if let Some(turns) = stopped(stopping).await {
        turns.next().await;
    }
}

/// The time as tokio has it, so that tests can turn it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into()
}
