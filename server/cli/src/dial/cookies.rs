//! The cookies that a server sets. A balancer finds the session's server by one.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};
use parking_lot::Mutex;

/// Cookies to keep; a server that sets more is not obeyed.
const MOST: usize = 50;

/// The cookies of one server.
#[derive(Debug, Default)]
pub(crate) struct Cookies(Mutex<BTreeMap<String, String>>);

impl Cookies {
    /// Keeps those of an answer.
    pub(crate) fn keep(&self, fields: &HeaderMap) {
        let mut kept = self.0.lock();
        for field in fields.get_all(header::SET_COOKIE) {
            let pair = field.to_str().ok().and_then(|field| field.split(';').next()?.split_once('='));
            if let Some((name, value)) = pair
                && (kept.len() < MOST || kept.contains_key(name.trim()))
            {
                kept.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    /// The field that sends them back.
    pub(crate) fn field(&self) -> Option<HeaderValue> {
        let kept = self.0.lock();
        let pairs: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { pairs.join("; ").parse().ok() }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }
}
