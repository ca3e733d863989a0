//! What a case is: a number that keeps its meaning, what is expected, where that is written, and a script.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use engineio::Revision;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::verdict::Unmet;

/// What a script is while it runs.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Unmet>> + Send + 'a>>;

/// Plays one side of an exchange with the implementation under test, through `P`.
pub type Script<P> = for<'a> fn(&'a mut P) -> Running<'a>;

/// A case, without its script.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Such as `4.2.3`: the group, a subject, a number. It never changes its meaning, and is never used again.
    pub id: &'static str,
    /// What the client or server does, in a few words.
    pub title: &'static str,
    /// What is expected, in one sentence.
    pub expects: &'static str,
    /// Where that is written.
    pub source: Source,
    /// How much it matters.
    pub level: Requirement,
    /// The revisions of Engine.IO that it is about.
    #[serde(serialize_with = "numbers")]
    pub revisions: &'static [Revision],
    /// The transport that it needs.
    pub transport: CaseTransport,
    /// What the agent has to be able to do.
    pub needs: Needs,
    /// What not all implementations have, such as `recovery`: words of [`LACKS`](crate::agent::LACKS). An agent that lacks one
    /// gets `unsupported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<&'static str>,
    /// Options for the agent: the names are those of `socket.io-client`.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub options: Value,
    /// What the agent does before it is connected: commands of `do`.
    #[serde(rename = "do", skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Value>,
}

/// A case with its script.
pub struct Case<P> {
    /// All about it.
    pub about: About,
    /// What is done in it.
    pub script: Script<P>,
}

/// Where a rule is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A section of a document.
    Document(Document, &'static str),
    /// No document says so, but the reference does it, and others rely on it.
    Reference(&'static str),
    /// Nothing says so. Without it, a broken or hostile peer does harm.
    Safety,
}

/// The documents of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// Engine.IO protocol, revision 3.
    EngineIo3,
    /// Engine.IO protocol, revision 4.
    EngineIo4,
    /// Socket.IO protocol, revision 4, of clients 1 and 2.
    SocketIo4,
    /// Socket.IO protocol, revision 5.
    SocketIo5,
    /// The documentation of the client at socket.io.
    ClientDocs,
    /// RFC 6455, the WebSocket protocol.
    WebSocket,
    /// RFC 9112, HTTP/1.1.
    Http,
    /// RFC 8259, JSON.
    Json,
}

/// How much a case matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// Without it, applications don't work with a correct peer.
    Must,
    /// A correct implementation does so, but applications can do without.
    Should,
    /// How it stands up to a peer that is broken or hostile.
    Robust,
}

/// The transport that a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseTransport {
    /// Polling only.
    Polling,
    /// WebSocket from the start.
    WebSocket,
    /// Polling, then an upgrade to WebSocket.
    Upgrade,
    /// Either: WebSocket, unless the agent lacks it.
    Any,
}

/// What an agent has to be able to do for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// To connect to a URL.
    Passive,
    /// To answer the event `echo` with `echo`, and to acknowledge `ack`, each with its arguments.
    Echo,
    /// To carry out commands, and to report what the application saw.
    Driven,
}

/// Options that not all clients have, and the features that they are.
const OPTIONAL: [(&str, &str); 7] = [
    ("path", "path"),
    ("query", "query"),
    ("extraHeaders", "headers"),
    ("auth", "auth"),
    ("reconnection", "reconnection"),
    ("retries", "retries"),
    ("parser", "msgpack"),
];

/// Both revisions.
pub const BOTH: &[Revision] = &[Revision::V3, Revision::V4];
/// Revision 4: clients since 3.
pub const V4: &[Revision] = &[Revision::V4];
/// Revision 3: clients 1 and 2.
pub const V3: &[Revision] = &[Revision::V3];

impl About {
    /// The number of its group.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.parts()[0]
    }

    /// The numbers of its id, which sort as numbers.
    #[must_use]
    pub fn parts(&self) -> [u32; 3] {
        let mut parts = self.id.split('.').map(|part| part.parse().unwrap_or_default());
        std::array::from_fn(|_| parts.next().unwrap_or_default())
    }
}

