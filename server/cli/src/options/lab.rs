//! The command line of `socketio-server lab`.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use socketio_lab::lab::Options;
use socketio_lab::run::Pace;
use socketio_lab::selection::{CaseSelection, KnownFailures, WrongSelection};

use super::error::{OptionsError, Stop};
use crate::place::{NetPlace, PlaceError};

/// What the command is called.
pub(super) const NAME: &str = "lab";

/// What to do with the cases.
#[derive(Clone, Debug)]
pub(crate) enum Lab {
    /// Print their list.
    Cases(CaseSelection),
    /// Test clients with them.
    Run(Box<LabRun>),
}

/// How to test clients.
#[derive(Clone, Debug)]
pub(crate) struct LabRun {
    pub(crate) options: Options,
    /// The agents to wait for; without any, the lab goes on until it is interrupted.
    pub(crate) agents: Vec<String>,
    /// How long an agent may take between two cases, and a command after the last.
    pub(crate) agent_timeout: Duration,
    /// Files for the results.
    pub(crate) json: Option<PathBuf>,
    pub(crate) junit: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
    /// Whether the results have all that was recorded of each case.
    pub(crate) whole_journals: bool,
    /// A command that runs an agent.
    pub(crate) command: Vec<OsString>,
}

pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Test a Socket.IO client: act as a correct and as a faulty server, and judge what it does")
        .after_help(
            "An agent, a few lines around the client, asks this server for its cases: docs/lab/agents.md shows how to\n\
             write one. The exit code is 1 if a `must` case fails that isn't a known failure, or if an agent has not had\n\
             all its cases.\n\n\
             socketio-server lab -- node agent.mjs\n\
             socketio-server lab --group heartbeat --agent 'my client 1.0'",
        )
        .args_conflicts_with_subcommands(true)
        .args(arguments())
        .subcommand(clap::Command::new("cases").about("Print the list of cases").args(selection()))
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// What selects cases.
fn selection() -> [Arg; 3] {
    let list = |arg: Arg| arg.value_delimiter(',').action(ArgAction::Append);
    [
        list(option("only", "CASES", "Only these cases: numbers, or their beginnings, such as 4.2.3 or 4")),
        list(option("skip", "CASES", "None of these cases")),
        list(option("group", "GROUPS", "Only cases of these groups: numbers, or parts of their names")),
    ]
}

fn arguments() -> Vec<Arg> {
    let time = |arg: Arg| arg.value_parser(|text: &str| humantime::parse_duration(text));
    let file = |arg: Arg| arg.value_parser(value_parser!(PathBuf));
    let mut all = vec![
        option(
            "listen",
            "ADDRESS",
            "Where agents and browsers connect. Each case listens on a port of its own beside it",
        )
        .default_value("127.0.0.1:3900")
        .value_parser(address),
        option("agent", "NAME", "Stop once this agent has had all its cases. May be given several times")
            .action(ArgAction::Append),
        time(option("timeout", "TIME", "How long a case may take").default_value("30s")),
        time(option("patience", "TIME", "How long to wait for anything that must come").default_value("5s")),
        time(
            option(
                "agent-timeout",
                "TIME",
                "How long an agent may take to ask for its next case, and a command to end after its last; a command may take \
                 ten times as long to ask for its first",
            )
            .default_value("60s"),
        ),
        option("seed", "NUMBER", "Shuffle the cases, the same way for the same number")
            .value_parser(value_parser!(u64)),
        file(option(
            "known-failures",
            "FILE",
            "Failures that don't count: on each line a case, after an agent's name or alone",
        )),
        file(option("json", "FILE", "Write the results as JSON")),
        file(option("junit", "FILE", "Write the results as JUnit's XML")),
        file(option("html", "FILE", "Write the results as a page")),
        Arg::new("whole-journals")
            .long("whole-journals")
            .action(ArgAction::SetTrue)
            .help("Don't cut messages or leave out records in the results as JSON and as a page"),
        Arg::new("list")
            .long("list")
            .action(ArgAction::SetTrue)
            .help("Print the selected cases, and do nothing else"),
        Arg::new("command")
            .value_name("COMMAND")
            .num_args(1..)
            .last(true)
            .value_parser(value_parser!(OsString))
            .help("A command that runs an agent. It finds the lab's URL in the variable LAB"),
    ];
    all.extend(selection());
    all
}

/// Where to listen, in the forms of the server's own option.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let place =
        text.parse().map_err(|PlaceError| "give a port, or an address and a port: 3900, 127.0.0.1:3900")?;
    Ok(match place {
        NetPlace::At(address) => address,
        NetPlace::Localhost(port) => (Ipv4Addr::LOCALHOST, port).into(),
        NetPlace::Everywhere(port) => (Ipv4Addr::UNSPECIFIED, port).into(),
    })
}

/// The same error. If it is about a word that may be an agent's command, it says how to write that.
pub(super) fn with_the_command(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let given = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(given)) if !given.starts_with('-') => given.clone(),
        _ => return error,
    };
    if error.kind() == ErrorKind::UnknownArgument && arguments.get(1).is_some_and(|name| name == NAME) {
        let tip = format!("the agent's command comes after `--`: -- {given} ...");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

impl LabRun {
    /// The files to write, each with its option.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [("json", &self.json), ("junit", &self.junit), ("html", &self.html)];
        all.into_iter().filter_map(|(option, file)| Some((option, file.as_deref()?)))
    }
}

impl Lab {
    pub(super) fn read(matches: &ArgMatches) -> Result<Lab, Stop> {
        if let Some(("cases", matches)) = matches.subcommand() {
            return Ok(Lab::Cases(selected(matches)?));
        }
        if matches.get_flag("list") {
            return Ok(Lab::Cases(selected(matches)?));
        }
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let time = |name: &str| matches.get_one::<Duration>(name).copied().unwrap_or_default();
        let mut known = KnownFailures::default();
        if let Some(file) = path("known-failures") {
            let wrong = |problem: String| OptionsError { place: file.display().to_string(), problem };
            let text = fs::read_to_string(&file).map_err(|error| wrong(format!("can't be read: {error}")))?;
            known = KnownFailures::read(&text).map_err(wrong)?;
        }
        let listen = matches.get_one::<SocketAddr>("listen").copied();
        let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let command: Vec<_> =
            matches.get_many::<OsString>("command").into_iter().flatten().cloned().collect();
        let options = Options {
            // A command's agent that never stops asking would run for ever.
            anew: command.is_empty(),
            pace: Pace { listen, patience: time("patience"), timeout: time("timeout") },
            selection: selected(matches)?,
            known,
            seed: matches.get_one::<u64>("seed").copied(),
        };
        let strings = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
        let (json, junit, html) = (path("json"), path("junit"), path("html"));
        let agent_timeout = time("agent-timeout");
        let (agents, whole_journals) = (strings("agent"), matches.get_flag("whole-journals"));
        Ok(Lab::Run(Box::new(LabRun {
            options,
            agents,
            agent_timeout,
            json,
            junit,
            html,
            whole_journals,
            command,
        })))
    }
}

fn selected(matches: &ArgMatches) -> Result<CaseSelection, OptionsError> {
    let strings = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let selection = CaseSelection { only: strings("only"), skip: strings("skip"), groups: strings("group") };
    let wrong =
        |problem: WrongSelection| OptionsError { place: NAME.to_owned(), problem: problem.to_string() };
    selection.check().map_err(wrong)?;
    Ok(selection)
}
