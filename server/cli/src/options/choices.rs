//! Values of options that are a choice among a few.

use std::fmt;

/// The ready-made applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum App {
    /// A chat with a page.
    Chat,
    /// The echo that test suites expect.
    Echo,
    /// What a backend wants, by HTTP.
    Gateway,
    /// What Laravel Echo's clients expect.
    LaravelEcho,
    /// Nothing: clients connect, and their events have no handler.
    None,
}

/// What becomes of the events of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRule {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) to: EventAction,
    /// How many of them each client may send, as it is written.
    pub(crate) rate: Option<String>,
    pub(crate) line: RuleLine,
}

/// The line of the file in which a rule begins, if it is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleLine(pub(crate) Option<usize>);

impl fmt::Debug for RuleLine {
    /// Shows nothing: it is no part of what the rule says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// What becomes of a client's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventAction {
    Backend,
    Rooms,
    Namespace,
    Refuse,
    Drop,
}

/// Which adapter the other servers of the cluster have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RedisMode {
    PubSub,
    Sharded,
    ShardedStatic,
    ShardedDynamicPrivate,
    Streams,
}

/// The transports that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transports {
    pub(crate) polling: bool,
    pub(crate) websocket: bool,
}
