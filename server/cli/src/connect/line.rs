//! What a person, or a script, can tell `connect` to do: one thing a line.

use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;
use socketio::{Args, RawJson};

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    Nothing,
    /// An event; `asks` for an answer.
    Emit {
        event: String,
        args: Args,
        asks: bool,
    },
    /// An answer to an event of the server.
    Ack {
        number: u64,
        args: Args,
    },
    Join {
        nsp: String,
        auth: Option<String>,
    },
    Leave(Option<String>),
    /// From now on events go to that namespace.
    Use(String),
    /// Shows packets by their layers, or no longer.
    Raw,
    /// Loses the connection, as a broken network does.
    Cut,
    Help,
    Quit,
}

/// What `/help` prints.
pub(super) const HELP: &str = r#"EVENT ARGUMENT ...     emit an event; arguments are JSON, or @FILE for a file's bytes
                       a name with spaces stands in quotes: "my event" @"my file"
? EVENT ARGUMENT ...   the same, and wait for the answer
/ack N ARGUMENT ...    answer the event that was shown as #N
/connect NSP [AUTH]    connect to another namespace
/use NSP               emit to that namespace from now on
/leave [NSP]           leave the namespace
/raw                   show each packet by its layers, or stop it
/cut                   lose the connection, and connect again
/quit                  end
"#;

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineError(String);

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Line {
    /// Reads a line. `file` reads the file of an argument.
    pub(super) fn read(
        line: &str,
        file: impl Fn(&str) -> std::io::Result<Vec<u8>>,
    ) -> Result<Line, LineError> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(Line::Nothing);
        }
        if let Some(command) = line.strip_prefix('/') {
            return command_line(command, file);
        }
        let (asks, line) = match line.strip_prefix('?') {
            Some(line) => (true, line.trim_start()),
            None => (false, line),
        };
        let (event, rest) = name(line, "the event")?;
        if event.is_empty() {
            return Err(LineError("the name of the event is missing".to_owned()));
        }
        Ok(Line::Emit { event, args: arguments(rest, file)?, asks })
    }
}

fn command_line(line: &str, file: impl Fn(&str) -> std::io::Result<Vec<u8>>) -> Result<Line, LineError> {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let needs = |what: &str| LineError(format!("/{command} needs {what}: /help shows how"));
    Ok(match command {
        "raw" => Line::Raw,
        "cut" => Line::Cut,
        "help" => Line::Help,
        "quit" | "q" => Line::Quit,
        "use" if !rest.is_empty() => Line::Use(rest.to_owned()),
        "use" => return Err(needs("a namespace")),
        "leave" => Line::Leave(Some(rest.to_owned()).filter(|nsp| !nsp.is_empty())),
        "connect" if !rest.is_empty() => {
            let (nsp, auth) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let auth = Some(auth.trim().to_owned()).filter(|auth| !auth.is_empty());
            if let Some(auth) = &auth
                && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(auth).is_err()
            {
                // Without it: a script's errors may end in a log.
                let problem = r#"what /connect presents is not the JSON of an object, such as {"token":1}"#;
                return Err(LineError(problem.to_owned()));
            }
            Line::Join { nsp: nsp.to_owned(), auth }
        }
        "connect" => return Err(needs("a namespace")),
        "ack" => {
            let (number, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let number =
                number.trim_start_matches('#').parse().map_err(|_| needs("the number of an event"))?;
            Line::Ack { number, args: arguments(rest, file)? }
        }
        _ => return Err(LineError(format!("there is no command /{command}: /help lists them"))),
    })
}

/// The name of an event or of a file: a word, or a JSON string.
fn name<'a>(line: &'a str, of: &str) -> Result<(String, &'a str), LineError> {
    if !line.starts_with('"') {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        return Ok((name.to_owned(), rest));
    }
    let mut values = serde_json::Deserializer::from_str(line).into_iter::<String>();
    match values.next() {
        Some(Ok(name)) => Ok((name, &line[values.byte_offset()..])),
        _ => Err(LineError(format!("the name of {of} is not a whole JSON string"))),
    }
}

