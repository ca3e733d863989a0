//! What a backend does with clients: emit, join, leave, disconnect. Requests of the API and answers to hooks
//! have these as the same JSON.
//!
//! An operation is prepared first, which finds all errors, and then carried out, which can't fail.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use socketio::{Answer, Args, Broadcast, BroadcastAck, Event, Io, Namespace, RawJson, Room};

use crate::pattern;
use crate::reading::strings;
use crate::time::Time;

/// An event for many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Emit {
    #[serde(default, deserialize_with = "present")]
    pub(crate) namespace: Option<String>,
    /// Rooms and ids of sockets. Without it, everybody in the namespace; an empty list is nobody.
    #[serde(default, deserialize_with = "present_strings")]
    pub(crate) to: Option<Vec<String>>,
    #[serde(default, deserialize_with = "strings")]
    pub(crate) except: Vec<String>,
    pub(crate) event: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) args: Option<Box<RawValue>>,
    /// Base64. A placeholder in `args` stands for each.
    #[serde(default, deserialize_with = "strings")]
    pub(crate) attachments: Vec<String>,
    #[serde(default)]
    pub(crate) volatile: bool,
    /// How long clients may take to answer. Without it, they are not asked.
    #[serde(default, deserialize_with = "present")]
    pub(crate) timeout: Option<Time>,
}

/// Sockets that join rooms, or leave them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    #[serde(default, deserialize_with = "present")]
    namespace: Option<String>,
    #[serde(rename = "in", deserialize_with = "strings")]
    within: Vec<String>,
    #[serde(deserialize_with = "strings")]
    rooms: Vec<String>,
}

/// Sockets that are put out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disconnect {
    #[serde(default, deserialize_with = "present")]
    namespace: Option<String>,
    #[serde(rename = "in", deserialize_with = "strings")]
    within: Vec<String>,
    /// Whether their sessions end as well.
    #[serde(default)]
    close: bool,
}

/// Any of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Emit(Emit),
    Join(Move),
    Leave(Move),
    Disconnect(Disconnect),
}

/// The namespace that a request of the API means where it names none.
pub(crate) const MAIN: &str = "/";

/// Reads a value that is there. `null` is not the same as leaving it out: a backend whose list of rooms happens to be
/// `null` must not reach everybody.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn present_strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    strings(deserializer).map(Some)
}

/// What is wrong with an operation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) kind: WrongKind,
    /// The field.
    pub(crate) at: &'static str,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongKind {
    Field,
    Namespace,
}

fn field(at: &'static str, message: impl Into<String>) -> Wrong {
    Wrong { kind: WrongKind::Field, at, message: message.into() }
}

/// An operation that can be done.
pub(crate) enum Prepared {
    Emit(PreparedEmit),
    Join(Broadcast, Vec<String>),
    Leave(Broadcast, Vec<String>),
    Disconnect(Broadcast, bool),
}

pub(crate) struct PreparedEmit {
    pub(crate) broadcast: Broadcast,
    pub(crate) event: Event,
    pub(crate) timeout: Option<Duration>,
}

/// The namespace of that name. `None` if clients may join it, but nobody has.
pub(crate) fn namespace(io: &Io, name: &str) -> Result<Option<Namespace>, Wrong> {
    if !name.starts_with('/') {
        return Err(field("namespace", "must begin with /"));
    }
    let patterns = io.try_state::<NamespacePatterns>();
    match patterns.filter(|patterns| patterns.fit(name)) {
        // Other nodes may have clients in it.
        Some(patterns) if io.has_adapter() => patterns.visit(io, name, Instant::now()).map(Some),
        Some(_) => Ok(io.namespace(name)),
        None => io.namespace(name).map(Some).ok_or_else(|| Wrong {
            kind: WrongKind::Namespace,
            at: "namespace",
            message: format!("there is no namespace {name:?}: declare it in the configuration"),
        }),
    }
}

/// Those of the namespace's clients who are chosen. Of a namespace that isn't there, nobody.
fn choose(io: &Io, name: &str, choose: impl FnOnce(Namespace) -> Broadcast) -> Result<Broadcast, Wrong> {
    let nobody = || io.to(Vec::<String>::new());
    Ok(namespace(io, name)?.map_or_else(nobody, choose))
}

/// Namespaces that exist as soon as anybody names them.
pub(crate) struct NamespacePatterns {
    patterns: Vec<String>,
    visited: Mutex<Visited>,
}

/// Namespaces that a backend's requests have created, and when each was named last.
struct Visited {
    named: HashMap<Box<str>, Instant>,
    looked: Instant,
}

/// How many of them there may be.
const MAX_VISITED: usize = 10_000;

