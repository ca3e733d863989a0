//! Keys that a login server publishes at a URL: fetched, kept, and fetched again when a token names another.

use std::sync::Weak;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use http_body_util::Full;
use parking_lot::RwLock;

use super::key::{Key, read_set};
use crate::web::{WebClient, answered, chain};

/// How long the login server may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The largest set, in bytes.
const MAX_SET: usize = 1_000_000;

/// How often the keys are fetched at the most, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// When the keys are fetched again: those that the login server has withdrawn are not good for longer than that.
const AGE: Duration = Duration::from_secs(10 * 60);

/// The keys that tokens are checked with, as they are now.
pub(super) struct KeySet {
    keys: RwLock<std::sync::Arc<[Key]>>,
    /// Where they come from, if it is not the configuration.
    remote: Option<Remote>,
}

struct Remote {
    web: WebClient,
    pause: Duration,
    /// When they were fetched last, or when that was tried. Whoever fetches them holds the lock.
    tried: tokio::sync::Mutex<Option<Instant>>,
}

impl KeySet {
    pub(super) fn fixed(keys: Vec<Key>) -> KeySet {
        KeySet { keys: RwLock::new(keys.into()), remote: None }
    }

    pub(super) fn remote(web: WebClient) -> KeySet {
        let remote = Remote { web, pause: PAUSE, tried: tokio::sync::Mutex::default() };
        KeySet { keys: RwLock::new([].into()), remote: Some(remote) }
    }

    /// The same, but tests have no time.
    #[cfg(test)]
    pub(super) fn with_pause(mut self, pause: Duration) -> KeySet {
        if let Some(remote) = &mut self.remote {
            remote.pause = pause;
        }
        self
    }

    pub(super) fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    pub(super) fn get(&self) -> std::sync::Arc<[Key]> {
        std::sync::Arc::clone(&self.keys.read())
    }

    pub(super) fn set(&self, keys: std::sync::Arc<[Key]>) {
        *self.keys.write() = keys;
    }

    /// Fetches the keys, unless that was done or tried a moment ago. Those who come meanwhile wait for the same answer.
    /// Gives whether there are keys that were fetched or tried just now.
    pub(super) async fn refresh(&self) -> bool {
        let Some(remote) = &self.remote else { return true };
        let mut tried = remote.tried.lock().await;
        if tried.is_some_and(|tried| tried.elapsed() < remote.pause) {
            return true;
        }
        let fetched = tokio::time::timeout(LIMIT, remote.fetch()).await;
        *tried = Some(Instant::now());
        let url = remote.web.place();
        match fetched.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}"))) {
            Ok(keys) => {
                tracing::debug!(url, keys = keys.len(), "the keys of JWTs were fetched");
                self.set(keys.into());
                true
            }
            // At most once in the pause.
            Err(error) => {
                let kept = self.get().len();
                tracing::warn!(
                    url,
                    error,
                    kept,
                    "the keys of JWTs can't be fetched: those from before are kept"
                );
                false
            }
        }
    }

    /// Fetches the keys now and then, as long as anybody needs them.
    pub(super) async fn keep_fresh(keys: Weak<KeySet>) {
        loop {
            let Some(set) = keys.upgrade() else { return };
            let pause = if set.refresh().await { AGE } else { 3 * PAUSE };
            drop(set);
            tokio::time::sleep(pause).await;
        }
    }
}

impl Remote {
    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let request = Request::get(self.web.url().clone()).header(ACCEPT, "application/json");
        let request = request.body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
        let response = self.web.send(request).await.map_err(|error| chain(&error))?;
        let answered = answered(response, MAX_SET).await.map_err(|error| error.to_string())?;
        let keys = std::str::from_utf8(&answered.body).ok().and_then(read_set).unwrap_or_default();
        match answered.status.is_success() && !keys.is_empty() {
            true => Ok(keys),
            false => Err(format!("got {answered}, and expected a JWK set with RSA, EC or Ed25519 keys")),
        }
    }
}
