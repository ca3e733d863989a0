//! Keys that a login server publishes at a URL: fetched, kept, and fetched again when a token names another.

use std::sync::Weak;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use http_body_util::Full;
use jsonwebtoken::AlgorithmFamily;
use parking_lot::RwLock;

use super::key::{Key, read_set};
use crate::web::{Authorities, UrlError, WebClient, answered, chain};

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
    /// The last try to fetch them. Whoever fetches them holds the lock.
    tried: tokio::sync::Mutex<Option<Tried>>,
}

/// A try to fetch the keys.
#[derive(Clone, Copy)]
pub(super) struct Tried {
    began: Instant,
    ended: Instant,
    succeeded: bool,
}

impl Tried {
    /// Whether the keys are as they were at that time, or later.
    pub(super) fn is_later_than(&self, time: Instant) -> bool {
        self.succeeded && self.began >= time
    }
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

    /// Trusts these authorities from now on, where keys are fetched.
    pub(super) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.remote.as_ref().map_or(Ok(()), |remote| remote.web.trust(authorities))
    }

    pub(super) fn get(&self) -> std::sync::Arc<[Key]> {
        std::sync::Arc::clone(&self.keys.read())
    }

    pub(super) fn set(&self, keys: std::sync::Arc<[Key]>) {
        *self.keys.write() = keys;
    }

    /// Fetches the keys, unless that was done or tried a moment ago. Those who come meanwhile wait for the same answer.
    /// Gives the last try; `None` if the keys are not at a URL.
    pub(super) async fn refresh(&self) -> Option<Tried> {
        let remote = self.remote.as_ref()?;
        let mut last = remote.tried.lock().await;
        if let Some(tried) = *last
            && tried.ended.elapsed() < remote.pause
        {
            return Some(tried);
        }
        let began = Instant::now();
        let fetched = tokio::time::timeout(LIMIT, remote.fetch()).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")));
        let tried = Tried { began, ended: Instant::now(), succeeded: fetched.is_ok() };
        *last = Some(tried);
        let url = remote.web.place();
        match fetched {
            Ok(keys) => {
                tracing::debug!(url, keys = keys.len(), "the keys of JWTs were fetched");
                self.set(keys.into());
            }
            // At most once in the pause.
            Err(error) => {
                let kept = self.get().len();
                tracing::warn!(
                    url,
                    error,
                    kept,
                    "the keys of JWTs can't be fetched: the old ones stay in use"
                );
            }
        }
        Some(tried)
    }

    /// Fetches the keys now and then, as long as anybody needs them.
    pub(super) async fn keep_fresh(keys: Weak<KeySet>) {
        loop {
            let Some(set) = keys.upgrade() else { return };
            let tried = set.refresh().await;
            drop(set);
            tokio::time::sleep(next_try(tried)).await;
        }
    }
}

/// When to fetch the keys again by itself.
pub(super) fn next_try(tried: Option<Tried>) -> Duration {
    match tried {
        Some(Tried { succeeded: false, .. }) => 3 * PAUSE,
        Some(_) | None => AGE,
    }
}

impl Remote {
    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let request = Request::get(self.web.url().clone()).header(ACCEPT, "application/json");
        let request = request.body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
        let response = self.web.send(request).await.map_err(|error| chain(&error))?;
        let answered = answered(response, MAX_SET).await.map_err(|error| error.to_string())?;
        let mut keys = std::str::from_utf8(&answered.body).ok().and_then(read_set).unwrap_or_default();
        // A secret that is published is none.
        keys.retain(|key| key.key.family() != AlgorithmFamily::Hmac);
        match answered.status.is_success() && !keys.is_empty() {
            true => Ok(keys),
            false => Err(format!("got {answered}, and expected a JWK set with RSA, EC or Ed25519 keys")),
        }
    }
}
