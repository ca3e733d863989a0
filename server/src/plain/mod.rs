//! Plain WebSockets: for clients that speak neither Socket.IO nor Engine.IO.
//!
//! ```text
//!   GET, Upgrade: websocket ─▶ Endpoint ─▶ handler(Request) ─▶ Err(Denied) ─▶ 403
//!                                 │ broken                  └▶ Ok(Accepted) ─▶ 101
//!                                 ▼                                             │
//!                            400, 405, 426         peer ◀─▶ Driver ◀─ queues ─▶ WebSocket
//! ```
//!
//! A handler decides about each [`Request`], and says what runs on the [`WebSocket`] if it lets it in:
//!
//! ```
//! use socketio_server::plain::Request;
//! use socketio_server::{Denied, Server};
//!
//! # fn run() -> Result<(), socketio_server::BuildError> {
//! let server = Server::builder()
//!     .websocket("/echo", |request: Request| async move {
//!         if request.origin().is_some_and(|origin| origin != "https://app.example") {
//!             return Err(Denied::new("this page is not welcome"));
//!         }
//!         let accept = request.accept().protocol("echo")?;
//!         Ok(accept.run(|mut websocket| async move {
//!             while let Some(message) = websocket.next().await {
//!                 if websocket.ready().await.is_err() || websocket.send(message).is_err() {
//!                     break;
//!                 }
//!             }
//!         }))
//!     })
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! It has the reader, the writer and the queue of a session, and its limits: a message's length and fragments, what
//! waits to be sent, rates, and memory. What waits to be read is bounded too, and so are the time that a silent peer
//! has, the time for a message, and the time that a close may take. [`Cors`](crate::Cors) turns foreign pages away
//! here as elsewhere; [`Hooks`](crate::Hooks) are not asked, since the handler is.

mod driver;
mod endpoint;
mod request;
mod websocket;

pub use engineio::plain::{Close, Outgoing, Sender};
pub use engineio::{HandshakeRequest, Message, QueueError};
pub use request::{Accept, Accepted, NotOffered, Request};
pub use websocket::WebSocket;

pub(crate) use endpoint::{Endpoint, Handler};
