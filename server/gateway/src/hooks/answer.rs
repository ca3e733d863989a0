//! What a backend answers to a hook, and what is done then.

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use socketio::{AckSender, Args, ConnectError, Io, JoinError, Socket};

use super::client::{Failure, FailureKind};
use crate::operations::{Emit, PreparedEmit, Wrong, args};
use crate::reading::{self, Unread, list, object, strings};
use crate::web::Answered;

/// The answer to `connect`: the client comes in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConnectAnswer {
    #[serde(deserialize_with = "strings")]
    join: Vec<String>,
    #[serde(deserialize_with = "object")]
    data: Map<String, Value>,
    #[serde(deserialize_with = "events")]
    emit: Vec<Emit>,
}

/// The answer to `event`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EventAnswer {
    ack: Option<Box<RawValue>>,
    #[serde(deserialize_with = "strings")]
    attachments: Vec<String>,
    #[serde(deserialize_with = "events")]
    emit: Vec<Emit>,
    #[serde(deserialize_with = "strings")]
    join: Vec<String>,
    #[serde(deserialize_with = "strings")]
    leave: Vec<String>,
    disconnect: bool,
    #[serde(deserialize_with = "object")]
    data: Map<String, Value>,
}

fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Emit>, D::Error> {
    list(deserializer, "events")
}

/// What a client that is refused is told. Frameworks add fields of their own.
#[derive(Debug, Deserialize)]
struct Refusal {
    message: String,
    data: Option<Value>,
}

/// What an answer has done to a socket.
#[derive(Default)]
pub(super) struct Actions {
    join: Vec<String>,
    leave: Vec<String>,
    data: Map<String, Value>,
    emits: Vec<(PreparedEmit, bool)>,
    ack: Option<Args>,
    disconnect: bool,
}

/// How many characters of an answer are shown with the session.
const LONGEST: usize = 1000;

/// What a backend has answered, for those who watch the session. `data` may have secrets in it, so stars stand for it.
pub(super) fn summary(answered: &Answered) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&answered.body) else {
        return answered.to_string();
    };
    if let Some(data) = fields.get_mut("data").filter(|data| !data.is_null()) {
        *data = "***".into();
    }
    let fields = Value::Object(fields).to_string();
    let shown: String = fields.chars().take(LONGEST).collect();
    let rest = if shown.len() < fields.len() { "…" } else { "" };
    format!("{} {shown}{rest}", answered.status)
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::BadAnswer, message)
}

/// Reads an answer; nothing is the default. `fields` are those that it may have.
fn read<T: DeserializeOwned + Default>(answered: &Answered, fields: &str) -> Result<T, Failure> {
    // PHP's json_encode writes an empty array as a list.
    if matches!(answered.body.trim_ascii(), b"" | b"[]") {
        return Ok(T::default());
    }
    reading::read(&answered.body).map_err(|unread| match unread {
        Unread::Field { at, message } if !at.is_empty() => bad(format!("{at} in the answer: {message}")),
        Unread::Field { message: error, .. } | Unread::Syntax(error) => {
            bad(format!("got {answered}, and expected no body, or a JSON object with {fields} ({error})"))
        }
    })
}

/// Reads a refusal, in which unknown fields are ignored, unlike in other answers. What else has a status of 4xx comes
/// from something that knows nothing of hooks: a wrong path, a framework that wants a login.
fn refusal(answered: &Answered) -> Result<Refusal, Failure> {
    reading::read(&answered.body).map_err(|_| {
        let advice = match answered.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ". Is the URL of the webhook right?",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ". If it is the server that the backend refuses: are the webhook's secrets right, and does its path need no login?"
            }
            _ if answered.status.as_u16() == 419 => ". Does the path of the webhook need a CSRF token?",
            _ => "",
        };
        bad(format!("got {answered}, and expected {{\"message\": \"...\"}} with a status of 4xx{advice}"))
    })
}

fn wrong(at: &str, wrong: &Wrong) -> Failure {
    bad(format!("{at}{} in the answer: {}", wrong.at, wrong.message))
}

/// Prepares events to be sent. Those for the socket alone are marked: it may not be in its namespace yet.
fn prepare(emits: Vec<Emit>, socket: &Socket, io: &Io) -> Result<Vec<(PreparedEmit, bool)>, Failure> {
    let mut prepared = Vec::with_capacity(emits.len());
    for (at, emit) in emits.into_iter().enumerate() {
        let own = emit.to.as_deref().is_some_and(|to| matches!(to, [one] if one == socket.id()));
        let at_home = emit.namespace.as_deref().is_none_or(|name| name == socket.namespace().name());
        let emit = emit.prepare(io, socket.namespace().name());
        let emit = emit.map_err(|error| wrong(&format!("emit[{at}]."), &error))?;
        if emit.timeout.is_some() {
            return Err(bad(format!("emit[{at}].timeout in the answer: ask clients by POST /api/emit")));
        }
        prepared.push((emit, own && at_home));
    }
    Ok(prepared)
}

/// The answer to `connect`: what is done with the socket, or how it is refused.
pub(super) fn connect(
    answered: &Answered,
    socket: &Socket,
    io: &Io,
) -> Result<Result<Actions, ConnectError>, Failure> {
    if answered.status.is_client_error() {
        let Refusal { message, data } = refusal(answered)?;
        let error = ConnectError::new(message);
        return Ok(Err(match data {
            Some(data) => error.with_data(data),
            None => error,
        }));
    }
    let ConnectAnswer { join, data, emit } = read(answered, "join, data and emit")?;
    Ok(Ok(Actions { join, data, emits: prepare(emit, socket, io)?, ..Actions::default() }))
}

