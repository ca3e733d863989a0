//! The applications that come with `socketio-server`: the chat and the echo.
//!
//! They use the public API of [`socketio`] and [`socketio_server`] alone, so each is an example as well. The program
//! itself, with its options and its log, is the binary beside this library.

pub mod apps;
mod pages;
