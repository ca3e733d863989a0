//! Namespaces by their names. Some exist as soon as anybody names them, and go some time later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use socketio::{Io, Namespace};

use super::wrong::{Wrong, WrongKind, field};
use crate::pattern;

/// The namespace of that name. `None` if clients may join it, but nobody has.
pub(crate) fn namespace(io: &Io, name: &str) -> Result<Option<Namespace>, Wrong> {
    if !name.starts_with('/') {
        return Err(field("namespace", "must begin with /"));
    }
    let patterns = io.try_state::<NamespacePatterns>();
    if patterns.as_ref().is_some_and(|patterns| patterns.patterns.iter().any(|pattern| pattern == name)) {
        let message = format!("{name:?} stands for many namespaces: name one of them, without the *");
        return Err(field("namespace", message));
    }
    match patterns.filter(|patterns| patterns.fit(name)) {
        // Other nodes may have clients in it.
        Some(patterns) if io.has_adapter() => patterns.visit(io, name, Instant::now()).map(Some),
        Some(_) => Ok(io.namespace(name)),
        None => io.namespace(name).map(Some).ok_or_else(|| Wrong {
            kind: WrongKind::Namespace,
            at: "namespace",
            message: format!("there is no namespace {name:?}: declare it in the configuration"),
        }),
    }
}

/// Namespaces that exist as soon as anybody names them.
pub(crate) struct NamespacePatterns {
    patterns: Vec<String>,
    visited: Mutex<Visited>,
}

/// Namespaces that a backend's requests have created, and when each was named last.
struct Visited {
    named: HashMap<Box<str>, Instant>,
    looked: Instant,
}

/// How many of them there may be.
const MAX_VISITED: usize = 10_000;

/// How long one stays that has no clients here: longer than those of other nodes may take to answer.
const VISIT: Duration = Duration::from_secs(2 * 60);

/// How often the server looks for those that can go.
const LOOK: Duration = Duration::from_secs(10);

impl NamespacePatterns {
    pub(crate) fn new(patterns: Vec<String>) -> NamespacePatterns {
        let visited = Visited { named: HashMap::new(), looked: Instant::now() };
        NamespacePatterns { patterns, visited: Mutex::new(visited) }
    }

    fn fit(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern::fits(pattern, name))
    }

    /// The namespace of that name, which is created for some time if it isn't there.
    fn visit(&self, io: &Io, name: &str, now: Instant) -> Result<Namespace, Wrong> {
        let mut visited = self.visited.lock();
        visited.let_go(io, now);
        let known = visited.named.contains_key(name);
        if let Some(namespace) = io.namespace(name).filter(|_| !known) {
            return Ok(namespace);
        }
        if !known && visited.named.len() >= MAX_VISITED {
            let message = format!(
                "requests named {MAX_VISITED} other namespaces without clients on this node in two minutes: wait, or use rooms of one namespace"
            );
            return Err(Wrong { kind: WrongKind::TooMany, at: "namespace", message });
        }
        visited.named.insert(name.into(), now);
        Ok(io.of(name))
    }
}

impl Visited {
    /// Lets go of those that were not named for long. One that has clients goes with the last of them.
    fn let_go(&mut self, io: &Io, now: Instant) {
        if now.saturating_duration_since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        for (name, _) in self.named.extract_if(|_, named| now.saturating_duration_since(*named) >= VISIT) {
            if let Some(namespace) = io.namespace(&name) {
                namespace.close_if_empty();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn namespaces_that_requests_created_go_if_no_request_names_them_for_two_minutes() {
        let io = Io::new();
        let _ = io.of_pattern("^/orders-").unwrap();
        let patterns = NamespacePatterns::new(vec!["/orders-*".to_owned()]);
        let start = Instant::now();
        let visit =
            |name: &str, seconds| patterns.visit(&io, name, start + Duration::from_secs(seconds)).map(drop);
        let there = |name: &str| io.namespace(name).is_some();
        visit("/orders-1", 0).unwrap();
        visit("/orders-2", 0).unwrap();
        visit("/orders-1", 60).unwrap();
        visit("/orders-3", 120).unwrap();
        assert_eq!(["/orders-1", "/orders-2", "/orders-3"].map(there), [true, false, true]);
        for n in 2..MAX_VISITED {
            visit(&format!("/orders-x{n}"), 125).unwrap();
        }
        assert_eq!(visit("/orders-4", 125).unwrap_err().kind, WrongKind::TooMany);
        visit("/orders-1", 125).unwrap();
        visit("/orders-4", 250).unwrap();
        assert_eq!(io.namespaces().len(), 2, "/ and the one that was named last");
    }
}
