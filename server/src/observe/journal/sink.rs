//! Where a journal goes: a file, text for people, [inspectors](crate::Inspector).

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, Header, Record, file};
use crate::observe::inspector::Recent;

/// Where a [`Journal`](super::Journal) goes.
pub struct Sink(To);

enum To {
    Lines {
        out: io::BufWriter<Box<dyn Write + Send>>,
        left: u64,
    },
    Text {
        out: io::BufWriter<Box<dyn Write + Send>>,
        line: Box<dyn Fn(&Record) -> String + Send>,
    },
    Inspector(Arc<Recent>),
    /// It is full, or can't be written to.
    Closed,
}

impl Sink {
    /// A file that only its owner may read. An existing journal is continued: a journal has a first line for
    /// each run. `limit` is the largest size of the file in bytes; a full one is renamed to `FILE.1` first.
    ///
    /// # Errors
    /// If it can't be opened, or must not be written to: a link, another user's file, one with several names,
    /// one that another process writes to, or one that is not a journal.
    pub fn file(path: &Path, limit: u64) -> io::Result<Sink> {
        let (file, left) = file::open(path, limit)?;
        Ok(Sink::lines(Box::new(file), left))
    }

    /// Lines of JSON to `out`, at most `limit` bytes.
    #[must_use]
    pub fn lines(out: Box<dyn Write + Send>, limit: u64) -> Sink {
        Sink(To::Lines { out: io::BufWriter::new(out), left: limit })
    }

    /// Text for people to `out`: `line` makes the text of each record, and a line break follows. There is no limit.
    #[must_use]
    pub fn text(out: Box<dyn Write + Send>, line: impl Fn(&Record) -> String + Send + 'static) -> Sink {
        Sink(To::Text { out: io::BufWriter::new(out), line: Box::new(line) })
    }

    pub(crate) fn inspector(recent: Arc<Recent>) -> Sink {
        Sink(To::Inspector(recent))
    }

    pub(super) fn begin(&mut self, header: &Header) -> io::Result<()> {
        match &mut self.0 {
            To::Lines { out, left } => {
                let line = header.line()?;
                *left = left.saturating_sub(line.len() as u64 + 1);
                write_line(out, line.as_bytes())?;
                out.flush()
            }
            To::Inspector(recent) => {
                recent.begin(header.began, bytes(header.line())?);
                Ok(())
            }
            To::Text { .. } | To::Closed => Ok(()),
        }
    }

    pub(super) fn flush(&mut self) {
        let flushed = match &mut self.0 {
            To::Lines { out, .. } => out.flush(),
            To::Text { out, .. } => out.flush(),
            To::Inspector(recent) => {
                recent.tell();
                Ok(())
            }
            To::Closed => Ok(()),
        };
        self.close_if_failed(flushed);
    }

    fn write(&mut self, record: &Record, json: &Bytes) -> io::Result<()> {
        match &mut self.0 {
            To::Closed => Ok(()),
            To::Text { out, line } => writeln!(out, "{}", line(record)),
            To::Inspector(recent) => {
                recent.push(record, json.clone());
                Ok(())
            }
            To::Lines { out, left } => {
                let len = json.len() as u64 + 1;
                if len <= *left {
                    *left -= len;
                    return write_line(out, json);
                }
                let full = Record { n: record.n, time: record.time, ..Record::of(Entry::Full) };
                write_line(out, full.line()?.as_bytes())?;
                out.flush()?;
                tracing::warn!("the journal is full");
                self.0 = To::Closed;
                Ok(())
            }
        }
    }

    fn close_if_failed(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(%error, "the journal can no longer be written");
            self.0 = To::Closed;
        }
    }
}

/// Writes a record to all sinks. Its line is made once, if any of them needs it.
pub(super) fn write(sinks: &mut [Sink], record: &Record) {
    let wanted = sinks.iter().any(|sink| matches!(sink.0, To::Lines { .. } | To::Inspector(_)));
    let json = if wanted { bytes(record.line()) } else { Ok(Bytes::new()) };
    for sink in sinks {
        let written = match &json {
            Ok(json) => sink.write(record, json),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        sink.close_if_failed(written);
    }
}

fn bytes(line: serde_json::Result<String>) -> io::Result<Bytes> {
    // Boxed, so that no unused capacity is kept with it.
    Ok(Bytes::from(line?.into_bytes().into_boxed_slice()))
}

fn write_line(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    out.write_all(line)?;
    out.write_all(b"\n")
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}