/// How long one stays that has no clients here: longer than those of other nodes may take to answer.
const VISIT: Duration = Duration::from_secs(2 * 60);

/// How often the server looks for those that can go.
const LOOK: Duration = Duration::from_secs(10);

impl NamespacePatterns {
    pub(crate) fn new(patterns: Vec<String>) -> NamespacePatterns {
        let visited = Visited { named: HashMap::new(), looked: Instant::now() };
        NamespacePatterns { patterns, visited: Mutex::new(visited) }
    }

    fn fit(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern::fits(pattern, name))
    }

    /// The namespace of that name, which is created for some time if it isn't there.
    fn visit(&self, io: &Io, name: &str, now: Instant) -> Result<Namespace, Wrong> {
        let mut visited = self.visited.lock();
        visited.let_go(io, now);
        let known = visited.named.contains_key(name);
        if let Some(namespace) = io.namespace(name).filter(|_| !known) {
            return Ok(namespace);
        }
        if !known && visited.named.len() >= MAX_VISITED {
            let message = "requests named too many namespaces without clients: send it again in two minutes";
            return Err(field("namespace", message));
        }
        visited.named.insert(name.into(), now);
        Ok(io.of(name))
    }
}

impl Visited {
    /// Lets go of those that were not named for long. One that has clients goes with the last of them.
    fn let_go(&mut self, io: &Io, now: Instant) {
        if now.saturating_duration_since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        for (name, _) in self.named.extract_if(|_, named| now.saturating_duration_since(*named) >= VISIT) {
            if let Some(namespace) = io.namespace(&name) {
                namespace.close_if_empty();
            }
        }
    }
}

/// Base64 whose last bits may be any, as most decoders take it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The arguments of an event or an acknowledgement.
pub(crate) fn args(json: Option<&RawValue>, attachments: &[String]) -> Result<Args, Wrong> {
    let decode = |text: &String| LENIENT.decode(text).map(Bytes::from);
    let attachments: Result<Vec<_>, _> = attachments.iter().map(decode).collect();
    let attachments =
        attachments.map_err(|error| field("attachments", format!("must be base64: {error}")))?;
    let Some(json) = json else { return Ok(Args::none()) };
    if !json.get().starts_with('[') {
        return Err(field("args", "must be a list: one argument is a list of one"));
    }
    // Socket.IO takes it for data, and the client would get the placeholder.
    if attachments.is_empty() && json.get().contains("\"_placeholder\"") && has_placeholder(json.get()) {
        let message = "a placeholder has no attachment: send the bytes in attachments, as base64";
        return Err(field("args", message));
    }
    let raw = RawJson::new(json.get(), attachments).map_err(|error| field("args", error.to_string()))?;
    Args::from_raw(raw).map_err(|error| field("args", error.to_string()))
}

/// Whether there is an object `{"_placeholder":true,..}` somewhere in it.
fn has_placeholder(json: &str) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::Object(fields) => {
                fields.get("_placeholder") == Some(&Value::Bool(true)) || fields.values().any(within)
            }
            Value::Array(values) => values.iter().any(within),
            _ => false,
        }
    }
    serde_json::from_str(json).is_ok_and(|value| within(&value))
}

impl Emit {
    /// What it does, for people. The event itself is seen anyway.
    pub(crate) fn describe(&self) -> String {
        match &self.to {
            Some(to) => format!("{} to {}", self.event, to.join(", ")),
            None => format!("{} to everybody", self.event),
        }
    }

    /// `usual` is the namespace that is meant where none is named.
    pub(crate) fn prepare(self, io: &Io, usual: &str) -> Result<PreparedEmit, Wrong> {
        let chosen = choose(io, self.namespace.as_deref().unwrap_or(usual), |namespace| {
            let broadcast = namespace.except(&self.except);
            match &self.to {
                Some(rooms) => broadcast.to(rooms),
                None => broadcast,
            }
        })?;
        let args = args(self.args.as_deref(), &self.attachments)?;
        let event = Event::outgoing(&self.event, args).map_err(|error| field("event", error.to_string()))?;
        let timeout = self.timeout.map(|Time(time)| time);
        let mut broadcast = chosen;
        if self.volatile {
            broadcast = broadcast.volatile();
        }
        Ok(PreparedEmit { broadcast, event, timeout })
    }
}

impl PreparedEmit {
    /// Sends the event. Gives the number of sockets on this node that it is for.
    pub(crate) fn send(&self) -> usize {
        let sockets = self.broadcast.socket_count();
        // The name is not reserved, and the arguments are JSON already.
        let _ = self.broadcast.emit(self.event.name(), self.event.args());
        sockets
    }

    /// Sends the event, and asks each client for an answer.
    pub(crate) fn ask(&self, timeout: Duration) -> Option<BroadcastAck<Args>> {
        self.broadcast.clone().timeout(timeout).emit_with_ack(self.event.name(), self.event.args()).ok()
    }
}

