//! A Socket.IO server over hyper and tokio-tungstenite: to embed, and to run as `socketio-server`.
//!
//! ```text
//!   Listener ─▶ hyper ─▶ Service ─▶ Endpoint ─▶ Doors ─▶ Driver ◀─▶ engineio::Session
//!   TCP, Unix,             │ │        one for     one session's ▲        │ messages
//!   with TLS        axum ──┘ │        each path     WebSocket ──┘        ▼
//!                            └─▶ pages, the client's files          Layer: Socket.IO
//! ```
//!
//! A [`Server`] serves any number of endpoints: Socket.IO with [`Builder::socketio`], plain Engine.IO
//! applications with [`Builder::engineio`], and [plain WebSockets](plain) with [`Builder::websocket`]. It listens by itself, or becomes a [`Service`] inside axum, hyper
//! or tower with [`Server::into_service`].
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

mod admission;
mod alarm;
mod answers;
pub mod apps;
mod body;
mod client_files;
mod compression;
mod cookie;
mod cors;
mod driver;
mod endpoint;
mod exchange;
pub mod explain;
mod files;
mod head_watch;
mod hooks;
mod hosts;
mod http_rules;
mod idle;
pub mod inspector;
mod io;
pub mod journal;
mod life;
mod limits;
mod listener;
mod metrics;
mod operations;
mod pages;
mod peer;
pub mod plain;
mod polling;
mod post_body;
mod proxies;
mod registry;
mod room;
pub mod rules;
mod serve;
mod server;
mod service;
mod side_listener;
mod site;
mod stall;
mod subprotocol;
mod switch;
mod tls;
mod watch;
mod websocket;

pub use body::Body;
pub use client_files::{ClientFiles, ClientFilesError};
pub use cookie::{Cookie, CookieError, SameSite};
pub use cors::{Cors, CorsError};
pub use endpoint::TrailingSlash;
pub use engineio::{Config, Fault, Limit, LimitHits, Sid};
pub use hooks::{ConnectionError, Denied, Hooks, Next, RequestHead};
pub use hosts::{AllowedHosts, AllowedHostsError};
pub use inspector::Inspector;
pub use limits::Limits;
pub use listener::{BACKLOG, ListenAddress, ListenAddressError, ListenError, Listener};
pub use metrics::Metrics;
pub use operations::Operations;
pub use peer::Peer;
pub use proxies::{TrustedProxy, TrustedProxyError};
pub use server::{BuildError, Builder, Server};
pub use service::{Layered, Service};
pub use site::Answering;
pub use tls::{Tls, TlsError};
