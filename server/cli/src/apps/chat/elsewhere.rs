//! Those who are here by other servers of a cluster. Each server tells the others of its own people:
//!
//! | event for the servers | arguments | when |
//! |---|---|---|
//! | `chat:person` | server, id, person | somebody has come, or something of them has changed |
//! | `chat:gone` | server, id | somebody has left |
//! | `chat:people` | server, `{id: person}` | every 5 seconds, which puts right what got lost, and in answer to: |
//! | `chat:who` | | a server has started |
//! | `chat:direct` | server, id, line | somebody wrote to one who came there by plain WebSocket |
//! | `chat:news` | news | the same for all of those |
//!
//! A server that is silent for 15 seconds is gone, and its people with it. Two who take one name at the same moment on two
//! servers may both get it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::names::{Look, fold, looks};

/// How often a server tells the others who is there.
pub(super) const REPEAT: Duration = Duration::from_secs(5);
/// A server that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// What servers tell each other of somebody.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) online: bool,
    pub(super) rooms: BTreeSet<String>,
    /// They came by plain WebSocket.
    pub(super) plain: bool,
}

/// The people of all other servers.
#[derive(Default)]
pub(super) struct Elsewhere(HashMap<String, Server>);

struct Server {
    people: HashMap<String, Somebody>,
    heard: Instant,
}

/// Somebody on another server.
struct Somebody {
    told: Told,
    folded: String,
    looks: [(Look, String); 3],
}

impl From<Told> for Somebody {
    fn from(told: Told) -> Somebody {
        Somebody { folded: fold(&told.name), looks: looks(&told.name), told }
    }
}

/// # What is told
impl Elsewhere {
    pub(super) fn person(&mut self, server: &str, id: &str, told: Told) {
        self.server(server).people.insert(id.to_owned(), told.into());
    }

    pub(super) fn gone(&mut self, server: &str, id: &str) {
        self.server(server).people.remove(id);
    }

    pub(super) fn people(&mut self, server: &str, people: HashMap<String, Told>) {
        self.server(server).people = people.into_iter().map(|(id, told)| (id, told.into())).collect();
    }

    /// It has said something now.
    fn server(&mut self, server: &str) -> &mut Server {
        let now = Instant::now();
        let known =
            self.0.entry(server.to_owned()).or_insert_with(|| Server { people: HashMap::new(), heard: now });
        known.heard = now;
        known
    }

    /// Forgets servers that have been silent for too long. Returns their people.
    pub(super) fn forget_silent(&mut self) -> Vec<Told> {
        let silent = self.0.extract_if(|_, server| server.heard.elapsed() > SILENCE);
        silent.flat_map(|(_, server)| server.people.into_values().map(|somebody| somebody.told)).collect()
    }
}

/// # What is known
impl Elsewhere {
    fn all(&self) -> impl Iterator<Item = (&str, &str, &Somebody)> {
        self.0.iter().flat_map(|(server, known)| {
            known.people.iter().map(move |(id, somebody)| (&**server, &**id, somebody))
        })
    }

    pub(super) fn online(&self) -> impl Iterator<Item = &str> {
        self.all().filter(|(.., somebody)| somebody.told.online).map(|(.., somebody)| &*somebody.told.name)
    }

    pub(super) fn members(&self, room: &str) -> impl Iterator<Item = &str> {
        let is_in = move |somebody: &Somebody| somebody.told.rooms.contains(room);
        self.all().filter(move |(.., somebody)| is_in(somebody)).map(|(.., somebody)| &*somebody.told.name)
    }

    /// Who has that name: their server, their id there, and what is known of them.
    pub(super) fn find(&self, name: &str) -> Option<(&str, &str, &Told)> {
        let folded = fold(name);
        let found = self.all().find(|(.., somebody)| somebody.folded == folded);
        found.map(|(server, id, somebody)| (server, id, &somebody.told))
    }

    /// Whether somebody has a name that looks like this one.
    pub(super) fn looks_taken(&self, name: &str) -> bool {
        let looks = looks(name);
        let alike = |somebody: &Somebody| looks.iter().any(|look| somebody.looks.contains(look));
        self.all().any(|(.., somebody)| somebody.told.online && alike(somebody))
    }

    /// Whether somebody has come by plain WebSocket.
    pub(super) fn has_plain(&self) -> bool {
        self.all().any(|(.., somebody)| somebody.told.plain)
    }
}
