//! Namespaces that a client is no longer in, although it may not know that yet.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::io::config::Config;

/// The namespaces that the server put this client out of, or did not let it in.
///
/// "After we send 41 or 44, packets for that namespace except CONNECT are ignored": they cross on the wire.
/// As many as a client can be in are remembered, by a hash of their names, since clients choose the names.
#[derive(Default)]
pub(super) struct Departed(pub(super) Vec<u64>);

impl Departed {
    pub(super) fn insert(&mut self, nsp: &str, config: &Config) {
        self.remove(nsp);
        if self.0.len() >= config.max_namespaces {
            self.0.remove(0);
        }
        self.0.push(Departed::hash(nsp));
    }

    pub(super) fn remove(&mut self, nsp: &str) {
        let hash = Departed::hash(nsp);
        self.0.retain(|departed| *departed != hash);
    }

    pub(super) fn contains(&self, nsp: &str) -> bool {
        self.0.contains(&Departed::hash(nsp))
    }

    fn hash(nsp: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        nsp.hash(&mut hasher);
        hasher.finish()
    }
}
