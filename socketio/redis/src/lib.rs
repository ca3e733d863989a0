//! One Socket.IO cluster on Redis, shared with servers in JavaScript.
//!
//! [`RedisAdapter`] speaks the format of npm's `@socket.io/redis-adapter`, byte for byte. Servers in Rust and in
//! JavaScript can be in one cluster, and need not know which is which.
//!
//! ```text
//!   Io ─ RedisAdapter ─┬─ Publisher ── a queue, in batches ──▶ Redis
//!                      └─ Subscriber ◀── subscriptions ─────── Redis
//!                            └─ inbox ─ Reader ─▶ Node::receive
//! ```

mod adapter;
mod backoff;
mod classic;
mod counts;
mod format;
mod link;
mod publisher;
mod subscriber;
mod wire;

pub use adapter::{RedisAdapter, RedisError};
pub use counts::Counts;
pub use publisher::PublishError;
