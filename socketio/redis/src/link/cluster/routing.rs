//! Each command goes to the server that has its slot, or that another server names.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::connection::{ClusterConnection, Target};
use crate::link::address::Address;
use crate::link::passing::is_passing;
use crate::link::slots::asked_to_ask;
use crate::link::{Command, LinkError, Reply, Told};

impl ClusterConnection {
    /// Sends those commands that have no reply yet, each to its server. Says whether another server is named for some.
    pub(super) async fn send_open(
        &mut self,
        commands: &[Command],
        replies: &mut [Option<Reply>],
    ) -> Result<bool, LinkError> {
        let mut by_server: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (at, command) in commands.iter().enumerate().filter(|(at, _)| replies[*at].is_none()) {
            match self.target(command) {
                Target::All => {
                    self.slots
                        .all()
                        .into_iter()
                        .for_each(|server| by_server.entry(server).or_default().push(at));
                }
                Target::Slot(slot) => {
                    if let Some(server) = self.slots.server(slot) {
                        by_server.entry(server.clone()).or_default().push(at);
                    }
                }
                Target::Home => {
                    if let Some(server) = self.home() {
                        by_server.entry(server).or_default().push(at);
                    }
                }
            }
        }
        // It takes seconds to find out that a server can't be reached. The others don't wait for that.
        let mut sending = Vec::new();
        for (address, places) in by_server {
            let taken = self.take(&address);
            sending.push(async move {
                let mut connection = match taken.await {
                    Ok(connection) => connection,
                    Err(trying) => return (address, places, Err(trying)),
                };
                let part: Vec<_> = places.iter().map(|at| commands[*at].clone()).collect();
                let sent = connection.send(&part).await;
                (address, places, Ok((connection, sent)))
            });
        }
        let (mut lost, mut moved) = (None, false);
        let mut moving: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (address, places, sent) in join_all(sending).await {
            match sent {
                // A server that is away counts nobody. What is for its slots has to wait.
                Err(trying) => self.try_later(address, trying),
                Ok((_, Err(error))) => lost = Some(error),
                Ok((connection, Ok(answers))) => {
                    self.connections.insert(address, connection);
                    for (at, answer) in places.into_iter().zip(answers) {
                        match answer.as_ref().err().and_then(|error| asked_to_ask(error)) {
                            Some(server) => moving.entry(server).or_default().push(at),
                            None => moved |= self.note(&commands[at], answer, &mut replies[at]),
                        }
                    }
                }
            }
        }
        if let Some(error) = lost {
            return Err(error);
        }
        for (address, places) in moving {
            self.send_asking(&address, &places, commands, replies).await?;
        }
        Ok(moved)
    }

    /// Sends commands to the server that their slot is being moved to.
    async fn send_asking(
        &mut self,
        address: &Address,
        places: &[usize],
        commands: &[Command],
        replies: &mut [Option<Reply>],
    ) -> Result<(), LinkError> {
        let mut connection = match self.take(address).await {
            Ok(connection) => connection,
            Err(trying) => {
                self.try_later(address.clone(), trying);
                return Ok(());
            }
        };
        let asking = places.iter().flat_map(|at| [Command::Asking, commands[*at].clone()]);
        let answers = connection.send(&asking.collect::<Vec<_>>()).await?;
        self.connections.insert(address.clone(), connection);
        for (at, answer) in places.iter().zip(answers.into_iter().skip(1).step_by(2)) {
            self.note(&commands[*at], answer, &mut replies[*at]);
        }
        Ok(())
    }

    /// Notes what a server replied, unless the command has to be sent again. Says whether that is to another server.
    fn note(&mut self, command: &Command, answer: Reply, reply: &mut Option<Reply>) -> bool {
        match (self.target(command), answer) {
            (Target::All, Ok(Told::Number(more))) => {
                let before = if let Some(Ok(Told::Number(before))) = reply { *before } else { 0 };
                *reply = Some(Ok(Told::Number(before + more)));
            }
            (Target::All, Ok(Told::Names(more))) => {
                let mut names = more;
                if let Some(Ok(Told::Names(before))) = reply {
                    names.append(before);
                }
                names.sort_unstable();
                names.dedup();
                *reply = Some(Ok(Told::Names(names)));
            }
            // One that has just started tells nothing yet.
            (Target::All, answer) if !matches!(reply, Some(Ok(_))) => *reply = Some(answer),
            (Target::All, _) => {}
            (Target::Slot(slot), Err(error)) if error.starts_with("MOVED ") => {
                let server = error.rsplit(' ').next().and_then(Address::parse);
                let is_known = server.is_some();
                if let Some(server) = server {
                    self.slots.moved.insert(slot, server);
                }
                return is_known;
            }
            (Target::Slot(_) | Target::Home, Err(error)) if is_passing(&error) => {}
            (Target::Slot(_) | Target::Home, answer) => *reply = Some(answer),
        }
        false
    }
}
