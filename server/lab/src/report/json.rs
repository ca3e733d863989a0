//! The results as JSON: docs/lab/README.md describes them.

use serde_json::{Value, json};

use crate::case::About;
use crate::cases::GROUPS;
use crate::lab::Lab;
use crate::run::{Agent, Outcome};

/// The version of the results as JSON.
pub const VERSION: u32 = 1;

/// Which journals go with results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journals {
    /// None.
    None,
    /// What [`CaseJournal::short`](crate::record::CaseJournal::short) has.
    Short,
    /// All that was recorded.
    Whole,
}

/// The results as JSON: docs/lab/README.md describes it.
#[must_use]
pub fn json(lab: &Lab, journals: Journals) -> Value {
    let agents: Vec<Value> = lab
        .outcomes()
        .iter()
        .map(|(agent, outcomes, done)| of_agent(lab, agent, outcomes, *done, journals))
        .collect();
    json!({
        "lab": VERSION,
        "by": format!("socketio-server {}", env!("CARGO_PKG_VERSION")),
        "began": lab.began(),
        "seed": lab.options.seed,
        "failed": lab.failed(),
        "groups": GROUPS,
        "cases": lab.cases().map(|case| &case.about).collect::<Vec<&About>>(),
        "progress": lab.progress(),
        "agents": agents,
    })
}

fn of_agent(lab: &Lab, agent: &Agent, outcomes: &[Outcome], done: bool, journals: Journals) -> Value {
    let outcomes: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            let mut value = serde_json::to_value(outcome).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                let journal = match journals {
                    Journals::None => "",
                    Journals::Short => &outcome.journal.short,
                    Journals::Whole => outcome.journal.whole(),
                };
                if !journal.is_empty() {
                    fields.insert("journal".to_owned(), json!(journal));
                }
                if lab.options.known.has(&agent.name, outcome.case) {
                    fields.insert("known".to_owned(), json!(true));
                }
            }
            value
        })
        .collect();
    json!({"agent": agent, "done": done, "outcomes": outcomes})
}
