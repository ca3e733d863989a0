//! The command line of `socketio-server explain`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, value_parser};
use engineio::Revision;
use socketio_explain::journal::{self, Record};
use socketio_explain::{Carrier, Sender, Settings};

use super::{OptionsError, Stop};

/// What the command is called.
pub(super) const NAME: &str = "explain";

/// What is to be explained.
#[derive(Clone, Debug)]
pub(crate) struct Explain {
    /// The messages, as bytes.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Records of journals, those of each run by themselves.
    pub(crate) runs: Vec<Vec<Record>>,
    /// What is known of them.
    pub(crate) settings: Settings,
}

/// The options that say what the bytes came by.
const CARRIERS: [(&str, &str, Carrier); 4] = [
    ("polling", "They are the body of a POST, or of the answer to a poll", Carrier::Polling),
    ("websocket", "They are a text message of a WebSocket", Carrier::Text),
    ("binary", "They are a binary message of a WebSocket", Carrier::Binary),
    ("frames", "They are frames of a WebSocket, with their headers", Carrier::Frames),
];

pub(super) fn command() -> clap::Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    clap::Command::new(NAME)
        .about("Say what a packet, a payload or frames mean, byte by byte, and which is the first wrong byte")
        .after_help(
            "Several messages belong to one session: an event and its attachments. The exit code is 1 if one\n\
             of them is illegal.\n\n\
             socketio-server explain '42[\"chat\",\"hi\"]'\n\
             socketio-server explain --hex '8182 00000000 3430'",
        )
        .arg(
            Arg::new("message")
                .value_name("MESSAGE")
                .help("What was sent, or a journal, or @FILE, which has either; standard input by default")
                .num_args(0..)
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .help("The file that has the message")
                .conflicts_with("message")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("hex").help("Messages are given in hexadecimal; spaces and colons don't count").conflicts_with("base64"))
        .arg(flag("base64").help("Messages are given in base64"))
        .arg(
            Arg::new("eio")
                .long("eio")
                .value_name("REVISION")
                .help("The revision of Engine.IO: 3 for socket.io clients 1 and 2, 4 for those since")
                .default_value("4")
                .value_parser(["3", "4"]),
        )
        .args(CARRIERS.map(|(name, help, _)| flag(name).help(help)))
        .group(ArgGroup::new("carrier").args(CARRIERS.map(|(name, ..)| name)))
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("SENDER")
                .help("Who sent them. Without it, what only servers send is taken for a server's")
                .value_parser(["client", "server"]),
        )
        .arg(flag("engineio").help("The messages of Engine.IO are not those of Socket.IO"))
}

impl Explain {
    pub(super) fn read(matches: &ArgMatches) -> Result<Explain, Stop> {
        let form = match (matches.get_flag("hex"), matches.get_flag("base64")) {
            (true, _) => Form::Hex,
            (_, true) => Form::Base64,
            _ => Form::Text,
        };
        let sources: Vec<Source> =
            match (matches.get_one::<PathBuf>("file"), matches.get_many::<OsString>("message")) {
                (Some(file), _) => vec![Source::File(file.clone())],
                (None, Some(messages)) => messages.map(|message| Source::of(message)).collect(),
                (None, None) => vec![Source::Stdin],
            };
        let (mut messages, mut runs) = (Vec::new(), Vec::new());
        for source in sources {
            let message = source.read(form)?;
            // No packet begins so.
            if message.starts_with(b"{\"journal\":") || message.starts_with(b"{\"n\":") {
                runs.extend(from_journal(&message)?);
            } else {
                messages.push(message);
            }
        }
        let carrier = CARRIERS.into_iter().find(|(name, ..)| matches.get_flag(name));
        let is =
            |name: &str, value: &str| matches.get_one::<String>(name).is_some_and(|given| given == value);
        let settings = Settings {
            revision: if is("eio", "3") { Revision::V3 } else { Revision::V4 },
            carrier: carrier.map(|(.., carrier)| carrier),
            sender: if is("from", "client") {
                Some(Sender::Client)
            } else if is("from", "server") {
                Some(Sender::Server)
            } else {
                None
            },
            socketio: !matches.get_flag("engineio"),
        };
        Ok(Explain { messages, runs, settings })
    }
}

/// The records of a journal, those of each run by themselves, or of lines of it.
fn from_journal(text: &[u8]) -> Result<Vec<Vec<Record>>, OptionsError> {
    let error = |problem: String| OptionsError { place: "the journal".to_owned(), problem };
    if text.starts_with(b"{\"journal\":") {
        let runs = journal::runs(text).map_err(|problem| error(problem.to_string()))?;
        return Ok(runs.into_iter().map(|run| run.records).collect());
    }
    let lines = serde_json::Deserializer::from_slice(text).into_iter();
    let records: Result<_, _> = lines.collect();
    Ok(vec![records.map_err(|problem| error(problem.to_string()))?])
}

/// How a message is given.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Hex,
    Base64,
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

    fn read(self, form: Form) -> Result<Vec<u8>, OptionsError> {
        let error = |place: &str, problem: String| OptionsError { place: place.to_owned(), problem };
        let (place, given) = match self {
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
        };
        match form {
            Form::Text => Ok(given),
            Form::Hex => from_hex(&given).ok_or_else(|| error(&place, "is not hexadecimal".to_owned())),
            Form::Base64 => from_base64(&given).ok_or_else(|| error(&place, "is not base64".to_owned())),
        }
    }
}

/// Editors and `echo` end a file with one, which no message means.
fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    bytes
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b':');
    let digits: Vec<u8> =
        digits.map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: String =
        text.iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| char::from(*byte)).collect();
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    if !text.bytes().all(digit) {
        return None;
    }
    // The protocol's own reading of base64, padded or not. It passes over what is none.
    let packet = engineio::Packet::decode_text(&format!("b{text}").into(), Revision::V4).ok()?;
    match packet {
        engineio::Packet::Message(engineio::Message::Binary(bytes)) => Some(bytes.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_may_have_spaces_and_colons() {
        assert_eq!(from_hex(b"0a:FF 1e\n"), Some(vec![0x0a, 0xff, 0x1e]));
        assert_eq!(from_hex(b"0a1"), None);
        assert_eq!(from_hex(b"xx"), None);
    }

    #[test]
    fn base64_may_lack_its_padding() {
        assert_eq!(from_base64(b"AQ\n"), Some(vec![1]));
        assert_eq!(from_base64(b"AQ=="), Some(vec![1]));
        assert_eq!(from_base64(b"!"), None);
    }
}
