//! The sessions of one endpoint, by id.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use engineio::Sid;
use engineio::observe::{Observers, What};
use parking_lot::Mutex;

use crate::session::wires::SessionHandle;

/// How many locks the sessions are spread over.
const SHARDS: usize = 16;

/// The sessions of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Mutex<HashMap<Sid, Arc<SessionHandle>>>; SHARDS],
    len: AtomicUsize,
    emptied: tokio::sync::Notify,
    /// Who is shown that a session has ended.
    observers: Observers,
}

impl Registry {
    pub(crate) fn new(observers: Observers) -> Registry {
        Registry { observers, ..Registry::default() }
    }

    fn shard(&self, sid: &Sid) -> &Mutex<HashMap<Sid, Arc<SessionHandle>>> {
        // An application's ids may have a common prefix or suffix.
        let sum = sid.as_str().bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
        &self.shards[usize::from(sum) % SHARDS]
    }

    /// Lists a session until the returned guard is dropped; `None` if there is one of that id.
    pub(crate) fn register(self: &Arc<Self>, handle: Arc<SessionHandle>) -> Option<Registered> {
        match self.shard(&handle.sid).lock().entry(handle.sid) {
            Slot::Occupied(_) => return None,
            Slot::Vacant(slot) => slot.insert(handle.clone()),
        };
        self.len.fetch_add(1, Ordering::Relaxed);
        handle.enter();
        Some(Registered { registry: self.clone(), handle })
    }

    pub(crate) fn get(&self, sid: &Sid) -> Option<Arc<SessionHandle>> {
        self.shard(sid).lock().get(sid).cloned()
    }

    /// How many sessions there are, including those that are over and still being closed.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Calls `each` for every current session.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&SessionHandle)) {
        for shard in &self.shards {
            let entries: Vec<Arc<SessionHandle>> = shard.lock().values().cloned().collect();
            entries.iter().for_each(|handle| each(handle));
        }
    }

    /// The sessions of this moment.
    pub(crate) fn entries(&self) -> Vec<Weak<SessionHandle>> {
        let mut entries = Vec::with_capacity(self.len());
        for shard in &self.shards {
            entries.extend(shard.lock().values().map(Arc::downgrade));
        }
        entries
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

/// A session's entry in the registry. It is removed when the driver is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Arc<Registry>,
    handle: Arc<SessionHandle>,
}

impl Registered {
    /// Removes the session, which is over, and tells the requests that wait at its doors.
    pub(crate) fn unlist(&self) {
        let mut listed = self.registry.shard(&self.handle.sid).lock();
        // An application may have given the id to another session since.
        if listed.get(&self.handle.sid).is_some_and(|handle| Arc::ptr_eq(handle, &self.handle)) {
            listed.remove(&self.handle.sid);
        }
        drop(listed);
        self.handle.shut();
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.unlist();
        let transport = self.handle.known().transport;
        self.registry.observers.see(Some(&self.handle.sid), || What::Ended { transport });
        if self.registry.len.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.registry.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use engineio::{Engine, PayloadFormat, Revision, Transport};

    use super::*;

    fn handle(sid: Sid) -> Arc<SessionHandle> {
        let format = PayloadFormat { revision: Revision::V4, base64: false };
        SessionHandle::new(sid, format, Transport::Polling, None, &Engine::default()).0
    }

    // proves: features/wish/abandoned-sessions
    #[test]
    fn an_id_is_one_sessions_until_that_one_is_over() {
        let registry = Arc::new(Registry::default());
        let sid = Sid::parse("mine").unwrap();
        let first = registry.register(handle(sid)).unwrap();
        assert!(registry.register(handle(sid)).is_none());
        assert_eq!(registry.len(), 1);

        // Over, but still saying goodbye.
        first.unlist();
        let second = handle(sid);
        let listed = registry.register(second.clone()).unwrap();
        drop(first);
        assert!(registry.get(&sid).is_some_and(|handle| Arc::ptr_eq(&handle, &second)));
        drop(listed);
        assert!(registry.get(&sid).is_none());
        assert_eq!(registry.len(), 0);
    }
}
