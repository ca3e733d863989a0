//! What the lab waits for: the end of an agent's cases, and agents that hang.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Lab;
use super::testing::{Asks, Testing};
use crate::run::Pace;

/// How long an agent that has had its last case may take to ask for another, and be told that there is none.
const FAREWELL: Duration = Duration::from_secs(5);

/// How many times as long a command may take to ask for its first case: it may have to compile.
pub const FIRST: u32 = 10;

/// Who hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hang {
    /// A command none of whose agents has asked for a case.
    BeforeTheFirst,
    /// An agent that does not ask for its next case.
    BeforeTheNext,
    /// A command whose agents have had all their cases.
    AfterTheLast,
}

impl Lab {
    /// Changes whenever there is an outcome, or an agent is done.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.outcomes.subscribe()
    }

    /// An agent knows that there is no case left for it.
    pub fn told(&self, agent: &str) {
        let mut state = self.state.lock();
        let asking = state.agents.get_mut(agent).filter(|testing| testing.asks == Asks::Yes);
        if let Some(testing) = asking {
            testing.asks = Asks::Told;
            drop(state);
            self.outcomes.send_modify(|count| *count += 1);
        }
    }

    /// Waits until this agent, or with `None` any agent, has had all its cases, and has been told so if it asks soon.
    pub async fn done(&self, agent: Option<&str>) {
        let mut outcomes = self.outcomes.subscribe();
        while !self.any_done(agent, |_| true) {
            if outcomes.changed().await.is_err() {
                return;
            }
        }
        let told = async {
            while !self.any_done(agent, |testing| testing.asks != Asks::Yes)
                && outcomes.changed().await.is_ok()
            {}
        };
        // One that has crashed doesn't ask.
        drop(timeout(FAREWELL, told).await);
    }

    /// Waits until an agent hangs: for this long no case has ended, none is under way, and one that has cases left does not ask
    /// for the next. If a command runs the agents, it hangs too if none asks for a case in [`FIRST`] times as long, or if it
    /// does not end once all that have asked have had their last.
    pub async fn hung(&self, limit: Duration, by_command: bool) -> Hang {
        let mut outcomes = self.outcomes.subscribe();
        loop {
            let awaited = self.awaited(by_command);
            let limit = match awaited {
                Some(Hang::BeforeTheFirst) => limit.saturating_mul(FIRST),
                _ => limit,
            };
            // What happens meanwhile begins it again.
            if timeout(limit, outcomes.changed()).await.is_err()
                && let Some(hang) = awaited
                && self.awaited(by_command) == awaited
            {
                return hang;
            }
        }
    }

    /// What the lab waits for, unless a case is under way.
    fn awaited(&self, by_command: bool) -> Option<Hang> {
        let agents = &self.state.lock().agents;
        if agents.values().any(Testing::has_a_case) {
            None
        } else if agents.values().any(|agent| !agent.waiting.is_empty()) {
            Some(Hang::BeforeTheNext)
        } else {
            let hang = if agents.is_empty() { Hang::BeforeTheFirst } else { Hang::AfterTheLast };
            by_command.then_some(hang)
        }
    }

    /// Whether this agent, or any, has had all its cases, and is as `also` wants.
    fn any_done(&self, agent: Option<&str>, also: impl Fn(&Testing) -> bool) -> bool {
        let state = self.state.lock();
        let mut wanted = state.agents.iter().filter(|(name, _)| agent.is_none_or(|wanted| wanted == *name));
        wanted.any(|(_, testing)| testing.is_done() && !testing.outcomes.is_empty() && also(testing))
    }
}

/// How long a request for the next case may wait: the case that the agent has ends before.
#[must_use]
pub fn longest_wait(pace: &Pace) -> Duration {
    pace.timeout + Duration::from_secs(5)
}