/// The answer to `event`.
pub(super) fn event(answered: &Answered, socket: &Socket, io: &Io) -> Result<Actions, Failure> {
    if answered.status.is_client_error() {
        return Err(bad(format!(
            "got {answered}, and expected 2xx: only connect can be refused like this; to tell the client why, answer 200 with ack"
        )));
    }
    let EventAnswer { ack, attachments, emit, join, leave, disconnect, data } =
        read(answered, "ack, attachments, emit, join, leave, data and disconnect")?;
    let ack = args(ack.as_deref(), &attachments).map_err(|error| match error.at {
        "args" => bad(format!("ack in the answer: {}", error.message)),
        _ => wrong("", &error),
    })?;
    let emits = prepare(emit, socket, io)?;
    Ok(Actions { join, leave, data, emits, ack: Some(ack), disconnect })
}

impl Actions {
    /// Does it, in this order: data, rooms, events, the acknowledgement, the end.
    pub(super) fn apply(self, socket: &Socket, ack: Option<AckSender>) {
        for (key, value) in self.data {
            let _ = socket.set_data(key, value);
        }
        match socket.join(self.join) {
            // It has left while the backend was asked.
            Ok(()) | Err(JoinError::Closed) => {}
            Err(error) => {
                tracing::warn!(socket = socket.id(), %error, "a socket can't join the rooms of the backend's answer");
            }
        }
        socket.leave(self.leave);
        for (emit, own) in self.emits {
            if own {
                let _ = socket.emit(emit.event.name(), emit.event.args());
            } else {
                emit.send();
            }
        }
        if let (Some(ack), Some(args)) = (ack, self.ack) {
            let _ = ack.send(args);
        }
        if self.disconnect {
            socket.disconnect(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_told_with_its_place() {
        let read = |body: &str| read::<EventAnswer>(&answered(200, None, body), "ack");
        let told = |body: &str| read(body).unwrap_err().message;
        assert!(told(r#"{"jion":["a"]}"#).contains("jion in the answer: unknown field `jion`"));
        assert!(told(r#"{"emit":[{"event":"e"},{"evnt":"e"}]}"#).starts_with("emit[1].evnt in the answer"));
        assert!(
            told("{} {}")
                .starts_with("got 200 OK \"{} {}\", and expected no body, or a JSON object with ack")
        );
        // PHP writes empty objects as [].
        for nothing in ["", " \n", "{}", "[]\n", r#"{"data":[]}"#] {
            assert!(read(nothing).is_ok(), "{nothing:?}");
        }
        assert!(told("[null]").ends_with("(must be an object)"));
        assert_eq!(told(r#"{"emit":[["/"]]}"#), "emit[0] in the answer: must be an object");
        assert_eq!(told(r#"{"emit":{"event":"e"}}"#), "emit in the answer: must be a list of events");
        assert_eq!(told(r#"{"data":["a"]}"#), "data in the answer: must be an object");
        assert_eq!(told(r#"{"data":null}"#), "data in the answer: must be an object");
        assert_eq!(told(r#"{"disconnect":1}"#), "disconnect in the answer: must be true or false");
        assert_eq!(told(r#"{"emit":[null]}"#), "emit[0] in the answer: must be an object");
    }

    fn answered(status: u16, kind: Option<&str>, body: &str) -> Answered {
        Answered {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: kind.map(str::to_owned),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn an_answer_that_is_not_json_is_told_with_its_type_its_first_characters_and_what_was_expected() {
        let page = format!("\n<!DOCTYPE html>\u{1b}{}", "x".repeat(1000));
        let failure = read::<ConnectAnswer>(&answered(200, Some("text/html; charset=utf-8"), &page), "join");
        let told = failure.unwrap_err().message;
        let start = format!(
            "got 200 OK text/html; charset=utf-8 \"<!DOCTYPE html>\\u{{1b}}{}\"…, and expected no body, or a JSON object with join",
            "x".repeat(44)
        );
        assert!(told.starts_with(&start), "{told}");
    }

    #[test]
    fn a_summary_has_stars_for_what_may_be_secret() {
        let body = r#"{"join":["r"],"data":{"token":"hunter2"}}"#;
        assert_eq!(summary(&answered(200, None, body)), r#"200 OK {"data":"***","join":["r"]}"#);
        assert_eq!(summary(&answered(204, None, "")), "204 No Content without a body");
    }

    #[test]
    fn a_refusal_is_an_object_with_a_message_and_what_else_comes_gets_advice() {
        let read = |status, body| refusal(&answered(status, None, body));
        assert_eq!(read(403, r#"{"message":"no","exception":"Forbidden"}"#).unwrap().message, "no");
        for other in ["", "no", "\"no\"", "{}", r#"{"message":null}"#, r#"["no",null]"#, "<html>"] {
            assert_eq!(read(400, other).unwrap_err().kind, FailureKind::BadAnswer, "{other}");
        }
        let told = |status| read(status, "").unwrap_err().message;
        assert_eq!(
            told(404),
            "got 404 Not Found without a body, and expected {\"message\": \"...\"} with a status of 4xx. Is the URL of the webhook right?"
        );
        assert!(told(401).contains("secrets") && told(419).contains("CSRF"));
        assert!(told(422).ends_with("with a status of 4xx"));
    }
}
