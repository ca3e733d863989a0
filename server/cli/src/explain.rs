//! `socketio-server explain`: explanations as lines of text.

use std::fmt::{self, Write as _};
use std::io;

use anstyle::{AnsiColor, Style};

use socketio_explain::journal::Direction;
use socketio_explain::{Explanation, Kind, Level, Part, explain, explain_journal};

use crate::options::{Explain, meant_as_file};
use crate::{logging, output};

/// The most of a part's bytes that is shown, in columns.
const WIDEST: usize = 26;

const PLAIN: Style = Style::new();

/// Prints what messages mean. Says whether all of them are legal.
pub(crate) fn show(asked: &Explain) -> bool {
    let colours = logging::colours(&io::stdout());
    let mut legal = true;
    // Whoever reads may have seen enough.
    let mut reads = true;
    let mut tell = |name: &str, explanation: &Explanation| {
        legal &= explanation.broken.is_none();
        reads = reads && output::print(&format!("{name}{}", print(explanation, colours)));
    };
    for explanation in explain(&asked.messages, &asked.settings) {
        tell("", &explanation);
    }
    for (at, records) in asked.runs.iter().enumerate() {
        let run = if asked.runs.len() > 1 { format!("run {}, ", at + 1) } else { String::new() };
        for (record, explanation) in explain_journal(records, &asked.settings) {
            let (n, session) = (record.n, record.session.unwrap_or_default());
            let by = if record.direction == Some(Direction::In) { "client" } else { "server" };
            tell(&format!("\n{run}record {n}, session {session}, from the {by}\n"), &explanation);
        }
        let cut = records.iter().filter(|record| record.left_out.is_some()).count();
        if cut > 0 {
            let cut = output::counted(cut, "record");
            output::complain(&format!(
                "{run}bytes of {cut} were left out of the journal: that, and what the same side sent later, is not explained\n"
            ));
        }
    }
    for name in asked.named_like_files.iter().filter(|_| !legal) {
        output::complain(&format!("{}\n", meant_as_file(name)));
    }
    legal
}

/// The explanation as lines of text, with the colours of a terminal or without.
pub(crate) fn print(explanation: &Explanation, colours: bool) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let _ = Printer { explanation, colours }.print(&mut out);
    out
}

struct Printer<'a> {
    explanation: &'a Explanation,
    colours: bool,
}

impl Printer<'_> {
    fn print(&self, out: &mut String) -> fmt::Result {
        let Explanation { parts, broken, notes, .. } = self.explanation;
        writeln!(out, "{}", self.title())?;
        let lowest = parts.iter().map(|part| part.level).min().unwrap_or(Level::EngineIo);
        let mut section = "";
        for part in parts {
            self.part(out, part, lowest, &mut section)?;
        }
        if let Some(broken) = broken {
            let style = self.style(Style::new().bold().fg_color(Some(AnsiColor::Red.into())));
            let (at, rule) = (broken.at, &broken.rule);
            let wrong = match self.explanation.bytes.get(at..).map(first_character) {
                None | Some([]) => "(the end)".to_owned(),
                Some(bytes) => shown(bytes, WIDEST),
            };
            writeln!(out, "{at:>6}  {style}{wrong:<WIDEST$}  WRONG: {}: {}{style:#}", rule.id, rule.what)?;
            writeln!(out, "{:>6}  {:WIDEST$}  {}", "", "", self.dim(rule.section))?;
            writeln!(out, "{:>6}  {:WIDEST$}  the server {}", "", "", rule.answer)?;
        }
        for note in notes {
            writeln!(out, "        {note}")?;
        }
        Ok(())
    }

    fn title(&self) -> String {
        let what = match self.explanation.kind {
            Kind::Payload => "a polling payload",
            Kind::Text => "a text packet",
            Kind::Binary => "a binary WebSocket message",
            Kind::Frames => "WebSocket frames",
        };
        let (revision, len) = (self.explanation.revision.number(), self.explanation.bytes.len());
        let bold = self.style(Style::new().bold());
        let bytes = if len == 1 { "byte" } else { "bytes" };
        format!("{bold}Engine.IO {revision}, {what}, {len} {bytes}{bold:#}")
    }

    /// A line. The section of the protocol follows, unless the line before has the same.
    fn part<'a>(
        &self,
        out: &mut String,
        part: &'a Part,
        lowest: Level,
        section: &mut &'a str,
    ) -> fmt::Result {
        let Part { range, level, meaning, .. } = part;
        let style = self.style(match level {
            Level::Frame | Level::Payload => Style::new().fg_color(Some(AnsiColor::Magenta.into())),
            Level::EngineIo => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
            Level::SocketIo => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Level::Json | Level::Element => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        });
        let bytes = shown(&self.explanation.bytes[range.clone()], WIDEST);
        let indent = 2 * (*level as usize - lowest as usize);
        let meaning = escaped(meaning);
        write!(out, "{:>6}  {style}{bytes:<WIDEST$}{style:#}  {:indent$}{meaning}", range.start, "")?;
        if part.section != *section {
            *section = part.section;
            write!(out, "  {}", self.dim(section))?;
        }
        writeln!(out)
    }

    fn style(&self, style: Style) -> Style {
        if self.colours { style } else { PLAIN }
    }

    fn dim(&self, text: &str) -> String {
        let style = self.style(Style::new().dimmed());
        format!("{style}{text}{style:#}")
    }
}

/// The first character, or the first byte if it is none.
fn first_character(bytes: &[u8]) -> &[u8] {
    let valid = bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    &bytes[..valid.map_or(1, char::len_utf8).min(bytes.len())]
}

/// Bytes as text, what is not printable escaped, cut to `widest` columns.
fn shown(bytes: &[u8], widest: usize) -> String {
    let mut text = String::new();
    let mut columns = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(|char| escaped(char.encode_utf8(&mut [0; 4])));
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            let width = piece.chars().count();
            if columns > 0 && columns + width > widest {
                while columns >= widest {
                    text.pop();
                    columns -= 1;
                }
                text.push('…');
                return text;
            }
            text += &piece;
            columns += width;
        }
    }
    text
}

/// What a client sent must not reach the terminal as a command.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, char| {
        match char {
            '"' | '\'' | '\\' => out.push(char),
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "\\x{:02x}", u32::from(char));
            }
            _ => out.extend(char.escape_debug()),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use socketio_explain::Settings;

    use super::*;

    fn only(message: &[u8]) -> Explanation {
        explain(&[message], &Settings::default()).pop().expect("an explanation")
    }

    #[test]
    fn what_is_printed_does_nothing_to_a_terminal() {
        let printed = print(&only("42/\u{1b}[31m\u{9b}\u{202e},[\"\u{7f}\u{1b}]\"]".as_bytes()), false);
        assert!(printed.chars().all(|char| char == '\n' || !char.is_control()), "{printed:?}");
        assert!(print(&only(b"40"), true).contains('\u{1b}'));
    }
}
