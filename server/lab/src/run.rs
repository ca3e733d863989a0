//! One run of a case: from the invitation, which an agent gets, to the outcome.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

pub use crate::agent::Agent;
use crate::case::{Case, CaseTransport};
use crate::peer::{AgentObservation, Door, Entry, LabPeer, Setting, Spot};
use crate::record::{CaseJournal, Recorder};
use crate::verdict::{Unmet, Verdict};
use crate::wire::stream::Memory;

/// How many things that a client sends may wait for a script. A client that sends more waits.
const WAITING: usize = 256;

/// How a case ended.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The case.
    pub case: &'static str,
    /// How.
    pub verdict: Verdict,
    /// What was expected where something was wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What was seen instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seen: String,
    /// The transport that it was run by.
    pub transport: CaseTransport,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// How often its agent had begun before it.
    #[serde(skip)]
    pub round: u64,
    /// What passed.
    #[serde(skip)]
    pub journal: CaseJournal,
}

/// A run that has begun.
#[derive(Debug)]
pub struct CaseRun {
    /// What the agent needs to know, as JSON.
    pub invitation: Value,
    /// Takes what the application saw.
    pub observations: mpsc::Sender<AgentObservation>,
    /// Brings the outcome.
    pub outcome: oneshot::Receiver<Outcome>,
    pub(crate) entry: Entry,
}

/// How cases are run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The address to listen on; each run has a port of its own.
    pub listen: SocketAddr,
    /// How long anything that must come may take.
    pub patience: Duration,
    /// How long a case may take.
    pub timeout: Duration,
}

impl Outcome {
    /// The outcome of a case that isn't run: why.
    #[must_use]
    pub fn without_a_run(case: &Case<LabPeer>, why: Unmet) -> Outcome {
        let Unmet { verdict, expected, seen } = why;
        let (case, transport) = (case.about.id, case.about.transport);
        Outcome {
            case,
            verdict,
            expected,
            seen,
            transport,
            took: 0,
            round: 0,
            journal: CaseJournal::default(),
        }
    }

    /// Whether the case was run, and has a verdict about the client.
    #[must_use]
    pub fn was_run(&self) -> bool {
        !matches!(self.verdict, Verdict::Unsupported | Verdict::NotRun)
    }

    /// Whether it needs words: something was wrong, or the run itself showed that the case can't be run.
    #[must_use]
    pub fn needs_words(&self) -> bool {
        match self.verdict {
            Verdict::Pass | Verdict::Unsupported => false,
            Verdict::NotRun => !self.journal.short.is_empty(),
            Verdict::NonStrict | Verdict::Informational | Verdict::Fail => true,
        }
    }
}

impl CaseRun {
    /// Begins a run on a port of its own. `number` names it.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn begin(
        case: Arc<Case<LabPeer>>,
        agent: &Agent,
        transport: CaseTransport,
        pace: Pace,
        number: u64,
    ) -> std::io::Result<CaseRun> {
        let spot = Spot::Tcp(SocketAddr::new(pace.listen.ip(), 0));
        CaseRun::begin_at(spot, case, agent, transport, pace, number).await
    }

    /// Begins a run on a network in memory, for a client that is a test's model. Where the clock is virtual, the run takes none.
    ///
    /// # Errors
    /// None.
    pub async fn begin_in_memory(
        network: &Memory,
        case: Arc<Case<LabPeer>>,
        agent: &Agent,
        transport: CaseTransport,
        pace: Pace,
    ) -> std::io::Result<CaseRun> {
        CaseRun::begin_at(Spot::Memory(network.clone()), case, agent, transport, pace, 1).await
    }

    async fn begin_at(
        spot: Spot,
        case: Arc<Case<LabPeer>>,
        agent: &Agent,
        transport: CaseTransport,
        pace: Pace,
        number: u64,
    ) -> std::io::Result<CaseRun> {
        let recorder = Arc::new(Recorder::default());
        let (sender, arrivals) = mpsc::channel(WAITING);
        let entry = Entry::new(recorder.clone(), sender);
        let door = Door::open(spot, entry.clone()).await?;
        Ok(CaseRun::start(case, agent, transport, pace, number, (recorder, door, entry, arrivals)))
    }

    /// Begins a run whose connections come by another listener: [`Entry::enter`].
    pub(crate) fn begin_elsewhere(
        case: Arc<Case<LabPeer>>,
        agent: &Agent,
        transport: CaseTransport,
        pace: Pace,
    ) -> CaseRun {
        let recorder = Arc::new(Recorder::default());
        let (sender, arrivals) = mpsc::channel(WAITING);
        let entry = Entry::new(recorder.clone(), sender);
        let door = Door::elsewhere(pace.listen, entry.clone());
        CaseRun::start(case, agent, transport, pace, 0, (recorder, door, entry, arrivals))
    }

    fn start(
        case: Arc<Case<LabPeer>>,
        agent: &Agent,
        transport: CaseTransport,
        pace: Pace,
        number: u64,
        (recorder, door, entry, arrivals): (
            Arc<Recorder>,
            Door,
            Entry,
            mpsc::Receiver<crate::wire::connection::Arrival>,
        ),
    ) -> CaseRun {
        let invitation = invitation(&case, agent, transport, door.address(), number);
        let (observations, observed) = mpsc::channel(WAITING);
        let (done, outcome) = oneshot::channel();
        let Pace { patience, .. } = pace;
        let setting = Setting {
            id: case.about.id,
            revision: agent.revision,
            transport,
            level: agent.level,
            patience,
            recorder,
            door,
        };
        let peer = LabPeer::new(setting, arrivals, observed);
        tokio::spawn(async move {
            // Nobody waits for it if the agent has left.
            drop(done.send(play(&case, peer, pace.timeout).await));
        });
        CaseRun { invitation, observations, outcome, entry }
    }
}

