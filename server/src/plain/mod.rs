//! Plain WebSockets: for clients without Socket.IO and Engine.IO.
//!
//! ```text
//!   GET, Upgrade: websocket ─▶ Endpoint ─▶ handler(WebSocketRequest) ─▶ Err(Denied) ─▶ 403
//!                                 │ broken                  └▶ Ok(Accepted) ─▶ 101
//!                                 ▼                                             │
//!                            400, 405, 426         peer ◀─▶ Driver ◀─ queues ─▶ WebSocket
//! ```
//!
//! A handler accepts or refuses each [`WebSocketRequest`], and says what runs on the [`WebSocket`]. That runs in the task
//! of the connection: what takes long without an `.await` belongs into [`tokio::task::spawn_blocking`].
//!
//! ```
//! use socketio_server::plain::WebSocketRequest;
//! use socketio_server::{Denied, Server};
//!
//! # fn run() -> Result<(), socketio_server::BuildError> {
//! let server = Server::builder()
//!     .websocket("/echo", |request: WebSocketRequest| async move {
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
//! A plain WebSocket uses the reader, the writer and the queue of a session, and has its limits: a message's
//! length and fragments, what waits to be sent, rates, and memory. Also limited are what waits to be read, the
//! time that a peer may be silent, the time for a message, and the time for closing. [`Cors`](crate::Cors)
//! refuses pages of other origins here too. [`Hooks`](crate::Hooks) don't run; the handler decides.

mod application;
mod driver;
mod endpoint;
mod request;
mod websocket;

pub use engineio::plain::{Close, Outgoing, Sender};
pub use engineio::{HandshakeRequest, Message, QueueError};
pub use request::{Accept, Accepted, NotOffered, WebSocketRequest};
pub use websocket::WebSocket;

pub(crate) use endpoint::{Endpoint, Handler};
