//! A connection to a cluster, which is one to each server that is needed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::servers::{Dialled, Servers};
use crate::link::address::Address;
use crate::link::slots::{SLOTS, Slots, asked_to_ask, slot};
use crate::link::{Answer, Channel, Command, Connection, Entry, LinkError, OnPush, Position, Reply, Told};

/// How many times servers may send a command on to each other.
const REDIRECTIONS: usize = 5;
/// What is said of a command whose slot has no server: as by Redis itself.
pub(super) const NO_SERVER: &str = "CLUSTERDOWN no server of the cluster has the slot";

/// Ordinary pub/sub is a part of its own: it is for no slot.
const ORDINARY: u16 = SLOTS;

pub(super) struct ClusterConnection {
    pub(super) servers: Arc<dyn Servers>,
    pub(super) slots: Slots,
    pub(super) connections: BTreeMap<Address, Box<dyn Connection>>,
    /// Servers that could not be reached. Each is tried again, and nothing waits for that.
    pub(super) away: BTreeMap<Address, JoinHandle<Dialled>>,
    /// Some slot was without a server.
    pub(super) lacks_servers: bool,
    /// Looks for their servers. Nothing waits for that.
    pub(super) search: Option<JoinHandle<Result<Slots, LinkError>>>,
    pub(super) on_push: OnPush,
    /// Ordinary pub/sub goes by this server, whether or not it is still a master: each can take it, and what is subscribed to
    /// by one must not be subscribed to by another as well.
    pub(super) home: Option<Address>,
    /// When it was found who has which slots.
    pub(super) surveyed: Instant,
    /// The server to which the slot of the stream that is read here is being moved.
    pub(super) moving_to: Option<Address>,
}

/// Where a command goes.
pub(super) enum Target {
    Slot(u16),
    /// To the server for ordinary pub/sub.
    Home,
    /// To all servers, and what they tell is added up.
    All,
}

impl ClusterConnection {
    pub(super) async fn open(
        servers: Arc<dyn Servers>,
        on_push: OnPush,
    ) -> Result<ClusterConnection, LinkError> {
        let slots = servers.survey().await?;
        Ok(ClusterConnection {
            servers,
            slots,
            connections: BTreeMap::new(),
            away: BTreeMap::new(),
            lacks_servers: false,
            search: None,
            on_push,
            home: None,
            surveyed: Instant::now(),
            moving_to: None,
        })
    }
}

impl Drop for ClusterConnection {
    /// Nobody would take what it has begun.
    fn drop(&mut self) {
        self.away.values().for_each(JoinHandle::abort);
        self.search.iter().for_each(JoinHandle::abort);
    }
}

impl Connection for ClusterConnection {
    /// Waits for no slot that is without a server: what is for it is refused, and may be sent again.
    fn send<'a>(&'a mut self, commands: &'a [Command]) -> Answer<'a, Vec<Reply>> {
        Box::pin(async move {
            let mut replies = vec![None; commands.len()];
            self.search().await;
            for _ in 0..REDIRECTIONS {
                if !self.send_open(commands, &mut replies).await? {
                    break;
                }
            }
            let open = commands.iter().zip(&replies).filter(|(_, reply)| reply.is_none());
            let open: Vec<_> = open.filter_map(|(command, _)| self.part(command)).collect();
            self.lacks_servers |= !open.is_empty();
            let answer = |(command, reply): (&Command, Option<Reply>)| match self.target(command) {
                Target::Slot(_) | Target::Home => reply.unwrap_or_else(|| Err(NO_SERVER.into())),
                Target::All => reply.unwrap_or(Ok(Told::Nothing)),
            };
            Ok(commands.iter().zip(replies).map(answer).collect())
        })
    }

    fn part(&self, command: &Command) -> Option<u16> {
        match self.target(command) {
            Target::Slot(slot) => Some(slot),
            Target::Home => Some(ORDINARY),
            Target::All => None,
        }
    }

    fn ends<'a>(&'a mut self, streams: &'a [Arc<str>]) -> Answer<'a, Vec<Position>> {
        Box::pin(async move {
            loop {
                let (server, mut connection) = self.of_streams(streams.first()).await?;
                match connection.ends(streams).await {
                    Err(error) if self.is_moving(&error) => {}
                    Err(error) => return Err(error),
                    Ok(ends) => {
                        self.connections.insert(server, connection);
                        return Ok(ends);
                    }
                }
            }
        })
    }

    fn read<'a>(
        &'a mut self,
        positions: &'a [Position],
        count: usize,
        patience: Duration,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let stream = positions.first().map(|position| &position.stream);
            loop {
                let (server, mut connection) = self.of_streams(stream).await?;
                match connection.read(positions, count, patience).await {
                    Err(error) if self.is_moving(&error) => {}
                    Err(error) => return Err(error),
                    Ok(read) => {
                        self.connections.insert(server, connection);
                        return Ok(read);
                    }
                }
            }
        })
    }
}

impl ClusterConnection {
    pub(super) fn target(&self, command: &Command) -> Target {
        Target::Slot(match command {
            // Those who have subscribed may have done so at any server.
            Command::Count(_) | Command::Channels(_) | Command::Ping | Command::Asking => return Target::All,
            Command::Subscribe(channel)
            | Command::Unsubscribe(channel)
            | Command::Publish { channel, .. } => match channel {
                Channel::Sharded(name) => slot(name),
                Channel::Exact(_) | Channel::Pattern(_) => return Target::Home,
            },
            Command::Append { stream, .. } => slot(stream),
            Command::Keep { key, .. } | Command::Take(key) | Command::Forget(key) => slot(key),
            Command::Range { from, .. } => slot(&from.stream),
        })
    }

    /// The server that has a stream, and a connection to it. In a cluster, a connection reads one.
    async fn of_streams(
        &mut self,
        stream: Option<&Arc<str>>,
    ) -> Result<(Address, Box<dyn Connection>), LinkError> {
        let owner = || stream.and_then(|stream| self.slots.server(slot(stream))).cloned();
        let server = self.moving_to.clone().or_else(owner);
        let server = server.ok_or_else(|| LinkError("no server has the stream's slot".into()))?;
        let mut connection = match self.take(&server).await {
            Ok(connection) => connection,
            // There is nothing else to be done meanwhile.
            Err(Some(trying)) => trying.await.unwrap_or_else(|_| Err(LinkError("it is away".into())))?,
            Err(None) => return Err(LinkError("the stream's server can't be reached".into())),
        };
        if self.moving_to.is_some() {
            connection.send(&[Command::Asking]).await?;
        }
        Ok((server, connection))
    }

    /// Whether a stream can't be read since it is now on another server, to which its slot is being moved.
    fn is_moving(&mut self, error: &LinkError) -> bool {
        let server = error.0.find("ASK ").and_then(|at| asked_to_ask(&error.0[at..]));
        let is_new = server.is_some() && server != self.moving_to;
        if is_new {
            self.moving_to = server;
        }
        is_new
    }
}
