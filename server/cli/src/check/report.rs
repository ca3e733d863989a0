//! Findings as they come, for people or as lines of JSON.

use serde_json::json;

use super::finding::{Finding, Fix, Verdict};
use crate::explain::escaped;
use crate::output;

pub(super) struct Report {
    json: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(json: bool) -> Report {
        Report { json, findings: Vec::new() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        let text = if self.json { as_json(&finding) } else { as_text(&finding) };
        // Whoever reads may have seen enough; the exit code tells as well.
        let _ = output::print(&text);
        self.findings.push(finding);
    }

    /// Says whether something is wrong.
    pub(super) fn end(self) -> bool {
        let bad = self.findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
        if !self.json {
            let faults = match bad {
                0 => "nothing is wrong".to_owned(),
                bad => output::counted(bad, "fault"),
            };
            let findings = output::counted(self.findings.len(), "finding");
            let _ = output::print(&format!("{findings}, {faults}\n"));
        }
        bad > 0
    }
}

fn as_text(finding: &Finding) -> String {
    let Finding { step, verdict, says, took, fix } = finding;
    let verdict = match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Bad => "BAD",
    };
    let took = took.map(|took| format!(" ({:.1} ms)", took.as_secs_f64() * 1000.0)).unwrap_or_default();
    let mut text = format!("{verdict:<5} {step:<12} {}{took}\n", escaped(says));
    if let Some(Fix { what, nginx, haproxy, alb }) = fix {
        text += &format!("{:18} {what}\n", "");
        for (name, line) in [("nginx", nginx), ("haproxy", haproxy), ("ALB", alb)] {
            text += &format!("{:18} {name:<8} {line}\n", "");
        }
    }
    text
}

fn as_json(finding: &Finding) -> String {
    let Finding { step, verdict, says, took, fix } = finding;
    let verdict = match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Bad => "bad",
    };
    let fix = fix.map(|Fix { what, nginx, haproxy, alb }| {
        json!({"what": what, "nginx": nginx, "haproxy": haproxy, "alb": alb})
    });
    let took = took.map(|took| took.as_secs_f64() * 1000.0);
    json!({"step": step, "verdict": verdict, "says": says, "ms": took, "fix": fix}).to_string() + "\n"
}
