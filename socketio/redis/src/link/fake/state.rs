//! What the Redis in memory does with commands.

use std::sync::Arc;

use bytes::Bytes;

use super::{Client, State};
use crate::link::{Channel, Command, Entry, Fields, Position, Push, Reply, Told};

impl State {
    pub(super) fn append(&mut self, stream: Arc<str>, fields: Fields) {
        self.appended.send_modify(|number| *number += 1);
        let number = *self.appended.borrow();
        self.streams.entry(stream).or_default().push((number, fields));
    }

    /// The entries after positions.
    pub(super) fn behind(&self, positions: &[Position], count: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        for Position { stream, id } in positions {
            let after: usize = id.strip_suffix("-0").and_then(|id| id.parse().ok()).expect("it is an id");
            let all = self.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
            let new = all.iter().filter(|(number, _)| *number > after).take(count);
            entries.extend(new.map(|(number, fields)| Entry {
                stream: Arc::clone(stream),
                id: format!("{number}-0").into(),
                fields: fields.clone(),
            }));
        }
        entries
    }

    pub(super) fn publish(&mut self, channel: &Channel, payload: &Bytes) {
        self.published.push((channel.name().into(), payload.clone()));
        for client in self.connections.values() {
            for subscribed in &client.channels {
                let hears = match (subscribed, channel) {
                    (Channel::Pattern(pattern), Channel::Exact(name)) => {
                        pattern.strip_suffix('*').is_some_and(|start| name.starts_with(start))
                    }
                    (subscribed, channel) => subscribed == channel,
                };
                if hears {
                    (client.on_push)(Push::Message {
                        channel: channel.name().into(),
                        payload: payload.clone(),
                    });
                }
            }
        }
    }

    pub(super) fn carry_out(&mut self, id: u64, command: &Command) -> Reply {
        if self.refuses {
            return Err("NOPERM no".into());
        }
        if let Some(error) = self.refuses_once.take() {
            return Err(error);
        }
        if let Some((last, error)) = &self.turned_away
            && id <= *last
        {
            return Err(error.clone());
        }
        match command {
            Command::Subscribe(channel) if self.lacks.as_deref() == Some(channel.name()) => {
                Err("CLUSTERDOWN no server has it".into())
            }
            Command::Subscribe(channel) => {
                if self.drops.take_if(|name| **name == *channel.name()).is_some() {
                    (self.client(id).on_push)(Push::Dropped(channel.clone()));
                } else {
                    self.client(id).channels.insert(channel.clone());
                }
                Ok(Told::Nothing)
            }
            Command::Unsubscribe(channel) => {
                self.client(id).channels.remove(channel);
                Ok(Told::Nothing)
            }
            Command::Publish { channel, .. } if self.lacks.as_deref() == Some(channel.name()) => {
                Err("CLUSTERDOWN no server has it".into())
            }
            Command::Publish { channel, payload } => {
                self.publish(channel, payload);
                Ok(Told::Nothing)
            }
            Command::Count(channel) => {
                let count =
                    self.connections.values().filter(|client| client.channels.contains(channel)).count();
                Ok(Told::Number(count as u64))
            }
            Command::Channels(pattern) => {
                let same_kind =
                    |channel: &&Channel| std::mem::discriminant(*channel) == std::mem::discriminant(pattern);
                let channels =
                    self.connections.values().flat_map(|client| &client.channels).filter(same_kind);
                let names = channels.map(Channel::name).filter(|name| matches(pattern.name(), name));
                Ok(Told::Names(names.map(Into::into).collect()))
            }
            Command::Append { stream, fields, .. } => {
                self.append(Arc::clone(stream), fields.clone());
                Ok(Told::Nothing)
            }
            Command::Keep { key, value, .. } => {
                self.values.insert(Arc::clone(key), value.clone());
                Ok(Told::Nothing)
            }
            Command::Take(key) => Ok(self.values.remove(key).map_or(Told::Nothing, Told::Value)),
            Command::Forget(key) => {
                self.values.remove(key);
                Ok(Told::Nothing)
            }
            Command::Range { from, inclusive, count } => {
                let mut entries = self.behind(std::slice::from_ref(from), *count);
                let before = Position { id: "0-0".into(), ..from.clone() };
                if *inclusive {
                    let first =
                        self.behind(&[before], usize::MAX).into_iter().find(|entry| entry.id == from.id);
                    entries.splice(0..0, first);
                }
                Ok(Told::Entries(entries))
            }
            Command::Ping | Command::Asking => Ok(Told::Nothing),
        }
    }

    fn client(&mut self, id: u64) -> &mut Client {
        self.connections.get_mut(&id).expect("it was looked for")
    }
}

/// Whether a name matches a pattern without `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    loop {
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some('\\'), Some(char)) if pattern.next() == Some(char) => {}
            (Some(expected), Some(char)) if expected == char => {}
            _ => return false,
        }
    }
}
