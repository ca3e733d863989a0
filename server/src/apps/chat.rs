//! The chat: people who write to everyone, in rooms, and to each other.
//!
//! Whoever connects to `/` is a guest, with a name such as `guest-4217`, and can read and write at once. With
//! a name of their own they are *online*: on the list that everyone sees. Nothing is stored; who is not there
//! misses what is said.
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
//! or else with `{ok: false, code, message}`: a code for programs (`empty`, `too-long`, `invisible`,
//! `reserved`, `taken`, `unknown-name`, `not-joined`, `too-many-rooms`) and a sentence for people. Names and
//! rooms have 24 characters at most and are the same in any case; a message has 4,000 characters at most; one
//! can be in 32 rooms.
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

mod hall;

use std::future::ready;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use socketio::{DisconnectReason, Io, Socket};

use self::hall::{Hall, Refusal, check_text};

/// Registers the application's handlers.
pub fn chat(io: &Io) {
    let chat = Chat::default();
    let (entering, leaving) = (chat.clone(), chat.clone());
    io.of("/")
        .on_connect(move |socket: Socket| {
            entering.enter(&socket);
            ready(())
        })
        .on_sync("name", chat.answer(Chat::name))
        .on_sync("message", chat.answer(Chat::message))
        .on_sync("direct", chat.answer(Chat::direct))
        .on_sync("join", chat.answer(Chat::join))
        .on_sync("leave", chat.answer(Chat::leave))
        .on_sync("room", chat.answer(Chat::room))
        .on_disconnect(move |socket: Socket, _: DisconnectReason| {
            leaving.exit(&socket);
            ready(())
        });
}

/// What the handlers share.
///
/// Whatever changes the hall is told while the lock is held, so everyone hears of changes in the order in
/// which they happened, and a `welcome` is never older than what follows it. Telling only queues.
#[derive(Clone, Default)]
struct Chat(Arc<Mutex<Hall>>);

/// What an event is acknowledged with.
type Answer<T = Done> = Result<Granted<T>, Refusal>;

impl Chat {
    /// A handler that has the chat at hand.
    fn answer<A: 'static, T: 'static>(
        &self,
        answer: fn(&Chat, &Socket, &A) -> Answer<T>,
    ) -> impl Fn(Socket, A) -> Answer<T> + Send + Sync + 'static {
        let chat = self.clone();
        move |socket, args| answer(&chat, &socket, &args)
    }

    fn enter(&self, socket: &Socket) {
        let mut hall = self.0.lock();
        let you = hall.enter(socket.id());
        let _ = socket.emit("welcome", Welcome { you: &you, online: hall.online() });
    }

    fn exit(&self, socket: &Socket) {
        let mut hall = self.0.lock();
        let Some(gone) = hall.exit(socket.id()) else { return };
        for room in &gone.rooms {
            let _ = socket.to(channel(room)).emit("left", InRoom { room, name: &gone.name });
        }
        if gone.online {
            let _ = socket.broadcast().emit("offline", Named { name: gone.name });
        }
    }

    fn name(&self, socket: &Socket, (name,): &(String,)) -> Answer<Named> {
        let mut hall = self.0.lock();
        let (name, was) = hall.rename(socket.id(), name)?;
        if let Some(was) = was {
            let _ = socket.namespace().emit("online", Online { name: &name, was: &was });
        }
        granted(Named { name })
    }

    fn message(&self, socket: &Socket, (text,): &(String,)) -> Answer {
        check_text(text)?;
        let hall = self.0.lock();
        let from = hall.name(socket.id())?;
        let _ = socket.broadcast().emit("message", Message { from, text });
        granted(Done {})
    }

    fn direct(&self, socket: &Socket, (to, text): &(String, String)) -> Answer<SentTo> {
        check_text(text)?;
        let hall = self.0.lock();
        let (id, to) = hall.find(to)?;
        let from = hall.name(socket.id())?;
        let _ = socket.namespace().to(id).emit("direct", Message { from, text });
        granted(SentTo { to: to.to_owned() })
    }

    fn join(&self, socket: &Socket, (room,): &(String,)) -> Answer<Joined> {
        let mut hall = self.0.lock();
        let (room, entered) = hall.join(socket.id(), room)?;
        if entered {
            if socket.join(channel(&room)).is_err() {
                let _ = hall.leave(socket.id(), &room);
                return Err(Refusal::Left);
            }
            let name = hall.name(socket.id())?;
            let _ = socket.to(channel(&room)).emit("joined", InRoom { room: &room, name });
        }
        let members = hall.members(&room).into_iter().map(str::to_owned).collect();
        granted(Joined { room, members })
    }

    fn leave(&self, socket: &Socket, (room,): &(String,)) -> Answer<Left> {
        let mut hall = self.0.lock();
        let room = hall.leave(socket.id(), room)?;
        socket.leave(&channel(&room));
        let name = hall.name(socket.id())?;
        let _ = socket.to(channel(&room)).emit("left", InRoom { room: &room, name });
        granted(Left { room })
    }

    fn room(&self, socket: &Socket, (room, text): &(String, String)) -> Answer {
        check_text(text)?;
        let hall = self.0.lock();
        let room = &hall.room_of(socket.id(), room)?;
        let from = hall.name(socket.id())?;
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
struct Online<'a> {
    name: &'a str,
    was: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    from: &'a str,
    text: &'a str,
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
