//! What administrators see: everything that happens in any namespace, in the words of the page.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use engineio::observe::{Observation, Observer, What};
use engineio::{Sid, Transport};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use socketio::{Args, Event, Io, Namespace, RawJson, RoomEvent, Socket, SocketDetails, ToArgs};

use crate::AdminMode;
use crate::details::{self, Details, KEY, Updated, data, kept};
use crate::stats::Stats;

/// A namespace, and the id of a socket there.
type SocketName = (Box<str>, Box<str>);

/// Sees what happens, and tells administrators.
///
/// The server owns it, as an observer. All that the namespaces hold is weak: they belong to the [`Io`] that it holds.
pub(crate) struct Watcher {
    io: Io,
    /// That of the administrators.
    namespace: Namespace,
    server_id: Option<Box<str>>,
    shown: Shown,
    stats: Stats,
    /// The sockets of each session that polls: its namespaces and their ids there. They are shown anew after an
    /// upgrade.
    polling: Mutex<HashMap<Sid, Vec<SocketName>>>,
}

/// What administrators see.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) mode: AdminMode,
    pub(crate) secrets: bool,
}

impl Watcher {
    pub(crate) fn new(io: &Io, namespace: Namespace, server_id: Option<Box<str>>, shown: Shown) -> Watcher {
        let (stats, polling) = (Stats::new(), Mutex::default());
        Watcher { io: io.clone(), namespace, server_id, shown, stats, polling }
    }

    pub(crate) fn io(&self) -> &Io {
        &self.io
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn server_id(&self) -> Option<&str> {
        self.server_id.as_deref()
    }

    /// Sends an event to the administrators on all nodes.
    pub(crate) fn tell(&self, event: &str, args: impl ToArgs) {
        if let Err(error) = self.namespace.emit(event, args) {
            tracing::debug!(event, %error, "an event for administrators was not sent");
        }
    }

    /// Whether there may be administrators.
    fn has_audience(&self) -> bool {
        self.namespace.socket_count() > 0 || self.io.has_adapter()
    }

    /// A socket of this server's `Io`; another may have a namespace of the same name.
    fn socket(&self, nsp: &str, id: &str) -> Option<Socket> {
        self.io.namespace(nsp)?.socket(id)
    }

    /// What administrators may know of a socket.
    fn shown(&self, mut details: SocketDetails) -> SocketDetails {
        if !self.shown.secrets {
            let mut handshake = (*details.handshake).clone();
            details::hide_secrets(&mut handshake);
            details.handshake = handshake.into();
        }
        details
    }

    fn joined(&self, sid: Option<&Sid>, socket: &Socket) {
        let nsp = socket.namespace().name();
        if let Some(sid) = sid {
            let mut polling = self.polling.lock();
            // It may have left already, if another thread ended the session.
            if socket.transport() == Transport::Polling && socket.is_connected() {
                polling.entry(*sid).or_default().push((nsp.into(), socket.id().into()));
            }
            drop(polling);
            self.keep(sid, socket);
        }
        if *socket.namespace() == self.namespace {
            // It was not connected yet when the others were told.
            let _ = socket.emit("room_joined", (nsp, socket.id(), socket.id(), now()));
        }
        if self.has_audience() {
            let details = self.shown(socket.details());
            self.tell("socket_connected", (Details::of(&details, nsp), now()));
        }
    }

    /// Keeps with a socket what other nodes are to know of it.
    fn keep(&self, sid: &Sid, socket: &Socket) {
        // JSON can always be written.
        let _ = socket.set_data(KEY, kept(&client_id(sid), socket.transport()));
    }

    fn upgraded(&self, sid: &Sid, transport: Transport) {
        let sockets = self.polling.lock().remove(sid).unwrap_or_default();
        for socket in sockets.iter().filter_map(|(nsp, id)| self.socket(nsp, id)) {
            // The session says so before its sockets do.
            let _ = socket.set_data(KEY, kept(&client_id(sid), transport));
            if self.has_audience() {
                let (id, nsp) = (socket.id(), socket.namespace().name());
                let transport = transport.as_str();
                self.tell("socket_updated", (Updated { id, nsp, data: None, transport: Some(transport) },));
            }
        }
    }

    /// A socket has left: an upgrade is not shown any more.
    fn left(&self, sid: &Sid, nsp: &str, id: &str) {
        let mut polling = self.polling.lock();
        if let Entry::Occupied(mut sockets) = polling.entry(*sid) {
            sockets.get_mut().retain(|(of, socket)| (&**of, &**socket) != (nsp, id));
            if sockets.get().is_empty() {
                sockets.remove();
            }
        }
    }

    fn data_set(&self, nsp: &str, id: &str) {
        if self.has_audience()
            && let Some(socket) = self.socket(nsp, id)
        {
            let data = data(&socket.details());
            self.tell("socket_updated", (Updated { id, nsp, data: Some(data), transport: None },));
        }
    }

    fn room_event(&self, nsp: &str, event: &RoomEvent) {
        let (name, room, socket) = match event {
            RoomEvent::Joined { room, socket } => ("room_joined", room, socket),
            RoomEvent::Left { room, socket } => ("room_left", room, socket),
            RoomEvent::Created { .. } | RoomEvent::Deleted { .. } => return,
        };
        if self.has_audience() {
            self.tell(name, (nsp, &**room, &**socket, now()));
        }
    }

    fn event(&self, name: &str, socket: &Socket, event: &Event) {
        if self.has_audience()
            && let Some(args) = event_args(socket.namespace().name(), socket.id(), event)
        {
            self.tell(name, args);
        }
    }

    /// All sockets of all nodes.
    async fn all_sockets(&self) -> Vec<(Namespace, SocketDetails)> {
        let namespaces = self.io.namespaces();
        let fetched = join_all(namespaces.iter().map(Namespace::fetch_sockets)).await;
        let mut all = Vec::new();
        for (namespace, fetched) in namespaces.iter().zip(fetched) {
            let sockets = fetched.unwrap_or_else(|error| {
                tracing::warn!(namespace = namespace.name(), %error, "an administrator does not see all sockets");
                error.found
            });
            let sockets = sockets.iter().map(|socket| self.shown(socket.details().clone()));
            all.extend(sockets.map(|details| (namespace.clone(), details)));
        }
        all
    }
}

impl Observer for Watcher {
    fn observe(&self, observation: &Observation<'_>) {
        let Observation { sid, what } = observation;
        self.stats.count(what);
        if self.shown.mode == AdminMode::Production {
            return;
        }
        match (*what, sid) {
            (What::Joined { nsp, socket }, _) => {
                if let Some(socket) = self.socket(nsp, socket) {
                    self.joined(*sid, &socket);
                }
            }
            (What::DataSet { nsp, socket, key }, _) if key != KEY => self.data_set(nsp, socket),
            (What::Left { nsp, socket, reason }, _) => {
                if let Some(sid) = sid {
                    self.left(sid, nsp, socket);
                }
                if self.has_audience() {
                    self.tell("socket_disconnected", (nsp, socket, reason, now()));
                }
            }
            (What::Upgraded { transport }, Some(sid)) => self.upgraded(sid, transport),
            _ => {}
        }
    }
}

/// Tells each administrator what the page can do, and which sockets there are.
pub(crate) fn greet(namespace: &Namespace, watcher: &Arc<Watcher>, features: &[&str]) {
    let config = json!({ "supportedFeatures": features });
    let watcher = Arc::downgrade(watcher);
    namespace.on_connect(move |socket: Socket| {
        let (config, watcher) = (config.clone(), Weak::clone(&watcher));
        async move {
            let _ = socket.emit("config", (config,));
            // What the administrator does need not wait for other nodes.
            tokio::spawn(async move {
                if let Some(watcher) =
                    watcher.upgrade().filter(|watcher| watcher.shown.mode == AdminMode::Development)
                {
                    let all = watcher.all_sockets().await;
                    let all = all.iter().map(|(namespace, details)| Details::of(details, namespace.name()));
                    let _ = socket.emit("all_sockets", (all.collect::<Vec<_>>(),));
                }
            });
        }
    });
}

/// Watches all namespaces, those that come included.
pub(crate) fn watch(watcher: &Arc<Watcher>) {
    if watcher.shown.mode == AdminMode::Production {
        return;
    }
    for namespace in watcher.io.namespaces() {
        watch_namespace(watcher, &namespace);
    }
    let weak = Arc::downgrade(watcher);
    watcher.io.on_new_namespace(move |namespace| {
        if let Some(watcher) = weak.upgrade() {
            watch_namespace(&watcher, namespace);
        }
    });
}

fn watch_namespace(watcher: &Arc<Watcher>, namespace: &Namespace) {
    let (weak, nsp) = (Arc::downgrade(watcher), Box::<str>::from(namespace.name()));
    namespace.on_room_event(move |event| {
        if let Some(watcher) = weak.upgrade() {
            watcher.room_event(&nsp, event);
        }
    });
    // Each event to an administrator would be one more.
    if *namespace != watcher.namespace {
        let show = |name: &'static str| {
            let weak = Arc::downgrade(watcher);
            move |socket: &Socket, event: &Event| {
                if let Some(watcher) = weak.upgrade() {
                    watcher.event(name, socket, event);
                }
            }
        };
        let _ = namespace.on_any(show("event_received"));
        let _ = namespace.on_any_outgoing(show("event_sent"));
    }
}

