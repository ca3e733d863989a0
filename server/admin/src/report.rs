//! Tells administrators every two seconds how the server is.

use std::sync::Weak;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::stats::NamespaceStats;
use crate::watcher::Watcher;

/// Events are counted second by second.
const SECOND: Duration = Duration::from_secs(1);

/// Every so many seconds, what was counted is told.
const PERIOD: usize = 2;

/// Tells administrators about the server, for as long as it is watched.
pub(crate) async fn report(watcher: Weak<Watcher>) {
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut seconds = tokio::time::interval(SECOND);
    for second in 0.. {
        seconds.tick().await;
        let Some(watcher) = watcher.upgrade() else { return };
        // This one may come a little late.
        let middle = SystemTime::now() - SECOND / 2;
        let middle = middle.duration_since(UNIX_EPOCH).unwrap_or_default();
        watcher.stats().next_second(u128::from(middle.as_secs()) * 1000);
        if second % PERIOD == 0 {
            tell(&watcher, &hostname);
        }
    }
}

fn tell(watcher: &Watcher, hostname: &str) {
    let namespaces = watcher.io().namespaces();
    let namespaces = namespaces.iter().map(|namespace| NamespaceStats {
        name: namespace.name().to_owned(),
        sockets_count: namespace.socket_count(),
    });
    let server_id = watcher.server_id().unwrap_or(hostname);
    watcher.tell("server_stats", (watcher.stats().tell(server_id, hostname, namespaces.collect()),));
}
