//! Why the program ends before it does anything.

use std::fmt;
use std::process::ExitCode;

use crate::logging::{LogFormat, fatal};
use crate::output;

/// Something is wrong with an option: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionsError {
    pub(super) place: String,
    pub(super) problem: String,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for OptionsError {}

/// How many mistakes are told at the most.
const MOST: usize = 20;

/// Why the program ends before it does anything.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The command line asks for help or the version, or can't be understood.
    CommandLine(clap::Error),
    /// Options are wrong: at least one.
    Options(Vec<OptionsError>),
}

impl Stop {
    /// Prints what there is to say: help and version to standard output, mistakes to standard error.
    /// The exit code is 0 for the former and 2 for the latter.
    #[must_use]
    pub(crate) fn end(self, format: LogFormat) -> ExitCode {
        match (&self, format) {
            (Stop::CommandLine(help), _) if !help.use_stderr() => drop(output::print(&help.to_string())),
            (Stop::CommandLine(error), LogFormat::Text) => output::complain(&error.to_string()),
            (Stop::Options(errors), LogFormat::Text) => {
                errors.iter().take(MOST).for_each(|error| output::complain(&format!("error: {error}\n")));
                if errors.len() > MOST {
                    output::complain(&format!("error: {} more mistakes\n", errors.len() - MOST));
                }
            }
            (Stop::CommandLine(error), LogFormat::Json) => {
                let text = error.to_string();
                output::complain(&fatal(format, &text.strip_prefix("error: ").unwrap_or(&text).trim_end()));
            }
            (Stop::Options(errors), LogFormat::Json) => {
                errors.iter().take(MOST).for_each(|error| output::complain(&fatal(format, error)));
            }
        }
        ExitCode::from(self.code())
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            Stop::CommandLine(error) if !error.use_stderr() => 0,
            Stop::CommandLine(_) | Stop::Options(_) => 2,
        }
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Stop {
        Stop::CommandLine(error)
    }
}

impl From<OptionsError> for Stop {
    fn from(error: OptionsError) -> Stop {
        Stop::Options(vec![error])
    }
}
