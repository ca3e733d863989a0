//! The chat: people who write to everyone, in rooms, and to each other.
//!
//! A client that connects to `/` is a guest, with a name such as `guest-4217`, and can read and write at once.
//! With its own name it is *online*: on the list that everyone sees. The server stores nothing.
//!
//! What a client sends, each answered by an acknowledgement:
//!
//! | event | arguments | what it does | acknowledged with |
//! |---|---|---|---|
//! | `name` | name | takes a name, or another one | `{ok, name}` |
//! | `message` | text | goes to everyone else | `{ok}` |
//! | `direct` | name, text | goes to one, online or a guest | `{ok, to}` |
//! | `join` | room | enters a room, which need not exist | `{ok, room, members}` |
//! | `leave` | room | leaves it | `{ok, room}` |
//! | `room` | room, text | goes to everyone else in a room that one is in | `{ok}` |
//!
//! or else with `{ok: false, code, message}`: a code for programs (`empty`, `too-long`, `invisible`, `marks`,
//! `reserved`, `taken`, `unknown-name`, `not-joined`, `too-many-rooms`, `too-fast`) and a sentence for people.
//! Names and rooms have at most 24 characters and are the same in any case; nobody can take a name that looks
//! like somebody else's. A message has at most 4,000 characters. A client can be in 32 rooms, and can send 100
//! events at once, then ten a second.
//!
//! What a client gets:
//!
//! | event | argument | when |
//! |---|---|---|
//! | `welcome` | `{you, online}` | on connect: the guest's name, and the names of those online |
//! | `online` | `{name, was}` | somebody has taken a name (to everyone, themselves included); `was` is the one before |
//! | `offline` | `{name}` | somebody who was online has left |
//! | `message` | `{from, text}` | somebody wrote to everyone |
//! | `direct` | `{from, text}` | somebody wrote to this client alone |
//! | `room` | `{room, from, text}` | somebody wrote in a room |
//! | `joined` | `{room, name}` | somebody entered a room that one is in |
//! | `left` | `{room, name}` | somebody left it |
//!
//! Plain WebSockets take part at a path of their own: see [`Chat::websocket`].

mod cluster;
mod elsewhere;
mod limits;
mod names;
mod news;
mod pace;
mod people;
mod plain;
mod plain_clients;
mod refusal;

use std::future::ready;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use socketio::{DisconnectReason, Io, Namespace, NodeId, Socket};
use tokio::time::Instant;

use self::elsewhere::Elsewhere;
use self::news::News;
use self::people::{People, check_text};
use self::plain_clients::{PlainClients, direct_line};
use self::refusal::Refusal;

/// Registers the application's handlers. The result is for those who come by plain WebSocket, if they may.
///
/// If the server is one of a cluster, call it where tokio's tasks can be spawned.
pub fn chat(io: &Io) -> Chat {
    let talk = Talk::default();
    talk.join_cluster(io);
    let (entering, leaving) = (talk.clone(), talk.clone());
    let namespace = io.of("/");
    namespace
        .on_connect(move |socket: Socket| {
            entering.enter(&socket);
            ready(())
        })
        .on_sync("name", talk.answer(Talk::name))
        .on_sync("message", talk.answer(Talk::message))
        .on_sync("direct", talk.answer(Talk::direct))
        .on_sync("join", talk.answer(Talk::join))
        .on_sync("leave", talk.answer(Talk::leave))
        .on_sync("room", talk.answer(Talk::room))
        .on_disconnect(move |socket: Socket, _: DisconnectReason| {
            leaving.exit(socket.namespace(), socket.id());
            ready(())
        });
    Chat { namespace, talk }
}

/// The chat, for those who come by plain WebSocket.
#[derive(Clone)]
pub struct Chat {
    namespace: Namespace,
    talk: Talk,
}

/// What the handlers share.
///
/// Every change is announced while the lock is held, so everyone hears of changes in the order in
/// which they happened, and a `welcome` is never older than what follows it. Telling only queues.
#[derive(Clone, Default)]
struct Talk(Arc<Mutex<Present>>);

