//! Logs each origin whose pages can't use the server once: the operator may have forgotten it.

use std::collections::HashSet;

use http::HeaderMap;
use http::header::{HeaderValue, ORIGIN};
use parking_lot::Mutex;

use super::foreign_origin;

/// The number of origins that are logged. More may be made up by a client.
const MOST: usize = 256;

/// As much of one is kept.
const LONGEST: usize = 256;

/// Origins that were told of.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashSet<Box<[u8]>>>);

impl Strangers {
    /// A request was refused because no rule allows its origin.
    pub(crate) fn refused(&self, request: &HeaderMap) {
        let origin = request.get(ORIGIN).map_or(&b""[..], HeaderValue::as_bytes);
        if self.is_new(origin) {
            tracing::warn!(
                origin = &*String::from_utf8_lossy(origin),
                "pages of this origin are refused: allow it with cors-origin, or in code with Cors::new"
            );
        }
    }

    /// A request was answered, and no CORS is configured. The browser keeps the answer from a foreign page.
    pub(crate) fn answered(&self, request: &HeaderMap) {
        if let Some(origin) = foreign_origin(request)
            && self.is_new(origin)
        {
            tracing::warn!(
                origin = &*String::from_utf8_lossy(origin),
                "browsers hide answers from pages of this origin, because no other origin is allowed: \
                 set cors-origin, or in code Builder::cors"
            );
        }
    }

    fn is_new(&self, origin: &[u8]) -> bool {
        let origin = &origin[..origin.len().min(LONGEST)];
        let mut told = self.0.lock();
        told.len() < MOST && !told.contains(origin) && told.insert(origin.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: protocol/origins-in-the-log
    #[test]
    fn each_origin_is_told_of_once_and_no_more_than_a_bound() {
        let strangers = Strangers::default();
        assert!(strangers.is_new(b"http://a.example"));
        assert!(!strangers.is_new(b"http://a.example"));
        let long = [b'x'; LONGEST + 1];
        assert!(strangers.is_new(&long) && !strangers.is_new(&long[1..]));
        let told = (0..2 * MOST).filter(|number| strangers.is_new(number.to_string().as_bytes())).count();
        assert_eq!(told, MOST - 2);
    }
}
