//! From the command line to what the program is asked to do.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap::ArgMatches;

use super::error::Stop;
use super::explain::{self, Explain};
use super::{Options, config, sources};
use crate::logging::LogFormat;
use crate::replay::Replay;

/// What the program is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// To serve; also where no command is named.
    Serve(Box<Options>),
    /// To send what the clients of a journal sent.
    Replay(Replay),
    /// To say what bytes on the wire mean.
    Explain(Explain),
    /// To print the OpenAPI document of the API.
    OpenApi,
    /// To say that this file is right. One that is not is an error already.
    ConfigCheck(PathBuf),
    /// To print a file with all options.
    ConfigDefault,
}

impl Command {
    /// Reads the program's command line, its environment, and the file that either of them names.
    ///
    /// # Errors
    /// If there is nothing to do but to [end](Stop::end): help or the version was asked for, or something is
    /// wrong. Also says how that is to be told, as far as it can be known.
    pub(crate) fn load() -> Result<Command, (Stop, LogFormat)> {
        let format = Cell::new(sources::log_format(env::args_os().skip(1), env::var_os("SOCKETIO_LOG")));
        let read_file = |path: &Path| {
            let text = fs::read_to_string(path)?;
            format.set(format.get().or(sources::log_format_in_file(&text)));
            Ok(text)
        };
        let command = Command::settle(env::args_os(), env::vars_os(), read_file);
        command.map_err(|stop| (stop, format.get().unwrap_or(LogFormat::Text)))
    }

    /// The environment's variables that look like options and are none.
    pub(crate) fn unknown_variables() -> Vec<String> {
        sources::unknown_variables(env::vars_os().map(|(name, _)| name))
    }

    pub(super) fn settle(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        read_file: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<Command, Stop> {
        let matches = sources::command().try_get_matches_from(arguments)?;
        let matches = match matches.subcommand() {
            Some(("replay", matches)) => return Ok(Command::Replay(sources::replay(matches))),
            Some((config::NAME, matches)) => {
                return config_command(matches, |file| {
                    let arguments =
                        ["socketio-server".into(), "--config".into(), file.as_os_str().to_owned()];
                    Command::settle(arguments, [], read_file)
                });
            }
            Some(("openapi", _)) => return Ok(Command::OpenApi),
            Some((explain::NAME, matches)) => return Ok(Command::Explain(Explain::read(matches)?)),
            Some((_serve, matches)) => matches,
            None => &matches,
        };
        let given = sources::gather(matches, environment, read_file)?;
        Ok(Command::Serve(Box::new(Options::read(&given)?.checked(&given)?)))
    }
}

/// What `config` is asked to do. `settle` reads a file as the server would.
fn config_command(
    matches: &ArgMatches,
    settle: impl FnOnce(&Path) -> Result<Command, Stop>,
) -> Result<Command, Stop> {
    match matches.subcommand() {
        Some(("check", matches)) => {
            let file = PathBuf::from(matches.get_one::<String>("file").cloned().unwrap_or_default());
            settle(&file)?;
            Ok(Command::ConfigCheck(file))
        }
        _ => Ok(Command::ConfigDefault),
    }
}
