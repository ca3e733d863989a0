//! Namespaces that are created when a client joins them.
//!
//! A parent is a namespace without clients. It holds the handlers of its children and says which names are
//! theirs. A client that joins such a name creates the child.

use std::fmt;
use std::sync::Arc;

use regex_lite::Regex;
use serde::de::DeserializeOwned;

use crate::handler::task::Task;
use crate::namespace::Namespace;

/// A parent, and the names that its children can have.
#[derive(Clone)]
pub(crate) struct Parent {
    /// Tells parents apart, closed ones included.
    pub(crate) number: u64,
    pub(crate) namespace: Namespace,
    pub(crate) names: Names,
}

/// The names of a parent's children.
#[derive(Clone)]
pub(crate) enum Names {
    Pattern(Regex),
    Function(Function),
}

/// Decides by a name and the JSON of a client's auth whether the namespace may be created.
type Function = Arc<dyn Fn(&str, &str) -> Task<bool> + Send + Sync>;

/// A pattern that is not a regular expression.
///
/// ```
/// use socketio::{Io, PatternError};
///
/// fn tables(io: &Io) -> Result<(), PatternError> {
///     io.of_pattern(r"^/table-\d+$")?.on_connect(|_| async {});
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct PatternError(regex_lite::Error);

impl Names {
    pub(crate) fn pattern(pattern: &str) -> Result<Names, PatternError> {
        Regex::new(pattern).map(Names::Pattern).map_err(PatternError)
    }

    pub(crate) fn function<A, F, Fut>(function: F) -> Names
    where
        A: DeserializeOwned,
        F: Fn(String, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        Names::Function(Arc::new(move |name, auth| match serde_json::from_str(auth) {
            Ok(auth) => Box::pin(function(name.to_owned(), auth)),
            Err(_) => Box::pin(std::future::ready(false)),
        }))
    }

    /// Whether a name that the server's own code uses is among them. Functions are only called for clients.
    pub(crate) fn match_pattern(&self, name: &str) -> bool {
        matches!(self, Names::Pattern(pattern) if pattern.is_match(name))
    }
}

/// The number of the parent of a name: the first one, in the order of creation, that allows it.
pub(crate) async fn choose(parents: Vec<Parent>, name: Box<str>, auth: Box<str>) -> Option<u64> {
    for parent in parents {
        let is_its_child = match &parent.names {
            Names::Pattern(pattern) => pattern.is_match(&name),
            Names::Function(function) => function(&name, &auth).await,
        };
        if is_its_child {
            return Some(parent.number);
        }
    }
    None
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a regular expression: {}", self.0)
    }
}

impl std::error::Error for PatternError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests;
