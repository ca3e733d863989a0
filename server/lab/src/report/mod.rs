//! Outcomes for people and for programs.

mod json;
mod junit;
mod page;
mod text;

use crate::case::{About, Needs};
use crate::cases::GROUPS;

pub use json::{Journals, VERSION, json};
pub use junit::junit;
pub use page::{ReportPage, page};
pub use text::{line, summary};

/// The list of cases, as `lab cases` prints it.
#[must_use]
pub fn list<'a>(cases: impl Iterator<Item = &'a About>) -> String {
    let mut text = String::new();
    let mut group = 0;
    for about in cases {
        if about.group() != group {
            group = about.group();
            text += &format!(
                "{}{group} {}\n",
                if text.is_empty() { "" } else { "\n" },
                GROUPS[group as usize - 1]
            );
        }
        text += &format!("  {:8}{:7}{:8}{}\n", about.id, about.level, about.needs, about.title);
    }
    text
}

/// docs/lab/cases.md.
#[must_use]
pub fn cases_page<'a>(cases: impl Iterator<Item = &'a About>) -> String {
    let all: Vec<&About> = cases.collect();
    let driven = all.iter().filter(|about| about.needs == Needs::Driven).count();
    let mut text = format!(
        "# The cases for clients\n\n{} cases in {} groups. {} need an agent that is driven, and the others one that echoes or only \
         connects:\n[how to write it](agents.md). A number never changes its meaning.\n\n\
         This page is made of the code: `REGENERATE=1 cargo test -p socketio-lab page_of_cases`.\n",
        all.len(),
        GROUPS.len(),
        driven
    );
    for (at, name) in GROUPS.iter().enumerate() {
        text += &format!(
            "\n## {} {name}\n\n| Case | Level | What is expected | Where that is written | Needs |\n|---|---|---|---|---|\n",
            at + 1
        );
        for about in all.iter().filter(|about| about.group() as usize == at + 1) {
            let mut needs = about.needs.to_string();
            if about.transport != crate::case::CaseTransport::Any {
                needs += &format!(", {}", about.transport);
            }
            if let [revision] = about.revisions {
                needs += &format!(", EIO {}", revision.number());
            }
            for feature in &about.features {
                needs += &format!(", {feature}");
            }
            let cell = |text: &str| text.replace('|', "\\|");
            text += &format!(
                "| <a id=\"{0}\"></a>{0} | {1} | **{2}**: {3} | {4} | {5} |\n",
                about.id,
                about.level,
                cell(about.title),
                cell(about.expects),
                cell(&about.source.to_string()),
                needs
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_cases_is_what_the_code_says() {
        let cases = crate::cases::for_clients();
        let text = cases_page(cases.iter().map(|case| &case.about));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lab/cases.md");
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == text,
            "docs/lab/cases.md is not what the code says; make it anew with\n\
             REGENERATE=1 cargo test -p socketio-lab page_of_cases"
        );
    }
}
