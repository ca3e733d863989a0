//! A Socket.IO server over hyper, to embed in your program. The program `socketio-server` is built on it.
//!
//! ```text
//!   Listener ─▶ hyper ─▶ Service ─▶ Endpoint ─▶ SessionHandle ─▶ Session ◀─ Driver
//!   TCP, Unix,             │ │        one for     its doors        ▲   │     its task
//!   with TLS        axum ──┘ │        each path      WebSocket ────┘   │ messages
//!                            └─▶ pages, the client's files             ▼
//!                                                              Layer: Socket.IO
//! ```
//!
//! A [`Server`] can serve any number of endpoints: Socket.IO with [`Builder::socketio`], plain Engine.IO
//! applications with [`Builder::engineio`], and [plain WebSockets](plain) with [`Builder::websocket`]. It
//! listens by itself, or becomes a [`Service`] inside axum, hyper or tower with [`Server::into_service`].
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
//!
//! # Features
//!
//! All features but `webtransport` are on by default. This crate and what it depends on are at most 90 crates then, and at
//! most 70 without any of the features. `tests/features` counts them.
//!
//! | feature | what it adds | crates |
//! |---|---|---|
//! | `compression` | [`Builder::http_compression`]: answers to polls, and the client's files, in gzip, Brotli or deflate | 4, from `brotli` |
//! | `observe` | [`journal`] and [`inspector`] | `socketio-explain` |
//! | `tls` | [`Tls`] and [`Listener::tls`], with rustls and ring; building ring needs a C compiler | 9, from `tokio-rustls` |
//! | `webtransport` | `WebTransport`: HTTP/3 for the official client's third transport, on quinn | 37, from `quinn` and `wtransport-proto` |
//!
//! [`Metrics`] and [`Operations`] are always there, and so is [`Builder::observer`]: an observer of your own
//! needs no feature.

mod http;
mod net;
mod observe;
pub mod plain;
mod serve;
mod server;
mod service;
mod session;
mod site;
#[cfg(feature = "webtransport")]
mod webtransport;

pub use engineio::websocket::deflate;
pub use engineio::{EngineConfig, Limit, LimitHits, Refusal, Sid};
pub use http::body::Body;
pub use http::client_files::{ClientFiles, ClientFilesError};
pub use http::cookie::{Cookie, CookieError, SameSite};
pub use http::cors::{Cors, CorsError};
pub use http::folder::{Folder, FolderError};
pub use http::hooks::{ConnectionError, Hooks, Next, RequestHead};
pub use http::hosts::{AllowedHosts, AllowedHostsError};
pub use http::mount::Answering;
pub use http::page::page_file;
pub use http::proxies::{TrustedProxy, TrustedProxyError};
pub use http::refused::Denied;
pub use http::settings::TrailingSlash;
pub use net::limits::Limits;
pub use net::listener::{BACKLOG, ListenAddress, ListenAddressError, ListenError, Listener};
pub use net::peer::Peer;
#[cfg(feature = "tls")]
pub use net::tls::{Tls, TlsError};
pub use observe::metrics::Metrics;
pub use observe::operations::Operations;
#[cfg(feature = "observe")]
pub use observe::{inspector, inspector::Inspector, journal};
pub use server::{BuildError, Builder, Server};
pub use service::{Layered, Service};
#[cfg(feature = "webtransport")]
pub use webtransport::WebTransport;
