//! The chat on several servers: what they tell each other, and what they do with it. [`elsewhere`](super::elsewhere) has the
//! events.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use socketio::{Io, Namespace};
use tokio::time::sleep;

use super::elsewhere::{REPEAT, Told};
use super::limits::GUEST;
use super::names::{fold, tidy};
use super::news::{FarNews, News};
use super::people::Person;
use super::plain_clients::PLAIN;
use super::refusal::{Refusal, Word};
use super::{InRoom, Present, Talk, channel};

impl Talk {
    /// Begins to tell the other servers, and to listen to them.
    pub(super) fn join_cluster(&self, io: &Io) {
        let Some(server) = io.node_id() else { return };
        let namespace = io.of("/");
        self.0.lock().server = Some(Arc::clone(server));
        self.listen(&namespace);
        let (talk, io) = (self.clone(), io.clone());
        tokio::spawn(async move {
            io.cluster_ready().await;
            let _ = namespace.server_side_emit("chat:who", ());
            loop {
                talk.0.lock().keep_in_touch(&namespace);
                sleep(REPEAT).await;
            }
        });
    }

    fn listen(&self, namespace: &Namespace) {
        let (person, gone, people) = (self.clone(), self.clone(), self.clone());
        let (who, direct, news) = (self.clone(), self.clone(), self.clone());
        let home = namespace.clone();
        namespace
            .on_server_side("chat:person", move |(server, id, told): (String, String, Told)| {
                person.0.lock().elsewhere.person(&server, &id, told);
                ready(())
            })
            .on_server_side("chat:gone", move |(server, id): (String, String)| {
                gone.0.lock().elsewhere.gone(&server, &id);
                ready(())
            })
            .on_server_side("chat:people", move |(server, all): (String, HashMap<String, Told>)| {
                people.0.lock().elsewhere.people(&server, all);
                ready(())
            })
            .on_server_side("chat:who", move |()| {
                who.0.lock().share_all(&home);
                ready(())
            })
            .on_server_side("chat:direct", move |(server, id, line): (String, String, String)| {
                let present = direct.0.lock();
                if present.server.as_deref() == Some(&*server) {
                    present.plain.send(&id, || line);
                }
                ready(())
            })
            .on_server_side("chat:news", move |(far,): (FarNews,)| {
                news.0.lock().plain.tell_others("", far.news());
                ready(())
            });
    }
}

/// # To the other servers
impl Present {
    /// Somebody has come, or something of them has changed.
    pub(super) fn share(&self, namespace: &Namespace, id: &str) {
        if let (Some(server), Some(person)) = (&self.server, self.people.person(id)) {
            let _ = namespace.server_side_emit("chat:person", (&**server, id, told(id, person)));
        }
    }

    /// Somebody has left.
    pub(super) fn share_end(&self, namespace: &Namespace, id: &str) {
        if let Some(server) = &self.server {
            let _ = namespace.server_side_emit("chat:gone", (&**server, id));
        }
    }

    fn share_all(&self, namespace: &Namespace) {
        if let Some(server) = &self.server {
            let all: HashMap<_, _> = self.people.all().map(|(id, person)| (id, told(id, person))).collect();
            let _ = namespace.server_side_emit("chat:people", (&**server, all));
        }
    }

    /// What is done every few seconds.
    fn keep_in_touch(&mut self, namespace: &Namespace) {
        self.share_all(namespace);
        self.forget_silent(namespace);
    }

    /// Those who came to other servers by plain WebSocket are told by these.
    pub(super) fn tell_far(&self, namespace: &Namespace, news: News<'_>) {
        if self.elsewhere.has_plain() {
            let _ = namespace.server_side_emit("chat:news", (news,));
        }
    }
}

/// # About the other servers
impl Present {
    /// Whether nobody on another server has that name, or one that looks like it.
    pub(super) fn check_elsewhere(&self, name: &str) -> Result<(), Refusal> {
        let name = tidy(Word::Name, name)?;
        match self.elsewhere.find(&name) {
            // Nobody can take those, whoever has them.
            _ if fold(&name).starts_with(GUEST) => Ok(()),
            Some(_) => Err(Refusal::Taken(name)),
            None if self.elsewhere.looks_taken(&name) => Err(Refusal::LooksTaken(name)),
            None => Ok(()),
        }
    }

    /// The people of servers that have gone without a word have left.
    fn forget_silent(&mut self, namespace: &Namespace) {
        for Told { name, online, rooms, .. } in self.elsewhere.forget_silent() {
            for room in &rooms {
                let _ = namespace.local().to(channel(room)).emit("left", InRoom { room, name: &name });
            }
            if online {
                let news = News::Offline { name: &name };
                let _ = namespace.local().emit(news.event(), news);
                self.plain.tell_others("", news);
            }
        }
    }
}

fn told(id: &str, person: &Person) -> Told {
    let Person { name, online, rooms, .. } = person;
    Told { name: name.clone(), online: *online, rooms: rooms.clone(), plain: id.starts_with(PLAIN) }
}
