//! Bytes: requests, answers and frames over TCP, without any wish to be right. A server's session does everything right; a
//! case has to do things wrong, so this only does what it is told.

pub(crate) mod connection;
pub mod frame;
pub(crate) mod head;
pub(crate) mod request;
pub mod stream;
