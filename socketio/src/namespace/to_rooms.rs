//! Arguments that name one room or several.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::namespace::room::Room;

/// A room or a list of rooms: what `join`, `leave`, `to`, `within` and `except` take.
///
/// A room is a string of any type: `&str`, `String`, `&String`, [`Room`]. A list is an array, a slice, a `Vec` or a
/// set of them, by value or by reference. Implement [`add_to`](ToRooms::add_to) for a type of your own that
/// names rooms.
///
/// ```
/// use socketio::{Io, Room, Socket, ToRooms};
///
/// enum Channel {
///     Lobby,
///     Table(u32),
/// }
///
/// impl ToRooms for Channel {
///     fn add_to(&self, rooms: &mut Vec<Room>) {
///         match self {
///             Channel::Lobby => "lobby".add_to(rooms),
///             Channel::Table(number) => format!("table {number}").add_to(rooms),
///         }
///     }
/// }
///
/// # let io = Io::new();
/// io.on("sit down", |socket: Socket, table: u32| async move {
///     socket.join([Channel::Lobby, Channel::Table(table)])
/// })
/// .on("tell", |socket: Socket, (rooms, text): (Vec<String>, String)| async move {
///     socket.to(&rooms).emit("told", text)
/// });
/// ```
///
/// # An empty list
///
/// Joining, leaving or excepting no rooms does nothing. `to` with an empty list selects nobody: `to(rooms)`
/// means the sockets that are in one of these rooms. Several calls of `to` add up, so `to("a").to([])` is
/// `to("a")`.
///
/// In JavaScript, `io.to([])` selects everybody, and a message for a few goes to all as soon as the list happens to
/// be empty ([socket.io issue 4645](https://github.com/socketio/socket.io/issues/4645)). Nobody writes `to([])` to
/// reach everybody: `io.emit(..)` is shorter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no rooms",
    label = "this is neither a room nor a list of rooms",
    note = "a room is a string: `\"lobby\"`, `format!(\"table {{number}}\")`; a list is an array, a slice or a `Vec` of them"
)]
pub trait ToRooms {
    /// Adds the rooms to a list.
    fn add_to(&self, rooms: &mut Vec<Room>);
}

/// The rooms, in a list of their own.
pub(crate) fn room_list(rooms: impl ToRooms) -> Vec<Room> {
    let mut list = Vec::new();
    rooms.add_to(&mut list);
    list
}

impl ToRooms for str {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        rooms.push(self.into());
    }
}

impl ToRooms for String {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        self.as_str().add_to(rooms);
    }
}

impl ToRooms for Box<str> {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        (**self).add_to(rooms);
    }
}

impl ToRooms for Cow<'_, str> {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        (**self).add_to(rooms);
    }
}

impl ToRooms for Room {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        rooms.push(Arc::clone(self));
    }
}

impl<T: ToRooms + ?Sized> ToRooms for &T {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        (**self).add_to(rooms);
    }
}

impl<T: ToRooms> ToRooms for [T] {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        self.iter().for_each(|room| room.add_to(rooms));
    }
}

impl<T: ToRooms, const N: usize> ToRooms for [T; N] {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        self.as_slice().add_to(rooms);
    }
}

impl<T: ToRooms> ToRooms for Vec<T> {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        self.as_slice().add_to(rooms);
    }
}

impl<T: ToRooms, S> ToRooms for HashSet<T, S> {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        self.iter().for_each(|room| room.add_to(rooms));
    }
}

