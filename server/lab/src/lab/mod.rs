//! All agents, their cases and outcomes. How far one of them has come is in `testing`, what the lab waits for in `waiting`.

mod testing;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::testing::{Asks, Running, Testing};
pub use self::waiting::{FIRST, Hang, longest_wait};
use crate::agent::Agent;
use crate::case::{Case, CaseTransport};
use crate::peer::{AgentObservation, Entry, LabPeer};
use crate::run::{CaseRun, Outcome, Pace};
use crate::selection::{CaseSelection, KnownFailures};
use crate::verdict::{Unmet, Verdict};

/// What a lab is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How cases are run.
    pub pace: Pace,
    /// Which of them.
    pub selection: CaseSelection,
    /// Which failures are known.
    pub known: KnownFailures,
    /// Shuffles the cases, the same way for the same number. Without it, they come by their numbers.
    pub seed: Option<u64>,
    /// Whether an agent begins anew that asks again once it has had all its cases, or says something else of itself.
    pub anew: bool,
}

/// Gives cases to agents, and keeps the outcomes.
#[derive(Debug)]
pub struct Lab {
    /// What it was asked to do.
    pub options: Options,
    cases: Vec<Arc<Case<LabPeer>>>,
    began: u64,
    state: Mutex<State>,
    /// The number of outcomes, for those who wait for the next.
    outcomes: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    agents: BTreeMap<String, Testing>,
    runs: u64,
}

/// What there is for an agent that asks.
enum Turn<'a> {
    Case(Taken<'a>),
    /// It has one already.
    Wait,
    Done,
}

/// A case for an agent. It waits again if it isn't begun.
struct Taken<'a> {
    lab: &'a Lab,
    agent: &'a str,
    case: Arc<Case<LabPeer>>,
    transport: CaseTransport,
    /// The number of its run.
    number: u64,
    begun: bool,
}

/// What an agent sees next.
#[derive(Debug, PartialEq)]
pub enum NextCase {
    /// A case, as JSON.
    Case(Value),
    /// There is none left.
    Done,
    /// There are too many agents, or no ports.
    Refused(String),
    /// It is not the agent that began under this name.
    Mistaken(String),
}

impl Lab {
    /// A lab with the selected ones of all cases.
    #[must_use]
    pub fn new(options: Options) -> Lab {
        let mut cases: Vec<_> = crate::cases::for_clients()
            .into_iter()
            .filter(|case| options.selection.has(&case.about))
            .map(Arc::new)
            .collect();
        if let Some(seed) = options.seed {
            shuffle(&mut cases, seed);
        }
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let began = u64::try_from(began).unwrap_or_default();
        Lab { options, cases, began, state: Mutex::default(), outcomes: watch::Sender::default() }
    }

    /// The cases that it gives.
    pub fn cases(&self) -> impl Iterator<Item = &Case<LabPeer>> {
        self.cases.iter().map(|case| &**case)
    }

    /// The next case of an agent, once the one that it has is over. An agent that no longer waits for the answer loses no case.
    pub async fn next(self: &Arc<Lab>, agent: &Agent) -> NextCase {
        let mut outcomes = self.outcomes.subscribe();
        let mut taken = loop {
            match self.take(agent) {
                Ok(Turn::Case(taken)) => break taken,
                Ok(Turn::Wait) => drop(outcomes.changed().await),
                Ok(Turn::Done) => return NextCase::Done,
                Err(refusal) => return refusal,
            }
        };
        let (case, pace) = (taken.case.clone(), self.options.pace);
        match CaseRun::begin(case.clone(), agent, taken.transport, pace, taken.number).await {
            Ok(run) => {
                let invitation = run.invitation.clone();
                if let Some(testing) = self.state.lock().agents.get_mut(&agent.name) {
                    testing.taken = false;
                    taken.begun = true;
                    self.started(testing, case, taken.number, run);
                }
                NextCase::Case(invitation)
            }
            Err(error) => NextCase::Refused(format!("there is no port to listen on: {error}")),
        }
    }

