//! The namespaces that `connect` is in: what it asks there, and what it is asked.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use engineio::{Frame, Message};
use socketio::{Args, Connector, IoConfig, PacketViolation, Parser, SendError, ServerPacket};
use socketio_explain::{Kind, Settings, Side, explain};
use tokio::time::{Duration, Instant};

use crate::dial::WireKind;
use crate::options::Connect;
use crate::{explain as printed, logging};

/// Questions of the server that are remembered until they are answered.
const OWED: usize = 1000;

/// An event that was emitted for an answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) nsp: String,
    pub(super) name: String,
    pub(super) asked: Instant,
    until: Instant,
}

/// A namespace to be in.
struct Wanted {
    /// What to present there.
    auth: Option<String>,
    /// Since when it is waited for.
    asked: Instant,
    /// When the server's answer is late.
    until: Instant,
}

/// Namespaces, over several sessions.
pub(super) struct Rooms {
    connector: Connector,
    wanted: BTreeMap<String, Wanted>,
    /// Whether there is a session on which they were asked for.
    asking: bool,
    /// How long the server may take to answer a CONNECT.
    patience: Duration,
    /// Where events go.
    current: String,
    /// By their ids, which no two namespaces share.
    questions: BTreeMap<u64, Question>,
    /// The server's questions, by the number that is shown.
    owed: BTreeMap<u64, (String, u64)>,
    next_owed: u64,
}

impl Rooms {
    pub(super) fn new<'a>(options: &Connect, first: &'a str, more: impl Iterator<Item = &'a str>) -> Rooms {
        let patience = options.target.timeout;
        let asked = Instant::now();
        let until = asked + patience;
        let all = std::iter::once(first).chain(more);
        Rooms {
            connector: connector(options),
            wanted: all
                .map(|nsp| (named(nsp), Wanted { auth: options.auth.clone(), asked, until }))
                .collect(),
            asking: false,
            patience,
            current: named(first),
            questions: BTreeMap::new(),
            owed: BTreeMap::new(),
            next_owed: 1,
        }
    }

    /// The session is lost, and with it what was asked, which is returned. The next begins in no namespace.
    pub(super) fn lose(&mut self, options: &Connect) -> Vec<Question> {
        self.connector = connector(options);
        self.asking = false;
        self.owed.clear();
        std::mem::take(&mut self.questions).into_values().collect()
    }

    /// Asks for all of them, on a session that began then.
    pub(super) fn join_all(&mut self, began: Instant) -> Vec<Frame> {
        self.asking = true;
        let (connector, until) = (&mut self.connector, Instant::now() + self.patience);
        let frames = self.wanted.iter_mut().filter_map(|(nsp, wanted)| {
            (wanted.asked, wanted.until) = (began, until);
            connector.connect(nsp, wanted.auth.as_deref())
        });
        frames.collect()
    }

    pub(super) fn join(&mut self, nsp: &str, auth: Option<String>) -> Result<Option<Frame>, String> {
        let nsp = named(nsp);
        if self.connector.is_joined(&nsp) {
            return Err(format!("{} is connected already", without_query(&nsp)));
        }
        let frame = self.connector.connect(&nsp, auth.as_deref());
        self.current.clone_from(&nsp);
        let asked = Instant::now();
        self.wanted.insert(nsp, Wanted { auth, asked, until: asked + self.patience });
        Ok(frame)
    }

    pub(super) fn leave(&mut self, nsp: Option<String>) -> Result<Frame, String> {
        let nsp = nsp.map_or_else(|| self.current.clone(), |nsp| named(&nsp));
        self.wanted.remove(&nsp);
        self.connector.disconnect(&nsp).ok_or_else(|| format!("{} is not connected", without_query(&nsp)))
    }

    /// How long the client has waited for a namespace.
    pub(super) fn waited(&self, nsp: &str) -> Duration {
        let asked = self.key(nsp).and_then(|key| self.wanted.get(&key));
        asked.map_or(Duration::ZERO, |wanted| wanted.asked.elapsed())
    }

    /// The server has refused it, or put the client out.
    pub(super) fn forget(&mut self, nsp: &str) {
        if let Some(key) = self.key(nsp) {
            self.wanted.remove(&key);
        }
    }

    /// How a namespace was asked for that the server names. In revision 3 it leaves the query out.
    fn key(&self, nsp: &str) -> Option<String> {
        let named = |key: &&String| key.split_once('?').is_some_and(|(name, _)| name == nsp);
        let exact = self.wanted.get_key_value(nsp).map(|(key, _)| key);
        exact.or_else(|| self.wanted.keys().find(named)).cloned()
    }

    pub(super) fn use_namespace(&mut self, nsp: &str) {
        self.current = named(nsp);
    }

    /// Whether all namespaces are joined that are to be.
    pub(super) fn is_settled(&self) -> bool {
        self.wanted.keys().all(|nsp| self.connector.is_joined(nsp))
    }

    /// Whether an answer is waited for.
    pub(super) fn is_asking(&self) -> bool {
        !self.questions.is_empty()
    }

    /// An event, to be answered within that time if one is given.
    pub(super) fn emit(
        &mut self,
        event: &str,
        args: &Args,
        within: Option<Duration>,
    ) -> Result<Vec<Frame>, String> {
        let words = |error: SendError| match error {
            SendError::Closed => {
                let nsp = without_query(&self.current);
                format!("{nsp} is not connected: /connect {nsp} asks for it")
            }
            error => error.to_string(),
        };
        let Some(within) = within else {
            return self.connector.emit(&self.current, event, args).map_err(words);
        };
        let (id, frames) = self.connector.emit_with_ack(&self.current, event, args).map_err(words)?;
        let (nsp, name, asked) = (self.current.clone(), event.to_owned(), Instant::now());
        self.questions.insert(id, Question { nsp, name, asked, until: asked + within });
        Ok(frames)
    }

    pub(super) fn answered(&mut self, id: u64) -> Option<Question> {
        self.questions.remove(&id)
    }

    /// When the next answer is late.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let unanswered = self.asked().map(|(_, wanted)| wanted.until);
        self.questions.values().map(|question| question.until).chain(unanswered).min()
    }

    /// The namespaces to which the server's answer is late, as it would name them. They are not waited for any more.
    pub(super) fn unanswered(&mut self, now: Instant) -> Vec<String> {
        let late = self.asked().filter(|(_, wanted)| wanted.until <= now);
        let late: Vec<String> = late.map(|(nsp, _)| nsp.clone()).collect();
        late.iter().for_each(|nsp| drop(self.wanted.remove(nsp)));
        late.iter().map(|nsp| without_query(nsp).to_owned()).collect()
    }

    /// The namespaces that were asked for, and are not joined yet.
    fn asked(&self) -> impl Iterator<Item = (&String, &Wanted)> {
        self.wanted.iter().filter(|(nsp, _)| self.asking && self.connector.is_asked(nsp))
    }

    /// The questions whose answers are late. They are not waited for any more.
    pub(super) fn late(&mut self, now: Instant) -> Vec<Question> {
        let late = self.questions.iter().filter(|(_, question)| question.until <= now);
        let late: Vec<u64> = late.map(|(id, _)| *id).collect();
        let late: Vec<_> = late.iter().filter_map(|id| Some((*id, self.questions.remove(id)?))).collect();
        late.iter().for_each(|(id, question)| self.connector.forget(&question.nsp, *id));
        late.into_iter().map(|(_, question)| question).collect()
    }

    /// The server wants an answer: the number by which a person gives it.
    pub(super) fn owe(&mut self, nsp: &str, id: u64) -> u64 {
        let number = self.next_owed;
        self.next_owed += 1;
        self.owed.insert(number, (nsp.to_owned(), id));
        if self.owed.len() > OWED {
            self.owed.pop_first();
        }
        number
    }

    pub(super) fn answer(&mut self, number: u64, args: &Args) -> Result<Vec<Frame>, String> {
        let (nsp, id) =
            self.owed.remove(&number).ok_or_else(|| format!("no event #{number} waits for an answer"))?;
        self.connector.ack(&nsp, id, args).map_err(|error| error.to_string())
    }

    pub(super) fn read(&mut self, message: Message) -> Result<Option<ServerPacket>, PacketViolation> {
        self.connector.read(message, Instant::now().into_std())
    }
}

