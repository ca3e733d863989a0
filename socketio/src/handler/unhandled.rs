//! Events that no handler takes: counted, logged, and answered if the application wants to.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use crate::args::ArgsError;
use crate::log::{Excerpt, LogThrottle};

/// Why an event was not handled: an argument of the handler of
/// [`Namespace::on_unhandled`](crate::Namespace::on_unhandled).
///
/// It serialises as its message, so that a handler can answer with it.
///
/// ```
/// use socketio::{Event, Io, Socket, Unhandled};
///
/// fn answers(io: &Io) {
///     io.on_unhandled(|_: Socket, event: Event, why: Unhandled| async move {
///         format!("{}: {why}", event.name())
///     });
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Unhandled {
    /// There is no handler for an event of that name.
    NoHandler,
    /// The arguments don't fit the handler.
    Args(ArgsError),
}

/// How many events of clients were not handled: see [`Io::unhandled_counts`](crate::Io::unhandled_counts).
///
/// ```
/// use socketio::Io;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let io = Io::new();
/// let counts = io.unhandled_counts();
/// assert_eq!((counts.no_handler, counts.args), (0, 0));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnhandledCounts {
    /// Events of a name that has no handler.
    pub no_handler: u64,
    /// Events whose arguments don't fit their handler.
    pub args: u64,
}

/// The counts of an [`Io`](crate::Io), and the limits of its log.
#[derive(Default)]
pub(crate) struct UnhandledEvents {
    no_handler: AtomicU64,
    args: AtomicU64,
    no_handler_log: LogThrottle,
    args_log: LogThrottle,
}

impl UnhandledEvents {
    pub(crate) fn counts(&self) -> UnhandledCounts {
        UnhandledCounts {
            no_handler: self.no_handler.load(Ordering::Relaxed),
            args: self.args.load(Ordering::Relaxed),
        }
    }

    fn count(&self, why: &Unhandled) {
        let count = match why {
            Unhandled::NoHandler => &self.no_handler,
            Unhandled::Args(_) => &self.args,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and logs an event. `waits` says whether the client wants an acknowledgement that it will not get.
    pub(crate) fn note(&self, namespace: &str, name: &str, why: &Unhandled, waits: bool) {
        self.count(why);
        match why {
            Unhandled::Args(error) => {
                if let Some(left_out) = self.args_log.next() {
                    tracing::warn!(
                        namespace = %Excerpt(namespace),
                        event = %Excerpt(name),
                        error = %Excerpt(&error.to_string()),
                        left_out,
                        "an event's arguments do not fit its handler"
                    );
                }
            }
            Unhandled::NoHandler if waits => {
                if let Some(left_out) = self.no_handler_log.next() {
                    tracing::warn!(
                        namespace = %Excerpt(namespace),
                        event = %Excerpt(name),
                        left_out,
                        "a client waits for an acknowledgement of an event without a handler"
                    );
                }
            }
            Unhandled::NoHandler => {}
        }
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unhandled::NoHandler => f.write_str("no handler for this event"),
            Unhandled::Args(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unhandled {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Unhandled::NoHandler => None,
            Unhandled::Args(error) => Some(error),
        }
    }
}

impl Serialize for Unhandled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
