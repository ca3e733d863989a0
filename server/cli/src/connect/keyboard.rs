//! Where lines come from.

use std::io::{self, BufRead as _};
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter as _};
use tokio::sync::mpsc;

/// Lines that may wait. Whoever types or pipes more is slowed down.
const WAITING: usize = 16;

/// A line, or in words why it can't be read.
pub(super) type Typed = Result<String, String>;

/// Lines, one after the other.
pub(super) struct Lines(mpsc::Receiver<Typed>);

/// Prints a line above the one that is being typed.
pub(super) type Print = Box<dyn FnMut(String) + Send>;

impl Lines {
    /// The next line; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Typed> {
        self.0.recv().await
    }

    /// Lines that are there already.
    pub(super) fn given(lines: Vec<String>) -> Lines {
        let (sender, receiver) = mpsc::channel(lines.len().max(1));
        for line in lines {
            // There is room for all of them.
            let _ = sender.try_send(Ok(line));
        }
        Lines(receiver)
    }

    /// The lines of standard input, which is a file or a pipe.
    pub(super) fn piped() -> Lines {
        let (sender, receiver) = mpsc::channel(WAITING);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            for number in 1_u64.. {
                let mut line = Vec::new();
                let read = match input.read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) => String::from_utf8(line).map_err(|_| format!("line {number} is not UTF-8")),
                    Err(error) => {
                        drop(sender.blocking_send(Err(format!("standard input can't be read: {error}"))));
                        return;
                    }
                };
                if sender.blocking_send(read).is_err() {
                    return;
                }
            }
        });
        Lines(receiver)
    }

    /// What a person types, and how to print without tearing it.
    pub(super) fn typed() -> io::Result<(Lines, Print)> {
        let mut editor = DefaultEditor::new().map_err(io::Error::other)?;
        let mut printer = editor.create_external_printer().map_err(io::Error::other)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        thread::spawn(move || {
            loop {
                match editor.readline("> ") {
                    Ok(line) => {
                        let _ = editor.add_history_entry(&line);
                        if sender.blocking_send(Ok(line)).is_err() {
                            return;
                        }
                    }
                    // Control-C clears a line, as in a shell; Control-D ends.
                    Err(ReadlineError::Interrupted) => {}
                    Err(ReadlineError::Eof) => return,
                    Err(error) => {
                        drop(sender.blocking_send(Err(format!("the terminal can't be read: {error}"))));
                        return;
                    }
                }
            }
        });
        Ok((Lines(receiver), Box::new(move |text| drop(printer.print(text)))))
    }
}
