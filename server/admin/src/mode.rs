//! How much administrators are shown.

use std::fmt;

/// How much administrators are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AdminMode {
    /// Every socket, room and event, as they come and go.
    #[default]
    Development,
    /// Numbers only: how many clients there are in each namespace, and how many packets and bytes pass.
    Production,
}

impl fmt::Display for AdminMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdminMode::Development => "development",
            AdminMode::Production => "production",
        })
    }
}
