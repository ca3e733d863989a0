//! Settings and limits.

use std::time::Duration;

use crate::packet::parser::Parser;
use crate::recovery::settings::Recovery;

/// Settings of an [`Io`](crate::Io). They limit how much memory one client can use. Each field's documentation has
/// its default.
///
/// ```
/// use std::time::Duration;
/// use socketio::{IoConfig, Io};
///
/// fn application() -> Io {
///     Io::with_config(IoConfig { max_rooms: 16, ack_timeout: Duration::from_secs(5), ..IoConfig::default() })
/// }
/// ```
#[derive(Clone, Debug)]
pub struct IoConfig {
    /// How packets are written. Clients must use the same parser. [`Parser::Default`].
    pub parser: Parser,
    /// Whether a client that has lost its connection can get its socket back, and the limits of that. `None`.
    pub recovery: Option<Recovery>,
    /// How long a client may stay without joining a namespace. 45 s.
    pub connect_timeout: Duration,
    /// How long all middlewares of a namespace together, and the rules of dynamic namespaces, may take; then
    /// the client is refused. 20 s.
    pub hook_timeout: Duration,
    /// How long to wait for an acknowledgement, unless a `timeout` is set. 10 s.
    pub ack_timeout: Duration,
    /// How long to wait for answers of other nodes, unless a `timeout` is set. 5 s.
    pub cluster_timeout: Duration,
    /// Attachments of one packet from a client. 10.
    pub max_attachments: usize,
    /// How long the attachments of a packet may take to arrive. 10 s.
    pub attachment_timeout: Duration,
    /// Bytes of a client's packets that may wait here at once: a packet that lacks attachments, and events
    /// that wait for a connect or for other handlers. A client that exceeds it is disconnected. 10,000,000:
    /// a packet may have ten attachments of a message's usual size limit each, and a POST of that size may
    /// have so many small events that they take several times as much while they wait.
    pub max_backlog: usize,
    /// Namespaces that one client can be in. 64.
    pub max_namespaces: usize,
    /// Dynamic namespaces, which clients create by joining a name that
    /// [`Io::of_pattern`](crate::Io::of_pattern) or [`Io::of_dynamic`](crate::Io::of_dynamic) allows, for all
    /// patterns and functions together. 10,000.
    pub max_dynamic_namespaces: usize,
    /// Bytes of the name of such a namespace. 255.
    pub max_dynamic_name: usize,
    /// Whether such a namespace, with its own handlers, is removed when its last client has left. `false`,
    /// like `cleanupEmptyChildNamespaces` of socket.io.
    pub cleanup_empty_child_namespaces: bool,
    /// Bytes of an event's name. 1,024. A client that exceeds it is disconnected.
    pub max_event_name: usize,
    /// Rooms that one socket can be in. 1,024.
    pub max_rooms: usize,
    /// Acknowledgements of one socket that the server can wait for at once. 1,024.
    pub max_pending_acks: usize,
    /// Event handlers of one socket that can run at once; events beyond that wait. 256.
    pub max_running_handlers: usize,
}

impl Default for IoConfig {
    fn default() -> IoConfig {
        IoConfig {
            parser: Parser::Default,
            recovery: None,
            connect_timeout: Duration::from_secs(45),
            hook_timeout: Duration::from_secs(20),
            ack_timeout: Duration::from_secs(10),
            cluster_timeout: Duration::from_secs(5),
            max_attachments: 10,
            attachment_timeout: Duration::from_secs(10),
            max_backlog: 10_000_000,
            max_namespaces: 64,
            max_dynamic_namespaces: 10_000,
            max_dynamic_name: 255,
            cleanup_empty_child_namespaces: false,
            max_event_name: 1024,
            max_rooms: 1024,
            max_pending_acks: 1024,
            max_running_handlers: 256,
        }
    }
}
