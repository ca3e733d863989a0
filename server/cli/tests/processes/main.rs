//! Programs as they are run: the server and the examples, each a process on a port of its own, and clients that
//! write bytes to them.

mod admin;
mod chat;
mod examples;
mod explain;
mod gateway;
mod listeners;
mod log;
mod operations;
mod program;
mod redis;
mod replay;
mod tls;
mod wire;