impl<T: ToRooms> ToRooms for BTreeSet<T> {
    fn add_to(&self, rooms: &mut Vec<Room>) {
        self.iter().for_each(|room| room.add_to(rooms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Io;
    use crate::io::config::IoConfig;
    use crate::socket::Socket;
    use crate::testing::Peer;
    use crate::{Broadcast, JoinError};

    fn sockets<const N: usize>(io: &Io) -> ([Peer; N], [Socket; N]) {
        let mut known = Vec::new();
        let peers = std::array::from_fn(|_| {
            let peer = Peer::join(io);
            let new = io.sockets().into_iter().find(|socket| !known.contains(socket)).unwrap();
            known.push(new);
            peer
        });
        (peers, known.try_into().unwrap())
    }

    #[test]
    fn every_string_is_a_room_and_every_list_of_them_is_several() {
        fn is(rooms: impl ToRooms, expected: &[&str]) {
            let rooms = room_list(rooms);
            assert_eq!(rooms.iter().map(|room| &**room).collect::<Vec<_>>(), expected);
        }
        let owned = "a".to_owned();
        let room = Room::from("a");
        is("a", &["a"]);
        is(&owned, &["a"]);
        is(&room, &["a"]);
        is(&*owned, &["a"]);
        is(Box::<str>::from("a"), &["a"]);
        is(Cow::Borrowed("a"), &["a"]);
        is(["a", "b"], &["a", "b"]);
        is(&["a", "b"][..], &["a", "b"]);
        is([&owned], &["a"]);
        is(vec![room.clone()], &["a"]);
        let list = vec![owned.clone()];
        is(&list, &["a"]);
        is(BTreeSet::from([owned.clone()]), &["a"]);
        is(HashSet::from([owned]), &["a"]);
        is([""; 0], &[]);
        is(Vec::<Room>::new(), &[]);
    }

    // proves: features/rooms
    #[tokio::test]
    async fn a_list_is_joined_left_and_sent_to_at_once() {
        let io = Io::new();
        let (_peers, [a, b, c]) = sockets(&io);
        a.join(["x", "y", "x"]).unwrap();
        b.join(vec!["y".to_owned(), "z".to_owned()]).unwrap();
        assert_eq!(*a.rooms(), ["x".into(), "y".into()]);
        let who = |broadcast: Broadcast| {
            let found = broadcast.sockets();
            assert_eq!(broadcast.socket_count(), found.len());
            [&a, &b, &c].map(|socket| found.iter().filter(|found| *found == socket).count())
        };
        assert_eq!(who(io.to(["x", "z"])), [1, 1, 0]);
        assert_eq!(who(io.within(["x", "y"])), [1, 1, 0]);
        assert_eq!(who(io.except(["x", "z"])), [0, 0, 1]);
        assert_eq!(who(a.to(vec!["x", "y"])), [0, 1, 0]);
        assert_eq!(who(a.except(a.rooms())), [0, 0, 1]);
        b.leave(b.rooms());
        assert!(b.rooms().is_empty());
        io.sockets_join(["p", "q"]);
        assert_eq!(who(io.to("p")), who(io.to("q")));
        assert_eq!(who(io.to("q")), [1; 3]);
        io.to("x").sockets_leave(["p", "q"]);
        assert_eq!(who(io.to(["p", "q"])), [0, 1, 1]);
    }

    // proves: features/rooms
    #[tokio::test]
    async fn no_rooms_are_nobody_and_never_everybody() {
        let io = Io::new();
        let ([mut peer], [socket]) = sockets(&io);
        socket.join("a").unwrap();
        let none: [&str; 0] = [];
        for nobody in
            [io.to(none), io.within(none), socket.within(none), io.to(none).local(), io.to(none).except("b")]
        {
            nobody.emit("e", 1).unwrap();
            nobody.sockets_join("b");
            nobody.disconnect_sockets(true);
            assert!(nobody.sockets().is_empty());
            assert!(nobody.fetch_sockets().await.unwrap().is_empty());
            assert!(nobody.emit_with_ack::<u8>("e", 1).unwrap().await.all().unwrap().is_empty());
            assert!(nobody.emit("connect", 1).is_err(), "what is wrong is told all the same");
            assert!(nobody.emit_with_ack::<u8>("connect", 1).is_err());
        }
        assert!(peer.take().is_empty() && socket.is_connected());
        // No rooms among others, and excepting none.
        for somebody in [io.to("a").to(none), io.to(none).to("a"), io.except(none)] {
            assert_eq!(somebody.sockets(), std::slice::from_ref(&socket));
        }
        socket.join(none).unwrap();
        socket.leave(none);
        assert_eq!(*socket.rooms(), ["a".into()]);
    }

    #[tokio::test]
    async fn a_list_that_is_too_long_is_not_joined_in_part() {
        let io = Io::with_config(IoConfig { max_rooms: 3, ..IoConfig::default() });
        io.middleware(|socket: Socket| async move {
            assert_eq!(socket.join(["1", "2", "3", "4"]), Err(JoinError::TooManyRooms));
            assert!(socket.rooms().is_empty());
            socket.join(["1", "1"]).unwrap();
            Ok(())
        });
        let (_peers, [socket]) = sockets(&io);
        assert_eq!(socket.join(["2", "3", "4"]), Err(JoinError::TooManyRooms));
        assert_eq!(*socket.rooms(), ["1".into()]);
        assert!(!io.has_room("2"));
        socket.join([socket.id(), "1", "2", "3", "2"]).unwrap();
        assert_eq!(*socket.rooms(), ["1".into(), "2".into(), "3".into()]);
    }
}
