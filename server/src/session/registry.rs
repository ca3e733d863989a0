//! The sessions of one endpoint, by id, and the doors through which requests reach their drivers.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use engineio::memory::Holders;
use engineio::observe::{Observers, What};
use engineio::{Config, Known, Mailbox, MailboxReceiver, PayloadFormat, Sid, Transport};
use parking_lot::Mutex;

use crate::net::admission::SessionPlace;
use crate::session::polling::Doors;

/// Locks that the sessions are spread over.
const SHARDS: usize = 16;

/// What requests know of a session; its driver has the rest.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sid: Sid,
    pub(crate) format: PayloadFormat,
    /// The origin whose pages it belongs to, if it is bound to one and that is not the server's own.
    pub(crate) origin: Option<Box<[u8]>>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) doors: Mutex<Doors>,
    /// Whether the session runs over WebSocket.
    direct: AtomicBool,
    /// Those who can be put out when memory runs short, of other endpoints too.
    holders: Arc<Holders>,
}

impl Entry {
    /// One for a new session, and what its driver has of the mailbox.
    pub(crate) fn new(
        sid: Sid,
        format: PayloadFormat,
        transport: Transport,
        origin: Option<Box<[u8]>>,
        config: &Config,
    ) -> (Entry, MailboxReceiver) {
        let mailbox = Mailbox::new(config.send_budget).within(config.memory()).counting(config.hits.clone());
        let (mailbox, receiver) = mailbox.split();
        let entry = Entry {
            sid,
            format,
            origin,
            mailbox,
            doors: Mutex::default(),
            direct: AtomicBool::new(transport == Transport::WebSocket),
            holders: config.holders.clone(),
        };
        (entry, receiver)
    }

    pub(crate) fn upgraded(&self) {
        self.direct.store(true, Ordering::Release);
    }

    pub(crate) fn known(&self) -> Known {
        let direct = self.direct.load(Ordering::Acquire);
        let transport = if direct { Transport::WebSocket } else { Transport::Polling };
        Known { format: self.format, transport }
    }
}

/// Its session may have ended before: an answer that is still on its way can be let go for others until it is sent.
impl Drop for Entry {
    fn drop(&mut self) {
        self.holders.leave(&self.mailbox);
    }
}

/// The sessions of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shards: [Mutex<HashMap<Sid, Arc<Entry>>>; SHARDS],
    len: AtomicUsize,
    emptied: tokio::sync::Notify,
    /// Who is shown that a session has ended.
    observers: Observers,
}

impl Registry {
    pub(crate) fn new(config: &Config) -> Registry {
        Registry { observers: config.observers.clone(), ..Registry::default() }
    }

    fn shard(&self, sid: &Sid) -> &Mutex<HashMap<Sid, Arc<Entry>>> {
        // An application's ids may all begin or end alike.
        let sum = sid.as_str().bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
        &self.shards[usize::from(sum) % SHARDS]
    }

    /// Lists a session until the returned guard is dropped; `None` if there is one of that id.
    pub(crate) fn register(self: &Arc<Self>, entry: Arc<Entry>, place: SessionPlace) -> Option<Registered> {
        match self.shard(&entry.sid).lock().entry(entry.sid) {
            Slot::Occupied(_) => return None,
            Slot::Vacant(slot) => slot.insert(entry.clone()),
        };
        self.len.fetch_add(1, Ordering::Relaxed);
        entry.holders.enter(&entry.mailbox);
        Some(Registered { registry: self.clone(), entry, place })
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

    /// The sessions of this moment.
    pub(crate) fn entries(&self) -> Vec<Weak<Entry>> {
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

/// A session's place in the registry. It is given up with the driver, however that ends.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Arc<Registry>,
    entry: Arc<Entry>,
    /// Among all sessions of the server.
    place: SessionPlace,
}

impl Registered {
    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// How long its client may take nothing while too much waits for it.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.place.limits().write_timeout
    }

    /// The session is over: nobody finds it any more, and who waits at its doors is told.
    pub(crate) fn unlist(&self) {
        let mut listed = self.registry.shard(&self.entry.sid).lock();
        // An application may have given the id to another session since it was given up.
        if listed.get(&self.entry.sid).is_some_and(|entry| Arc::ptr_eq(entry, &self.entry)) {
            listed.remove(&self.entry.sid);
        }
        drop(listed);
        self.entry.doors.lock().shut();
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.unlist();
        let Entry { sid, .. } = &*self.entry;
        self.registry.observers.see(Some(sid), || What::Ended { transport: self.entry.known().transport });
        if self.registry.len.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.registry.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use engineio::Revision;

    use super::*;
    use crate::Limits;
    use crate::net::admission::Admission;

    fn entry(sid: Sid) -> Arc<Entry> {
        let format = PayloadFormat { revision: Revision::V4, base64: false };
        Arc::new(Entry::new(sid, format, Transport::Polling, None, &Config::default()).0)
    }

    // proves: features/wish/abandoned-sessions
    #[test]
    fn an_id_is_one_sessions_until_that_one_is_over() {
        let registry = Arc::new(Registry::default());
        let admission = Arc::new(Admission::new(Limits::default(), Arc::default()));
        let place = || admission.session(None).unwrap();
        let sid = Sid::parse("mine").unwrap();
        let first = registry.register(entry(sid), place()).unwrap();
        assert!(registry.register(entry(sid), place()).is_none());
        assert_eq!(registry.len(), 1);

        // Over, but still saying goodbye.
        first.unlist();
        let second = entry(sid);
        let listed = registry.register(second.clone(), place()).unwrap();
        drop(first);
        assert!(registry.get(&sid).is_some_and(|entry| Arc::ptr_eq(&entry, &second)));
        drop(listed);
        assert!(registry.get(&sid).is_none());
        assert_eq!(registry.len(), 0);
    }
}