/// A namespace's name begins with a slash, also when nobody types it.
fn named(nsp: &str) -> String {
    if nsp.starts_with('/') { nsp.to_owned() } else { format!("/{nsp}") }
}

/// A namespace as it is printed. In revision 3 it may have a query, and in that a token.
fn without_query(nsp: &str) -> &str {
    nsp.split_once('?').map_or(nsp, |(name, _)| name)
}

fn connector(options: &Connect) -> Connector {
    let config = IoConfig { parser: options.parser.clone(), max_attachments: 1000, ..IoConfig::default() };
    Connector::new(&config, options.session.revision)
}

/// What went over the wires, by its layers.
pub(super) fn by_layers(options: &Connect, sent: bool, kind: WireKind, bytes: &Bytes) -> String {
    let kind = match kind {
        WireKind::Payload => Kind::Payload,
        WireKind::Text => Kind::Text,
        WireKind::Binary => Kind::Binary,
    };
    let settings = Settings {
        revision: options.session.revision,
        kind: Some(kind),
        sender: Some(if sent { Side::Client } else { Side::Server }),
        // An attachment is no packet by itself, and MessagePack is not read here.
        socketio: kind != Kind::Binary && matches!(options.parser, Parser::Default),
    };
    let colours = logging::colours(&io::stdout());
    let arrow = if sent { "->" } else { "<-" };
    explain(&[bytes], &settings)
        .iter()
        .map(|explanation| format!("{arrow} {}", printed::print(explanation, colours)))
        .collect()
}