impl Operation {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Operation::Emit(_) => "emit",
            Operation::Join(_) => "join",
            Operation::Leave(_) => "leave",
            Operation::Disconnect(_) => "disconnect",
        }
    }

    /// What it does, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Operation::Emit(emit) => emit.describe(),
            Operation::Join(one) => format!("into {}", one.rooms.join(", ")),
            Operation::Leave(one) => format!("out of {}", one.rooms.join(", ")),
            Operation::Disconnect(one) if one.close => "and close the session".to_owned(),
            Operation::Disconnect(_) => String::new(),
        }
    }

    pub(crate) fn prepare(self, io: &Io, usual: &str) -> Result<Prepared, Wrong> {
        let within = |name: Option<String>, within: Vec<String>| {
            choose(io, name.as_deref().unwrap_or(usual), |namespace| namespace.to(within))
        };
        Ok(match self {
            Operation::Emit(emit) => Prepared::Emit(emit.prepare(io, usual)?),
            Operation::Join(one) => Prepared::Join(within(one.namespace, one.within)?, one.rooms),
            Operation::Leave(one) => Prepared::Leave(within(one.namespace, one.within)?, one.rooms),
            Operation::Disconnect(one) => Prepared::Disconnect(within(one.namespace, one.within)?, one.close),
        })
    }
}

impl Prepared {
    /// Whom it is for.
    pub(crate) fn broadcast(&self) -> &Broadcast {
        match self {
            Prepared::Emit(emit) => &emit.broadcast,
            Prepared::Join(broadcast, _)
            | Prepared::Leave(broadcast, _)
            | Prepared::Disconnect(broadcast, _) => broadcast,
        }
    }

    /// Does it. Gives the number of sockets on this node that it is for.
    pub(crate) fn run(&self) -> usize {
        match self {
            Prepared::Emit(emit) => emit.send(),
            Prepared::Join(broadcast, rooms) => {
                let sockets = broadcast.socket_count();
                broadcast.sockets_join(rooms);
                sockets
            }
            Prepared::Leave(broadcast, rooms) => {
                let sockets = broadcast.socket_count();
                broadcast.sockets_leave(rooms);
                sockets
            }
            Prepared::Disconnect(broadcast, close) => {
                let sockets = broadcast.socket_count();
                broadcast.disconnect_sockets(*close);
                sockets
            }
        }
    }
}

/// Arguments and their attachments, as the API and hooks write them.
pub(crate) struct Written {
    /// An array.
    pub(crate) args: Box<RawValue>,
    /// Base64.
    pub(crate) attachments: Vec<String>,
}

impl Written {
    pub(crate) fn of(args: &Args) -> Written {
        let array = RawValue::from_string(format!("[{}]", args.json()));
        Written {
            args: array.unwrap_or_else(|_| RawValue::NULL.to_owned()),
            attachments: args.attachments().iter().map(|bytes| STANDARD.encode(bytes)).collect(),
        }
    }
}

/// Whose answer it is, and what: the arguments, or in a word why there are none.
pub(crate) fn answer(answer: Answer<Args>) -> (Option<Room>, Result<Args, &'static str>) {
    use socketio::AckError;
    let result = answer.result.map_err(|error| match error {
        AckError::Timeout => "timeout",
        AckError::Disconnected => "disconnected",
        AckError::TooManyPending => "too_many_pending",
        _ => "not_sent",
    });
    (answer.socket, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn namespaces_that_requests_created_go_if_no_request_names_them_for_two_minutes() {
        let io = Io::new();
        let _ = io.of_pattern("^/orders-").unwrap();
        let patterns = NamespacePatterns::new(vec!["/orders-*".to_owned()]);
        let start = Instant::now();
        let visit =
            |name: &str, seconds| patterns.visit(&io, name, start + Duration::from_secs(seconds)).map(drop);
        let there = |name: &str| io.namespace(name).is_some();
        visit("/orders-1", 0).unwrap();
        visit("/orders-2", 0).unwrap();
        visit("/orders-1", 60).unwrap();
        visit("/orders-3", 120).unwrap();
        assert_eq!(["/orders-1", "/orders-2", "/orders-3"].map(there), [true, false, true]);
        for n in 2..MAX_VISITED {
            visit(&format!("/orders-x{n}"), 125).unwrap();
        }
        assert_eq!(visit("/orders-4", 125).unwrap_err().kind, WrongKind::Field);
        visit("/orders-1", 125).unwrap();
        visit("/orders-4", 250).unwrap();
        assert_eq!(io.namespaces().len(), 2, "/ and the one that was named last");
    }
}