impl<P> Case<P> {
    /// A case that needs a `must` client of either revision, that only connects, by any transport. The methods below change
    /// each of these.
    #[must_use]
    pub fn new(
        id: &'static str,
        title: &'static str,
        expects: &'static str,
        source: Source,
        script: Script<P>,
    ) -> Case<P> {
        let about = About {
            id,
            title,
            expects,
            source,
            level: Requirement::Must,
            revisions: BOTH,
            transport: CaseTransport::Any,
            needs: Needs::Passive,
            features: Vec::new(),
            options: Value::Null,
            first: Vec::new(),
        };
        Case { about, script }
    }

    /// Applications can do without it.
    #[must_use]
    pub fn should(mut self) -> Case<P> {
        self.about.level = Requirement::Should;
        self
    }

    /// It is about a broken or hostile peer.
    #[must_use]
    pub fn robust(mut self) -> Case<P> {
        self.about.level = Requirement::Robust;
        self
    }

    /// Only for revision 4.
    #[must_use]
    pub fn v4(mut self) -> Case<P> {
        self.about.revisions = V4;
        self
    }

    /// Only for revision 3.
    #[must_use]
    pub fn v3(mut self) -> Case<P> {
        self.about.revisions = V3;
        self
    }

    /// The transport that it needs.
    #[must_use]
    pub fn by(mut self, transport: CaseTransport) -> Case<P> {
        self.about.transport = transport;
        self
    }

    /// By polling.
    #[must_use]
    pub fn polling(self) -> Case<P> {
        self.by(CaseTransport::Polling)
    }

    /// By WebSocket.
    #[must_use]
    pub fn websocket(self) -> Case<P> {
        self.by(CaseTransport::WebSocket)
    }

    /// By polling, then with an upgrade.
    #[must_use]
    pub fn upgrade(self) -> Case<P> {
        self.by(CaseTransport::Upgrade)
    }

    /// For agents that echo.
    #[must_use]
    pub fn echo(mut self) -> Case<P> {
        self.about.needs = Needs::Echo;
        self
    }

    /// For agents that carry out commands.
    #[must_use]
    pub fn driven(mut self) -> Case<P> {
        self.about.needs = Needs::Driven;
        self
    }

    /// For agents that have a feature.
    #[must_use]
    pub fn feature(mut self, feature: &'static str) -> Case<P> {
        if !self.about.features.contains(&feature) {
            self.about.features.push(feature);
        }
        self
    }

    /// With options for a driven agent. Some are features.
    #[must_use]
    pub fn options(mut self, options: Value) -> Case<P> {
        for (option, feature) in OPTIONAL {
            if options.get(option).is_some_and(|value| *value != false) {
                self = self.feature(feature);
            }
        }
        if options["auth"] == "function" {
            self = self.feature("auth-function");
        }
        self.about.options = options;
        self.driven()
    }

    /// With commands that the agent carries out before it is connected.
    #[must_use]
    pub fn first(mut self, commands: &[Value]) -> Case<P> {
        self.about.first = commands.to_vec();
        self.driven()
    }

    /// With quick reconnection: after 100 ms, then more, up to 400 ms.
    #[must_use]
    pub fn reconnects(self) -> Case<P> {
        self.options(json!({"reconnection": true, "reconnectionDelay": 100, "reconnectionDelayMax": 400}))
    }
}

impl<P> fmt::Debug for Case<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about.fmt(f)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Document::EngineIo3 => "Engine.IO protocol 3",
            Document::EngineIo4 => "Engine.IO protocol 4",
            Document::SocketIo4 => "Socket.IO protocol 4",
            Document::SocketIo5 => "Socket.IO protocol 5",
            Document::ClientDocs => "socket.io, client",
            Document::WebSocket => "RFC 6455",
            Document::Http => "RFC 9112",
            Document::Json => "RFC 8259",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Document(document, section) => write!(f, "{document}, \"{section}\""),
            Source::Reference(what) => write!(f, "as the reference does: {what}"),
            Source::Safety => f.write_str("safety"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The word of a level, a transport or a need, as JSON and options have it.
macro_rules! words {
    ($($name:ident { $($variant:ident = $word:literal),* })*) => {$(
        impl $name {
            /// The word for it, as in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

words! {
    Requirement { Must = "must", Should = "should", Robust = "robust" }
    CaseTransport { Polling = "polling", WebSocket = "websocket", Upgrade = "upgrade", Any = "any" }
    Needs { Passive = "passive", Echo = "echo", Driven = "driven" }
}

fn numbers<S: Serializer>(revisions: &[Revision], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(revisions.iter().map(|revision| revision.number()))
}
