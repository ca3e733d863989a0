//! `socketio-server lab`: runs the cases, shows each outcome as it comes, and writes the results.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use socketio_lab::case::About;
use socketio_lab::lab::{FIRST, Hang, Lab as Tester};
use socketio_lab::report::{Journals, ReportPage};
use socketio_lab::selection::CaseSelection;
use socketio_lab::verdict::Verdict;
use socketio_lab::{cases, control, report};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{ChildStderr, Command};
use tokio::time::timeout;

use crate::options::{Lab, LabRun};
use crate::output;

/// How long the last lines of an agent may take that has ended.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Does what is asked. Says whether nothing failed.
pub(crate) async fn run(lab: Lab) -> Result<bool, Box<dyn Error>> {
    match lab {
        Lab::Cases(selection) => Ok(print_cases(&selection)),
        Lab::Run(run) => test(*run).await,
    }
}

fn print_cases(selection: &CaseSelection) -> bool {
    let all = cases::for_clients();
    let selected: Vec<&About> =
        all.iter().map(|case| &case.about).filter(|about| selection.has(about)).collect();
    let count = output::counted(selected.len(), "case");
    output::print(&format!("{}\n{count}\n", report::list(selected.iter().copied())))
}

async fn test(run: LabRun) -> Result<bool, Box<dyn Error>> {
    // Who has waited for results should not lose them.
    for (option, file) in run.files() {
        can_be_written(option, file)?;
    }
    let listen = run.options.pace.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let other = "choose another with --listen; port 0 picks a free one";
        format!("lab: can't listen on {listen}: {error}: {other}")
    })?;
    let url = url(listener.local_addr()?);
    let lab = Arc::new(Tester::new(run.options.clone()));
    let count = output::counted(lab.cases().count(), "case");
    output::complain(&format!("lab: {count}, for agents and browsers at {url}\n"));
    let end = async {
        if !run.command.is_empty() {
            return agent(&lab, &run.command, &url).await.map(Some);
        }
        if run.agents.is_empty() {
            std::future::pending::<()>().await;
        }
        for name in &run.agents {
            lab.done(Some(name)).await;
        }
        Ok(None)
    };
    let hung = async {
        if run.command.is_empty() && run.agents.is_empty() {
            std::future::pending::<()>().await;
        }
        lab.hung(run.agent_timeout, !run.command.is_empty()).await
    };
    let mut hangs = None;
    let mut shown = Shown { agents: run.agents.clone(), ..Shown::default() };
    let agent = tokio::select! {
        served = control::serve(lab.clone(), listener) => served.map(|()| None).map_err(Into::into),
        ended = end => ended,
        hang = hung => { hangs = Some(hang); Ok(None) }
        _ = tokio::signal::ctrl_c() => Ok(None),
        () = shown.follow(&lab) => Ok(None),
    };
    // The last may have come at the same moment as the end.
    shown.show(&lab);
    output::print(&report::summary(&lab));
    let journals = if run.whole_journals { Journals::Whole } else { Journals::Short };
    let written = [
        write(run.json.as_deref(), || report::json(&lab, journals).to_string()),
        write(run.junit.as_deref(), || report::junit(&lab)),
        write(run.html.as_deref(), || report::page(&lab, ReportPage::Whole(journals))),
    ];
    written.into_iter().collect::<Result<(), String>>()?;
    // What it left undone is no pass.
    if let Some(status) = agent?.filter(|status| !status.success()) {
        return Err(format!("lab: the agent ended with {status}").into());
    }
    if let Some(hang) = hangs {
        output::complain(&format!("lab: {}\n", words(hang, run.agent_timeout)));
    }
    let gaps = lab.gaps();
    for (agent, gap) in &gaps {
        let agent = agent.as_ref().map(|agent| format!("{agent}: ")).unwrap_or_default();
        output::complain(&format!("lab: {agent}{gap}\n"));
    }
    // One that only does not end has had all its cases.
    let stopped = hangs.is_some_and(|hang| hang != Hang::AfterTheLast);
    Ok(gaps.is_empty() && !stopped && !lab.failed())
}

