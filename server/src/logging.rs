//! Where `tracing`'s events go: standard error, as text or as JSON, one event a line.
//!
//! Whatever a client can put into a log (a namespace, an event's name, a user agent) stays on its line and
//! does nothing to a terminal: control characters are escaped, and in text long values are cut.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::{MakeWriter, format};

/// The longest value of one field in a text log, in characters; the rest is cut.
const LONGEST_VALUE: usize = 1_024;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogFormat {
    /// For people: time, level, origin, message, `name=value`; in colours on a terminal.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Whether to write in colours: to a terminal whose user has not set [`NO_COLOR`](https://no-color.org).
pub(crate) fn colours(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sends the events of this process to standard error, from `level` upwards.
///
/// # Errors
/// If the process has a subscriber already.
pub(crate) fn init(format: LogFormat, level: LevelFilter) -> Result<(), SetGlobalDefaultError> {
    let colours = colours(&io::stderr());
    tracing::subscriber::set_global_default(subscriber(format, level, colours, io::stderr))
}

fn subscriber<W>(
    log_format: LogFormat,
    level: LevelFilter,
    colours: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt().with_max_level(level);
    match log_format {
        LogFormat::Text => {
            let fields = format::debug_fn(|writer, field, value| {
                if field.name() != "message" {
                    write!(writer, "{field}=")?;
                }
                write!(Escaped { out: writer, left: LONGEST_VALUE + 1 }, "{value:?}")
            });
            let subscriber = subscriber.fmt_fields(fields.delimited(" "));
            Box::new(subscriber.with_ansi(colours).with_writer(writer).finish())
        }
        LogFormat::Json => {
            Box::new(subscriber.json().flatten_event(true).with_writer(EscapedJson(writer)).finish())
        }
    }
}

/// A field's value in a text log: what is not printable is escaped as in a Rust string.
struct Escaped<'a, W> {
    out: &'a mut W,
    /// Characters that may still come; in place of the last one stands `…`.
    left: usize,
}

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.out.write_char('…')?,
                // Quotes and backslashes are harmless, and those of a `Debug` value are escaped already.
                _ if matches!(char, '"' | '\'' | '\\') => self.out.write_char(char)?,
                _ => write!(self.out, "{}", char.escape_debug())?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}

/// A line of JSON, in which DEL and the C1 control characters are escaped too. JSON may hold them as they
/// are, but a terminal may take U+009B for the start of a command.
struct EscapedJson<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for EscapedJson<M> {
    type Writer = EscapedJson<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapedJson(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for EscapedJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let control = |char: &char| matches!(char, '\u{7f}'..='\u{9f}');
        match std::str::from_utf8(line) {
            Ok(text) if text.chars().any(|char| control(&char)) => {
                let mut escaped = String::with_capacity(text.len() + 16);
                for char in text.chars() {
                    if control(&char) {
                        let _ = write!(escaped, "\\u{:04x}", u32::from(char));
                    } else {
                        escaped.push(char);
                    }
                }
                self.0.write_all(escaped.as_bytes())?;
            }
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `log` writes in this format at level info.
    fn logged(format: LogFormat, colours: bool, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, LevelFilter::INFO, colours, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_is_one_line_an_event() {
        let text = logged(LogFormat::Text, false, || {
            tracing::info!(sessions = 3, name = "a b", "listening");
            tracing::debug!("not at this level");
        });
        assert!(text.ends_with(" listening sessions=3 name=\"a b\"\n"), "{text}");
        assert!(text.contains(" INFO "), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn json_is_one_object_an_event() {
        let text = logged(LogFormat::Json, false, || tracing::warn!(sessions = 3, "full"));
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["level"], "WARN");
        assert_eq!(object["message"], "full");
        assert_eq!(object["sessions"], 3);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn nobody_forges_a_line_or_reaches_the_terminal() {
        let evil = "a\r\nINFO forged\x1b[31m\x07\u{9b}31m\u{7f}\0\u{202e}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(format, false, || {
                tracing::info!(namespace = evil, agent = %evil, debug = ?evil, "said {evil}");
                let span = tracing::info_span!("session", agent = %evil);
                span.in_scope(|| tracing::info!("in a span"));
            });
            assert_eq!(text.lines().count(), 2, "{text:?}");
            assert_eq!(text.chars().filter(|char| char.is_control()).collect::<String>(), "\n\n", "{text:?}");
        }
    }

    #[test]
    fn json_still_says_what_was_escaped() {
        let text = logged(LogFormat::Json, false, || tracing::info!(agent = "\u{7f}\u{9b}\n€"));
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["agent"], "\u{7f}\u{9b}\n€");
    }

    #[test]
    fn a_long_value_is_cut() {
        let text = logged(LogFormat::Text, false, || {
            tracing::info!(agent = %"a".repeat(LONGEST_VALUE), "{}", "b".repeat(LONGEST_VALUE + 1));
        });
        let (fits, cut) = ("a".repeat(LONGEST_VALUE), "b".repeat(LONGEST_VALUE));
        assert!(text.ends_with(&format!(" {cut}… agent={fits}\n")), "{text}");
    }

    #[test]
    fn colours_are_only_for_a_terminal() {
        let event = || tracing::info!("listening");
        assert!(logged(LogFormat::Text, true, event).contains("\x1b["));
        assert!(!logged(LogFormat::Text, false, event).contains('\x1b'));
    }
}
