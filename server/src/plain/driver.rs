//! The task that drives a plain WebSocket: it gives it turns, lets other tasks have theirs, and waits for its peer in the
//! end. What it does in a turn is in `engineio`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use engineio::memory::Holders;
use engineio::plain::{PlainWebSocket, Sender, Wires};
use engineio::session::Line;
use tokio::sync::watch;

use crate::net::admission::SessionPlace;
use crate::net::alarm::Alarm;
use crate::net::drain::Turns;
use crate::session::life::Life;
use crate::session::turn::{now, poll_rounds};
use crate::session::websocket::WebSocket;
use crate::session::wires::log;

/// "The endpoint is going away" (RFC 6455, section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// A plain WebSocket and the timer of its task: a future that is ready when the WebSocket has ended and its peer has been
/// told. It is no `async` block, which would have room for it twice.
pub(super) struct Driver {
    websocket: PlainWebSocket<WebSocket>,
    alarm: OneAlarm,
    /// The WebSocket is over, and its peer may still read the end.
    over: bool,
    /// Closes it when the server stops, and is never ready. It counts the connection as well.
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    path: Box<str>,
    life: Option<Box<Life>>,
    holders: Arc<Holders>,
    /// Among all sessions of the server.
    _place: SessionPlace,
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

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.over {
            let _ = self.stopping.as_mut().poll(cx);
            ready!(self.poll_websocket(cx));
            self.over = true;
        }
        let Driver { websocket, alarm, .. } = &mut *self;
        if !websocket.is_put_out(cx)
            && let Some((link, until)) = websocket.lingers()
            && link.poll_linger(cx).is_pending()
            && alarm.poll_alarm(cx, now(), until).is_pending()
        {
            return Poll::Pending;
        }
        self.finish();
        Poll::Ready(())
    }
}

impl Driver {
    /// What drives it. It is closed by `sender` when the server stops.
    pub(super) fn new(
        websocket: PlainWebSocket<WebSocket>,
        sender: Sender,
        mut stopping: watch::Receiver<Stopping>,
        path: Box<str>,
        holders: Arc<Holders>,
        place: SessionPlace,
        life: Option<Box<Life>>,
    ) -> Driver {
        holders.enter(websocket.mailbox());
        if let Some(life) = &life {
            life.websocket_opened(&path);
        }
        let stopping = Box::pin(async move {
            let_go(&mut stopping).await;
            sender.close(GOING_AWAY, "");
            std::future::pending::<()>().await;
        });
        let alarm = OneAlarm(Alarm::new());
        Driver { websocket, alarm, over: false, stopping, path, life, holders, _place: place }
    }

    /// Gives it a turn. Ready once it is over.
    fn poll_websocket(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.websocket.begin_turn();
        poll_rounds(cx, |cx, now| self.websocket.round(cx, now, &mut self.alarm))
    }

    fn finish(&mut self) {
        let close = self.websocket.finish();
        if let Some(life) = self.life.take() {
            life.websocket_closed(&self.path, &close);
        }
    }
}

/// Also if a panic ends it.
impl Drop for Driver {
    fn drop(&mut self) {
        self.holders.leave(self.websocket.mailbox());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_plain_websocket_takes_no_more_than_it_did() {
        // Beside what runs on it, and what it has allocated.
        let size = size_of::<Driver>();
        assert!(size <= 736, "{size} bytes");
    }
}