/// What stands for a session. Whoever had part of its id would have less to guess.
fn client_id(sid: &Sid) -> String {
    let mut id = String::with_capacity(12);
    for byte in &Sha256::digest(sid.as_str().as_bytes())[..6] {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The time as `JSON.stringify` writes a date.
fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// The arguments of `event_received` and `event_sent`. The event's own are passed on unread, bytes and all.
fn event_args(nsp: &str, id: &str, event: &Event) -> Option<Args> {
    let raw = event.to_raw();
    let (nsp, id) = (Value::from(nsp), Value::from(id));
    let json = format!("[{nsp},{id},{},\"{}\"]", raw.json(), now());
    let args = RawJson::new(json, raw.attachments().to_vec()).and_then(Args::from_raw);
    args.inspect_err(|error| tracing::debug!(%error, "an event is not shown to administrators")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_a_socket_that_has_left() {
        let io = Io::new();
        let shown = Shown { mode: AdminMode::Development, secrets: false };
        let watcher = Watcher::new(&io, io.of("/admin"), None, shown);
        let sid = Sid::generate();
        // As if they had come in while the session upgraded, so that the upgrade has been seen already.
        let names = ["a", "b"].map(|id| ("/".into(), id.into()));
        watcher.polling.lock().insert(sid, names.to_vec());
        for (socket, left) in [("a", 1), ("b", 0)] {
            let what = What::Left { nsp: "/", socket, reason: "transport close" };
            watcher.observe(&Observation { sid: Some(&sid), what });
            assert_eq!(watcher.polling.lock().values().map(Vec::len).sum::<usize>(), left);
        }
        assert!(watcher.polling.lock().is_empty());
    }
}
