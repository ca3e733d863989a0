//! The wires under a session: its WebSockets, the alarm of its task, and the senders of answers.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use engineio::session::{self, Line, Reply};
use engineio::{Limit, Payload};
use tokio::sync::oneshot;

use crate::net::admission::SessionPermit;
use crate::net::alarm::Alarm;
use crate::session::websocket::WebSocket;

pub(crate) type SessionHandle = session::SessionHandle<Wires>;
pub(crate) type OpenGet = session::OpenGet<Wires>;
pub(crate) type OpenPost = session::OpenPost<Wires>;
pub(crate) type OpenProbe = session::OpenProbe<Wires>;
pub(crate) type Long = session::Long<Wires>;

/// The wires of one session.
pub(crate) struct Wires {
    alarm: Alarm,
    /// Among all sessions of the server.
    permit: SessionPermit,
}

impl Wires {
    pub(crate) fn new(permit: SessionPermit) -> Wires {
        Wires { alarm: Alarm::new(), permit }
    }
}

impl session::Wires for Wires {
    type WebSocket = WebSocket;
    type PollReply = ReplySender<Payload>;
    type PostReply = ReplySender<()>;

    fn is_alarm_set(&self, now: Instant) -> bool {
        self.alarm.is_set(now)
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant, next: Instant) -> Poll<()> {
        self.alarm.poll(cx, now, next)
    }

    fn write_timeout(&self) -> Duration {
        self.permit.limits().write_timeout
    }

    fn body_timeout(&self) -> Duration {
        self.permit.limits().body_timeout
    }

    fn close_probe(&mut self, probe: WebSocket, code: Option<u16>, within: Duration) {
        tokio::spawn(tokio::time::timeout(within, probe.close(code)));
    }

    fn log(&mut self, line: Line<'_>) {
        log(&line);
    }
}

/// Logs a line of a session, or of a plain WebSocket.
pub(crate) fn log(line: &Line<'_>) {
    match *line {
        Line::Broke { rule, section, error } => {
            tracing::info!(rule, section, %error, "a client broke a rule");
        }
        Line::Evicted(limit) => {
            let why = match limit {
                Limit::SendBudget => "it read nothing while its send budget was used up",
                _ => "memory runs short, and it held most",
            };
            tracing::warn!(limit = limit.name(), "the server disconnected a client: {why}");
        }
        Line::CanNotWrite(error) => tracing::debug!(%error, "the WebSocket can't be written to"),
    }
}

/// A request waits for what is sent here.
#[derive(Debug)]
pub(crate) struct ReplySender<T>(oneshot::Sender<T>);

/// A sender for one answer, and its receiver, which fails if the session ends before.
pub(crate) fn reply_channel<T>() -> (ReplySender<T>, oneshot::Receiver<T>) {
    let (sender, receiver) = oneshot::channel();
    (ReplySender(sender), receiver)
}

impl<T> Reply<T> for ReplySender<T> {
    fn is_gone(&self) -> bool {
        self.0.is_closed()
    }

    fn send(self, answer: T) {
        // The receiver may be gone.
        drop(self.0.send(answer));
    }
}
