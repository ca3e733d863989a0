//! The command line of `socketio-server check`.

use clap::{Arg, ArgAction, ArgMatches};
use engineio::Revision;
use http::HeaderValue;

use super::connect::{many, revision, target, target_arguments};
use crate::dial::TargetOptions;

/// What the command is called.
pub(super) const NAME: &str = "check";

/// What `check` is told to do.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) target: TargetOptions,
    pub(crate) revision: Revision,
    /// The origin of a page that is to connect.
    pub(crate) origin: Option<HeaderValue>,
    /// Leaves out what takes as long as a heartbeat.
    pub(crate) quick: bool,
    pub(crate) json: bool,
    /// Runs the cases instead.
    pub(crate) cases: bool,
    /// Runs those too that may end a server.
    pub(crate) hostile: bool,
    /// Groups and numbers of the cases to run.
    pub(crate) only: Vec<String>,
    /// Prints the list of cases.
    pub(crate) list: bool,
}

pub(super) fn command() -> clap::Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    clap::Command::new(NAME)
        .about("Check a Socket.IO server as it is deployed, and say what to change in its proxies")
        .after_help(
            "It opens sessions of its own, and disturbs no others. The exit code is 1 if something is wrong.\n\n\
             socketio-server check https://example.com --origin https://app.example.com",
        )
        // What a namespace is asked has no place here.
        .args(target_arguments().into_iter().filter(|argument| argument.get_id() != "auth"))
        .mut_arg("url", |url| {
            let url = url.required(false).required_unless_present("list");
            url.help("The server: http://HOST:PORT, https://HOST, or HOST:PORT")
        })
        .mut_arg("timeout", |timeout| timeout.default_value("10s").help("How long each answer may take"))
        .arg(
            Arg::new("origin")
                .long("origin")
                .value_name("ORIGIN")
                .value_parser(origin)
                .help("Whether pages of this origin may connect, such as https://app.example.com"),
        )
        .arg(flag("quick").help("Skip the step that takes as long as a heartbeat: whether idle connections are cut"))
        .arg(flag("cases").help("Run the cases for servers: the server must have the echo application of the guide"))
        .arg(
            Arg::new("only")
                .long("only")
                .value_name("NUMBER")
                .help("Run the cases of this group, such as 4, or this one, such as 4.1.2; can be repeated")
                .action(ArgAction::Append)
                .requires("cases"),
        )
        .arg(flag("hostile").help("Run the cases that may crash a server, too").requires("cases"))
        .arg(flag("list").help("Print the list of cases, and exit"))
        .arg(flag("json").help("Print each finding as a line of JSON"))
}

/// An origin as browsers write it. With a path, or without a scheme, it would match none.
fn origin(text: &str) -> Result<HeaderValue, &'static str> {
    let wrong = "write a scheme, a host and perhaps a port, such as https://app.example.com";
    let host = text.strip_prefix("https://").or(text.strip_prefix("http://")).ok_or(wrong)?;
    if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
        Err(wrong)
    } else {
        text.parse().map_err(|_| wrong)
    }
}

impl Check {
    pub(super) fn read(matches: &ArgMatches) -> Check {
        Check {
            target: target(matches),
            revision: revision(matches),
            origin: matches.get_one("origin").cloned(),
            quick: matches.get_flag("quick"),
            json: matches.get_flag("json"),
            cases: matches.get_flag("cases"),
            hostile: matches.get_flag("hostile"),
            only: many(matches, "only"),
            list: matches.get_flag("list"),
        }
    }
}
