//! Where options are given: the command line, the environment and a TOML file.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};

use super::error::{OptionsError, Stop};
use super::given::{CONFIG, Given, Source, variable};
use super::row::{Form, Row};
use super::{TABLE, bench, check, config, connect, deprecated, explain, file, pages};
use crate::health::{self, Health};
use crate::logging::LogFormat;
use crate::replay::Replay;
use crate::server_url::{ServerUrl, ServerUrlError};

/// The options that `-h` shows; `--help` shows all.
const COMMON: [&str; 12] = [
    "app",
    "listen",
    "tls-cert",
    CONFIG,
    "api",
    "webhook",
    "recovery",
    "cors-origin",
    "metrics",
    "trace",
    "inspect",
    "log",
];

/// Everything that is given, what has precedence last; and what is wrong in the file.
pub(super) fn gather(
    matches: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<(Vec<Given>, Vec<OptionsError>), Stop> {
    let on_command_line = from_command_line(matches);
    let in_environment = from_environment(environment)?;
    let is_config = |given: &&Given| given.key == CONFIG;
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    if let Some(config) = on_command_line.iter().chain(&in_environment).find(is_config) {
        let name = config.words.concat();
        let text = read_file(Path::new(&name))
            .map_err(|error| config.error(format!("can't read {name:?}: {error}")))?;
        (all, wrong) = file::read(&name, &text);
    }
    all.extend(in_environment);
    all.extend(on_command_line);
    Ok((all, wrong))
}

fn from_command_line(matches: &ArgMatches) -> Vec<Given> {
    // What is given by both names has the precedence of the new one.
    let old = deprecated::all().map(|(old, row)| (row.key, old));
    let keys = TABLE.iter().map(|row| row.key).chain([CONFIG]);
    let names = old.chain(keys.map(|key| (key, key)));
    names.filter_map(|(key, written)| on_command_line(matches, key, written)).collect()
}

fn on_command_line(matches: &ArgMatches, key: &'static str, written: &'static str) -> Option<Given> {
    let words = matches.get_many::<String>(written)?.cloned().collect();
    Some(Given { key, written, words, source: Source::CommandLine })
}

/// The program's command line.
pub(super) fn command() -> clap::Command {
    let command = clap::Command::new("socketio-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A Socket.IO server for clients of every version.")
        .after_help("These are the most common options. --help shows all of them.")
        .after_long_help(
            "You can also set each option by the environment variable next to it, or in the TOML file: a line\n\
             `ping-interval = \"25s\"`, without the dashes. The command line overrides the environment,\n\
             and the environment the file.",
        )
        .args(arguments())
        .args_conflicts_with_subcommands(true)
        .subcommand(clap::Command::new("serve").about("Run the server (the default)").args(arguments()))
        .subcommand(replay_command())
        .subcommand(explain::command())
        .subcommand(connect::command())
        .subcommand(check::command())
        .subcommand(bench::command())
        .subcommand(config::command())
        .subcommand(clap::Command::new("openapi").about("Print the OpenAPI document of the API (--api)"))
        .subcommand(health_command())
        .subcommand(version_command())
        .subcommands(pages::commands());
    #[cfg(feature = "lab")]
    let command = command.subcommand(super::lab::command());
    command
}

fn version_command() -> clap::Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print it as JSON");
    clap::Command::new("version").about("Print the version, and how this program was built").arg(json)
}

fn health_command() -> clap::Command {
    clap::Command::new("health")
        .about("Ask a server whether it is healthy: the exit code is 0 if it answers 200, and 1 otherwise")
        .arg(
            Arg::new("url")
                .value_name("URL")
                .default_value("http://127.0.0.1:9090/healthz")
                .value_parser(health::url)
                .help("What to ask: /healthz or /readyz at the address of --metrics"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("TIME")
                .default_value("3s")
                .value_parser(|text: &str| humantime::parse_duration(text))
                .help("How long to wait for the answer"),
        )
}

/// What is to be asked.
pub(super) fn health(matches: &ArgMatches) -> Health {
    Health {
        url: matches.get_one("url").cloned().unwrap_or_default(),
        timeout: matches.get_one("timeout").copied().unwrap_or_default(),
    }
}

fn replay_command() -> clap::Command {
    clap::Command::new("replay")
        .about("Send what the clients of a journal sent, and say where the answers differ")
        .after_help("The exit code is 0 if all answers are the same, and 1 if any differ.")
        .arg(
            Arg::new("journal")
                .value_name("JOURNAL")
                .required(true)
                .help("The journal to replay, as --trace writes it"),
        )
        .arg(
            Arg::new("against")
                .long("against")
                .value_name("URL")
                .required(true)
                .value_parser(against)
                .help("The server to replay it against, such as http://127.0.0.1:3000"),
        )
        .arg(
            Arg::new("fast")
                .long("fast")
                .action(ArgAction::SetTrue)
                .help("Don't pause between messages as the clients did"),
        )
        .arg(
            Arg::new("patience")
                .long("patience")
                .value_name("TIME")
                .default_value("2s")
                .value_parser(|text: &str| humantime::parse_duration(text))
                .help("How long to wait for each answer"),
        )
}

/// The `host:port` of a URL.
fn against(url: &str) -> Result<String, String> {
    let url: ServerUrl = url.parse().map_err(|error: ServerUrlError| error.to_string())?;
    match (url.secure, &*url.path, &*url.query) {
        (true, ..) => Err("must begin with http://: TLS is not supported".to_owned()),
        (false, "/", "") => Ok(url.host_and_port()),
        _ => Err("must be http://, a host and a port, and nothing after them".to_owned()),
    }
}

/// What is to be replayed.
pub(super) fn replay(matches: &ArgMatches) -> Replay {
    let text = |name| matches.get_one::<String>(name).cloned().unwrap_or_default();
    Replay {
        journal: text("journal").into(),
        against: text("against"),
        fast: matches.get_flag("fast"),
        patience: matches.get_one("patience").copied().unwrap_or_default(),
    }
}

fn arguments() -> impl Iterator<Item = Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help("A TOML file with more options")
        .long_help(format!("A TOML file with more options\n[env: {}]", variable(CONFIG)))
        .help_heading(TABLE[0].section);
    let old = deprecated::all().map(|(old, row)| argument(row).id(old).long(old).hide(true));
    TABLE.iter().map(argument).chain([config]).chain(old)
}

