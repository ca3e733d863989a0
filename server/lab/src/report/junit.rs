//! JUnit's XML, which CI systems read.

use crate::cases::GROUPS;
use crate::lab::Lab;
use crate::run::Outcome;
use crate::verdict::Verdict;

/// The results as JUnit's XML: a suite for each agent. A known failure is a skipped test; an agent that stopped early has an error, and so has a lab that had none.
#[must_use]
pub fn junit(lab: &Lab) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    let gaps = lab.gaps();
    // Without an agent there is no suite that could say so, and a file without tests may count as passed.
    for (_, why) in gaps.iter().filter(|(agent, _)| agent.is_none()) {
        let opens = "  <testsuite name=\"lab\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">\n";
        text += &format!("{opens}{}  </testsuite>\n", error(why));
    }
    for (agent, outcomes, _) in lab.outcomes() {
        let known = |outcome: &Outcome| lab.options.known.has(&agent.name, outcome.case);
        let failures = outcomes.iter().filter(|one| one.verdict == Verdict::Fail && !known(one)).count();
        let skipped = outcomes
            .iter()
            .filter(|one| is_skipped(one) || (one.verdict == Verdict::Fail && known(one)))
            .count();
        let gap = gaps.iter().find(|(of, _)| of.as_ref() == Some(&agent.name));
        let errors = usize::from(gap.is_some());
        text += &format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n",
            escaped(&agent.name),
            outcomes.len() + errors
        );
        if let Some((_, why)) = gap {
            text += &error(why);
        }
        for outcome in &outcomes {
            text += &case(lab, outcome, known(outcome));
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn error(why: &str) -> String {
    let why = escaped(why);
    format!("    <testcase classname=\"lab\" name=\"all cases\"><error message=\"{why}\"/></testcase>\n")
}

fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Unsupported | Verdict::NotRun)
}

fn case(lab: &Lab, outcome: &Outcome, known: bool) -> String {
    let about = lab.cases().find(|case| case.about.id == outcome.case).map(|case| case.about.clone());
    let (title, group) = about.map_or(("", ""), |about| (about.title, GROUPS[about.group() as usize - 1]));
    let name = format!("{} {title}", outcome.case);
    let seconds = outcome.took as f64 / 1e3;
    let open = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\"",
        escaped(group),
        escaped(&name)
    );
    let what = format!("expected {}; seen: {}", outcome.expected, outcome.seen);
    match outcome.verdict {
        Verdict::Fail if !known => format!("{open}><failure message=\"{}\"/></testcase>\n", escaped(&what)),
        Verdict::Fail => {
            format!("{open}><skipped message=\"a known failure: {}\"/></testcase>\n", escaped(&what))
        }
        _ if is_skipped(outcome) => {
            format!("{open}><skipped message=\"{}\"/></testcase>\n", escaped(&outcome.expected))
        }
        _ => format!("{open}/>\n"),
    }
}

/// Text that may stand in an attribute. XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
