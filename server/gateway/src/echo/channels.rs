//! The channels of one socket: those that it has asked for, and its membership in those that tell of members.

use std::collections::{BTreeMap, HashMap};

use socketio::{JoinError, Socket};

use super::presence::{self, Member};

/// Whether the application says who may join. A prefix that Redis puts before the name doesn't open a channel.
pub(super) fn is_private(channel: &str) -> bool {
    channel.contains("private-") || channel.contains("presence-")
}

/// Whether members are told about each other.
pub(super) fn is_presence(channel: &str) -> bool {
    channel.starts_with("presence-")
}

#[derive(Default)]
pub(super) struct Channels {
    /// What is being asked, by a number that tells a question from one that came later.
    asked: HashMap<String, u64>,
    next: u64,
    members: BTreeMap<String, Member>,
    ended: bool,
}

impl Channels {
    /// A client asks for a channel. What it asked before for the same counts no more.
    pub(super) fn ask(&mut self, channel: &str) -> u64 {
        self.next += 1;
        self.asked.insert(channel.to_owned(), self.next);
        self.next
    }

    /// It doesn't get it, and is not in it any more if it was, as a client that comes back may be. Gives what it was as
    /// a member.
    pub(super) fn refuse(&mut self, socket: &Socket, channel: &str, ticket: u64) -> Option<Member> {
        if self.asked.get(channel) == Some(&ticket) { self.leave(socket, channel) } else { None }
    }

    /// It gets it, unless it has left meanwhile. Says whether it was a member before.
    pub(super) fn join(
        &mut self,
        socket: &Socket,
        channel: &str,
        ticket: u64,
        member: Option<Member>,
    ) -> Option<Result<bool, JoinError>> {
        if self.ended || self.asked.get(channel) != Some(&ticket) {
            return None;
        }
        self.asked.remove(channel);
        let Some(mut member) = member else { return Some(socket.join(channel).map(|()| false)) };
        let before = self.members.get(channel);
        let was_member = before.is_some();
        if let Some(before) = before {
            member.since = before.since;
        }
        // First, so that nobody sees it in the room without.
        self.members.insert(channel.to_owned(), member);
        presence::keep(socket, &self.members);
        let joined = socket.join(channel);
        if joined.is_err() {
            self.members.remove(channel);
            presence::keep(socket, &self.members);
        }
        Some(joined.map(|()| was_member))
    }

    /// It leaves. Gives what it was as a member.
    pub(super) fn leave(&mut self, socket: &Socket, channel: &str) -> Option<Member> {
        self.asked.remove(channel);
        if channel != socket.id() {
            socket.leave(channel);
        }
        let member = self.members.remove(channel)?;
        presence::keep(socket, &self.members);
        Some(member)
    }

    /// The socket has ended, and joins nothing more.
    pub(super) fn end(&mut self) -> BTreeMap<String, Member> {
        self.ended = true;
        std::mem::take(&mut self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_does_not_open_a_channel() {
        for channel in ["private-orders", "presence-chat", "laravel_database_private-orders"] {
            assert!(is_private(channel), "{channel}");
        }
        assert!(!is_private("orders") && !is_private("privateorders"));
        assert!(is_presence("presence-chat") && !is_presence("laravel_database_presence-chat"));
    }
}