    /// Takes what an agent's application saw. Says whether that run is under way; it may be over.
    ///
    /// # Errors
    /// If there was no such run.
    pub async fn saw(&self, run: u64, observation: AgentObservation) -> Result<bool, String> {
        let sender = {
            let state = self.state.lock();
            if run == 0 || run > state.runs {
                return Err(format!("there was no run {run}: `run` is in the answer to /next"));
            }
            let mut running = state.agents.values().flat_map(|agent| agent.running.values());
            running.find(|running| running.number == run).map(|running| running.observations.clone())
        };
        Ok(match sender {
            Some(sender) => sender.send(observation).await.is_ok(),
            None => false,
        })
    }

    /// Takes a line that agents wrote to their standard error: it goes into the journals of the cases that are under way.
    /// Returns their numbers.
    pub fn wrote(&self, line: &str) -> Vec<&'static str> {
        let state = self.state.lock();
        let running = state.agents.values().flat_map(|agent| &agent.running);
        let noted = running.map(|(case, running)| {
            running.entry.note("standard error", line);
            *case
        });
        noted.collect()
    }

    /// The way in of a case that a client names in its URL: the one that is under way, or a new one. Where the case leaves the
    /// transport open, it is the one that the client asks for.
    pub(crate) fn by_url(self: &Arc<Lab>, agent: &Agent, id: &str, transport: &str) -> Result<Entry, String> {
        let case = crate::cases::for_clients().into_iter().find(|case| case.about.id == id);
        let case =
            case.ok_or_else(|| format!("there is no case {id}: `socketio-server lab cases` lists them"))?;
        let case = Arc::new(case);
        let why = agent.transport(&case.about).map_err(|why| format!("case {id}: {why}"));
        let transport = match (case.about.transport, transport) {
            (CaseTransport::Any, "polling") => why.map(|_| CaseTransport::Polling),
            (CaseTransport::Any, "websocket") => why.map(|_| CaseTransport::WebSocket),
            _ => why,
        }?;
        let mut state = self.state.lock();
        let State { agents, runs } = &mut *state;
        let testing = Testing::of(agents, agent)?;
        if let Some(running) = testing.running.get(case.about.id) {
            return Ok(running.entry.clone());
        }
        // A client that reconnects would run it again, and end it wherever it is stopped.
        if testing.outcomes.get(&case.about.parts()).is_some_and(Outcome::was_run) {
            return Err(format!(
                "case {id} is over for this agent: to run it again, name another, as in agent=NAME-2"
            ));
        }
        *runs += 1;
        let run = CaseRun::begin_elsewhere(case.clone(), agent, transport, self.options.pace);
        let entry = run.entry.clone();
        self.started(testing, case, *runs, run);
        Ok(entry)
    }

    /// What there is for an agent. Cases that it can't run are over at once.
    fn take<'a>(&'a self, agent: &'a Agent) -> Result<Turn<'a>, NextCase> {
        let mut state = self.state.lock();
        let State { agents, runs } = &mut *state;
        let testing = Testing::of(agents, agent).map_err(NextCase::Refused)?;
        if testing.taken || !testing.running.is_empty() {
            return Ok(Turn::Wait);
        }
        let anew = self.options.anew;
        let is_other = testing.asks != Asks::Never && testing.agent != *agent;
        if is_other && !anew {
            let name = &agent.name;
            return Err(NextCase::Mistaken(format!(
                "{name} began with another eio, level or lacks: give this agent another name"
            )));
        }
        if is_other || testing.asks == Asks::Never || (testing.asks == Asks::Told && anew) {
            let again = Testing { round: testing.round + 1, ..Testing::new(agent) };
            *testing = Testing { waiting: self.cases.iter().cloned().collect(), asks: Asks::Yes, ..again };
        }
        // One that asks for ever hangs: that is nothing new.
        let is_new = testing.asks == Asks::Yes;
        let mut turn = Turn::Done;
        while let Some(case) = testing.waiting.pop_front() {
            match agent.transport(&case.about) {
                Ok(transport) => {
                    testing.taken = true;
                    *runs += 1;
                    let (lab, agent, number) = (self, &*agent.name, *runs);
                    turn = Turn::Case(Taken { lab, agent, case, transport, number, begun: false });
                    break;
                }
                Err(why) => testing.ended(&case, Outcome::without_a_run(&case, why)),
            }
        }
        drop(state);
        if is_new {
            self.outcomes.send_modify(|count| *count += 1);
        }
        Ok(turn)
    }

    fn started(self: &Arc<Lab>, testing: &mut Testing, case: Arc<Case<LabPeer>>, number: u64, run: CaseRun) {
        let CaseRun { observations, outcome, entry, .. } = run;
        testing.running.insert(case.about.id, Running { number, observations, entry });
        let (lab, agent) = (self.clone(), testing.agent.name.clone());
        tokio::spawn(async move {
            let outcome = outcome.await.unwrap_or_else(|_| {
                let why = Unmet::fail("the case ends", "its script panicked, which is a fault of the lab");
                Outcome::without_a_run(&case, why.rather(Verdict::NotRun))
            });
            if let Some(testing) = lab.state.lock().agents.get_mut(&agent) {
                testing.running.remove(case.about.id);
                testing.ended(&case, outcome);
            }
            lab.outcomes.send_modify(|count| *count += 1);
        });
    }

    /// The outcomes of each agent, by their numbers, and whether it has had all cases.
    #[must_use]
    pub fn outcomes(&self) -> Vec<(Agent, Vec<Outcome>, bool)> {
        let state = self.state.lock();
        let all = |testing: &Testing| {
            (testing.agent.clone(), testing.outcomes.values().cloned().collect(), testing.is_done())
        };
        state.agents.values().map(all).collect()
    }

    /// Whether a `must` case failed whose failure isn't known.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.outcomes().iter().any(|(agent, outcomes, _)| {
            outcomes.iter().any(|outcome| {
                let must = self.cases().any(|case| {
                    case.about.id == outcome.case && case.about.level == crate::case::Requirement::Must
                });
                must && outcome.verdict == Verdict::Fail && !self.options.known.has(&agent.name, outcome.case)
            })
        })
    }

    /// When it began, in milliseconds since 1970.
    #[must_use]
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Why the results are not those of whole runs, in sentences: agents stopped early, or could run nothing. Empty if
    /// they are.
    #[must_use]
    pub fn gaps(&self) -> Vec<(Option<String>, String)> {
        let state = self.state.lock();
        if state.agents.is_empty() {
            return vec![(None, "no agent asked for a case".to_owned())];
        }
        let gap = |(name, testing): (&String, &Testing)| {
            let (had, of) = testing.progress();
            let told = if !testing.is_done() {
                format!("it stopped early, after {had} of {of} cases")
            } else if !testing.outcomes.values().any(Outcome::was_run) {
                format!("no case was run: {had} of {of} are unsupported or not-run")
            } else {
                return None;
            };
            Some((Some(name.clone()), told))
        };
        state.agents.iter().filter_map(gap).collect()
    }

    /// How far an agent has come: outcomes, and cases in all.
    #[must_use]
    pub fn progress(&self) -> Value {
        let state = self.state.lock();
        let one = |(name, testing): (&String, &Testing)| {
            let (had, of) = testing.progress();
            json!({"agent": name, "had": had, "of": of})
        };
        state.agents.iter().map(one).collect()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.begun {
            return;
        }
        if let Some(testing) = self.lab.state.lock().agents.get_mut(self.agent) {
            testing.taken = false;
            testing.waiting.push_front(self.case.clone());
        }
        self.lab.outcomes.send_modify(|count| *count += 1);
    }
}

/// Fisher and Yates, with numbers of a simple generator: the order only has to be another, and the same again.
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut state = seed;
    for at in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).unwrap_or_default() % (at + 1);
        list.swap(at, other);
    }
}
