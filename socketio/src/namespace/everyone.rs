//! Sending to everyone in a namespace, and to the other servers of its cluster.

use std::time::Duration;

use super::Namespace;
use crate::ack::answers::Answers;
use crate::ack::broadcast::BroadcastAck;
use crate::args::event::Event;
use crate::args::{FromArgs, ToArgs};
use crate::cluster::error::ServerSideError;
use crate::cluster::fetched::{FetchError, FetchedSocket};
use crate::cluster::message::MessageBody;
use crate::error::SendError;
use crate::namespace::broadcast::Broadcast;
use crate::namespace::room::Room;
use crate::namespace::to_rooms::ToRooms;
use crate::socket::Socket;

/// # Everyone here
impl Namespace {
    /// Sends an event to all sockets. See [`Broadcast::emit`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.everyone().emit(event, args)
    }

    /// The sockets in a room, or in any of several, to send to them. An empty list selects
    /// [nobody](ToRooms#an-empty-list).
    pub fn to(&self, rooms: impl ToRooms) -> Broadcast {
        self.everyone().to(rooms)
    }

    /// The same as [`to`](Namespace::to).
    pub fn within(&self, rooms: impl ToRooms) -> Broadcast {
        self.to(rooms)
    }

    /// All sockets that are not in a room, or in none of several.
    pub fn except(&self, rooms: impl ToRooms) -> Broadcast {
        self.everyone().except(rooms)
    }

    /// All sockets, for events that may be lost. See [`Broadcast::volatile`].
    pub fn volatile(&self) -> Broadcast {
        self.everyone().volatile()
    }

    /// All sockets of this node. See [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.everyone().local()
    }

    /// All sockets, with or without compression. See [`Broadcast::compress`].
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.everyone().compress(compress)
    }

    /// All sockets, with this time to answer. See [`Broadcast::timeout`].
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.everyone().timeout(timeout)
    }

    /// Sends an event to all sockets, and asks each for an acknowledgement. See [`Broadcast::emit_with_ack`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Result<BroadcastAck<T>, SendError> {
        self.everyone().emit_with_ack(event, args)
    }

    /// All sockets of all nodes. See [`Broadcast::fetch_sockets`].
    ///
    /// # Errors
    /// If a node doesn't answer in time, or can't be reached. The error contains the sockets that were found.
    pub async fn fetch_sockets(&self) -> Result<Vec<FetchedSocket>, FetchError> {
        self.everyone().fetch_sockets().await
    }

    /// Makes all sockets join a room, or several. See [`Broadcast::sockets_join`].
    pub fn sockets_join(&self, rooms: impl ToRooms) {
        self.everyone().sockets_join(rooms);
    }

    /// Makes all sockets leave a room, or several. See [`Broadcast::sockets_leave`].
    pub fn sockets_leave(&self, rooms: impl ToRooms) {
        self.everyone().sockets_leave(rooms);
    }

    /// Disconnects all sockets. See [`Broadcast::disconnect_sockets`].
    pub fn disconnect_sockets(&self, close: bool) {
        self.everyone().disconnect_sockets(close);
    }

    /// The socket with that id, if it is connected here.
    #[must_use]
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.members().get(id)
    }

    /// All sockets of this node, in no particular order.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        self.everyone().sockets()
    }

    /// How many sockets of this node are connected here.
    #[must_use]
    pub fn socket_count(&self) -> usize {
        self.members().len()
    }

    /// The ids of the sockets of this node, in no particular order: the keys of `adapter.sids` in JavaScript.
    #[must_use]
    pub fn socket_ids(&self) -> Vec<Room> {
        self.members().ids()
    }

    pub(crate) fn everyone(&self) -> Broadcast {
        Broadcast::new(self.clone())
    }
}

/// # Other servers
impl Namespace {
    /// The number of servers in the cluster that have this namespace, including this one:
    /// `adapter.serverCount()` in JavaScript. It waits until the adapter knows.
    pub async fn server_count(&self) -> usize {
        match self.cluster() {
            Some(cluster) => 1 + cluster.other_nodes(self.name()).await,
            None => 1,
        }
    }

    /// Sends an event to the other servers of the cluster. Their
    /// [`on_server_side`](Namespace::on_server_side) handles it: `serverSideEmit` in JavaScript. Without an
    /// adapter, there are no other servers.
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn server_side_emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        let event = Event::outgoing(event, args)?;
        if let Some(cluster) = self.cluster() {
            let body = MessageBody::ServerSideEmit { event, request: None };
            drop(cluster.publish(self.shared_name(), None, body));
        }
        Ok(())
    }

    /// Sends an event to the other servers of the cluster, and waits for their answers, for at most
    /// [`IoConfig::cluster_timeout`](crate::IoConfig::cluster_timeout): `serverSideEmitWithAck` in JavaScript. It
    /// reads each answer as `T`. A server without a handler for the event doesn't answer. Without an adapter,
    /// there are no answers.
    ///
    /// # Errors
    /// [`ServerSideError::Send`] if the event can't be sent, [`ServerSideError::Cluster`] if other servers
    /// can't be asked.
    pub async fn server_side_emit_with_ack<T: FromArgs>(
        &self,
        event: &str,
        args: impl ToArgs,
    ) -> Result<Answers<T>, ServerSideError> {
        let event = Event::outgoing(event, args)?;
        let Some(cluster) = self.cluster() else {
            return Ok(Answers { answers: Vec::new(), silent_nodes: 0, silent_ids: Vec::new() });
        };
        Ok(cluster.ask_servers(self.shared_name(), event, self.config().cluster_timeout).await?)
    }
}
