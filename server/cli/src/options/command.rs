//! From the command line to what the program is asked to do.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap::ArgMatches;

use super::bench::{self, Bench};
use super::check::{self, Check};
use super::connect::{self, Connect};
use super::error::{OptionsError, Stop};
use super::explain::{self, Explain};
use super::given::Given;
#[cfg(feature = "lab")]
use super::lab::{self, Lab};
use super::{Options, config, file, meant, pages, sources};
use crate::health::Health;
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
    /// To be a client of a server.
    Connect(Box<Connect>),
    /// To look for what is wrong with a server.
    Check(Check),
    /// To measure a server.
    Bench(Box<Bench>),
    /// To test clients.
    #[cfg(feature = "lab")]
    Lab(Lab),
    /// To print the OpenAPI document of the API.
    OpenApi,
    /// To say whether this file is right, as far as that shows outside it.
    ConfigCheck(ConfigCheck),
    /// To print a file with all options.
    ConfigDefault,
    /// To print this: completions, or the manual page.
    Page(String),
    /// To say what this program is.
    Version {
        /// As JSON.
        json: bool,
    },
    /// To ask a server whether it is well.
    Health(Health),
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
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let parsed = sources::command().try_get_matches_from(&arguments).map_err(meant::with_what_is_meant);
        #[cfg(feature = "lab")]
        let parsed = parsed.map_err(|error| lab::with_the_command(error, &arguments));
        let matches = parsed?;
        let matches = match matches.subcommand() {
            Some(("replay", matches)) => return Ok(Command::Replay(sources::replay(matches))),
            Some((config::NAME, matches)) => {
                return config_command(matches, read_file);
            }
            Some(("openapi", _)) => return Ok(Command::OpenApi),
            #[cfg(feature = "lab")]
            Some((lab::NAME, matches)) => return Ok(Command::Lab(Lab::read(matches)?)),
            Some((explain::NAME, matches)) => return Ok(Command::Explain(Explain::read(matches)?)),
            Some((pages::COMPLETIONS, matches)) => {
                return Ok(Command::Page(pages::completions(matches, sources::command())));
            }
            Some((pages::MAN, matches)) => {
                return Ok(Command::Page(pages::man(matches, sources::command())?));
            }
            Some(("version", matches)) => return Ok(Command::Version { json: matches.get_flag("json") }),
            Some(("health", matches)) => return Ok(Command::Health(sources::health(matches))),
            Some((connect::NAME, matches)) => {
                return Ok(Command::Connect(Box::new(Connect::read(matches)?)));
            }
            Some((bench::NAME, matches)) => return Ok(Command::Bench(Box::new(Bench::read(matches)?))),
            Some((check::NAME, matches)) => return Ok(Command::Check(Check::read(matches))),
            Some((_serve, matches)) => matches,
            None => &matches,
        };
        let (given, wrong) = sources::gather(matches, environment, read_file)?;
        Ok(Command::Serve(Box::new(settled(&given, wrong)?)))
    }
}

/// The options, unless anything is wrong. `wrong` is known already.
fn settled(given: &[Given], mut wrong: Vec<OptionsError>) -> Result<Options, Stop> {
    wrong.extend(Options::mistakes(given));
    match wrong.is_empty() {
        true => Options::read(given)?.checked(given).map_err(Stop::Options),
        false => Err(Stop::Options(wrong)),
    }
}

/// What `config` is asked to do.
fn config_command(
    matches: &ArgMatches,
    read_file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Command, Stop> {
    let Some(("check", matches)) = matches.subcommand() else { return Ok(Command::ConfigDefault) };
    let name = matches.get_one::<String>("file").cloned().unwrap_or_default();
    let file = PathBuf::from(&name);
    let text = read_file(&file)
        .map_err(|error| OptionsError { place: name.clone(), problem: format!("can't read it: {error}") })?;
    let (given, wrong) = file::read(&name, &text);
    let options = Box::new(settled(&given, wrong)?);
    Ok(Command::ConfigCheck(ConfigCheck { file, options, given }))
}

/// A file that is right by itself.
#[derive(Clone, Debug)]
pub(crate) struct ConfigCheck {
    pub(crate) file: PathBuf,
    pub(crate) options: Box<Options>,
    given: Vec<Given>,
}

impl ConfigCheck {
    /// Says where in the file an option is, with what is wrong.
    pub(crate) fn mistake(&self, key: &str, problem: String) -> OptionsError {
        match self.given.iter().rfind(|given| given.key == key) {
            Some(given) => given.error(problem),
            None => OptionsError { place: key.to_owned(), problem },
        }
    }
}