/// Those who are here.
#[derive(Default)]
struct Present {
    people: People,
    plain: PlainClients,
    /// What this server is called in its cluster, if it is in one.
    server: Option<NodeId>,
    elsewhere: Elsewhere,
}

impl Present {
    /// Tells everyone.
    fn tell(&self, namespace: &Namespace, news: News<'_>) {
        let _ = namespace.emit(news.event(), news);
        self.plain.tell_others("", news);
        self.tell_far(namespace, news);
    }

    /// Tells everyone but one.
    fn tell_others(&self, namespace: &Namespace, id: &str, news: News<'_>) {
        let _ = namespace.except(id).emit(news.event(), news);
        self.plain.tell_others(id, news);
        self.tell_far(namespace, news);
    }

    /// Somebody comes in, as a guest. The name that they get.
    fn enter(&mut self, namespace: &Namespace, id: &str) -> String {
        let mut name = self.people.enter(id);
        // Each server counts its guests by itself.
        while self.elsewhere.find(&name).is_some() {
            self.people.exit(id);
            name = self.people.enter(id);
        }
        self.share(namespace, id);
        name
    }

    /// The names of those who are online on all servers, sorted.
    fn online(&self) -> Vec<&str> {
        sorted(self.people.online().into_iter().chain(self.elsewhere.online()))
    }

