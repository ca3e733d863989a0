//! What the tests share: a server in this process, and clients that write bytes as they are told.

mod aliases;
mod deflate;
mod http;
mod server;
mod websocket;

pub use aliases::Aliases;
pub use deflate::Deflate;
pub use http::{Connection, Response, Stream};
pub use server::TestServer;
pub use websocket::{Received, WebSocket};

/// The examples in the documentation, compiled.
#[cfg(doctest)]
mod examples {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/guide/embedding.md")]
    mod embedding {}
    #[doc = include_str!("../../docs/guide/from-javascript.md")]
    mod from_javascript {}
    #[doc = include_str!("../../docs/guide/plain-websocket.md")]
    mod plain_websocket {}
    #[doc = include_str!("../../server/README.md")]
    mod server {}
    #[doc = include_str!("../../socketio/README.md")]
    mod socketio {}
}
