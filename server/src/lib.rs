//! A Socket.IO server over hyper and tokio-tungstenite: to embed, and to run as `socketio-server`.
//!
//! ```text
//!   TCP ─▶ hyper ─▶ Server ─▶ Endpoint ─▶ Doors ─▶ Driver ◀─▶ engineio::Session
//!                     │         one for     one session's ▲        │ messages
//!                     │         each path     WebSocket ──┘        ▼
//!                     └─▶ pages, the client's files          Layer: Socket.IO
//! ```
//!
//! A [`Server`] serves any number of endpoints: Socket.IO with [`Builder::socketio`], and plain Engine.IO
//! applications with [`Builder::engineio`].
//!
//! ```no_run
//! use socketio::{Io, Socket};
//! use socketio_server::Server;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = Io::new();
//!     io.of("/").on("chat", |socket: Socket, text: String| async move {
//!         let _ = socket.broadcast().emit("chat", &text);
//!     });
//!     let server = Server::builder().socketio("/socket.io/", io).build()?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     server.serve(listener, std::future::pending()).await;
//!     Ok(())
//! }
//! ```

pub mod apps;
mod client_files;
mod cookie;
mod cors;
mod driver;
mod endpoint;
mod head_watch;
mod http_rules;
mod io;
mod pages;
mod polling;
mod registry;
mod server;
mod websocket;

pub use client_files::{ClientFiles, ClientFilesError};
pub use cookie::{Cookie, CookieError, SameSite};
pub use cors::{Cors, CorsError};
pub use engineio::Config;
pub use polling::Body;
pub use server::{BuildError, Builder, Server};