    /// The names of those in a room on all servers, sorted.
    fn members(&self, room: &str) -> Vec<&str> {
        sorted(self.people.members(room).into_iter().chain(self.elsewhere.members(room)))
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What an event is acknowledged with.
type Answer<T = Done> = Result<Granted<T>, Refusal>;

/// # For everyone
impl Talk {
    fn exit(&self, namespace: &Namespace, id: &str) {
        let mut present = self.0.lock();
        present.plain.remove(id);
        let Some(gone) = present.people.exit(id) else { return };
        present.share_end(namespace, id);
        for room in &gone.rooms {
            let _ = namespace.to(channel(room)).emit("left", InRoom { room, name: &gone.name });
        }
        if gone.online {
            present.tell_others(namespace, id, News::Offline { name: &gone.name });
        }
    }

    /// Whether somebody may ask for something now: whatever is told to all is work for every page.
    fn pace(&self, id: &str) -> Result<(), Refusal> {
        self.0.lock().people.pace(id, Instant::now())
    }

    /// Takes a name. Returns it, tidied, and the one before if that was another.
    fn rename(
        &self,
        namespace: &Namespace,
        id: &str,
        name: &str,
    ) -> Result<(String, Option<String>), Refusal> {
        let mut present = self.0.lock();
        present.check_elsewhere(name)?;
        let (name, was) = present.people.rename(id, name)?;
        if let Some(was) = &was {
            present.share(namespace, id);
            present.tell(namespace, News::Online { name: &name, was });
        }
        Ok((name, was))
    }

    fn say(&self, namespace: &Namespace, id: &str, text: &str) -> Result<(), Refusal> {
        check_text(text)?;
        let present = self.0.lock();
        let from = present.people.name(id)?;
        present.tell_others(namespace, id, News::Message { from, text });
        Ok(())
    }

    /// Says something to one alone. `line` makes of the names of sender and addressee what a plain client
    /// gets. Returns the addressee's name.
    fn say_to(
        &self,
        namespace: &Namespace,
        id: &str,
        to: &str,
        text: &str,
        line: impl FnOnce(&str, &str) -> String,
    ) -> Result<String, Refusal> {
        check_text(text)?;
        let present = self.0.lock();
        let from = present.people.name(id)?;
        let (addressee, to) = match (present.people.find(to), present.elsewhere.find(to)) {
            (Ok(found), _) => found,
            (Err(refusal), None) => return Err(refusal),
            (Err(_), Some((server, addressee, told))) if told.plain => {
                let _ =
                    namespace.server_side_emit("chat:direct", (server, addressee, line(from, &told.name)));
                return Ok(told.name.clone());
            }
            (Err(_), Some((_, addressee, told))) => (addressee, &*told.name),
        };
        if !present.plain.send(addressee, || line(from, to)) {
            let _ = namespace.to(addressee).emit("direct", News::Message { from, text });
        }
        Ok(to.to_owned())
    }
}

/// # For Socket.IO
impl Talk {
    /// A handler that has the chat at hand.
    fn answer<A: 'static, T: 'static>(
        &self,
        answer: fn(&Talk, &Socket, &A) -> Answer<T>,
    ) -> impl Fn(Socket, A) -> Answer<T> + Send + Sync + 'static {
        let talk = self.clone();
        move |socket, args| {
            talk.pace(socket.id())?;
            answer(&talk, &socket, &args)
        }
    }

    fn enter(&self, socket: &Socket) {
        let mut present = self.0.lock();
        let you = present.enter(socket.namespace(), socket.id());
        let _ = socket.emit("welcome", Welcome { you: &you, online: present.online() });
    }

    fn name(&self, socket: &Socket, (name,): &(String,)) -> Answer<Named> {
        let (name, _) = self.rename(socket.namespace(), socket.id(), name)?;
        granted(Named { name })
    }

    fn message(&self, socket: &Socket, (text,): &(String,)) -> Answer {
        self.say(socket.namespace(), socket.id(), text)?;
        granted(Done {})
    }

    fn direct(&self, socket: &Socket, (to, text): &(String, String)) -> Answer<SentTo> {
        let line = |from: &str, to: &str| direct_line(from, to, text);
        let to = self.say_to(socket.namespace(), socket.id(), to, text, line)?;
        granted(SentTo { to })
    }

    fn join(&self, socket: &Socket, (room,): &(String,)) -> Answer<Joined> {
        let mut present = self.0.lock();
        let (room, entered) = present.people.join(socket.id(), room)?;
        if entered {
            if socket.join(channel(&room)).is_err() {
                let _ = present.people.leave(socket.id(), &room);
                return Err(Refusal::Left);
            }
            present.share(socket.namespace(), socket.id());
            let name = present.people.name(socket.id())?;
            let _ = socket.to(channel(&room)).emit("joined", InRoom { room: &room, name });
        }
        let members = present.members(&room).into_iter().map(str::to_owned).collect();
        granted(Joined { room, members })
    }

    fn leave(&self, socket: &Socket, (room,): &(String,)) -> Answer<Left> {
        let mut present = self.0.lock();
        let room = present.people.leave(socket.id(), room)?;
        socket.leave(channel(&room));
        present.share(socket.namespace(), socket.id());
        let name = present.people.name(socket.id())?;
        let _ = socket.to(channel(&room)).emit("left", InRoom { room: &room, name });
        granted(Left { room })
    }

    fn room(&self, socket: &Socket, (room, text): &(String, String)) -> Answer {
        check_text(text)?;
        let people = &self.0.lock().people;
        let room = &people.room_of(socket.id(), room)?;
        let from = people.name(socket.id())?;
        let _ = socket.to(channel(room)).emit("room", RoomMessage { room, from, text });
        granted(Done {})
    }
}

/// The Socket.IO room of a chat room. Each socket is in a room of its own id, too, so without the prefix one
/// could join somebody else's and read along.
fn channel(room: &str) -> String {
    format!("room:{room}")
}

/// `{"ok":true}` and what else there is to say.
#[derive(Serialize)]
struct Granted<T> {
    ok: bool,
    #[serde(flatten)]
    more: T,
}

fn granted<T>(more: T) -> Answer<T> {
    Ok(Granted { ok: true, more })
}

#[derive(Serialize)]
struct Done {}

#[derive(Serialize)]
struct Named {
    name: String,
}

#[derive(Serialize)]
struct SentTo {
    to: String,
}

#[derive(Serialize)]
struct Joined {
    room: String,
    members: Vec<String>,
}

#[derive(Serialize)]
struct Left {
    room: String,
}

#[derive(Serialize)]
struct Welcome<'a> {
    you: &'a str,
    online: Vec<&'a str>,
}

#[derive(Serialize)]
struct RoomMessage<'a> {
    room: &'a str,
    from: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct InRoom<'a> {
    room: &'a str,
    name: &'a str,
}

#[cfg(test)]
mod tests;
