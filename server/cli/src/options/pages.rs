//! `completions` and `man`: what shells and `man` learn of the command line.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use clap_mangen::Man;

pub(super) const COMPLETIONS: &str = "completions";
pub(super) const MAN: &str = "man";

pub(super) fn commands() -> [Command; 2] {
    [
        Command::new(COMPLETIONS)
            .about("Print completions for a shell")
            .after_help(
                "socketio-server completions bash > /usr/share/bash-completion/completions/socketio-server\n\
                 socketio-server completions zsh > ~/.zfunc/_socketio-server\n\
                 socketio-server completions fish > ~/.config/fish/completions/socketio-server.fish",
            )
            .arg(
                Arg::new("shell")
                    .value_name("SHELL")
                    .required(true)
                    .value_parser(value_parser!(Shell))
                    .help("The shell"),
            ),
        Command::new(MAN)
            .about("Print the manual page")
            .after_help("socketio-server man | man -l -")
            .arg(Arg::new("command").value_name("COMMAND").help("Print the page of this command instead")),
    ]
}

/// What a shell learns of `program`.
pub(super) fn completions(matches: &ArgMatches, mut program: Command) -> String {
    let mut text = Vec::new();
    if let Some(shell) = matches.get_one::<Shell>("shell") {
        clap_complete::generate(*shell, &mut program, "socketio-server", &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The manual page of `program`, or of one of its commands.
///
/// # Errors
/// If there is no such command.
pub(super) fn man(matches: &ArgMatches, mut program: Command) -> Result<String, clap::Error> {
    program.build();
    let page = match matches.get_one::<String>("command") {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                return Err(program.error(
                    clap::error::ErrorKind::InvalidSubcommand,
                    format!("there is no command {name:?}: --help shows all"),
                ));
            }
        },
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
