//! The server's Socket.IO side as applications hold it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use engineio::{Application, CloseReason, Opened};
use parking_lot::RwLock;

use crate::args::ToArgs;
use crate::broadcast::Broadcast;
use crate::client::Client;
use crate::config::Config;
use crate::error::SendError;
use crate::namespace::Namespace;
use crate::rooms::Room;

/// All namespaces of a server. Cloning it is cheap.
///
/// It is an [`engineio::Application`]: a server hands it each session that opens. The namespace `/` is there
/// from the start.
#[derive(Clone)]
pub struct Io(Arc<State>);

struct State {
    config: Arc<Config>,
    main: Namespace,
    namespaces: RwLock<HashMap<Arc<str>, Namespace>>,
    closed: AtomicBool,
}

impl Io {
    /// With the usual settings.
    #[must_use]
    pub fn new() -> Io {
        Io::with_config(Config::default())
    }

    /// With settings of your own.
    #[must_use]
    pub fn with_config(config: Config) -> Io {
        let config = Arc::new(config);
        let name: Arc<str> = Arc::from("/");
        let main = Namespace::new(Arc::clone(&name), Arc::clone(&config));
        let namespaces = RwLock::new(HashMap::from([(name, main.clone())]));
        Io(Arc::new(State { config, main, namespaces, closed: AtomicBool::new(false) }))
    }

    /// The namespace of that name, which is created if it is not there. A missing leading slash is added.
    #[must_use]
    pub fn of(&self, name: &str) -> Namespace {
        let name = if name.starts_with('/') { Cow::Borrowed(name) } else { Cow::Owned(format!("/{name}")) };
        if let Some(namespace) = self.namespace(&name) {
            return namespace;
        }
        let name: Arc<str> = Arc::from(name);
        let mut namespaces = self.0.namespaces.write();
        let new = || Namespace::new(Arc::clone(&name), Arc::clone(&self.0.config));
        namespaces.entry(Arc::clone(&name)).or_insert_with(new).clone()
    }

    /// The namespace of that name, if it is there.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        if name == "/" {
            return Some(self.0.main.clone());
        }
        self.0.namespaces.read().get(name).cloned()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Sends an event to everyone in `/`. See [`Broadcast::emit`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.0.main.emit(event, args)
    }

    /// Everyone in a room of `/`.
    pub fn to(&self, room: impl Into<Room>) -> Broadcast {
        self.0.main.to(room)
    }

    /// Everyone in a room of `/`: the same as [`to`](Io::to).
    pub fn within(&self, room: impl Into<Room>) -> Broadcast {
        self.0.main.to(room)
    }

    /// Everyone in `/` who is not in a room.
    pub fn except(&self, room: impl Into<Room>) -> Broadcast {
        self.0.main.except(room)
    }

    /// Everyone in `/`, with events that may be lost.
    pub fn volatile(&self) -> Broadcast {
        self.0.main.volatile()
    }

    /// Ends all sockets with the reason `server shutting down`, and their sessions. Sessions that open later
    /// end at once. Clients reconnect by themselves when a server is there again: a DISCONNECT packet would
    /// tell them not to, so none is sent.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        let namespaces: Vec<_> = self.0.namespaces.read().values().cloned().collect();
        for namespace in namespaces {
            for socket in namespace.sockets() {
                socket.link().mailbox.close(CloseReason::ServerShuttingDown);
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl Default for Io {
    fn default() -> Io {
        Io::new()
    }
}

impl Application for Io {
    type Layer = Client;

    fn open(&self, opened: Opened, now: Instant) -> Client {
        Client::open(self.clone(), opened, now)
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("namespaces", &self.0.namespaces.read().keys()).finish_non_exhaustive()
    }
}