fn argument(row: &Row) -> Arg {
    let default = match (row.form, row.default) {
        (Form::Switch, _) | (_, []) => String::new(),
        (_, words) => format!("[default: {}] ", words.join(", ")),
    };
    let long = format!("{}\n{default}[env: {}]", row.help.trim(), variable(row.key));
    let argument = Arg::new(row.key)
        .long(row.key)
        .value_name(row.value)
        .help(format!("{} {}", in_short(row.help), default.trim()).trim().to_owned())
        .long_help(long)
        .hide_short_help(!COMMON.contains(&row.key))
        .help_heading(row.section);
    match row.form {
        Form::Text | Form::Number => argument,
        Form::List => argument.action(ArgAction::Append),
        Form::Place => argument.num_args(0..=1).default_missing_value("true"),
        // `--no-eio3=false` is how the command line takes back what the file says.
        Form::Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

/// What an option's help says first.
fn in_short(help: &str) -> &str {
    let end = [": ", "; ", ". ", ", with ", ", such as ", ", beside "]
        .iter()
        .filter_map(|end| help.find(end))
        .min();
    help[..end.unwrap_or(help.len())].trim()
}

fn from_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Given>, OptionsError> {
    let mut all = Vec::new();
    for (name, text) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with("SOCKETIO_")) else { continue };
        let error = |problem: &str| OptionsError { place: name.to_owned(), problem: problem.to_owned() };
        let (key, written, form) = match deprecated::find(|key| variable(key) == name) {
            Some((row, written)) => (row.key, written, row.form),
            None if name == variable(CONFIG) => (CONFIG, CONFIG, Form::Text),
            None => continue,
        };
        let text = text.to_str().ok_or_else(|| error("is not UTF-8"))?;
        let words = match form {
            Form::List => text.split(',').map(|word| word.trim().to_owned()).collect(),
            Form::Text | Form::Number | Form::Switch | Form::Place => vec![text.to_owned()],
        };
        all.push(Given { key, written, words, source: Source::Environment });
    }
    Ok(all)
}

/// How lines are to be written, as far as the command line or the environment say so at a glance: also what is wrong
/// with them is written like that.
pub(super) fn log_format(
    arguments: impl IntoIterator<Item = OsString>,
    variable: Option<OsString>,
) -> Option<LogFormat> {
    let arguments: Vec<_> =
        arguments.into_iter().filter_map(|argument| argument.into_string().ok()).collect();
    let mut values = arguments.iter().enumerate().filter_map(|(at, argument)| match &**argument {
        "--log" => arguments.get(at + 1).map(String::as_str),
        argument => argument.strip_prefix("--log="),
    });
    let given = values.next_back().map(str::to_owned).or_else(|| variable?.into_string().ok())?;
    LogFormat::named(&given)
}

/// The same of a file, which may be no TOML.
pub(super) fn log_format_in_file(text: &str) -> Option<LogFormat> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "log").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    };
    LogFormat::named(&text.lines().find_map(value)?)
}

/// The variables that look like options and are none. They may be another program's, so they are no error;
/// they may be misspelt, so who starts the server is told.
pub(super) fn unknown_variables(names: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let ours =
        |name: &String| *name == variable(CONFIG) || deprecated::find(|key| variable(key) == *name).is_some();
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let named_alike = names.filter(|name| name.starts_with("SOCKETIO_") && !is_service_link(name));
    named_alike.filter(|name| !ours(name)).collect()
}

/// Whether a variable is one that Kubernetes and Docker set in every container for a service named
/// `socketio` or `socketio-chat`: `SOCKETIO_SERVICE_HOST`, `SOCKETIO_CHAT_PORT_3000_TCP`.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_") || name.contains("_PORT_") || name.ends_with("_PORT")
}