/// Runs a script to its end.
async fn play(case: &Case<LabPeer>, mut peer: LabPeer, longest: Duration) -> Outcome {
    let began = Instant::now();
    let ended = match timeout(longest, (case.script)(&mut peer)).await {
        Ok(ended) => ended,
        Err(_) => Err(Unmet::fail(
            "the case ends in time",
            format!("it was not over after {} s", longest.as_secs()),
        )),
    };
    let mut unmet = std::mem::take(&mut peer.remarks);
    unmet.extend(ended.err());
    let worst = unmet.into_iter().max_by_key(|unmet| unmet.verdict);
    // What the application could not do, it could not do wrong.
    let worst = match (worst, peer.seen.unsupported.take()) {
        (Some(Unmet { verdict: Verdict::Fail, .. }), Some(command)) => {
            Some(Unmet::fail("an agent that can do so", command).rather(Verdict::Unsupported))
        }
        (worst, _) => worst,
    };
    let (verdict, expected, seen) = worst.map_or((Verdict::Pass, String::new(), String::new()), |unmet| {
        (unmet.verdict, unmet.expected, unmet.seen)
    });
    let (recorder, transport) = (peer.recorder.clone(), peer.transport);
    // It shows how long the case waited at the end.
    match verdict {
        Verdict::Pass => recorder.verdict("pass"),
        other => recorder.verdict(&format!("{other}: expected {expected}; seen: {seen}")),
    }
    peer.door.shut().await;
    drop(peer);
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (case, journal) = (case.about.id, recorder.journal());
    Outcome { case, verdict, expected, seen, transport, took, round: 0, journal }
}

/// What `/next` answers.
fn invitation(
    case: &Case<LabPeer>,
    agent: &Agent,
    transport: CaseTransport,
    at: SocketAddr,
    number: u64,
) -> Value {
    let about = &case.about;
    let transports: &[&str] = match transport {
        CaseTransport::Polling => &["polling"],
        CaseTransport::WebSocket | CaseTransport::Any => &["websocket"],
        CaseTransport::Upgrade => &["polling", "websocket"],
    };
    let mut options = json!({
        "transports": transports,
        "upgrade": transport == CaseTransport::Upgrade,
        "path": "/socket.io/",
        "reconnection": false,
        "timeout": 3_000,
    });
    if let (Some(options), Some(more)) = (options.as_object_mut(), about.options.as_object()) {
        options.extend(more.clone());
    }
    json!({
        "run": number.to_string(),
        "case": about.id,
        "title": about.title,
        "url": format!("http://{at}"),
        "eio": agent.revision.number(),
        "namespace": options.get("namespace").cloned().unwrap_or_else(|| json!("/")),
        "options": options,
        "do": about.first,
    })
}
