//! What bounds requests, connections and sessions.

use std::time::Duration;

/// Limits of HTTP and of the server as a whole. Those of the protocols are in
/// [`Config`](crate::Config) and [`socketio::Config`].
///
/// Those about connections, heads and writes hold for the server's own listeners. A
/// [`Service`](crate::Service) inside another HTTP server has that one's.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; more are answered 503 and closed. `None`, the default, stands for nine tenths of
    /// the file descriptors that the process may have, or fewer where that would leave less than 40 for everything
    /// else.
    pub max_connections: Option<usize>,
    /// Sessions at once, on all endpoints; more handshakes are answered 503. 100,000 by default.
    pub max_sessions: usize,
    /// Connections of one address at once; more are answered 429 and closed. No limit by default: behind a
    /// proxy all clients have one address. Of an IPv6 address the first 64 bits count, since whoever has one
    /// of them has all.
    pub connections_per_address: Option<usize>,
    /// Handshakes of one address in a second; more are answered 429. No limit by default, for the same reason.
    pub handshakes_per_address: Option<usize>,
    /// Time from the first byte of a request's head to its last; then the connection is closed. 10 s by
    /// default.
    pub head_timeout: Duration,
    /// Time that a connection may idle before a request; then it is closed. 75 s by default, which is longer
    /// than what proxies keep a connection for.
    pub idle_timeout: Duration,
    /// Time that the body of a POST may take; then it is answered 408, and its session ends. What is left of a body
    /// behind an answer that was given before is read for as long. 30 s by default.
    pub body_timeout: Duration,
    /// Time that a message of a plain WebSocket may take from its first byte to its last; then the WebSocket is
    /// closed with 1008. 30 s by default. Clients of Engine.IO have their heartbeat instead, which can't get between
    /// the parts of a message.
    pub message_timeout: Duration,
    /// Time that a hook may take: each of [`Hooks`](crate::Hooks), and what decides about a plain WebSocket; then
    /// the request is answered 503. 20 s by default, for as long as socket.io-client waits.
    pub hook_timeout: Duration,
    /// Time that writing may make no progress; then the connection is closed. 30 s by default. The WebSocket of a
    /// session has its heartbeat instead. It is also the time that a client may take nothing, by either transport,
    /// while [`Config::send_budget`](crate::Config::send_budget) is used up; then its session ends.
    pub write_timeout: Duration,
    /// Bytes of a request's head; more are answered 431. 16 KiB by default.
    pub max_head: usize,
    /// Fields of a request's head; more are answered 431. 100 by default.
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
