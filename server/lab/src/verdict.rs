//! How a case ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a case ended. The worst is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As expected.
    Pass,
    /// The documents and the reference disagree, or none says what is right.
    Informational,
    /// It works, but not as the text says.
    NonStrict,
    /// The implementation says that it doesn't have what the case is about.
    Unsupported,
    /// The case couldn't be run.
    NotRun,
    /// Not as expected.
    Fail,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 6] = [
        Verdict::Pass,
        Verdict::NonStrict,
        Verdict::Informational,
        Verdict::Fail,
        Verdict::Unsupported,
        Verdict::NotRun,
    ];

    /// Its word, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Informational => "informational",
            Verdict::NonStrict => "non-strict",
            Verdict::Unsupported => "unsupported",
            Verdict::NotRun => "not-run",
            Verdict::Fail => "fail",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a script expected and didn't see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Any verdict but a pass.
    pub verdict: Verdict,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub seen: String,
}

impl Unmet {
    /// A failure.
    #[must_use]
    pub fn fail(expected: impl Into<String>, seen: impl Into<String>) -> Unmet {
        Unmet { verdict: Verdict::Fail, expected: expected.into(), seen: seen.into() }
    }

    /// The same with another verdict.
    #[must_use]
    pub fn rather(self, verdict: Verdict) -> Unmet {
        Unmet { verdict, ..self }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}; seen: {}", self.expected, self.seen)
    }
}

impl std::error::Error for Unmet {}