/// Arguments with spaces between them.
fn arguments(line: &str, file: impl Fn(&str) -> std::io::Result<Vec<u8>>) -> Result<Args, LineError> {
    let mut array: Vec<String> = Vec::new();
    let mut attachments: Vec<Bytes> = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if let Some(named) = rest.strip_prefix('@') {
            let (name, after) = name(named, "the file")?;
            let bytes = file(&name).map_err(|error| LineError(format!("the file {name:?}: {error}")))?;
            array.push(format!(r#"{{"_placeholder":true,"num":{}}}"#, attachments.len()));
            attachments.push(bytes.into());
            rest = after;
        } else {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
            let Some(Ok(value)) = values.next() else {
                let number = array.len() + 1;
                return Err(LineError(format!(
                    "argument {number} is not JSON: a text needs quotes, \"like this\""
                )));
            };
            array.push(value.get().to_owned());
            rest = &rest[values.byte_offset()..];
        }
        rest = rest.trim_start();
    }
    let array = RawJson::new(format!("[{}]", array.join(",")), attachments);
    array.and_then(Args::from_raw).map_err(|error| LineError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Line, LineError> {
        Line::read(line, |name| {
            if name == "a.png" || name == "a b.png" {
                Ok(vec![1, 2])
            } else {
                Err(std::io::ErrorKind::NotFound.into())
            }
        })
    }

    #[test]
    fn an_event_has_json_and_files_for_arguments() {
        let Ok(Line::Emit { event, args, asks: false }) = read(r#"chat "hi there" 1 {"a":[ 2 ]}"#) else {
            panic!("an event")
        };
        assert_eq!((&*event, args.json()), ("chat", r#""hi there",1,{"a":[ 2 ]}"#));
        let Ok(Line::Emit { event, args, asks: true }) = read(r#"? "two words" @a.png true"#) else {
            panic!("a question")
        };
        assert_eq!((&*event, args.json()), ("two words", r#"{"_placeholder":true,"num":0},true"#));
        assert_eq!(args.to_raw().attachments(), [Bytes::from_static(&[1, 2])]);
        let Ok(Line::Emit { args, .. }) = read(r#"e @"a b.png" 1"#) else { panic!("an event") };
        assert_eq!(args.json(), r#"{"_placeholder":true,"num":0},1"#);
        assert!(matches!(read("ping"), Ok(Line::Emit { args, .. }) if args.is_empty()));
    }

    #[test]
    fn a_command_begins_with_a_slash() {
        assert!(matches!(read("  "), Ok(Line::Nothing)));
        assert!(matches!(read("/raw"), Ok(Line::Raw)));
        assert!(
            matches!(read(r#"/ack #7 "yes""#), Ok(Line::Ack { number: 7, args }) if args.json() == r#""yes""#)
        );
        assert!(matches!(read("/leave"), Ok(Line::Leave(None))));
        let Ok(Line::Join { nsp, auth: Some(auth) }) = read(r#"/connect /admin {"token": 1}"#) else {
            panic!("a namespace")
        };
        assert_eq!((&*nsp, &*auth), ("/admin", r#"{"token": 1}"#));
    }

    #[test]
    fn a_wrong_line_is_told_what_is_wrong() {
        for (line, problem) in [
            ("login 1 secret", r#"argument 2 is not JSON: a text needs quotes, "like this""#),
            (r#""chat"#, "the name of the event is not a whole JSON string"),
            ("?", "the name of the event is missing"),
            ("/nothing", "there is no command /nothing: /help lists them"),
            ("/use", "/use needs a namespace: /help shows how"),
            (
                r#"/connect /a {"token":"secret""#,
                r#"what /connect presents is not the JSON of an object, such as {"token":1}"#,
            ),
            ("chat @none", "the file \"none\": entity not found"),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), problem, "{line}");
        }
    }
}
