//! The command line of `socketio-server connect`, and what it has in common with `check` and `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use engineio::client::ClientConfig;
use engineio::{Revision, Transport};
use socketio::Parser;

use super::error::{OptionsError, Stop};
use crate::dial::TargetOptions;

/// What the command is called.
pub(super) const NAME: &str = "connect";

/// How long the end may take: somebody waits for it.
const GOODBYE: Duration = Duration::from_secs(3);

/// What `connect` is told to do.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) target: TargetOptions,
    pub(crate) session: ClientConfig,
    pub(crate) parser: Parser,
    /// Namespaces beside the one of the URL.
    pub(crate) namespaces: Vec<String>,
    /// The JSON of an object.
    pub(crate) auth: Option<String>,
    /// Lines to carry out instead of those of a person.
    pub(crate) execute: Vec<String>,
    /// How long to go on once there are no more lines.
    pub(crate) wait: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) json: bool,
    pub(crate) raw: bool,
    pub(crate) reconnect: Option<bool>,
}

pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Connect to a Socket.IO server as a client: see its events, and send some")
        .after_help(
            "A line is an event and its arguments, as JSON; @FILE is a file's bytes. A ? in front waits for the answer.\n\
             /help lists the other commands. The exit code is 0 if all went well, 1 if the connection failed, 2 if an\n\
             option is wrong, 3 if the server refused, 4 if an answer took too long, and 5 if the server ended the\n\
             session or the namespace.\n\n\
             socketio-server connect localhost:3000\n\
             socketio-server connect localhost:3000 -x '? chat \"hi\"' --wait 2s --json",
        )
        .args(target_arguments())
        .arg(
            Arg::new("namespace")
                .long("namespace")
                .short('n')
                .value_name("NAMESPACE")
                .help("Another namespace to connect to")
                .action(ArgAction::Append),
        )
        .arg(transports())
        .arg(flag("msgpack").help("Packets are MessagePack, as with socket.io-msgpack-parser"))
        .arg(
            Arg::new("execute")
                .long("execute")
                .short('x')
                .value_name("LINE")
                .help("Carry out this line instead of reading any, and then exit; can be repeated")
                .action(ArgAction::Append),
        )
        .arg(duration("wait", "0s").help("How long to show events after the last line"))
        .arg(duration("ack-timeout", "5s").help("How long an answer may take"))
        .arg(flag("json").help("Print each event as a line of JSON"))
        .arg(flag("raw").help("Show each packet by its layers"))
        .arg(flag("reconnect").help("Connect again when the connection is lost, in a script too"))
        .arg(flag("no-reconnect").help("Never connect again").conflicts_with("reconnect"))
}

/// The transports of a client.
pub(super) fn transports() -> Arg {
    Arg::new("transports")
        .long("transports")
        .value_name("NAMES")
        .help("How to connect: polling and then an upgrade, or only one transport")
        .default_value("polling,websocket")
        .value_parser(["polling,websocket", "polling", "websocket"])
}

pub(super) fn flag(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

pub(super) fn duration(name: &'static str, default: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("TIME")
        .default_value(default)
        .value_parser(humantime::parse_duration)
}

/// Where the server is, and what goes with each request.
pub(super) fn target_arguments() -> Vec<Arg> {
    vec![
        Arg::new("url").value_name("URL").required(true).help(
            "The server: http://HOST:PORT, https://HOST, or HOST:PORT. A path is a namespace, as in socket.io-client",
        ),
        Arg::new("path")
            .long("path")
            .value_name("PATH")
            .help("The path of the server's endpoint")
            .default_value("/socket.io/"),
        Arg::new("eio")
            .long("eio")
            .value_name("REVISION")
            .help("The revision of Engine.IO: 3 for servers of socket.io 1 and 2, 4 for later ones")
            .default_value("4")
            .value_parser(["3", "4"]),
        Arg::new("auth").long("auth").value_name("JSON").help("The credentials for a namespace: a JSON object"),
        Arg::new("header")
            .long("header")
            .short('H')
            .value_name("FIELD")
            .help("A header field for each request, 'Name: value'; can be repeated")
            .action(ArgAction::Append),
        Arg::new("ca")
            .long("ca")
            .value_name("FILE")
            .help("Trust the certificates in this PEM file instead of the system's")
            .value_parser(value_parser!(PathBuf)),
        duration("timeout", "20s").help("How long connecting may take"),
    ]
}

/// The arguments of [`target_arguments`].
pub(super) fn target(matches: &ArgMatches) -> TargetOptions {
    TargetOptions {
        url: matches.get_one::<String>("url").cloned().unwrap_or_default(),
        path: matches.get_one::<String>("path").cloned().unwrap_or_default(),
        headers: many(matches, "header"),
        ca: matches.get_one::<PathBuf>("ca").cloned(),
        timeout: time(matches, "timeout"),
    }
}

/// The revision that `--eio` names.
pub(super) fn revision(matches: &ArgMatches) -> Revision {
    match matches.get_one::<String>("eio").map(String::as_str) {
        Some("3") => Revision::V3,
        _ => Revision::V4,
    }
}

pub(super) fn many(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}

pub(super) fn time(matches: &ArgMatches, name: &str) -> Duration {
    matches.get_one::<Duration>(name).copied().unwrap_or_default()
}

/// How a client goes about its session.
pub(super) fn session(matches: &ArgMatches) -> ClientConfig {
    let transports = matches.get_one::<String>("transports").map_or("", String::as_str);
    ClientConfig {
        revision: revision(matches),
        transport: if transports == "websocket" { Transport::WebSocket } else { Transport::Polling },
        upgrade: transports == "polling,websocket",
        open_timeout: time(matches, "timeout"),
        close_timeout: GOODBYE,
        ..ClientConfig::default()
    }
}

/// The form of packets.
pub(super) fn parser(matches: &ArgMatches) -> Parser {
    if matches.get_flag("msgpack") { Parser::MsgPack } else { Parser::Default }
}

/// The JSON of `--auth`, which must be an object.
pub(super) fn auth(matches: &ArgMatches) -> Result<Option<String>, OptionsError> {
    let Some(auth) = matches.get_one::<String>("auth") else { return Ok(None) };
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(auth) {
        Ok(_) => Ok(Some(auth.clone())),
        Err(error) => {
            // Of what was never meant as JSON, it says nothing useful.
            let error = if auth.trim_start().starts_with('{') { format!(": {error}") } else { String::new() };
            let problem = format!("not the JSON of an object, such as '{{\"token\":\"abc\"}}'{error}");
            Err(OptionsError { place: "--auth".to_owned(), problem })
        }
    }
}

impl Connect {
    pub(super) fn read(matches: &ArgMatches) -> Result<Connect, Stop> {
        Ok(Connect {
            target: target(matches),
            session: session(matches),
            parser: parser(matches),
            namespaces: many(matches, "namespace"),
            auth: auth(matches)?,
            execute: many(matches, "execute"),
            wait: time(matches, "wait"),
            ack_timeout: time(matches, "ack-timeout"),
            json: matches.get_flag("json"),
            raw: matches.get_flag("raw"),
            reconnect: match (matches.get_flag("reconnect"), matches.get_flag("no-reconnect")) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        })
    }
}
