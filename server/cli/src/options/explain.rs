//! The command line of `socketio-server explain`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, value_parser};
use engineio::Revision;
use socketio_explain::journal::Record;
use socketio_explain::{Form, InputError, Kind, ReadInput, Settings, Side};

use super::error::{OptionsError, Stop};

/// What the command is called.
pub(super) const NAME: &str = "explain";

/// What to explain.
#[derive(Clone, Debug)]
pub(crate) struct Explain {
    /// The messages, as bytes.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Records of journals, one list for each run.
    pub(crate) runs: Vec<Vec<Record>>,
    /// What is known about them.
    pub(crate) settings: Settings,
    /// Messages that are also the names of files.
    pub(crate) named_like_files: Vec<String>,
}

/// The options that say what the input is.
const KINDS: [(&str, &str, Kind); 4] = [
    ("polling", "The input is the body of a POST, or of the answer to a poll", Kind::Payload),
    ("websocket", "The input is a text message of a WebSocket", Kind::Text),
    ("binary", "The input is a binary message of a WebSocket", Kind::Binary),
    ("frames", "The input is WebSocket frames, with their headers", Kind::Frames),
];

pub(super) fn command() -> clap::Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    clap::Command::new(NAME)
        .about("Explain a packet, a payload or WebSocket frames byte by byte, and show the first wrong byte")
        .after_help(
            "Several messages belong to one session, such as an event and its attachments. The exit code is 1\n\
             if a message breaks a rule.\n\n\
             socketio-server explain '42[\"chat\",\"hi\"]'\n\
             socketio-server explain '81 82 00000000 3430'",
        )
        .arg(
            Arg::new("message")
                .value_name("MESSAGE")
                .help("A message, lines of a journal, or @FILE to read either from a file [default: standard input]")
                .num_args(0..)
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .help("Read the message or journal from this file")
                .conflicts_with("message")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("hex").help("The input is hexadecimal; spaces and colons are ignored [default: guessed]").conflicts_with("base64"))
        .arg(flag("base64").help("The input is base64 [default: guessed]"))
        .arg(
            Arg::new("eio")
                .long("eio")
                .value_name("REVISION")
                .help("The revision of Engine.IO: 3 for socket.io clients 1 and 2, 4 for later ones")
                .default_value("4")
                .value_parser(["3", "4"]),
        )
        .args(KINDS.map(|(name, help, _)| flag(name).help(help)))
        .group(ArgGroup::new("kind").args(KINDS.map(|(name, ..)| name)))
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("SENDER")
                .help("Who sent the messages. Without it, packets that only servers send are read as a server's")
                .value_parser(["client", "server"]),
        )
        .arg(flag("engineio").help("Stop at Engine.IO: its messages are not Socket.IO packets"))
}

impl Explain {
    pub(super) fn read(matches: &ArgMatches) -> Result<Explain, Stop> {
        let form = match (matches.get_flag("hex"), matches.get_flag("base64")) {
            (true, _) => Some(Form::Hex),
            (_, true) => Some(Form::Base64),
            _ => None,
        };
        let sources: Vec<Source> =
            match (matches.get_one::<PathBuf>("file"), matches.get_many::<OsString>("message")) {
                (Some(file), _) => vec![Source::File(file.clone())],
                (None, Some(messages)) => messages.map(|message| Source::of(message)).collect(),
                (None, None) => vec![Source::Stdin],
            };
        let kind = KINDS.into_iter().find(|(name, ..)| matches.get_flag(name));
        let is =
            |name: &str, value: &str| matches.get_one::<String>(name).is_some_and(|given| given == value);
        let settings = Settings {
            revision: if is("eio", "3") { Revision::V3 } else { Revision::V4 },
            kind: kind.map(|(.., kind)| kind),
            sender: if is("from", "client") {
                Some(Side::Client)
            } else if is("from", "server") {
                Some(Side::Server)
            } else {
                None
            },
            socketio: !matches.get_flag("engineio"),
        };
        // Several messages are those of one session, which are not guessed one by one.
        let form = form.or((sources.len() > 1).then_some(Form::Text));
        let (mut messages, mut runs) = (Vec::new(), Vec::new());
        let named_like_files: Vec<String> = sources.iter().filter_map(Source::file_of_that_name).collect();
        for source in sources {
            let hint = source.file_of_that_name().map(|name| format!("; {}", meant_as_file(&name)));
            let (place, given) = source.read()?;
            let wrong = |problem: InputError| {
                let problem = format!("{problem}{}", hint.unwrap_or_default());
                OptionsError { place, problem }
            };
            match ReadInput::read(&given, form, &settings).map_err(wrong)? {
                ReadInput::Messages(_, more) => messages.extend(more),
                ReadInput::Journal(more) => runs.extend(more),
            }
        }
        Ok(Explain { messages, runs, settings, named_like_files })
    }
}

/// What to say of a message that is also the name of a file.
pub(crate) fn meant_as_file(name: &str) -> String {
    format!("to explain what is in the file {name}, write @{name}")
}

/// Where a message is.
enum Source {
    Argument(OsString),
    File(PathBuf),
    Stdin,
}

impl Source {
    fn of(argument: &OsStr) -> Source {
        match argument.to_str().and_then(|text| text.strip_prefix('@')) {
            Some(file) => Source::File(Path::new(file).to_owned()),
            None => Source::Argument(argument.to_owned()),
        }
    }

    /// Its text, if that is not only a message but also names a file.
    fn file_of_that_name(&self) -> Option<String> {
        let Source::Argument(argument) = self else { return None };
        argument.to_str().filter(|name| Path::new(name).is_file()).map(str::to_owned)
    }

    /// What to call it, and what is in it.
    fn read(self) -> Result<(String, Vec<u8>), OptionsError> {
        let error = |place: &str, problem: String| OptionsError { place: place.to_owned(), problem };
        Ok(match self {
            Source::Argument(argument) => ("MESSAGE".to_owned(), argument.into_encoded_bytes()),
            Source::File(file) => {
                let name = file.display().to_string();
                let bytes =
                    fs::read(&file).map_err(|problem| error(&name, format!("can't be read: {problem}")))?;
                (name, without_newline(bytes))
            }
            Source::Stdin => {
                let mut bytes = Vec::new();
                let read = io::stdin().read_to_end(&mut bytes);
                read.map_err(|problem| error("standard input", format!("can't be read: {problem}")))?;
                ("standard input".to_owned(), without_newline(bytes))
            }
        })
    }
}

/// Editors and `echo` end a file with a line break, which isn't part of the message.
fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    bytes
}
