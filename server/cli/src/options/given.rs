//! One option, as it is given in one place.

use std::fmt;

use super::error::OptionsError;

/// The option that names the file. It is in no row of the table, since the file can't hold it.
pub(super) const CONFIG: &str = "config";

/// One option as it was given in one place.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) key: &'static str,
    /// Its name there, which may be an old one.
    pub(super) written: &'static str,
    pub(super) words: Vec<String>,
    pub(super) source: Source,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    CommandLine,
    Environment,
    /// `written` is the key as the file has it, with its tables.
    File {
        name: String,
        line: usize,
        written: String,
    },
}

impl Given {
    /// An error that names this place.
    pub(super) fn error(&self, problem: impl Into<String>) -> OptionsError {
        OptionsError { place: self.to_string(), problem: problem.into() }
    }

    /// An error that names a line of the file within this option, if it is in a file.
    pub(super) fn error_at(&self, at: Option<usize>, problem: impl Into<String>) -> OptionsError {
        let place = match (&self.source, at) {
            (Source::File { name, written, .. }, Some(line)) => format!("{written} in {name}, line {line}"),
            _ => self.to_string(),
        };
        OptionsError { place, problem: problem.into() }
    }

    /// Where it is given by an old name, and what its name is now.
    pub(super) fn renamed(&self) -> Option<(String, &'static str)> {
        (self.written != self.key).then(|| (self.to_string(), self.key))
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.written;
        match &self.source {
            Source::CommandLine => write!(f, "--{key}"),
            Source::Environment => f.write_str(&variable(key)),
            Source::File { name, line, written } => write!(f, "{written} in {name}, line {line}"),
        }
    }
}

/// The name of an option's environment variable.
pub(super) fn variable(key: &str) -> String {
    format!("SOCKETIO_{}", key.replace('-', "_").to_ascii_uppercase())
}
