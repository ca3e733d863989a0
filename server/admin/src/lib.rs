//! The server's side of npm's [`@socket.io/admin-ui`]: a namespace that shows the sockets, rooms and events of
//! a server, and lets an administrator disconnect or move them. The page comes with that package, and is the
//! same for this server, for those in JavaScript, and for a cluster of both.
//!
//! ```no_run
//! use socketio::Io;
//! use socketio_admin::{Admin, Auth};
//! use socketio_server::Server;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let io = Io::new();
//! let auth = Auth::password("admin", "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS")?;
//! let admin = Admin::new(auth).attach(&io);
//! let server = Server::builder().socketio("/socket.io/", io).observer(admin).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! It uses the public API of [`socketio`] and [`engineio::observe`]: listeners for events and rooms, and an
//! observer, which sees sockets come and go and counts packets.
//!
//! # What it costs
//!
//! In [`AdminMode::Development`], administrators get every event that any client sends or receives. Without an
//! adapter, the server only does this work while an administrator is connected. With one, each event goes to
//! the other nodes, where administrators may be. Under load, use [`AdminMode::Production`], which only sends
//! numbers, every two seconds.
//!
//! [`@socket.io/admin-ui`]: https://socket.io/docs/v4/admin-ui/

mod auth;
mod commands;
mod details;
mod mode;
mod report;
mod stats;
mod watcher;

use std::sync::Arc;

use engineio::observe::Observer;
use socketio::{ConnectError, Io, Socket};

use crate::auth::{Admission, Gate};
pub use crate::auth::{Auth, HashError};
pub use crate::mode::AdminMode;
use crate::watcher::Watcher;

/// What is set about administrators and their page.
#[derive(Debug)]
pub struct Admin {
    auth: Auth,
    namespace: Box<str>,
    server_id: Option<Box<str>>,
    mode: AdminMode,
    read_only: bool,
    secrets: bool,
}

impl Admin {
    /// Lets in administrators who can show this.
    #[must_use]
    pub fn new(auth: Auth) -> Admin {
        Admin {
            auth,
            namespace: "/admin".into(),
            server_id: None,
            mode: AdminMode::default(),
            read_only: false,
            secrets: true,
        }
    }

    /// The namespace that the page connects to. `/admin` by default, as the page suggests.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Admin {
        self.namespace = name.into();
        self
    }

    /// The server's name on the page. By default, the name of the machine.
    #[must_use]
    pub fn server_id(mut self, id: &str) -> Admin {
        self.server_id = Some(id.into());
        self
    }

    /// How much administrators are shown.
    #[must_use]
    pub fn mode(mut self, mode: AdminMode) -> Admin {
        self.mode = mode;
        self
    }

    /// Whether administrators can only look. They then can't send events, or move or disconnect sockets.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Admin {
        self.read_only = read_only;
        self
    }

    /// Whether administrators get secrets: a session with which the page logs in again for a day, on every
    /// server with the same [`Auth`], and the clients' cookies, `Authorization` and query parameters. On by
    /// default, as in the reference. Turn it off if others can see what clients are sent, such as in a journal:
    /// the page then gets no session, and stars instead of the rest.
    #[must_use]
    pub fn secrets(mut self, secrets: bool) -> Admin {
        self.secrets = secrets;
        self
    }

    /// Creates the namespace, and watches all others. Hand the result to the server that serves `io`, as one of its
    /// observers, before the first client comes: without it, nothing is shown.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn attach(self, io: &Io) -> Arc<dyn Observer> {
        let namespace = io.of(&self.namespace);
        let gate = Arc::new(Gate::new(self.auth, self.secrets));
        namespace.middleware(move |socket: Socket| {
            let gate = Arc::clone(&gate);
            async move { let_in(&gate, &socket).await }
        });
        let features = commands::features(self.read_only, self.mode);
        let shown = watcher::Shown { mode: self.mode, secrets: self.secrets };
        let watcher = Arc::new(Watcher::new(io, namespace.clone(), self.server_id, shown));
        if !self.read_only {
            commands::handle(&namespace, &watcher);
        }
        watcher::greet(&namespace, &watcher, &features);
        watcher::watch(&watcher);
        tokio::spawn(report::report(Arc::downgrade(&watcher)));
        watcher
    }
}

async fn let_in(gate: &Gate, socket: &Socket) -> Result<(), ConnectError> {
    let presented = socket.handshake().auth::<serde_json::Value>().unwrap_or_default();
    match gate.admit(&presented).await {
        Admission::Granted { session } => {
            tracing::info!(address = address(socket), "an administrator connected");
            if let Some(session) = session {
                // It goes out after the CONNECT packet, so that the page listens already.
                let _ = socket.emit("session", session);
            }
            Ok(())
        }
        Admission::Refused => {
            tracing::warn!(address = address(socket), "an administrator was refused: invalid credentials");
            Err(ConnectError::new("invalid credentials"))
        }
        Admission::Busy => {
            tracing::warn!(
                address = address(socket),
                "an administrator was refused: too many log in at once"
            );
            Err(ConnectError::new("too many log in at once: try again in some seconds"))
        }
    }
}

fn address(socket: &Socket) -> Option<impl tracing::Value + use<>> {
    socket.handshake().address.map(|address| tracing::field::display(address.ip()))
}
