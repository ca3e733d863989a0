//! Sending to everyone in a namespace, and to the other servers of its cluster.

use std::time::Duration;

use super::Namespace;
use crate::adapter::MessageBody;
use crate::answers::{Answers, BroadcastAck};
use crate::args::{FromArgs, ToArgs};
use crate::broadcast::Broadcast;
use crate::cluster::{FetchError, ServerSideError};
use crate::error::SendError;
use crate::fetched::FetchedSocket;
use crate::rooms::Room;
use crate::to_rooms::ToRooms;
use crate::{Event, Socket};

/// # Everyone here
impl Namespace {
    /// Sends an event to everyone here. See [`Broadcast::emit`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        self.everyone().emit(event, args)
    }

    /// Everyone in a room, or in any of several. An empty list is [nobody](ToRooms#an-empty-list).
    pub fn to(&self, rooms: impl ToRooms) -> Broadcast {
        self.everyone().to(rooms)
    }

    /// Everyone in a room: the same as [`to`](Namespace::to).
    pub fn within(&self, rooms: impl ToRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Everyone who is not in a room, or in none of several.
    pub fn except(&self, rooms: impl ToRooms) -> Broadcast {
        self.everyone().except(rooms)
    }

    /// Everyone, with events that may be lost.
    pub fn volatile(&self) -> Broadcast {
        self.everyone().volatile()
    }

    /// Everyone on this node. See [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.everyone().local()
    }

    /// Everyone, with the given say about compression. See [`Broadcast::compress`].
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.everyone().compress(compress)
    }

    /// Everyone, with that much time to answer. See [`Broadcast::timeout`].
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.everyone().timeout(timeout)
    }

    /// Sends an event that everyone here is to acknowledge. See [`Broadcast::emit_with_ack`].
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn emit_with_ack<T>(&self, event: &str, args: impl ToArgs) -> Result<BroadcastAck<T>, SendError> {
        self.everyone().emit_with_ack(event, args)
    }

    /// All sockets of all nodes. See [`Broadcast::fetch_sockets`].
    ///
    /// # Errors
    /// If a node does not answer in time, or can't be asked. The error has the sockets that were found.
    pub async fn fetch_sockets(&self) -> Result<Vec<FetchedSocket>, FetchError> {
        self.everyone().fetch_sockets().await
    }

    /// Has everyone join a room, or several. See [`Broadcast::sockets_join`].
    pub fn sockets_join(&self, rooms: impl ToRooms) {
        self.everyone().sockets_join(rooms);
    }

    /// Has everyone leave a room, or several. See [`Broadcast::sockets_leave`].
    pub fn sockets_leave(&self, rooms: impl ToRooms) {
        self.everyone().sockets_leave(rooms);
    }

    /// Puts everyone out. See [`Broadcast::disconnect_sockets`].
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
    /// How many servers of the cluster have this namespace, this one included: `adapter.serverCount()` in
    /// JavaScript. It is the adapter's count, and waits until the adapter can tell.
    pub async fn server_count(&self) -> usize {
        match self.cluster() {
            Some(cluster) => 1 + cluster.other_nodes(self.name()).await,
            None => 1,
        }
    }

    /// Sends an event to the other servers of the cluster, to their
    /// [`on_server_side`](Namespace::on_server_side): `serverSideEmit` in JavaScript. Without an adapter there
    /// are none.
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

    /// Sends an event to the other servers of the cluster, and waits for their answers, each read as `T`, for
    /// [`Config::cluster_timeout`](crate::Config::cluster_timeout) at most: `serverSideEmitWithAck` in JavaScript.
    /// A server that has no handler for it does not answer. Without an adapter there are no answers.
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
            return Ok(Answers { answers: Vec::new(), silent_nodes: 0 });
        };
        Ok(cluster.ask_servers(self.shared_name(), event, self.config().cluster_timeout).await?)
    }
}
