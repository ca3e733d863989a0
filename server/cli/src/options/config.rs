//! `config check` and `config default`: the TOML file, looked at without starting the server.

use clap::Arg;

use super::TABLE;
use super::row::{Form, Row};

pub(super) const NAME: &str = "config";

pub(super) fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Check a TOML file for --config, or print one with all options")
        .subcommand_required(true)
        .subcommand(
            clap::Command::new("check")
                .about("Say what is wrong in a file, with its line")
                .arg(Arg::new("file").value_name("FILE").required(true).help("The file for --config")),
        )
        .subcommand(
            clap::Command::new("default")
                .about("Print a file with every option, its default and what it does"),
        )
}

/// A file with every option commented out, and what each does.
pub(crate) fn default_file() -> String {
    let mut text = String::from(
        "# Options of socketio-server, for --config. Each has its default here: remove the # before one to change it.\n\
         # The command line and SOCKETIO_ variables override this file.\n",
    );
    let mut section = "";
    // Rules for events are tables, which come last.
    for row in TABLE.iter().filter(|row| row.key != "event") {
        if row.section != section {
            section = row.section;
            text += &format!("\n# {}\n# {}\n", section, "=".repeat(section.len()));
        }
        text += "\n";
        for line in wrapped(row.help.trim(), 110) {
            text += &format!("# {line}\n");
        }
        text += &format!("#{} = {}\n", row.key, value(row));
    }
    text + GATEWAY
}

/// What only a file can say well. Tables come last in TOML.
const GATEWAY: &str = r#"
# Rules for client events, one table each. The most specific rule wins.

#[[gateway.events]]
#name = "typing"      # a * at the end stands for anything
#to = "rooms"         # backend, rooms, namespace, refuse or drop
#rate = "5/s"         # how many each client may send
#namespace = "/chat"  # without it, in every namespace

# The options of the gateway can also be in tables: key in [gateway.jwt] is jwt-key.

#[gateway.jwt]
#key-file = "login.pem"
#rooms = "rooms"
#data = ["sub", "name"]

#[gateway.presence]
#rooms = ["room:*"]
#data = ["name"]
"#;

/// An option's default as TOML, or something to put in its place.
fn value(row: &Row) -> String {
    let quoted = |words: &[&str]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    match (row.form, row.default) {
        (Form::Switch, _) => "false".to_owned(),
        (Form::List, words) => format!("[{}]", quoted(words)),
        (Form::Number, [number]) => (*number).to_owned(),
        (Form::Number, _) => "1000  # no default".to_owned(),
        (Form::Text | Form::Place, [text]) => format!("{text:?}"),
        // What stands for the value, to be replaced.
        (Form::Text | Form::Place, _) => format!("{:?}  # no default", row.value),
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("a line");
        if !last.is_empty() && last.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            let space = if last.is_empty() { "" } else { " " };
            *last += &format!("{space}{word}");
        }
    }
    lines
}
