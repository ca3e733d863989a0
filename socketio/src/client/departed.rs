//! Namespaces that a client is no longer in, although it may not know that yet.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::io::config::IoConfig;

/// The namespaces that the server has disconnected this client from, or refused it.
///
/// "After we send 41 or 44, packets for that namespace except CONNECT are ignored": they cross on the wire. As many
/// names are remembered as a client can have namespaces; they are stored as hashes, since clients choose the names.
#[derive(Default)]
pub(super) struct Departed(pub(super) Vec<u64>);

impl Departed {
    pub(super) fn insert(&mut self, nsp: &str, config: &IoConfig) {
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
