//! The HTTP API of laravel-echo-server, which Laravel's `pusher` broadcaster speaks as well.
//!
//! | request | answer |
//! |---|---|
//! | `POST /apps/ID/events` | `{"message":"ok"}` |
//! | `GET /apps/ID/status` | `{"subscription_count":2,"uptime":60.5}` |
//! | `GET /apps/ID/channels` | `{"channels":{"orders":{"subscription_count":2,"occupied":true}}}` |
//! | `GET /apps/ID/channels/NAME` | `{"subscription_count":2,"occupied":true,"user_count":1}` |
//! | `GET /apps/ID/channels/NAME/users` | `{"users":[{"id":7,"user_info":{}}]}` |
//!
//! Any ID is taken. The key is one of the API's.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use socketio::FetchedSocket;

use super::channels::is_presence;
use super::message::Message;
use super::{Echo, presence};
use crate::reading;

/// A status, and JSON.
pub(crate) type Reply = (StatusCode, Value);

/// What the path asks for, after `/apps/ID/`.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    Events,
    Status,
    Channels,
    Channel(&'a str),
    Users(&'a str),
}

/// What Laravel's `pusher` broadcaster sends.
#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    name: String,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    channels: Option<Vec<String>>,
    data: Option<Box<RawValue>>,
    #[serde(default)]
    socket_id: Option<String>,
}

fn error(status: StatusCode, message: &str) -> Reply {
    (status, json!({ "error": message }))
}

/// The answer to a request without a right key.
pub(crate) fn unauthorized() -> Reply {
    error(StatusCode::FORBIDDEN, "Unauthorized")
}

fn asked<'a>(method: &Method, path: &'a [String]) -> Option<Asked<'a>> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Some(match (method, &path[..]) {
        (&Method::POST, [_, "events"]) => Asked::Events,
        (&Method::GET, [_, "status"]) => Asked::Status,
        (&Method::GET, [_, "channels"]) => Asked::Channels,
        (&Method::GET, [_, "channels", channel]) => Asked::Channel(channel),
        (&Method::GET, [_, "channels", channel, "users"]) => Asked::Users(channel),
        _ => return None,
    })
}

impl Echo {
    /// Answers a request whose path has these parts after `/apps/`, without percent-encoding.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        path: &[String],
        prefix: Option<&str>,
        body: &[u8],
    ) -> Reply {
        let ok = |body: Value| (StatusCode::OK, body);
        match asked(method, path) {
            Some(Asked::Events) => self.events(body),
            Some(Asked::Status) => ok(json!({
                "subscription_count": self.0.io.session_count(),
                "uptime": self.0.started.elapsed().as_secs_f64(),
            })),
            Some(Asked::Channels) => {
                let mut channels = BTreeMap::new();
                for (channel, count) in self.occupied().await {
                    if channel.starts_with(prefix.unwrap_or_default()) {
                        channels.insert(channel, json!({ "subscription_count": count, "occupied": true }));
                    }
                }
                ok(json!({ "channels": channels }))
            }
            Some(Asked::Channel(channel)) => {
                let count = self.occupied().await.get(channel).copied().unwrap_or_default();
                let mut answer = json!({ "subscription_count": count, "occupied": count > 0 });
                if is_presence(channel) {
                    answer["user_count"] = presence::members(&self.0.home, channel).await.len().into();
                }
                ok(answer)
            }
            Some(Asked::Users(channel)) if !is_presence(channel) => {
                error(StatusCode::BAD_REQUEST, "User list is only possible for Presence Channels")
            }
            Some(Asked::Users(channel)) => {
                let user =
                    |member: Value| json!({ "id": member["user_id"], "user_info": member["user_info"] });
                let users: Vec<_> =
                    presence::members(&self.0.home, channel).await.into_iter().map(user).collect();
                ok(json!({ "users": users }))
            }
            None => error(StatusCode::NOT_FOUND, "There is no such path, or it has another method"),
        }
    }

    /// Publishes an event. The clients of all nodes get it.
    fn events(&self, body: &[u8]) -> Reply {
        let published: Published = match reading::read(body) {
            Ok(published) => published,
            Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong.to_string()),
        };
        let Published { name, channel, channels, data, socket_id } = published;
        let channels = channels.unwrap_or_else(|| channel.into_iter().collect());
        let (false, false, Some(data)) = (name.is_empty(), channels.is_empty(), data) else {
            return error(StatusCode::BAD_REQUEST, "Event must include channel, event name and data");
        };
        // JSON in a string, as Pusher has it.
        let inner =
            serde_json::from_str::<String>(data.get()).ok().and_then(|text| RawValue::from_string(text).ok());
        let data = inner.unwrap_or(data);
        let message = |channel: &String| Message::new(channel, &name, &data, socket_id.clone());
        match channels.iter().map(message).collect::<Result<Vec<_>, _>>() {
            Ok(messages) => {
                for (channel, message) in channels.iter().zip(&messages) {
                    self.publish(channel, message, true);
                }
                (StatusCode::OK, json!({ "message": "ok" }))
            }
            Err(wrong) => error(StatusCode::BAD_REQUEST, &wrong),
        }
    }

    /// The channels that have clients, and how many: on all nodes, as far as they answer.
    async fn occupied(&self) -> BTreeMap<String, usize> {
        let found = match self.0.home.fetch_sockets().await {
            Ok(found) => found,
            Err(error) => error.found,
        };
        let mut channels = BTreeMap::new();
        for channel in found.iter().flat_map(FetchedSocket::rooms) {
            *channels.entry(channel.to_owned()).or_default() += 1;
        }
        channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_what_it_asks_for() {
        let asked = |method: Method, path: &str| {
            let path: Vec<_> = path.split('/').map(str::to_owned).collect();
            asked(&method, &path).map(|asked| format!("{asked:?}"))
        };
        assert_eq!(asked(Method::POST, "1/events").as_deref(), Some("Events"));
        assert_eq!(asked(Method::GET, "1/channels/a").as_deref(), Some("Channel(\"a\")"));
        assert_eq!(asked(Method::GET, "1/channels/a/users").as_deref(), Some("Users(\"a\")"));
        for (method, path) in [(Method::GET, "1/events"), (Method::POST, "1/status"), (Method::GET, "1")] {
            assert_eq!(asked(method, path), None, "{path}");
        }
    }
}
