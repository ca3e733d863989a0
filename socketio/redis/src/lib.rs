//! One Socket.IO cluster on Redis, shared with servers in JavaScript.
//!
//! [`RedisAdapter`] speaks the formats of npm's `@socket.io/redis-adapter` and `@socket.io/redis-streams-adapter`.
//! Servers in Rust and in JavaScript can be in one cluster, and need not know which is which. An [`Emitter`] sends
//! into it from a program that is no server.
//!
//! ```text
//!   Io ─ RedisAdapter ─┬─ Publisher ─── a queue, in batches ──▶ Redis
//!                      ├─ Subscriber ◀─ subscriptions ───────── Redis
//!                      ├─ StreamReader ◀─ with streams ──────── Redis
//!                      └─ Reader ─▶ Node::receive
//! ```

mod adapter;
mod backoff;
mod classic;
mod cluster_adapter;
mod counts;
mod emitter;
mod format;
mod inbox;
mod link;
mod pack;
mod publisher;
mod sessions;
mod sharded;
mod stream_reader;
mod streams;
mod subscriber;
mod wire;

pub use adapter::{Mode, RedisAdapter, RedisError};
pub use counts::Counts;
pub use emitter::{Emitter, Sent};
pub use publisher::PublishError;
pub use sharded::Subscriptions;
