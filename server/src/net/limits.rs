//! The limits of requests, connections and sessions.

use std::time::Duration;

/// Limits of HTTP and of the whole server. [`EngineConfig`](crate::EngineConfig) and [`socketio::IoConfig`] have those of
/// the protocols.
///
/// The limits of connections, heads and writes apply to the server's own listeners. Inside another HTTP
/// server, a [`Service`](crate::Service) has that server's limits.
///
/// ```
/// use std::time::Duration;
/// use socketio::Io;
/// use socketio_server::{Limits, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), socketio_server::BuildError> {
/// let limits = Limits { max_sessions: 10_000, write_timeout: Duration::from_secs(10), ..Limits::default() };
/// let server = Server::builder().limits(limits).socketio("/socket.io/", Io::new()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// The number of connections; further ones get 503 and are closed. `None`, the default, means nine tenths
    /// of the process's file descriptors, or fewer if that would leave less than 40 for everything else.
    pub max_connections: Option<usize>,
    /// The number of sessions on all endpoints; further handshakes get 503. 100,000 by default.
    pub max_sessions: usize,
    /// The number of connections of one address; further ones get 429 and are closed. No limit by default,
    /// since all clients of a proxy have one address. For IPv6, the first 64 bits count as the address, since a
    /// client usually has all addresses of such a network.
    pub connections_per_address: Option<usize>,
    /// The number of handshakes of one address in a second; further ones get 429. No limit by default, for
    /// the same reason.
    pub handshakes_per_address: Option<usize>,
    /// Time for a request's head, from its first byte to its last; then the connection is closed. 10 s by
    /// default.
    pub head_timeout: Duration,
    /// Time that a connection may be idle between requests; then it is closed. 75 s by default, which is
    /// longer than proxies keep an idle connection.
    pub idle_timeout: Duration,
    /// Time for the body of a POST; then it gets 408, and its session ends. If the answer is sent before the
    /// body has been read, the rest of the body may take as long. 30 s by default.
    pub body_timeout: Duration,
    /// Time for a message of a plain WebSocket, from its first byte to its last; then the WebSocket is closed
    /// with 1008. 30 s by default. Clients of Engine.IO have their heartbeat instead, which can't get between
    /// the parts of a message.
    pub message_timeout: Duration,
    /// Time for each hook of [`Hooks`](crate::Hooks), and for the handler of a plain WebSocket's request;
    /// then the request gets 503. 20 s by default, which is how long socket.io-client waits.
    pub hook_timeout: Duration,
    /// Time that a write may make no progress; then the connection is closed. 30 s by default. A session's WebSocket
    /// has its heartbeat instead. It is also how long a client may read nothing, by either transport, while
    /// [`EngineConfig::send_budget`](crate::EngineConfig::send_budget) is used up; then its session ends.
    pub write_timeout: Duration,
    /// Bytes of a request's head; more get 431. 16 KiB by default.
    pub max_head: usize,
    /// Fields of a request's head; more get 431. 100 by default.
    pub max_fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: None,
            max_sessions: 100_000,
            connections_per_address: None,
            handshakes_per_address: None,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            message_timeout: Duration::from_secs(30),
            hook_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            max_head: 16 * 1024,
            max_fields: 100,
        }
    }
}
