//! Who is in a presence channel, told to those who are in it, in the words of laravel-echo-server.
//!
//! ```text
//!   a socket joins ─▶ to itself: presence:subscribed channel [member, ..]
//!                     to the others, if it is the user's first: presence:joining channel member
//!   it leaves ──────▶ to the others, if it was the user's last: presence:leaving channel member
//! ```
//!
//! A member is `{user_id, user_info}`, as the application says. It is kept in the socket's data, where the other nodes
//! of a cluster see it.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketio::{FetchedSocket, Namespace, Socket};

use crate::time::millis;

/// The key of the socket's data.
const KEY: &str = "presence";

/// A user's socket in a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    /// `{user_id, user_info}`.
    pub(super) member: Value,
    /// When it joined, in milliseconds since 1970.
    pub(super) since: u64,
}

impl Member {
    /// The member in an application's answer: `channel_data`, which may be JSON in a string.
    pub(super) fn of(channel_data: Option<&Value>) -> Option<Member> {
        let member = match channel_data? {
            Value::String(text) => serde_json::from_str(text).ok()?,
            other => other.clone(),
        };
        matches!(member["user_id"], Value::String(_) | Value::Number(_))
            .then(|| Member { member, since: millis(SystemTime::now()) })
    }

    /// The user's id. A number and the same as a string are one, as in JavaScript.
    fn user(&self) -> String {
        match &self.member["user_id"] {
            Value::String(id) => id.clone(),
            id => id.to_string(),
        }
    }
}

/// Keeps what a socket is in its channels where other nodes can see it.
pub(super) fn keep(socket: &Socket, members: &BTreeMap<String, Member>) {
    let _ = socket.set_data(KEY, members);
}

/// A socket in a channel, and whose it is.
struct Present {
    socket: String,
    member: Member,
}

/// Who is in a channel, on all nodes as far as they answer.
async fn present(home: &Namespace, channel: &str) -> Vec<Present> {
    let found = match home.to(channel).fetch_sockets().await {
        Ok(found) => found,
        Err(error) => error.found,
    };
    let member = |socket: &FetchedSocket| {
        let data: Value = socket.data().ok()?;
        let member = Member::deserialize(&data[KEY][channel]).ok()?;
        Some(Present { socket: socket.id().to_owned(), member })
    };
    found.iter().filter_map(member).collect()
}

/// One for each user.
fn users<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<&'a Value> {
    let mut seen = HashSet::new();
    members.into_iter().filter(|one| seen.insert(one.user())).map(|one| &one.member).collect()
}

/// Tells a socket who is there, and the others of it. `again` if it was there before.
pub(super) async fn joined(home: &Namespace, socket: &Socket, channel: &str, member: &Member, again: bool) {
    let mut present = present(home, channel).await;
    present.retain(|one| one.socket != socket.id());
    present.sort_by_key(|one| std::cmp::Reverse(one.member.since));
    let all = users(std::iter::once(member).chain(present.iter().map(|one| &one.member)));
    let _ = socket.emit("presence:subscribed", (channel, all));
    // Of two that join at once, one is told of.
    let before = |one: &Present| {
        one.member.user() == member.user()
            && (one.member.since, one.socket.as_str()) < (member.since, socket.id())
    };
    if !again && !present.iter().any(before) {
        let _ = socket.to(channel).emit("presence:joining", (channel, &member.member));
    }
}

/// Tells the others that a socket has left.
pub(super) async fn left(home: &Namespace, socket: &Socket, channel: &str, member: &Member) {
    let present = present(home, channel).await;
    let same = |one: &Present| one.socket != socket.id() && one.member.user() == member.user();
    if !present.iter().any(same) {
        let _ = home.to(channel).emit("presence:leaving", (channel, &member.member));
    }
}

/// The users in a channel.
pub(super) async fn members(home: &Namespace, channel: &str) -> Vec<Value> {
    let present = present(home, channel).await;
    users(present.iter().map(|one| &one.member)).into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_what_the_application_says_as_json_or_as_a_string_of_it() {
        let member = json!({ "user_id": 7, "user_info": { "name": "Anna" } });
        let of = |data: Value| Member::of(Some(&data)).map(|member| member.member);
        assert_eq!(of(member.clone()), Some(member.clone()));
        assert_eq!(of(member.to_string().into()), Some(member));
        for nobody in [json!(null), json!(true), json!([]), json!({ "user_id": null }), json!("x")] {
            assert_eq!(of(nobody.clone()), None, "{nobody}");
        }
    }

    #[test]
    fn a_user_with_several_sockets_is_there_once() {
        let member = |id: Value| Member::of(Some(&json!({ "user_id": id }))).unwrap();
        let all = [member(json!(7)), member(json!("7")), member(json!(8))];
        assert_eq!(users(&all), [&json!({ "user_id": 7 }), &json!({ "user_id": 8 })]);
    }
}
