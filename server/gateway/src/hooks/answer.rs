//! What a backend answers to a hook, and what is done then.

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use socketio::{AckSender, Args, ConnectError, Io, Socket};

use super::client::{Answered, Failure, FailureKind};
use crate::operations::{Emit, PreparedEmit, Wrong, args};

/// The answer to `connect`: the client comes in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConnectAnswer {
    join: Vec<String>,
    data: Map<String, Value>,
    emit: Vec<Emit>,
}

/// The answer to `event`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EventAnswer {
    ack: Option<Box<RawValue>>,
    attachments: Vec<String>,
    emit: Vec<Emit>,
    join: Vec<String>,
    leave: Vec<String>,
    disconnect: bool,
    data: Map<String, Value>,
}

/// What a client that is refused is told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: Option<String>,
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

fn bad(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::BadAnswer, message)
}

/// Reads the body of an answer; nothing is the default.
fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.is_data() && path != "." {
            true => bad(format!("{path} in the answer: {error}")),
            false => bad(format!("the answer is no JSON object that fits: {error}")),
        }
    })?;
    deserializer.end().map_err(|error| bad(format!("the answer is no JSON: {error}")))?;
    Ok(read)
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
        // A page of HTML says nothing to a program, and is none of the backend's words.
        let refusal: Refusal = serde_json::from_slice(&answered.body).unwrap_or_default();
        let usual = || answered.status.canonical_reason().unwrap_or("Refused").to_owned();
        let mut error = ConnectError::new(refusal.message.unwrap_or_else(usual));
        if let Some(data) = refusal.data {
            error = error.with_data(data);
        }
        return Ok(Err(error));
    }
    let ConnectAnswer { join, data, emit } = read(&answered.body)?;
    Ok(Ok(Actions { join, data, emits: prepare(emit, socket, io)?, ..Actions::default() }))
}

/// The answer to `event`. One that is refused has no acknowledgement.
pub(super) fn event(answered: &Answered, socket: &Socket, io: &Io) -> Result<Option<Actions>, Failure> {
    if answered.status.is_client_error() {
        return match answered.status {
            // The URL is wrong, or the backend doesn't take its own secret: every event fails like this.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNAUTHORIZED => {
                Err(Failure::new(FailureKind::Status, answered.status.to_string()))
            }
            _ => Ok(None),
        };
    }
    let EventAnswer { ack, attachments, emit, join, leave, disconnect, data } = read(&answered.body)?;
    let ack = args(ack.as_deref(), &attachments).map_err(|error| match error.at {
        "args" => bad(format!("ack in the answer: {}", error.message)),
        _ => wrong("", &error),
    })?;
    let emits = prepare(emit, socket, io)?;
    Ok(Some(Actions { join, leave, data, emits, ack: Some(ack), disconnect }))
}

impl Actions {
    /// Does it, in this order: data, rooms, events, the acknowledgement, the end.
    pub(super) fn apply(self, socket: &Socket, ack: Option<AckSender>) {
        for (key, value) in self.data {
            let _ = socket.set_data(key, value);
        }
        if let Err(error) = socket.join(self.join) {
            tracing::warn!(socket = socket.id(), %error, "a socket does not join the rooms of the backend's answer");
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
        let told = |body: &str| read::<EventAnswer>(body.as_bytes()).unwrap_err().message;
        assert!(told("<html>").starts_with("the answer is no JSON object that fits"), "{}", told("<html>"));
        assert!(told(r#"{"jion":["a"]}"#).contains("jion in the answer: unknown field `jion`"));
        assert!(told(r#"{"emit":[{"event":"e"},{"evnt":"e"}]}"#).starts_with("emit[1].evnt in the answer"));
        assert!(told("{} {}").starts_with("the answer is no JSON"));
        for nothing in ["", " \n", "{}"] {
            assert!(read::<EventAnswer>(nothing.as_bytes()).is_ok(), "{nothing:?}");
        }
    }
}
