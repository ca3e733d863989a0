//! Cases for servers that run the echo application of docs/guide/check.md. They are data: each has a number that keeps its
//! meaning, what is expected, where that is written, and a script of a few lines.
//!
//! | line | does |
//! |---|---|
//! | `GET QUERY`, `POST QUERY BODY`, … | sends a request; `WS QUERY` opens a WebSocket |
//! | `= 400 code 1`, `= 400\|413`, `= refused` | what it was answered with |
//! | `packet P`, `body P`, `field NAME P` | what is in the answer; `*` stands for anything |
//! | `count NAME`, `text NAME`, `texts NAME` | a field of the open packet in the answer: a whole number above 0, a text that is not empty, a list of texts |
//! | `open`, `join NSP`, `upgrade` | opens a session, joins a namespace, goes over to WebSocket |
//! | `> P`, `>> P P`, `>b HEX` | sends a packet, several at once, bytes |
//! | `< P`, `<= P`, `<b HEX` | the next packet, the same with its JSON read, the next bytes |
//! | `<text NAME P` | the next packet begins so, and its JSON has a field of that name: a text that is not empty |
//! | `ws-close`, `ws-closed` | sends a close frame; the server answers with one |
//! | `ended`, `alive NSP`, `quiet`, `fresh` | the session is over, answers, sends nothing; another one can be opened |

mod caller;
mod choice;
mod pattern;
mod script;
mod text;

use std::sync::Arc;
use std::time::Duration;

use engineio::{Revision, Transport};
use futures_util::StreamExt as _;
use serde_json::json;

use super::session::{get, query};
use crate::dial::{Connected, Target};
use crate::explain::escaped;
use crate::options::Check;
use crate::output;
pub(super) use choice::choose;
use script::Run;
use text::{By, Case, Level};

/// Cases that run side by side.
const TOGETHER: usize = 8;

/// How long a case may take, beyond the heartbeat that some wait for.
const LONGEST: Duration = Duration::from_secs(40);

/// How a case ended with one transport.
struct Outcome {
    case: &'static Case,
    by: Transport,
    /// What was expected and what was seen, if it failed.
    problem: Option<String>,
}

/// Prints the list of cases.
pub(super) fn list() {
    for case in text::all() {
        let line = format!(
            "{:<8} {:<7} {}: {} ({})\n",
            case.id,
            case.level.as_str(),
            case.title,
            case.expects,
            case.source
        );
        if !output::print(&line) {
            return;
        }
    }
}

/// Runs cases, and prints what they come to in the order of their numbers. Says whether a `must` fails.
pub(super) async fn check(target: &Arc<Target>, options: &Check, chosen: &[&'static Case]) -> bool {
    // Of a server that is silent all cases would say the same, and slowly.
    if let Err(error) = get(target, &query(options.revision), &[]).await {
        output::complain(&format!("{}: {error}. No case was run\n", target.url.authority()));
        return true;
    }
    // What may end the server comes last, and one by one: so it shows which case it was.
    let (hostile, others): (Vec<_>, Vec<_>) =
        chosen.iter().copied().partition(|case| case.level == Level::Hostile);
    let outcomes = |cases: Vec<&'static Case>, together| {
        let runs = cases.into_iter().flat_map(|case| transports(case.by).iter().map(move |by| (case, *by)));
        let runs = futures_util::stream::iter(runs);
        runs.map(|(case, by)| run(target.clone(), options.revision, case, by)).buffered(together)
    };
    let mut outcomes = outcomes(others, TOGETHER).chain(outcomes(hostile, 1));
    let (mut runs, mut failed, mut musts) = (0, 0, 0);
    while let Some(outcome) = outcomes.next().await {
        runs += 1;
        // The exit code tells as well.
        let _ = output::print(&if options.json { as_json(&outcome) } else { as_text(&outcome) });
        if outcome.problem.is_none() {
            continue;
        }
        failed += 1;
        musts += usize::from(outcome.case.level == Level::Must);
        if let Err(error) = Connected::open(target).await {
            let id = outcome.case.id;
            output::complain(&format!(
                "the server is gone after case {id} ({error}): what is left was not run\n"
            ));
            return true;
        }
    }
    if !options.json {
        let must = match (failed, musts) {
            (0, _) => String::new(),
            (_, 0) => ", of which none is a must".to_owned(),
            (_, 1) => ", of which 1 is a must".to_owned(),
            _ => format!(", of which {musts} are a must"),
        };
        let _ = output::print(&format!("{}, {failed} failed{must}\n", output::counted(runs, "run")));
    }
    musts > 0
}

fn transports(by: By) -> &'static [Transport] {
    match by {
        By::Http | By::Polling | By::Upgrade => &[Transport::Polling],
        By::WebSocket | By::Slow => &[Transport::WebSocket],
        By::Both => &[Transport::Polling, Transport::WebSocket],
    }
}

async fn run(target: Arc<Target>, revision: Revision, case: &'static Case, by: Transport) -> Outcome {
    let running = Run::new(target, revision, by).carry_out(&case.lines);
    let ended = tokio::time::timeout(LONGEST, running).await;
    let problem = ended.unwrap_or_else(|_| Err(format!("it did not end within {LONGEST:?}"))).err();
    Outcome { case, by, problem }
}

fn as_json(Outcome { case, by, problem }: &Outcome) -> String {
    let verdict = if problem.is_some() { "fail" } else { "pass" };
    let line = json!({
        "case": case.id, "level": case.level.as_str(), "transport": by.as_str(), "verdict": verdict,
        "title": case.title, "expects": case.expects, "source": case.source, "problem": problem,
    });
    format!("{line}\n")
}

/// What passes needs no words.
fn as_text(Outcome { case, by, problem }: &Outcome) -> String {
    let Some(problem) = problem else { return String::new() };
    let Case { id, title, expects, source, .. } = case;
    let (level, by, indent) = (case.level.as_str(), by.as_str(), " ".repeat(27));
    let problem = escaped(problem);
    format!("{id:<8} {level:<7} {by:<10} FAIL {title}\n{indent} {expects} ({source})\n{indent} {problem}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_in_the_order_of_their_numbers() {
        let numbers: Vec<_> = text::all().iter().map(Case::parts).collect();
        assert!(numbers.is_sorted());
    }
}
