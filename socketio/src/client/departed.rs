//! Namespaces that a client is no longer in, although it may not know that yet.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::io::config::IoConfig;

/// The namespaces that the server has disconnected this client from, or refused it.
///
/// "After we send 41 or 44, packets for that namespace except CONNECT are ignored": they cross on the wire. As many
/// names are remembered as a client can have namespaces; they are stored as hashes, since clients choose the names.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "most clients have none, and a vector takes three words")]
pub(super) struct Departed(Option<Box<Vec<u64>>>);

impl Departed {
    pub(super) fn insert(&mut self, nsp: &str, config: &IoConfig) {
        self.remove(nsp);
        let hashes = self.0.get_or_insert_default();
        if hashes.len() >= config.max_namespaces {
            hashes.remove(0);
        }
        hashes.push(Departed::hash(nsp));
    }

    pub(super) fn remove(&mut self, nsp: &str) {
        if let Some(hashes) = &mut self.0 {
            let hash = Departed::hash(nsp);
            hashes.retain(|departed| *departed != hash);
        }
    }

    pub(super) fn contains(&self, nsp: &str) -> bool {
        self.0.as_ref().is_some_and(|hashes| hashes.contains(&Departed::hash(nsp)))
    }

    /// How many names are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |hashes| hashes.len())
    }

    fn hash(nsp: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        nsp.hash(&mut hasher);
        hasher.finish()
    }
}
