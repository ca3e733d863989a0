//! Options as they are given, and what is said of wrong ones.

mod file;
mod forms;
mod gateway;
mod help;
mod values;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::error::Stop;
use super::*;

/// That of "changeit".
const BCRYPT: &str = "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS";

/// What the program makes of a command line, an environment, and the text of `server.toml`, which is only
/// read where one of the former names it.
fn load(arguments: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Options, Stop> {
    let arguments = ["socketio-server"].iter().chain(arguments).map(OsString::from);
    let environment = environment.iter().map(|(name, text)| (OsString::from(name), OsString::from(text)));
    let read_file = |path: &Path| match path.to_str() {
        Some("server.toml") => Ok(file.to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Command::settle(arguments, environment, read_file).map(|command| match command {
        Command::Serve(options) => *options,
        Command::Replay(replay) => panic!("a replay: {replay:?}"),
        Command::Explain(explain) => panic!("{explain:?}"),
        #[cfg(feature = "lab")]
        Command::Lab(lab) => panic!("{lab:?}"),
        other => panic!("{other:?}"),
    })
}

fn message(result: Result<Options, Stop>) -> String {
    match result {
        Ok(options) => panic!("accepted: {options:?}"),
        Err(Stop::Options(errors)) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(Stop::CommandLine(error)) => error.to_string(),
    }
}

fn command_line_error(arguments: &[&str]) -> String {
    message(load(arguments, &[], ""))
}

fn file_error(file: &str) -> String {
    message(load(&["--config", "server.toml"], &[], file))
}

fn environment_error(name: &str, text: &str) -> String {
    message(load(&[], &[(name, text)], ""))
}
