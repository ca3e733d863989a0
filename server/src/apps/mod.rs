//! The applications that come with the server.

mod echo;
mod engine_echo;

pub use echo::echo;
pub use engine_echo::EngineEcho;