fn words(hang: Hang, limit: Duration) -> String {
    let within = |limit: Duration| format!("within {}", humantime::format_duration(limit));
    match hang {
        Hang::BeforeTheFirst => {
            let within = within(limit.saturating_mul(FIRST));
            format!("the command hangs: no agent asked for a case {within} ({FIRST} times --agent-timeout)")
        }
        Hang::BeforeTheNext => {
            let within = within(limit);
            format!("the agent hangs: it did not ask for its next case {within} (--agent-timeout)")
        }
        Hang::AfterTheLast => {
            let within = within(limit);
            format!("the command was ended: it did not end {within} after the last case (--agent-timeout)")
        }
    }
}

/// # Errors
/// Why not, in words. What the file contains stays until there is something to write.
fn can_be_written(option: &str, file: &Path) -> Result<(), String> {
    let opened = File::options().create(true).append(true).open(file);
    opened.map(drop).map_err(|error| format!("lab: --{option} {}: {error}", file.display()))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn write(file: Option<&Path>, text: impl FnOnce() -> String) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, text()).map_err(|error| format!("{}: {error}", file.display()))
}

/// Runs the command of an agent to its end. What it writes to standard error comes with the case that is under way.
async fn agent(lab: &Tester, command: &[OsString], url: &str) -> Result<ExitStatus, Box<dyn Error>> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let mut agent = Command::new(program);
    agent.args(arguments).env("LAB", url).stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut agent = agent.spawn().map_err(|error| format!("{}: {error}", program.to_string_lossy()))?;
    let stderr = agent.stderr.take().ok_or("there is no standard error")?;
    let mut reading = pin!(read_errors(lab, stderr));
    let mut ended = false;
    let status = loop {
        tokio::select! {
            biased;
            () = &mut reading, if !ended => ended = true,
            status = agent.wait() => break status?,
        }
    };
    if !ended {
        // What it started may hold the pipe open, and go on.
        drop(timeout(LAST_LINES, reading).await);
    }
    Ok(status)
}

async fn read_errors(lab: &Tester, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        let cases = lab.wrote(line);
        let before = if cases.is_empty() { String::new() } else { format!("[{}] ", cases.join(" ")) };
        output::complain(&format!("{before}{line}\n"));
    }
}

/// What has been shown.
#[derive(Default)]
struct Shown {
    /// The agents that are waited for, if any are named.
    agents: Vec<String>,
    /// The verdicts of each agent's cases, with the round that they are of.
    cases: HashMap<String, HashMap<&'static str, (u64, Verdict)>>,
}

impl Shown {
    /// Shows outcomes as they come, without end.
    async fn follow(&mut self, lab: &Arc<Tester>) {
        let mut changes = lab.watch();
        loop {
            self.show(lab);
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Shows what needs words, once, with the agent's name before it.
    fn show(&mut self, lab: &Tester) {
        let abouts: HashMap<&str, &About> = lab.cases().map(|case| (case.about.id, &case.about)).collect();
        for (agent, outcomes, _) in lab.outcomes() {
            let name = &agent.name;
            if !self.cases.contains_key(name) && !self.agents.is_empty() && !self.agents.contains(name) {
                let awaited = self.agents.join(", ");
                output::complain(&format!("lab: {name} is not the agent that --agent names: {awaited}\n"));
            }
            let before = self.cases.entry(name.clone()).or_default();
            for outcome in outcomes {
                let is = (outcome.round, outcome.verdict);
                if before.insert(outcome.case, is) == Some(is) || !outcome.needs_words() {
                    continue;
                }
                let known = lab.options.known.has(name, outcome.case);
                if let Some(about) = abouts.get(outcome.case) {
                    output::print(&format!("{name}: {}", report::line(about, &outcome, known)));
                }
            }
        }
    }
}
