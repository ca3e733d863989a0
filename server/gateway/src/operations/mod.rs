//! What a backend does with clients: emit, join, leave, disconnect. Requests of the API and answers to hooks
//! have these as the same JSON.
//!
//! An operation is prepared first, which finds all errors, and then carried out, which can't fail. `namespaces` finds the
//! namespace that it is for, `arguments` reads and writes what clients get, and `wrong` says what is wrong.

mod arguments;
mod namespaces;
mod wrong;

use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use socketio::{Args, Broadcast, BroadcastAck, Event, Io, Namespace};

use crate::reading::strings;
use crate::time::Time;
use wrong::field;

pub(crate) use arguments::{Written, answer, args};
pub(crate) use namespaces::{NamespacePatterns, namespace};
pub(crate) use wrong::{Wrong, WrongKind};

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

/// Any of them, as an object of one key: `{"emit":{..}}`.
#[derive(Debug)]
pub(crate) enum Operation {
    Emit(Emit),
    Join(Move),
    Leave(Move),
    Disconnect(Disconnect),
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
        struct OneKey;

        impl<'de> Visitor<'de> for OneKey {
            type Value = Operation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one key: emit, join, leave or disconnect")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Operation, A::Error> {
                let one_key =
                    || A::Error::custom("an operation has one key: emit, join, leave or disconnect");
                let operation = match &*map.next_key::<String>()?.ok_or_else(one_key)? {
                    "emit" => Operation::Emit(map.next_value()?),
                    "join" => Operation::Join(map.next_value()?),
                    "leave" => Operation::Leave(map.next_value()?),
                    "disconnect" => Operation::Disconnect(map.next_value()?),
                    other => {
                        let expected = "expected one of `emit`, `join`, `leave`, `disconnect`";
                        return Err(A::Error::custom(format!("unknown operation `{other}`, {expected}")));
                    }
                };
                map.next_key::<String>()?.map_or(Ok(operation), |_| Err(one_key()))
            }
        }

        deserializer.deserialize_map(OneKey)
    }
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
        if self.event.is_empty() {
            return Err(field("event", "must not be empty"));
        }
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

/// Those of the namespace's clients who are chosen. Of a namespace that isn't there, nobody.
fn choose(io: &Io, name: &str, choose: impl FnOnce(Namespace) -> Broadcast) -> Result<Broadcast, Wrong> {
    let nobody = || io.to(Vec::<String>::new());
    Ok(namespace(io, name)?.map_or_else(nobody, choose))
}
