//! The sessions of one endpoint, by id, and the doors through which requests reach their drivers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engineio::{Known, Mailbox, PayloadFormat, Sid, Transport};
use parking_lot::Mutex;

use crate::polling::Doors;

/// Locks that the sessions are spread over.
const SHARDS: usize = 16;

/// What requests know of a session; its driver has the rest.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sid: Sid,
    pub(crate) format: PayloadFormat,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) doors: Mutex<Doors>,
    /// Whether the session runs over WebSocket.
    direct: AtomicBool,
}

impl Entry {
    pub(crate) fn new(sid: Sid, format: PayloadFormat, transport: Transport, send_budget: usize) -> Entry {
        Entry {
            sid,
            format,
            mailbox: Arc::new(Mailbox::new(send_budget)),
            doors: Mutex::default(),
            direct: AtomicBool::new(transport == Transport::WebSocket),
        }
    }

    pub(crate) fn upgraded(&self) {
        self.direct.store(true, Ordering::Release);
    }

    pub(crate) fn known(&self) -> Known {
        let direct = self.direct.load(Ordering::Acquire);
        let transport = if direct { Transport::WebSocket } else { Transport::Polling };
        Known { revision: self.format.revision, transport }
    }
}

/// The sessions of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Mutex<HashMap<Sid, Arc<Entry>>>; SHARDS],
    len: AtomicUsize,
    emptied: tokio::sync::Notify,
}

impl Registry {
    fn shard(&self, sid: &Sid) -> &Mutex<HashMap<Sid, Arc<Entry>>> {
        // Ids are random, so any byte of one spreads them.
        &self.shards[usize::from(sid.as_str().as_bytes()[0]) % SHARDS]
    }

    /// Lists a session until the returned guard is dropped.
    pub(crate) fn register(self: &Arc<Self>, entry: Arc<Entry>) -> Registered {
        self.len.fetch_add(1, Ordering::Relaxed);
        self.shard(&entry.sid).lock().insert(entry.sid, entry.clone());
        Registered { registry: self.clone(), entry }
    }

    pub(crate) fn get(&self, sid: &Sid) -> Option<Arc<Entry>> {
        self.shard(sid).lock().get(sid).cloned()
    }

    /// How many sessions there are, those included that are over and still say goodbye.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Calls `each` for every session of this moment.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Entry)) {
        for shard in &self.shards {
            let entries: Vec<Arc<Entry>> = shard.lock().values().cloned().collect();
            entries.iter().for_each(|entry| each(entry));
        }
    }

    /// Waits until there is no session.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A session's place in the registry. It is given up with the driver, however that ends.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Arc<Registry>,
    entry: Arc<Entry>,
}

impl Registered {
    /// The session is over: nobody finds it any more, and who waits at its doors is told.
    pub(crate) fn unlist(&self) {
        self.registry.shard(&self.entry.sid).lock().remove(&self.entry.sid);
        self.entry.mailbox.shut();
        self.entry.doors.lock().shut();
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.unlist();
        if self.registry.len.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.registry.emptied.notify_waiters();
        }
    }
}
