//! What `connect` prints: a line for each thing that happens, for people or as JSON.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use socketio::Args;

use crate::explain::escaped;
use crate::output;

/// Bytes of a binary argument that are shown to people.
const SHOWN: usize = 16;

/// Where lines go.
type Print = Box<dyn FnMut(String) + Send>;

/// What happened.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    Connected {
        nsp: &'a str,
        id: Option<&'a str>,
        transport: &'a str,
        took: Duration,
    },
    Upgraded,
    UpgradeFailed(&'a str),
    Refused {
        nsp: &'a str,
        message: &'a str,
        data: Option<&'a Value>,
    },
    /// The server has not answered a CONNECT.
    NotConnected {
        nsp: &'a str,
        after: Duration,
    },
    /// The server has put the client out of a namespace.
    Disconnected {
        nsp: &'a str,
    },
    Event {
        nsp: &'a str,
        name: &'a str,
        args: &'a Args,
        number: Option<u64>,
    },
    Answer {
        nsp: &'a str,
        name: &'a str,
        args: &'a Args,
        took: Duration,
    },
    NoAnswer {
        nsp: &'a str,
        name: &'a str,
        after: Duration,
    },
    /// The session was lost before the answer came.
    AnswerLost {
        nsp: &'a str,
        name: &'a str,
    },
    Ended(&'a str),
    /// The handshake failed.
    NotOpened(&'a str),
    Retry(Duration),
}

/// Prints what happens.
pub(super) struct Show {
    json: bool,
    print: Print,
}

impl Show {
    pub(super) fn new(json: bool) -> Show {
        let print = |line: String| {
            // Whoever reads may have seen enough.
            let _ = output::print(&line);
        };
        Show { json, print: Box::new(print) }
    }

    /// From now on lines go there: a person types, and the line that is being typed must not be torn.
    pub(super) fn to(&mut self, print: Print) {
        self.print = print;
    }

    pub(super) fn happened(&mut self, what: &Shown<'_>) {
        let line = if self.json { what.json().to_string() } else { escaped(&what.text()) };
        (self.print)(line + "\n");
    }

    /// Text for people, which may have several lines.
    pub(super) fn text(&mut self, text: &str) {
        if self.json {
            output::complain(text);
        } else {
            (self.print)(text.to_owned());
        }
    }
}

impl Shown<'_> {
    fn text(&self) -> String {
        match self {
            Shown::Connected { nsp, id, transport, took } => {
                let id = id.map(|id| format!(" as {id}")).unwrap_or_default();
                format!("connected to {nsp}{id} by {transport} in {}", milliseconds(*took))
            }
            Shown::Upgraded => "upgraded to websocket".to_owned(),
            Shown::UpgradeFailed(why) => format!("no upgrade to websocket: {why}"),
            Shown::Refused { nsp, message, data } => {
                let data = data.map(|data| format!(" {data}")).unwrap_or_default();
                format!("{nsp} refused: {message}{data}")
            }
            Shown::NotConnected { nsp, after } => {
                format!("{nsp} not connected: no answer within {after:?} (--timeout)")
            }
            Shown::Disconnected { nsp } => format!("the server disconnected {nsp}"),
            Shown::Event { nsp, name, args, number } => {
                let asks = number.map(|number| format!("  #{number} asks for an answer")).unwrap_or_default();
                let space = if args.is_empty() { "" } else { " " };
                format!("{}{name}{space}{}{asks}", before(nsp), for_people(args))
            }
            Shown::Answer { nsp, name, args, took } => {
                format!("{}{name} = {}  {}", before(nsp), for_people(args), milliseconds(*took))
            }
            Shown::NoAnswer { nsp, name, after } => {
                format!("{}{name}: no answer within {after:?} (--ack-timeout)", before(nsp))
            }
            Shown::AnswerLost { nsp, name } => format!("{}{name}: no answer before that", before(nsp)),
            Shown::Ended(why) => format!("disconnected: {why}"),
            Shown::NotOpened(why) => format!("not connected: {why}"),
            Shown::Retry(after) => format!("connecting again in {}", milliseconds(*after)),
        }
    }

    fn json(&self) -> Value {
        match self {
            Shown::Connected { nsp, id, transport, took } => {
                json!({"type": "connect", "nsp": nsp, "id": id, "transport": transport, "ms": ms(*took)})
            }
            Shown::Upgraded => json!({"type": "upgrade"}),
            Shown::UpgradeFailed(why) => json!({"type": "upgrade_error", "reason": why}),
            Shown::Refused { nsp, message, data } => {
                json!({"type": "connect_error", "nsp": nsp, "message": message, "data": data})
            }
            Shown::NotConnected { nsp, after } => {
                json!({"type": "connect_timeout", "nsp": nsp, "ms": ms(*after)})
            }
            Shown::Disconnected { nsp } => {
                json!({"type": "disconnect", "nsp": nsp, "reason": "io server disconnect"})
            }
            Shown::Event { nsp, name, args, number } => {
                json!({"type": "event", "nsp": nsp, "event": name, "args": for_programs(args), "number": number})
            }
            Shown::Answer { nsp, name, args, took } => {
                json!({"type": "ack", "nsp": nsp, "event": name, "args": for_programs(args), "ms": ms(*took)})
            }
            Shown::NoAnswer { nsp, name, after } => {
                json!({"type": "ack_timeout", "nsp": nsp, "event": name, "ms": ms(*after)})
            }
            Shown::AnswerLost { nsp, name } => json!({"type": "ack_lost", "nsp": nsp, "event": name}),
            Shown::Ended(why) | Shown::NotOpened(why) => json!({"type": "disconnect", "reason": why}),
            Shown::Retry(after) => json!({"type": "reconnect", "ms": ms(*after)}),
        }
    }
}

/// The namespace in front of an event, unless it is the main one.
fn before(nsp: &str) -> String {
    if nsp == "/" { String::new() } else { format!("{nsp} ") }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Arguments with spaces between them; of bytes how many there are, and the first.
fn for_people(args: &Args) -> String {
    let raw = args.to_raw();
    let mut values: Vec<String> = Vec::new();
    let array: Vec<Value> = serde_json::from_str(raw.json()).unwrap_or_default();
    for value in array {
        values.push(with_bytes(&value, raw.attachments(), &|bytes| {
            let shown: String = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
            let more = if bytes.len() > SHOWN { "…" } else { "" };
            format!("<{} bytes {shown}{more}>", bytes.len())
        }));
    }
    values.join(" ")
}

/// Arguments as JSON, bytes as `{"base64":"…"}`.
fn for_programs(args: &Args) -> Value {
    let raw = args.to_raw();
    let array: Value = serde_json::from_str(raw.json()).unwrap_or_default();
    let text = with_bytes(&array, raw.attachments(), &|bytes| {
        json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)}).to_string()
    });
    serde_json::from_str(&text).unwrap_or(array)
}

/// A value as JSON, in which `show` writes what stands for bytes.
fn with_bytes(value: &Value, attachments: &[bytes::Bytes], show: &dyn Fn(&[u8]) -> String) -> String {
    let inside = |value| with_bytes(value, attachments, show);
    match value {
        Value::Object(fields) => {
            if let (Some(Value::Bool(true)), Some(number)) = (fields.get("_placeholder"), fields.get("num"))
                && let Some(bytes) = number.as_u64().and_then(|at| attachments.get(usize::try_from(at).ok()?))
            {
                return show(bytes);
            }
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{}:{}", json!(key), inside(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(inside).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use socketio::Binary;

    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        let args = Args::new(("a", vec![Binary::from(vec![1, 0xff])], 1.5)).expect("arguments");
        assert_eq!(for_people(&args), r#""a" [<2 bytes 01ff>] 1.5"#);
        assert_eq!(for_programs(&args), json!(["a", [{"base64": "Af8="}], 1.5]));
    }
}
