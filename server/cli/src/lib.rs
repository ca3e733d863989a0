//! The applications that come with `socketio-server`: the chat and the echo.
//!
//! They only use the public API of [`socketio`] and [`socketio_server`], so each is an example as well. The
//! program itself, with its options and its log, is the binary in this package.

pub mod apps;
mod pages;
