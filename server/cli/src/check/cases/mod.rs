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

use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engineio::{Revision, Transport};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;

use super::idle;
use super::session::{Handshake, get, query};
use crate::dial::{Connected, Target};
use crate::explain::escaped;
use crate::options::Check;
use crate::output;
pub(super) use choice::choose;
use script::{Ended, Run};
use text::{By, Case, Level};

/// Cases that run side by side.
const TOGETHER: usize = 8;

/// So many answers a case may wait for as long as each may take.
const ANSWERS: u32 = 4;

/// How a case ended with one transport.
struct Outcome {
    case: &'static Case,
    by: Transport,
    /// Or what was expected and what was seen.
    ended: Result<Ended, String>,
}

/// What cases that run side by side share.
struct Course {
    target: Arc<Target>,
    revision: Revision,
    /// The server's.
    ping_interval: Duration,
    running: Mutex<Vec<(&'static Case, Transport)>>,
    /// The server is gone: how that showed, and what ran then.
    gone: OnceLock<String>,
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
    let first = match get(target, &query(options.revision), &[]).await {
        Ok(reply) => Handshake::of(&reply, options.revision),
        Err(error) => {
            output::complain(&format!("{}: {error}. No case was run\n", target.url.authority()));
            return true;
        }
    };
    let course = &Course::new(target.clone(), options.revision, &first);
    // What may end the server comes last, and one by one: so it shows which case it was.
    let (hostile, others): (Vec<_>, Vec<_>) =
        chosen.iter().copied().partition(|case| case.level == Level::Hostile);
    let outcomes = |cases: Vec<&'static Case>, together| {
        let runs = cases.into_iter().flat_map(|case| transports(case.by).iter().map(move |by| (case, *by)));
        let runs = futures_util::stream::iter(runs);
        runs.map(|(case, by)| course.run(case, by)).buffered(together)
    };
    let mut outcomes = pin!(outcomes(others, TOGETHER).chain(outcomes(hostile, 1)));
    let (mut runs, mut not_run, mut failed, mut musts) = (0, 0, 0, 0);
    while let Some(outcome) = outcomes.next().await {
        // The exit code tells as well.
        let _ = output::print(&if options.json { as_json(&outcome) } else { as_text(&outcome) });
        match outcome.ended {
            Ok(Ended::Passed) => runs += 1,
            Ok(Ended::NotRun(_)) => not_run += 1,
            Err(_) => {
                runs += 1;
                failed += 1;
                musts += usize::from(outcome.case.level == Level::Must);
                if let Some(told) = course.gone.get() {
                    output::complain(told);
                    return true;
                }
            }
        }
    }
    if !options.json {
        let must = match (failed, musts) {
            (0, _) => String::new(),
            (_, 0) => ", of which none is a must".to_owned(),
            (_, 1) => ", of which 1 is a must".to_owned(),
            _ => format!(", of which {musts} are a must"),
        };
        let not_run = if not_run > 0 { format!(", {not_run} not run") } else { String::new() };
        let runs = output::counted(runs, "run");
        let _ = output::print(&format!("{runs}, {failed} failed{must}{not_run}\n"));
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

impl Course {
    fn new(target: Arc<Target>, revision: Revision, first: &Handshake) -> Course {
        let ping_interval = match first {
            Handshake::Opened(opened) => opened.ping_interval,
            Handshake::Refused(_) | Handshake::NotOpened(_) => Duration::ZERO,
        };
        Course { target, revision, ping_interval, running: Mutex::default(), gone: OnceLock::new() }
    }

    /// How long a case may take.
    fn limit(&self, case: &Case) -> Duration {
        let heartbeat =
            if case.by == By::Slow { self.ping_interval.min(idle::LONGEST) } else { Duration::ZERO };
        heartbeat + ANSWERS * self.target.timeout
    }

    async fn run(&self, case: &'static Case, by: Transport) -> Outcome {
        self.running.lock().push((case, by));
        let running = Run::new(self.target.clone(), self.revision, by).carry_out(&case.lines);
        let limit = self.limit(case);
        let ended = tokio::time::timeout(limit, running).await;
        let ended = ended.unwrap_or_else(|_| Err(format!("it did not end within {limit:?}")));
        if ended.is_err() && self.gone.get().is_none() {
            // The case that ended the server still counts as running, as do those that fail with it: what was printed
            // first would only be the one with the lowest number.
            if let Err(error) = Connected::open(&self.target).await {
                self.gone.get_or_init(|| self.what_ran(&error));
            }
        }
        self.running.lock().retain(|(other, transport)| (other.id, *transport) != (case.id, by));
        Outcome { case, by, ended }
    }

    fn what_ran(&self, error: &io::Error) -> String {
        let running = self.running.lock();
        let names: Vec<_> =
            running.iter().map(|(case, by)| format!("{} by {}", case.id, by.as_str())).collect();
        let names = names.join(", ");
        format!("the server is gone ({error}). What ran then: {names}. No result follows\n")
    }
}

fn as_json(Outcome { case, by, ended }: &Outcome) -> String {
    let (verdict, problem) = match ended {
        Ok(Ended::Passed) => ("pass", None),
        Ok(Ended::NotRun(why)) => ("not-run", Some(why)),
        Err(problem) => ("fail", Some(problem)),
    };
    let line = json!({
        "case": case.id, "level": case.level.as_str(), "transport": by.as_str(), "verdict": verdict,
        "title": case.title, "expects": case.expects, "source": case.source, "problem": problem,
    });
    format!("{line}\n")
}

/// What passes needs no words.
fn as_text(Outcome { case, by, ended }: &Outcome) -> String {
    let (verdict, problem) = match ended {
        Ok(Ended::Passed) => return String::new(),
        Ok(Ended::NotRun(why)) => ("NOT RUN", why),
        Err(problem) => ("FAIL", problem),
    };
    let Case { id, title, expects, source, .. } = case;
    let (level, by, indent) = (case.level.as_str(), by.as_str(), " ".repeat(27));
    let problem = escaped(problem);
    format!(
        "{id:<8} {level:<7} {by:<10} {verdict} {title}\n{indent} {expects} ({source})\n{indent} {problem}\n"
    )
}

#[cfg(test)]
mod tests {
    use engineio::client::OpenPacket;

    use super::*;
    use crate::dial::TargetOptions;

    #[test]
    fn cases_are_in_the_order_of_their_numbers() {
        let numbers: Vec<_> = text::all().iter().map(Case::parts).collect();
        assert!(numbers.is_sorted());
    }

    #[test]
    fn a_case_that_waits_for_a_ping_may_take_as_long_as_that_beyond_the_others() {
        let options = TargetOptions {
            url: "localhost:1".to_owned(),
            path: "/socket.io/".to_owned(),
            headers: Vec::new(),
            ca: None,
            timeout: Duration::from_secs(10),
        };
        let opened = OpenPacket {
            sid: "a".to_owned(),
            upgrades: Vec::new(),
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            max_payload: None,
        };
        let target = Arc::new(Target::new(&options).expect("a target"));
        let course = Course::new(target, Revision::V4, &Handshake::Opened(opened));
        let limit = |id| course.limit(text::all().iter().find(|case| case.id == id).expect("a case"));
        assert_eq!(limit("1.1.1"), Duration::from_secs(40));
        for slow in ["3.1.1", "3.1.2"] {
            assert_eq!(limit(slow), Duration::from_secs(100), "{slow}");
        }
    }
}
