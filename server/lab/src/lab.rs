//! All agents, their cases and outcomes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::agent::Agent;
use crate::case::{Case, CaseTransport};
use crate::peer::{AgentObservation, Entry, LabPeer};
use crate::run::{CaseRun, Outcome, Pace};
use crate::selection::{CaseSelection, KnownFailures};
use crate::verdict::Verdict;

/// The most agents. Each keeps the journals of its cases.
const AGENTS: usize = 100;

/// How long an agent that has had its last case may take to ask for another, and be told that there is none.
const FAREWELL: Duration = Duration::from_secs(5);

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

/// An agent that is being tested.
#[derive(Debug)]
struct Testing {
    agent: Agent,
    waiting: VecDeque<Arc<Case<LabPeer>>>,
    running: Option<Running>,
    outcomes: BTreeMap<[u32; 3], Outcome>,
    /// It asks for cases, and doesn't know yet that it has had them all.
    asks: bool,
}

#[derive(Debug)]
struct Running {
    number: u64,
    case: &'static str,
    observations: tokio::sync::mpsc::Sender<AgentObservation>,
    entry: Entry,
}

/// A case, and the number of its run.
type Taken = (Arc<Case<LabPeer>>, u64);

/// What an agent sees next.
#[derive(Debug, PartialEq)]
pub enum NextCase {
    /// A case, as JSON.
    Case(Value),
    /// There is none left.
    Done,
    /// There are too many agents, or no ports.
    Refused(String),
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

