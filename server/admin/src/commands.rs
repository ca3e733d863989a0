//! What administrators can do.

use std::sync::{Arc, Weak};

use socketio::{Broadcast, Namespace, Rest, Socket};

use crate::AdminMode;
use crate::watcher::Watcher;

/// What the page is told that it can do.
pub(crate) fn features(read_only: bool, mode: AdminMode) -> Vec<&'static str> {
    let mut features = Vec::new();
    if !read_only {
        features.extend(["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"]);
    }
    features.push("AGGREGATED_EVENTS");
    if mode == AdminMode::Development {
        features.push("ALL_EVENTS");
    }
    features
}

/// Does what administrators say, in any namespace, on all nodes.
pub(crate) fn handle(namespace: &Namespace, watcher: &Arc<Watcher>) {
    let everyone = || {
        let watcher = Arc::downgrade(watcher);
        move |name: &str, filter: Option<String>| select(&watcher, name, filter)
    };
    type Emit = (String, Option<String>, String, Rest);
    let selected = everyone();
    namespace.on_sync("emit", move |_: Socket, (nsp, filter, event, Rest(args)): Emit| {
        if let Some(sockets) = selected(&nsp, filter)
            && let Err(error) = sockets.emit(&event, &args)
        {
            tracing::info!(%error, "an administrator's event was not sent");
        }
    });
    type Room = (String, String, Option<String>);
    let selected = everyone();
    namespace.on_sync("join", move |_: Socket, (nsp, room, filter): Room| {
        if let Some(sockets) = selected(&nsp, filter) {
            sockets.sockets_join(room);
        }
    });
    let selected = everyone();
    namespace.on_sync("leave", move |_: Socket, (nsp, room, filter): Room| {
        if let Some(sockets) = selected(&nsp, filter) {
            sockets.sockets_leave(room);
        }
    });
    type Disconnect = (String, Option<bool>, Option<String>);
    let selected = everyone();
    namespace.on_sync("_disconnect", move |_: Socket, (nsp, close, filter): Disconnect| {
        if let Some(sockets) = selected(&nsp, filter) {
            sockets.disconnect_sockets(close.unwrap_or(false));
        }
    });
}

/// The sockets of a namespace, or those in a room, which may be a single socket's.
fn select(watcher: &Weak<Watcher>, name: &str, filter: Option<String>) -> Option<Broadcast> {
    // The namespace may be on other nodes alone.
    let namespace = watcher.upgrade()?.io().of(name);
    let rooms = filter.filter(|filter| !filter.is_empty());
    Some(rooms.map_or_else(|| namespace.except([""; 0]), |room| namespace.to(room)))
}
