//! The cases that the options choose.

use std::fmt;

use engineio::Revision;

use super::text::{Case, Level, all};

/// Why a number chooses no case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChoiceError {
    Unknown {
        given: String,
        /// The number of a case or of a group that is written almost like it.
        nearest: Option<String>,
    },
    /// It is of the other revision alone.
    Revision(String, Revision),
    /// It may end a server.
    Hostile(String),
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChoiceError::Unknown { given, nearest } => {
                write!(f, "--only {given:?}: there is no such case or group")?;
                if let Some(nearest) = nearest {
                    write!(f, "; the nearest is {nearest}")?;
                }
                f.write_str(". --list prints all")
            }
            ChoiceError::Revision(given, revision) => {
                let number = revision.number();
                write!(f, "--only {given}: it is for revision {number} alone. Add --eio {number}")
            }
            ChoiceError::Hostile(given) => {
                write!(
                    f,
                    "--only {given}: it may end a server that is not ready for it. Add --hostile to run it"
                )
            }
        }
    }
}

impl std::error::Error for ChoiceError {}

/// # Errors
/// If a number of `--only` chooses nothing: who gives one means a case.
pub(crate) fn choose(
    only: &[String],
    revision: Revision,
    hostile: bool,
) -> Result<Vec<&'static Case>, ChoiceError> {
    let has_revision = |case: &Case| case.revisions.contains(&revision);
    let is_safe = |case: &Case| hostile || case.level != Level::Hostile;
    for given in only {
        let mut named = all().iter().filter(|case| case.is_in(given)).peekable();
        if named.peek().is_none() {
            return Err(ChoiceError::Unknown { given: given.clone(), nearest: nearest(given) });
        }
        let mut fits = named.filter(|case| has_revision(case)).peekable();
        if fits.peek().is_none() {
            let other = if revision == Revision::V3 { Revision::V4 } else { Revision::V3 };
            return Err(ChoiceError::Revision(given.clone(), other));
        }
        if !fits.any(is_safe) {
            return Err(ChoiceError::Hostile(given.clone()));
        }
    }
    let wanted = |case: &&Case| {
        let named = only.is_empty() || only.iter().any(|only| case.is_in(only));
        has_revision(case) && is_safe(case) && named
    };
    Ok(all().iter().filter(wanted).collect())
}

/// One slip of the finger away.
fn nearest(given: &str) -> Option<String> {
    let numbers = all().iter().flat_map(|case| {
        let ends = case.id.match_indices('.').map(|(at, _)| at).chain([case.id.len()]);
        ends.map(|end| &case.id[..end])
    });
    // The number of a group is too short to be told from another.
    let mut near =
        numbers.filter(|number| number.len() > 1 && strsim::damerau_levenshtein(number, given) <= 1);
    near.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[&str], revision: Revision, hostile: bool) -> Result<usize, String> {
        let only: Vec<_> = only.iter().map(|only| (*only).to_owned()).collect();
        choose(&only, revision, hostile).map(|cases| cases.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_that_chooses_nothing_is_told_with_what_to_write() {
        let v4 = |only: &[&str]| chosen(only, Revision::V4, false);
        assert_eq!(v4(&["1.1.1"]), Ok(1));
        assert!(v4(&["1.1"]).unwrap() > 5 && v4(&[]).unwrap() > 150);
        for (only, problem) in [
            (
                "1.1.0",
                "--only \"1.1.0\": there is no such case or group; the nearest is 1.1.1. --list prints all",
            ),
            (
                "1,1.1",
                "--only \"1,1.1\": there is no such case or group; the nearest is 1.1.1. --list prints all",
            ),
            ("opening", "--only \"opening\": there is no such case or group. --list prints all"),
            ("99", "--only \"99\": there is no such case or group. --list prints all"),
            ("", "--only \"\": there is no such case or group. --list prints all"),
        ] {
            assert_eq!(v4(&["1.1.1", only]), Err(problem.to_owned()));
        }
        let error = v4(&["9.3.23"]).unwrap_err();
        assert!(error.ends_with("Add --hostile to run it"), "{error}");
        assert_eq!(chosen(&["9.3.23"], Revision::V4, true), Ok(1));
        let error = chosen(&["9.3.23"], Revision::V3, true).unwrap_err();
        assert!(error.ends_with("it is for revision 4 alone. Add --eio 4"), "{error}");
    }
}
