//! Requests that come again: `Idempotency-Key`.
//!
//! A backend that gets no answer sends its request again, with the same key. It is done once, and answered again with
//! what was answered first, for five minutes.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use parking_lot::Mutex;

use super::Reply;
use super::fault::{Code, Fault};

/// How long a key is remembered.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// How many keys are remembered, and how many bytes of answers. The oldest is forgotten first.
const MAX_KEYS: usize = 50_000;
const MAX_BYTES: usize = 50_000_000;

/// How many requests with a key may be in progress. They go on when their connection is closed, so the number of
/// connections is no limit.
const MAX_IN_PROGRESS: usize = 1024;

/// A key, for one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    pub(super) fn of(headers: &HeaderMap, path: &str) -> Result<Option<IdempotencyKey>, Fault> {
        let mut fields = headers.get_all("idempotency-key").iter();
        let Some(key) = fields.next() else { return Ok(None) };
        let fits =
            |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        let key = key.to_str().ok().filter(fits);
        match (key, fields.next()) {
            (Some(key), None) => Ok(Some(IdempotencyKey(format!("{path} {key}").into()))),
            _ => Err(Fault::new(Code::BadHeader, "must be one, of 1 to 255 ASCII characters without spaces")
                .at("Idempotency-Key")),
        }
    }
}

/// The keys that came, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Idempotency {
    keys: HashMap<IdempotencyKey, Remembered>,
    /// Those that were answered, the oldest first.
    answered: VecDeque<(Instant, IdempotencyKey)>,
    bytes: usize,
    hasher: RandomState,
}

#[derive(Debug)]
struct Remembered {
    /// Of the body.
    hash: u64,
    /// None while it is being done.
    reply: Option<Reply>,
}

/// What becomes of a request with a key.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is to be done.
    First,
    /// It was done, and is answered the same.
    Again(Reply),
    InProgress,
    /// The key belongs to another body.
    Other,
    /// Too many others are in progress.
    TooMany,
}

impl Idempotency {
    pub(super) fn begin(&mut self, key: &IdempotencyKey, body: &[u8], now: Instant) -> Begun {
        self.forget_old(now);
        let hash = self.hasher.hash_one(body);
        let in_progress = self.keys.len() - self.answered.len();
        match self.keys.entry(key.clone()) {
            Entry::Vacant(_) if in_progress >= MAX_IN_PROGRESS => Begun::TooMany,
            Entry::Vacant(entry) => {
                entry.insert(Remembered { hash, reply: None });
                Begun::First
            }
            Entry::Occupied(entry) if entry.get().hash != hash => Begun::Other,
            Entry::Occupied(entry) => match &entry.get().reply {
                Some(reply) => Begun::Again(reply.clone()),
                None => Begun::InProgress,
            },
        }
    }

    fn done(&mut self, key: &IdempotencyKey, reply: Reply, now: Instant) {
        let Some(remembered) = self.keys.get_mut(key) else { return };
        self.bytes += reply.body.len();
        remembered.reply = Some(reply);
        self.answered.push_back((now, key.clone()));
        while self.answered.len() > MAX_KEYS || self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.answered.front().is_some_and(|(done, _)| now.saturating_duration_since(*done) >= LIFE) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, key)) = self.answered.pop_front() else { return };
        let reply = self.keys.remove(&key).and_then(|remembered| remembered.reply);
        self.bytes -= reply.map_or(0, |reply| reply.body.len());
    }
}

/// The answer to a request during which the server panicked.
pub(super) fn panicked() -> Fault {
    let message = "a bug of the server: a part of the request may be done, so it is not done again";
    Fault::new(Code::Internal, message)
}

/// A request that is being done. Dropped, its key is free again, unless a part of the request may be done.
pub(super) struct Guard {
    idempotency: Arc<Mutex<Idempotency>>,
    key: Option<IdempotencyKey>,
}

impl Guard {
    pub(super) fn new(idempotency: Arc<Mutex<Idempotency>>, key: IdempotencyKey) -> Guard {
        Guard { idempotency, key: Some(key) }
    }

    pub(super) fn done(mut self, reply: Reply, now: Instant) {
        if let Some(key) = self.key.take() {
            self.idempotency.lock().done(&key, reply, now);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let mut idempotency = self.idempotency.lock();
        match std::thread::panicking() {
            true => idempotency.done(&key, Reply::from(&panicked()), Instant::now()),
            false => drop(idempotency.keys.remove(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn key(name: &str) -> IdempotencyKey {
        IdempotencyKey(name.into())
    }

    fn reply(body: &'static str) -> Reply {
        Reply { status: StatusCode::OK, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn a_request_is_done_once_in_five_minutes() {
        let (mut table, start) = (Idempotency::default(), Instant::now());
        assert!(matches!(table.begin(&key("a"), b"1", start), Begun::First));
        assert!(matches!(table.begin(&key("a"), b"1", start), Begun::InProgress));
        table.done(&key("a"), reply("x"), start);
        let late = start + LIFE - Duration::from_millis(1);
        assert!(matches!(table.begin(&key("a"), b"1", late), Begun::Again(reply) if reply.body == "x"));
        assert!(matches!(table.begin(&key("a"), b"2", late), Begun::Other));
        assert!(matches!(table.begin(&key("a"), b"2", start + LIFE), Begun::First));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let (mut table, now) = (Idempotency::default(), Instant::now());
        for n in 0..=MAX_KEYS {
            let key = key(&n.to_string());
            table.begin(&key, b"", now);
            table.done(&key, reply("x"), now);
        }
        assert!(matches!(table.begin(&key("0"), b"", now), Begun::First));
        assert!(matches!(table.begin(&key("1"), b"", now), Begun::Again(_)));
        assert_eq!((table.answered.len(), table.bytes), (MAX_KEYS, MAX_KEYS));
    }

    #[test]
    fn so_many_requests_are_in_progress_and_no_more() {
        let (mut table, now) = (Idempotency::default(), Instant::now());
        for n in 0..MAX_IN_PROGRESS {
            assert!(matches!(table.begin(&key(&n.to_string()), b"", now), Begun::First));
        }
        assert!(matches!(table.begin(&key("more"), b"", now), Begun::TooMany));
        assert!(matches!(table.begin(&key("0"), b"", now), Begun::InProgress));
        table.done(&key("0"), reply("x"), now);
        assert!(matches!(table.begin(&key("more"), b"", now), Begun::First));
        assert!(matches!(table.begin(&key("again"), b"", now), Begun::TooMany));
    }

    #[test]
    fn a_request_that_panicked_is_not_done_again() {
        let table = Arc::new(Mutex::new(Idempotency::default()));
        table.lock().begin(&key("a"), b"1", Instant::now());
        let guard = Guard::new(Arc::clone(&table), key("a"));
        let panicking = std::thread::spawn(move || {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(panicking.join().is_err());
        let again = table.lock().begin(&key("a"), b"1", Instant::now());
        assert!(matches!(again, Begun::Again(reply) if reply.status == StatusCode::INTERNAL_SERVER_ERROR));
    }

    #[test]
    fn a_request_that_failed_can_be_sent_again() {
        let table = Arc::new(Mutex::new(Idempotency::default()));
        table.lock().begin(&key("a"), b"1", Instant::now());
        drop(Guard::new(Arc::clone(&table), key("a")));
        assert!(matches!(table.lock().begin(&key("a"), b"2", Instant::now()), Begun::First));
    }
}
