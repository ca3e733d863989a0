//! One option, as it is given in one place.

use std::fmt;

use super::error::OptionsError;

/// The option that names the file. It is in no row of the table, since the file can't hold it.
pub(super) const CONFIG: &str = "config";

/// One option as it was given in one place.
pub(super) struct Given {
    pub(super) key: &'static str,
    pub(super) words: Vec<String>,
    pub(super) source: Source,
}

pub(super) enum Source {
    CommandLine,
    Environment,
    File { name: String, line: usize },
}

impl Given {
    /// An error that names this place.
    pub(super) fn error(&self, problem: impl Into<String>) -> OptionsError {
        OptionsError { place: self.to_string(), problem: problem.into() }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        match &self.source {
            Source::CommandLine => write!(f, "--{key}"),
            Source::Environment => f.write_str(&variable(key)),
            Source::File { name, line } => write!(f, "{key} in {name}, line {line}"),
        }
    }
}

/// The name of an option's environment variable.
pub(super) fn variable(key: &str) -> String {
    format!("SOCKETIO_{}", key.replace('-', "_").to_ascii_uppercase())
}
