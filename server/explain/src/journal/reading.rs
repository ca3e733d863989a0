//! Reading a journal: its runs, each of which may have been cut off.

use std::fmt;
use std::io::{self, BufRead};

use super::{Header, Record, VERSION};

/// Why a journal could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can't be read.
    Io(io::Error),
    /// This line is not a record.
    Line(usize, serde_json::Error),
    /// It has another version of the format.
    Version(u32),
    /// It is empty.
    Empty,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Line(line, error) => write!(f, "line {line} is not a journal record: {error}"),
            ReadError::Version(version) => {
                write!(
                    f,
                    "the journal has version {version} of the format; only version {VERSION} can be read"
                )
            }
            ReadError::Empty => f.write_str("the journal is empty"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io(error) => error.source(),
            ReadError::Line(_, error) => Some(error),
            ReadError::Version(_) | ReadError::Empty => None,
        }
    }
}

/// The part of a journal about one run of a server, from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its first line.
    pub header: Header,
    /// All others.
    pub records: Vec<Record>,
}

/// Reads the last run of a journal.
///
/// # Errors
/// As [`runs`].
pub fn read(from: impl BufRead) -> Result<(Header, Vec<Record>), ReadError> {
    let last = runs(from)?.pop().ok_or(ReadError::Empty)?;
    Ok((last.header, last.records))
}

/// Reads all runs of a journal, at least one.
///
/// # Errors
/// If it is not a journal, or has another version. If the last line of a run is incomplete, it is left out.
pub fn runs(mut from: impl BufRead) -> Result<Vec<Run>, ReadError> {
    let mut text = String::new();
    from.read_to_string(&mut text).map_err(ReadError::Io)?;
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    let (_, first) = lines.next().ok_or(ReadError::Empty)?;
    let mut runs = vec![Run::begun(1, first)?];
    while let Some((at, line)) = lines.next() {
        let ends = lines.peek().map_or(!line.ends_with('\n'), |(_, next)| is_header(next));
        if is_header(line) {
            runs.push(Run::begun(at + 1, line)?);
        } else if let Some(run) = runs.last_mut() {
            match serde_json::from_str(line) {
                Ok(record) => run.records.push(record),
                // The server was killed while it wrote this line.
                Err(_) if ends => {}
                Err(error) => return Err(ReadError::Line(at + 1, error)),
            }
        }
    }
    Ok(runs)
}

/// Whether a line begins a run. Records begin differently.
fn is_header(line: &str) -> bool {
    line.starts_with("{\"journal\":")
}

impl Run {
    fn begun(at: usize, line: &str) -> Result<Run, ReadError> {
        let header: Header = serde_json::from_str(line).map_err(|error| ReadError::Line(at, error))?;
        match header.journal {
            VERSION => Ok(Run { header, records: Vec::new() }),
            other => Err(ReadError::Version(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(began: u64) -> String {
        format!("{{\"journal\":1,\"by\":\"a test\",\"began\":{began},\"redacted\":true}}\n")
    }

    const FIRST: &str = "{\"n\":1,\"time\":1,\"session\":1,\"kind\":\"upgraded\"}\n";

    #[test]
    fn each_run_has_a_first_line_and_may_have_been_cut_off() {
        let text = format!("{}{FIRST}{FIRST}{{\"n\":3,\"ti\n{}{FIRST}{{\"n", header(1), header(2));
        let all = runs(text.as_bytes()).unwrap();
        let found: Vec<_> = all.iter().map(|run| (run.header.began, run.records.len())).collect();
        assert_eq!(found, [(1, 2), (2, 1)]);
        let (header, records) = read(text.as_bytes()).unwrap();
        assert_eq!((header.began, records.len()), (2, 1), "the last is the one that one looks for");
    }

    #[test]
    fn what_is_no_journal_is_told_with_its_line() {
        let line = |text: String| match runs(text.as_bytes()) {
            Err(ReadError::Line(line, _)) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line("precious\n".into()), 1);
        assert_eq!(line(format!("{}{FIRST}broken\n{FIRST}", header(1))), 3);
        assert_eq!(line(format!("{}{FIRST}broken\n", header(1))), 3, "it was not cut off");
        assert!(matches!(runs(&b""[..]), Err(ReadError::Empty)));
        let other = header(1).replace(":1,", ":7,");
        assert!(matches!(runs(format!("{}{other}", header(1)).as_bytes()), Err(ReadError::Version(7))));
    }
}