    /// The next case of an agent, once the one that it has is over.
    pub async fn next(self: &Arc<Lab>, agent: &Agent) -> NextCase {
        let mut outcomes = self.outcomes.subscribe();
        while self.is_running(&agent.name) {
            if outcomes.changed().await.is_err() {
                break;
            }
        }
        loop {
            let Some((case, number)) = (match self.take(agent) {
                Ok(taken) => taken,
                Err(full) => return NextCase::Refused(full),
            }) else {
                self.outcomes.send_modify(|count| *count += 1);
                return NextCase::Done;
            };
            let transport = match agent.transport(&case.about) {
                Ok(transport) => transport,
                Err(why) => {
                    self.ended(&agent.name, &case, Outcome::without_a_run(&case, why));
                    continue;
                }
            };
            let run = match CaseRun::begin(case.clone(), agent, transport, self.options.pace, number).await {
                Ok(run) => run,
                Err(error) => return NextCase::Refused(format!("there is no port to listen on: {error}")),
            };
            let invitation = run.invitation.clone();
            self.started(&agent.name, case, number, run);
            return NextCase::Case(invitation);
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
            let mut running = state.agents.values().filter_map(|agent| agent.running.as_ref());
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
        let running = state.agents.values().filter_map(|agent| agent.running.as_ref());
        let noted = running.map(|running| {
            running.entry.note("standard error", line);
            running.case
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
        let (run, number) = {
            let mut state = self.state.lock();
            let testing = state.testing(agent, VecDeque::new)?;
            if let Some(running) = testing.running.as_ref().filter(|running| running.case == case.about.id) {
                return Ok(running.entry.clone());
            }
            state.runs += 1;
            (CaseRun::begin_elsewhere(case.clone(), agent, transport, self.options.pace), state.runs)
        };
        let entry = run.entry.clone();
        self.started(&agent.name, case, number, run);
        Ok(entry)
    }

    fn is_running(&self, agent: &str) -> bool {
        self.state.lock().agents.get(agent).is_some_and(|agent| agent.running.is_some())
    }

    fn take(&self, agent: &Agent) -> Result<Option<Taken>, String> {
        let mut state = self.state.lock();
        let testing = state.testing(agent, || self.cases.iter().cloned().collect())?;
        testing.asks = true;
        let case = testing.waiting.pop_front();
        state.runs += 1;
        let number = state.runs;
        Ok(case.map(|case| (case, number)))
    }

    fn started(self: &Arc<Lab>, agent: &str, case: Arc<Case<LabPeer>>, number: u64, run: CaseRun) {
        let CaseRun { observations, outcome, entry, .. } = run;
        if let Some(testing) = self.state.lock().agents.get_mut(agent) {
            testing.running = Some(Running { number, case: case.about.id, observations, entry });
        }
        let (lab, agent) = (self.clone(), agent.to_owned());
        tokio::spawn(async move {
            if let Ok(outcome) = outcome.await {
                lab.ended(&agent, &case, outcome);
            }
        });
    }

    fn ended(&self, agent: &str, case: &Case<LabPeer>, outcome: Outcome) {
        if let Some(testing) = self.state.lock().agents.get_mut(agent) {
            if testing.running.as_ref().is_some_and(|running| running.case == outcome.case) {
                testing.running = None;
            }
            testing.outcomes.insert(case.about.parts(), outcome);
        }
        self.outcomes.send_modify(|count| *count += 1);
    }

    /// Changes whenever there is an outcome, or an agent is done.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.outcomes.subscribe()
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

    /// An agent knows that there is no case left for it.
    pub fn told(&self, agent: &str) {
        if let Some(testing) = self.state.lock().agents.get_mut(agent) {
            testing.asks = false;
        }
        self.outcomes.send_modify(|count| *count += 1);
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
            while !self.any_done(agent, |testing| !testing.asks) && outcomes.changed().await.is_ok() {}
        };
        // One that has crashed doesn't ask.
        drop(timeout(FAREWELL, told).await);
    }

    /// Waits until an agent hangs: for this long no case has ended, none is under way, and one that has cases left does not ask
    /// for the next.
    pub async fn hung(&self, limit: Duration) {
        let mut outcomes = self.outcomes.subscribe();
        loop {
            let hangs = self.waits_for_an_agent();
            match timeout(limit, outcomes.changed()).await {
                Err(_) if hangs && self.waits_for_an_agent() => return,
                Err(_) | Ok(Ok(())) => {}
                // Nobody drops the sender while this lab is there.
                Ok(Err(_)) => return,
            }
        }
    }

    fn waits_for_an_agent(&self) -> bool {
        let agents = &self.state.lock().agents;
        agents.values().all(|agent| agent.running.is_none())
            && agents.values().any(|agent| !agent.waiting.is_empty())
    }

    /// Whether this agent, or any, has had all its cases, and is as `also` wants.
    fn any_done(&self, agent: Option<&str>, also: impl Fn(&Testing) -> bool) -> bool {
        let state = self.state.lock();
        let mut wanted = state.agents.iter().filter(|(name, _)| agent.is_none_or(|wanted| wanted == *name));
        wanted.any(|(_, testing)| testing.is_done() && !testing.outcomes.is_empty() && also(testing))
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

impl Testing {
    /// Whether it has had all its cases.
    fn is_done(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// How many cases are over, and how many there are.
    fn progress(&self) -> (usize, usize) {
        let had = self.outcomes.len();
        (had, had + self.waiting.len() + usize::from(self.running.is_some()))
    }
}

impl State {
    fn testing(
        &mut self,
        agent: &Agent,
        cases: impl FnOnce() -> VecDeque<Arc<Case<LabPeer>>>,
    ) -> Result<&mut Testing, String> {
        if !self.agents.contains_key(&agent.name) && self.agents.len() >= AGENTS {
            return Err(format!("the lab has {AGENTS} agents already: start it again"));
        }
        Ok(self.agents.entry(agent.name.clone()).or_insert_with(|| Testing {
            agent: agent.clone(),
            waiting: cases(),
            running: None,
            outcomes: BTreeMap::new(),
            asks: false,
        }))
    }
}

/// How long a request for the next case may wait: the case that the agent has ends before.
#[must_use]
pub fn longest_wait(pace: &Pace) -> Duration {
    pace.timeout + Duration::from_secs(5)
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
