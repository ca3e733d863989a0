//! The applications that come with the server.

mod chat;
mod echo;
mod engine_echo;
mod plain_echo;

pub use crate::pages::chat_pages;
pub use chat::{Chat, chat};
pub use echo::echo;
pub use engine_echo::EngineEcho;
pub use plain_echo::plain_echo;
