//! One session.

mod state_machine;

pub use state_machine::{Answer, Input, Output, StateMachine};
