//! Where `tracing`'s events go: standard error, as text or as JSON, one event a line.
//!
//! Code that logs never waits for the reader of the log: an [`Output`] has the lines, and [`RateLimits`] limit
//! how many of a kind there are. A panic is a line like any other.
//!
//! Whatever a client can put into a log (a namespace, an event's name, a user agent) stays on its line and
//! does nothing to a terminal: control characters are escaped, and in text long values are cut.

mod limits;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::{MakeWriter, format};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::output::{Notices, Output};
use limits::{LeftOut, RateLimits};

/// The longest value of one field in a text log, in characters; the rest is cut.
const LONGEST_VALUE: usize = 1_024;

/// How long the last lines may take to be written when the program ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// The target of lines that are nobody's in particular.
const TARGET: &str = "socketio_server";

/// The target of the lines that say what was left out. They are not limited themselves.
const LEFT_OUT: &str = "socketio_server::left_out";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogFormat {
    /// For people: time, level, origin, message, `name=value`; in colours on a terminal.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl LogFormat {
    /// The format of that name.
    pub(crate) fn named(name: &str) -> Option<LogFormat> {
        match name {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }
}

/// Whether to write in colours: to a terminal whose user has not set [`NO_COLOR`](https://no-color.org).
pub(crate) fn colours(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The log of this process.
pub(crate) struct Log {
    output: Output,
    limits: Arc<RateLimits>,
    format: LogFormat,
}

impl Log {
    /// Sends the events of this process to standard error, from `level` upwards, and no more than `per_second` of a
    /// kind in a second; 0 stands for all.
    ///
    /// # Errors
    /// If the process has a log already, or lacks what one needs.
    pub(crate) fn start(
        format: LogFormat,
        level: LevelFilter,
        per_second: usize,
    ) -> Result<Log, Box<dyn Error>> {
        let limits = Arc::new(RateLimits::new(per_second));
        let limited = limits.clone();
        let reminder = move || limited.take_left_out().iter().for_each(say_left_out);
        let output = Output::to(&io::stderr(), notices(format, Box::new(reminder)))?;
        let lines = output.clone();
        let subscriber = subscriber(format, level, colours(&io::stderr()), move || Line(lines.clone()));
        let limited = Limited { limits: limits.clone(), output: output.clone() };
        tracing::subscriber::set_global_default(subscriber.with(limited))?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(Log { output, limits, format })
    }

    /// Says why the program can't go on.
    pub(crate) fn fatal(&self, problem: &dyn fmt::Display) {
        self.output.line(fatal(self.format, problem).as_bytes());
    }

    /// Says what is still to be said. It waits for whoever reads, but not for long.
    pub(crate) fn finish(&self) {
        self.limits.take_left_out().iter().for_each(say_left_out);
        self.output.finish(PATIENCE);
    }
}

/// What an output of lines in this format says by itself.
pub(crate) fn notices(format: LogFormat, reminder: Box<dyn FnMut() + Send>) -> Notices {
    let left_out: fn(u64) -> String = match format {
        LogFormat::Text => |lines| line(LogFormat::Text, Level::WARN, &unread(lines), &[]),
        LogFormat::Json => |lines| line(LogFormat::Json, Level::WARN, &unread(lines), &[]),
    };
    Notices { left_out, reminder }
}

fn unread(lines: u64) -> String {
    format!("{lines} lines were left out: the log was not read fast enough")
}

/// The line that says why the program ends.
pub(crate) fn fatal(format: LogFormat, problem: &dyn fmt::Display) -> String {
    match format {
        LogFormat::Text => format!("socketio-server: {problem}\n"),
        LogFormat::Json => line(format, Level::ERROR, &problem.to_string(), &[]),
    }
}

/// A line that is no event of `tracing`'s, but looks like one.
pub(crate) fn line(format: LogFormat, level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now());
    match format {
        LogFormat::Text => format!("{time} {level:>5} {TARGET}: {message}\n"),
        LogFormat::Json => {
            let mut object = serde_json::Map::new();
            let time = time.to_string();
            let usual =
                [("timestamp", &*time), ("level", level.as_str()), ("message", message), ("target", TARGET)];
            for (name, value) in usual.iter().chain(fields) {
                object.insert((*name).to_owned(), (*value).into());
            }
            let line = serde_json::Value::from(object).to_string() + "\n";
            escaped_json(&line).unwrap_or(line)
        }
    }
}

/// Says how many lines of a kind were left out, at the level that they had.
fn say_left_out(left_out: &LeftOut) {
    let LeftOut { level, target, like, lines } = left_out;
    macro_rules! say {
        ($level:ident) => {
            tracing::event!(target: LEFT_OUT, Level::$level, lines, like, from = target, "more lines of a kind were left out")
        };
    }
    match *level {
        Level::ERROR => say!(ERROR),
        Level::WARN => say!(WARN),
        Level::INFO => say!(INFO),
        Level::DEBUG => say!(DEBUG),
        Level::TRACE => say!(TRACE),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = text.unwrap_or("a value that is not text");
    let at = panic.location().map(tracing::field::display);
    let backtrace = Backtrace::capture();
    let backtrace = Some(backtrace)
        .filter(|trace| trace.status() == BacktraceStatus::Captured)
        .map(tracing::field::display);
    tracing::error!(at, backtrace, "a panic: {message}");
}

/// Leaves out lines of which there are too many of a kind.
struct Limited {
    limits: Arc<RateLimits>,
    output: Output,
}

impl<S: Subscriber> Layer<S> for Limited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        event.metadata().target() == LEFT_OUT
            || self.limits.admit(event, Instant::now(), || self.output.remind())
    }
}

/// One line on its way to an output: the subscriber writes it whole.
struct Line(Output);

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        match std::str::from_utf8(line).ok().and_then(escaped_json) {
            Some(escaped) => self.0.write_all(escaped.as_bytes())?,
            None => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A line of JSON without DEL and C1 control characters, if it has any.
fn escaped_json(line: &str) -> Option<String> {
    let control = |char: char| matches!(char, '\u{7f}'..='\u{9f}');
    line.chars().any(control).then(|| {
        let mut escaped = String::with_capacity(line.len() + 16);
        for char in line.chars() {
            if control(char) {
                let _ = write!(escaped, "\\u{:04x}", u32::from(char));
            } else {
                escaped.push(char);
            }
        }
        escaped
    })
}

#[cfg(test)]
mod tests;
