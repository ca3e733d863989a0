//! Lines for a terminal.

use std::collections::BTreeMap;

use crate::case::{About, Requirement};
use crate::lab::Lab;
use crate::run::Outcome;
use crate::verdict::Verdict;

/// An outcome on one line, and what was wrong on the next.
#[must_use]
pub fn line(about: &About, outcome: &Outcome, known: bool) -> String {
    let note = if known { " (known)" } else { "" };
    let mut text = format!("{:8}{:14}{}{note}\n", outcome.case, outcome.verdict, about.title);
    if outcome.needs_words() {
        text += &format!("{:8}expected {}\n{:8}seen     {}\n", "", outcome.expected, "", outcome.seen);
    }
    text
}

/// The end of a run: for each agent, how many cases ended how.
#[must_use]
pub fn summary(lab: &Lab) -> String {
    let mut text = String::new();
    for (agent, outcomes, _) in lab.outcomes() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in &outcomes {
            *counts.entry(outcome.verdict.as_str()).or_default() += 1;
        }
        let of = |verdict: &Verdict| counts.get(verdict.as_str()).map(|count| format!("{count} {verdict}"));
        let counts: Vec<String> = Verdict::ALL.iter().filter_map(of).collect();
        let level = |outcome: &Outcome| {
            lab.cases().find(|case| case.about.id == outcome.case).map(|case| case.about.level)
        };
        let failed = |outcome: &&Outcome| {
            outcome.verdict == Verdict::Fail && level(outcome) == Some(Requirement::Must)
        };
        let is_known = |outcome: &&Outcome| lab.options.known.has(&agent.name, outcome.case);
        let (known, news): (Vec<&Outcome>, Vec<&Outcome>) =
            outcomes.iter().filter(failed).partition(is_known);
        let counts = if outcomes.is_empty() { "no case is over".to_owned() } else { counts.join(", ") };
        text += &format!("{}: {counts}\n", agent.name);
        for (what, some) in [("failed and a must", news), ("the same, but known", known)] {
            if !some.is_empty() {
                let ids: Vec<&str> = some.iter().map(|outcome| outcome.case).collect();
                text += &format!("  {what}: {}\n", ids.join(" "));
            }
        }
    }
    text
}
