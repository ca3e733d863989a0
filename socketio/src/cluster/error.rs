//! What can go wrong between nodes.

use std::fmt;

use crate::cluster::message::{AdapterError, NodeId};
use crate::error::SendError;

/// Why other nodes could not be asked.
///
/// ```
/// use socketio::{ClusterError, Io};
///
/// async fn count(io: &Io) -> usize {
///     match io.fetch_sockets().await {
///         Ok(sockets) => sockets.len(),
///         Err(error) => {
///             if let ClusterError::Timeout { .. } = error.error {
///                 println!("a server did not answer");
///             }
///             error.found.len()
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ClusterError {
    /// The adapter could not tell in time how many other nodes there are.
    NotCounted,
    /// Not all nodes answered in time.
    Timeout {
        /// How many did not.
        missing: usize,
        /// Which ones, if the adapter can tell; else empty. See [`Io::node_id`](crate::Io::node_id).
        nodes: Vec<NodeId>,
    },
    /// The adapter could not bring the request to them.
    Adapter(AdapterError),
}

/// Why other servers did not answer an event.
///
/// ```
/// use socketio::Io;
///
/// async fn ask(io: &Io) {
///     match io.server_side_emit_with_ack::<usize>("how many?", ()).await {
///         Ok(answers) => println!("{:?}", answers.received().collect::<Vec<_>>()),
///         Err(error) => println!("{error}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerSideError {
    /// It could not be sent.
    Send(SendError),
    /// The other nodes could not be asked.
    Cluster(ClusterError),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::NotCounted => f.write_str("the other nodes could not be counted in time"),
            ClusterError::Timeout { missing, nodes } => {
                match missing {
                    1 => f.write_str("one other node did not answer in time")?,
                    _ => write!(f, "{missing} other nodes did not answer in time")?,
                }
                if nodes.is_empty() { Ok(()) } else { write!(f, ": {}", nodes.join(", ")) }
            }
            ClusterError::Adapter(error) => write!(f, "other nodes were not reached: {error}"),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClusterError::NotCounted | ClusterError::Timeout { .. } => None,
            ClusterError::Adapter(error) => Some(&**error),
        }
    }
}

impl From<SendError> for ServerSideError {
    fn from(error: SendError) -> ServerSideError {
        ServerSideError::Send(error)
    }
}

impl From<ClusterError> for ServerSideError {
    fn from(error: ClusterError) -> ServerSideError {
        ServerSideError::Cluster(error)
    }
}

impl fmt::Display for ServerSideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerSideError::Send(error) => error.fmt(f),
            ServerSideError::Cluster(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServerSideError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The messages are this one's.
        match self {
            ServerSideError::Send(error) => error.source(),
            ServerSideError::Cluster(error) => error.source(),
        }
    }
}
