//! What systemd and the program tell each other: the sockets of a socket unit, and how the program is.
//!
//! Without systemd all of this does nothing: `LISTEN_FDS` and `NOTIFY_SOCKET` are not set.

use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketType};
use sd_notify::NotifyState;
use socketio_server::Listener;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// How much longer than the drain the end may take: the last hooks, requests and messages through Redis, the journal
/// and the log. docs/guide and packaging/kubernetes name it too.
const AFTER_THE_DRAIN: Duration = Duration::from_secs(30);

/// The sockets that systemd passes.
pub(crate) struct Sockets(ListenFd);

impl Sockets {
    /// Those of this process. It must not have other threads yet: the variables that name them are removed.
    pub(crate) fn of_process() -> Sockets {
        Sockets(ListenFd::from_env())
    }

    /// All of them, in the order of the socket unit. They can be had once.
    ///
    /// # Errors
    /// If it passes none, or one on which nobody can connect by TCP or a Unix socket.
    pub(crate) fn listeners(&mut self) -> io::Result<Vec<Listener>> {
        if self.0.len() == 0 {
            return Err(io::Error::other(
                "it passes none: start the socket unit, or give an address in place of systemd",
            ));
        }
        (0..self.0.len()).map(|at| self.listener(at)).collect()
    }

    fn listener(&mut self, at: usize) -> io::Result<Listener> {
        if let Some(socket) = self.tcp(at) {
            socket.set_nonblocking(true)?;
            return TcpListener::from_std(socket).map(Listener::from);
        }
        match self.0.take_unix_listener(at) {
            Ok(Some(socket)) => {
                socket.set_nonblocking(true)?;
                UnixListener::from_std(socket).map(Listener::from)
            }
            Ok(None) => Err(io::Error::other("they are in use already: give systemd once")),
            Err(error) => Err(io::Error::other(format!(
                "clients can't connect to number {at}, use ListenStream= alone: {error}"
            ))),
        }
    }

    fn tcp(&mut self, at: usize) -> Option<std::net::TcpListener> {
        let kind = SocketType::STREAM.as_raw().cast_signed();
        [AddressFamily::INET, AddressFamily::INET6]
            .into_iter()
            .find_map(|family| self.0.take_custom(at, family.as_raw().into(), kind, "TCP socket").ok()?)
    }
}

/// Says that clients can connect, and from now on that tasks run, as often as `WatchdogSec=` needs it.
pub(crate) fn ready() {
    tokio::spawn(async {
        tell(|| sd_notify::notify(&[NotifyState::Ready])).await;
        let Some(limit) = sd_notify::watchdog_enabled() else { return };
        let mut ticks = interval(limit / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            tell(|| sd_notify::notify(&[NotifyState::Watchdog])).await;
        }
    });
}

/// Says that the server stops, and how long its clients may take to leave: systemd kills it later than that.
pub(crate) fn stopping(drain: Duration) {
    let limit = (drain + AFTER_THE_DRAIN).as_micros();
    tokio::spawn(tell(move || {
        // ExtendTimeoutUsec ends at 71 minutes, and a drain may take days.
        let extend = format!("EXTEND_TIMEOUT_USEC={limit}");
        sd_notify::notify(&[NotifyState::Stopping, NotifyState::Custom(&extend)])
    }));
}

/// In a thread that may wait, since systemd may not read for now.
async fn tell(notify: impl FnOnce() -> io::Result<()> + Send + 'static) {
    if let Ok(Err(error)) = spawn_blocking(notify).await {
        tracing::warn!(%error, "systemd can't be told how the server is");
    }
}
