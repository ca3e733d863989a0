//! How far an agent has come with its cases.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::agent::Agent;
use crate::case::Case;
use crate::peer::{AgentObservation, Entry, LabPeer};
use crate::run::Outcome;

/// The most agents. Each keeps the journals of its cases.
const AGENTS: usize = 100;

/// An agent that is being tested.
#[derive(Debug)]
pub(super) struct Testing {
    pub(super) agent: Agent,
    pub(super) waiting: VecDeque<Arc<Case<LabPeer>>>,
    /// A case is out of `waiting`, and not yet in `running`.
    pub(super) taken: bool,
    /// By their cases. An agent has one at a time; clients that name theirs in the URL may have several.
    pub(super) running: BTreeMap<&'static str, Running>,
    pub(super) outcomes: BTreeMap<[u32; 3], Outcome>,
    pub(super) asks: Asks,
    /// How often it has begun anew.
    pub(super) round: u64,
}

/// Whether an agent asks for cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// It has never asked: its clients name their cases in the URL.
    Never,
    /// It does, and doesn't know yet that it has had them all.
    Yes,
    /// It knows.
    Told,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) observations: tokio::sync::mpsc::Sender<AgentObservation>,
    pub(super) entry: Entry,
}

impl Testing {
    /// The agent of this name, or a new one.
    pub(super) fn of<'a>(
        agents: &'a mut BTreeMap<String, Testing>,
        agent: &Agent,
    ) -> Result<&'a mut Testing, String> {
        if !agents.contains_key(&agent.name) && agents.len() >= AGENTS {
            return Err(format!("the lab has {AGENTS} agents already: start it again"));
        }
        Ok(agents.entry(agent.name.clone()).or_insert_with(|| Testing::new(agent)))
    }

    pub(super) fn new(agent: &Agent) -> Testing {
        Testing {
            agent: agent.clone(),
            waiting: VecDeque::new(),
            taken: false,
            running: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            asks: Asks::Never,
            round: 0,
        }
    }

    pub(super) fn has_a_case(&self) -> bool {
        self.taken || !self.running.is_empty()
    }

    pub(super) fn ended(&mut self, case: &Case<LabPeer>, outcome: Outcome) {
        self.outcomes.insert(case.about.parts(), Outcome { round: self.round, ..outcome });
    }

    /// Whether it has had all its cases.
    pub(super) fn is_done(&self) -> bool {
        !self.has_a_case() && self.waiting.is_empty()
    }

    /// How many cases are over, and how many there are.
    pub(super) fn progress(&self) -> (usize, usize) {
        let had = self.outcomes.len();
        let running = self.running.len() + usize::from(self.taken);
        (had, had + self.waiting.len() + running)
    }
}
