//! Programs as they are run: the server and the examples, each a process on a port of its own, and clients that
//! write bytes to them.

mod admin;
mod bench;
mod chat;
mod check;
mod commands;
mod connect;
mod examples;
mod explain;
mod gateway;
#[cfg(feature = "lab")]
mod lab;
mod listeners;
mod log;
mod operations;
mod program;
mod redis;
mod replay;
mod signals;
mod systemd;
mod tls;
mod wire;
